/* clconv check: the device against the reference. The cases run in another process, this tool started anew: if the driver
 * ends it or does not come back, the case is run again in a process of its own, the rest of the algorithm's cases for the op
 * are left out, and another process goes on. Here OpenCL is not used. */
#include "cases/cases.h"
#include "cases/report.h"
#include "commands/commands.h"
#include "common/worker.h"
#include "options/options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_LEFT_OUT = 8192, MOST_NUMBER = 32 };

typedef struct check_options {
    common_options common;
    int quick, full, json;
    const char *algorithm;
    double time_limit;
} check_options;

static const option_spec check_table[] = {
    {.name = "quick",
     .help = "a few problems, by which every algorithm does every op",
     .parse = option_flag,
     .offset = offsetof(check_options, quick)},
    {.name = "full",
     .help = "many problems, which need many programs",
     .parse = option_flag,
     .offset = offsetof(check_options, full)},
    {.name = "algorithm",
     .argument = "NAME",
     .help = "this one alone",
     .parse = option_text,
     .offset = offsetof(check_options, algorithm)},
    {.name = "time-limit",
     .argument = "SECONDS",
     .help = "of a case, compiling included, before it has failed; default 120",
     .parse = option_seconds,
     .offset = offsetof(check_options, time_limit)},
    {.name = "json",
     .help = "prints one JSON object for each case, and one for the verdict",
     .parse = option_flag,
     .offset = offsetof(check_options, json)},
    {.name = NULL},
};

static const command_help check_help = {
    "check", "[--quick | --full] [--algorithm NAME] [--time-limit SECONDS]\n[--device SELECTOR] [--json]",
    "Runs every algorithm on a table of problems and compares with a reference in double\n"
    "precision. A case passes if its worst error is at most 100% of the bound; with integer\n"
    "data the result must be exact, and special data hold NaN, infinities and a huge value.\n"
    "The last line is for a bug report. Exit status 1 if a case fails.",
    0};

/* The state of the process that asks. */
typedef struct checker {
    const check_options *options;
    report report;
    tool_progress progress;
    char left_out[MOST_LEFT_OUT];
    cJSON *begun; /* the case that is under way, NULL between two */
} checker;

/* How a process of cases ended. */
typedef enum cases_end { CASES_DONE, CASES_LOST, CASES_SILENT, CASES_FAILED } cases_end;

static size_t case_number(const cJSON *begin)
{
    return (size_t)cJSON_GetNumberValue(cJSON_GetObjectItem(begin, "number"));
}

static void show_progress(checker *c)
{
    char label[160];
    snprintf(label, sizeof label, "compiling and running %s by %s", report_text(c->begun, "op"),
             report_text(c->begun, "algorithm"));
    tool_progress_show(&c->progress, label, (double)case_number(c->begun) / ((double)c->report.cases + 1));
}

/* One line of the other process. */
static int take_line(checker *c, const char *line)
{
    cJSON *object = cJSON_Parse(line);
    if (!object) return tool_fail(EXIT_FAILED, "check: what a case printed is no JSON: %s", line);
    cJSON_Delete(c->begun);
    c->begun = NULL;
    if (cJSON_HasObjectItem(object, "begin")) {
        c->begun = object;
        show_progress(c);
        return EXIT_DONE;
    }
    tool_progress_show(&c->progress, NULL, 1);
    int status = report_take(&c->report, object);
    fflush(stdout);
    return status;
}

static clconv_check_level level_of(const check_options *o)
{
    return o->quick ? CLCONV_CHECK_QUICK : o->full ? CLCONV_CHECK_FULL : CLCONV_CHECK_USUAL;
}

static int start_cases(const checker *c, check_job job, size_t first, size_t count, worker *w)
{
    const common_options *common = &c->options->common;
    char level[MOST_NUMBER], from[MOST_NUMBER], many[MOST_NUMBER], what[MOST_NUMBER];
    snprintf(level, sizeof level, "%d", (int)level_of(c->options));
    snprintf(from, sizeof from, "%zu", first);
    snprintf(many, sizeof many, "%zu", count);
    snprintf(what, sizeof what, "%d", (int)job);
    const char *arguments[13] = {"check", "--cases", level, from, many, what, count > 1 ? c->left_out : " "};
    int n = 7;
    arguments[n++] = c->options->algorithm ? c->options->algorithm : "";
    if (common->verbose) arguments[n++] = "--verbose";
    if (common->device) arguments[n++] = "--device";
    if (common->device) arguments[n++] = common->device;
    int code = job == CHECK_AHEAD ? worker_start_silent(w, arguments) : worker_start(w, arguments);
    return code == 0 ? EXIT_DONE
                     : tool_fail(EXIT_FAILED, "check: a process cannot be started: %s", strerror(code));
}

/* Runs cases until they are done or a case is lost, which is then c->begun, with the reason in `why`. */
static cases_end run_cases(checker *c, check_job job, size_t first, size_t count, int *status, char *why,
                           size_t size)
{
    worker w;
    char *line;
    worker_event event = WORKER_ENDED;
    *status = start_cases(c, job, first, count, &w);
    if (*status) return CASES_FAILED;
    while (!*status && (event = worker_next(&w, c->options->time_limit, &line)) == WORKER_LINE)
        *status = take_line(c, line);
    if (*status || event != WORKER_ENDED) worker_kill(&w);
    int ended = worker_wait(&w);
    tool_progress_show(&c->progress, NULL, 1);
    if (*status) return CASES_FAILED;
    if (event == WORKER_SILENT) {
        snprintf(why, size, "it did not end within %g s", c->options->time_limit);
        return CASES_SILENT;
    }
    if (event == WORKER_ENDED && ended >= 0 && WIFEXITED(ended)) {
        *status = WEXITSTATUS(ended);
        if (*status == EXIT_DONE) return CASES_DONE;
        if (!c->begun) return CASES_FAILED; /* it has told why */
        snprintf(why, size, "it ended the process with status %d", *status);
        return CASES_LOST;
    }
    snprintf(why, size, "it ended the process: %s",
             ended >= 0 && WIFSIGNALED(ended) ? strsignal(WTERMSIG(ended)) : "?");
    return CASES_LOST;
}

/* The algorithm's other cases for the op are not run. */
static int leave_out(checker *c, const cJSON *begin)
{
    size_t length = strlen(c->left_out);
    int more = snprintf(c->left_out + length, sizeof c->left_out - length, "%s/%s ", report_text(begin, "op"),
                        report_text(begin, "algorithm"));
    if (more > 0 && (size_t)more < sizeof c->left_out - length) return EXIT_DONE;
    return tool_fail(EXIT_FAILED, "check: too many algorithms end the process");
}

/* Runs the case again in a process of its own. If that ends too, `why` is what it says; a case that only failed there has been
 * reported, which leaves `why` empty. */
static int run_again(checker *c, size_t number, char *why, size_t size)
{
    int status = EXIT_DONE;
    char again[REPORT_TEXT];
    size_t failed = c->report.failed;
    cases_end end = run_cases(c, CHECK_CASES, number, 1, &status, again, sizeof again);
    if (end == CASES_LOST && c->begun) snprintf(why, size, "%s", again);
    if (end == CASES_DONE && c->report.failed > failed) *why = '\0';
    if (end == CASES_DONE && c->report.failed == failed)
        snprintf(why + strlen(why), size - strlen(why), ", though not one of its own");
    cJSON_Delete(c->begun);
    c->begun = NULL;
    return status;
}

/* Reports the case that ended its process or did not come back. The first is tried again, unless it was only timed. */
static int settle(checker *c, cases_end end, char *why, size_t size)
{
    cJSON *begin = c->begun;
    c->begun = NULL;
    int status = EXIT_DONE;
    if (end == CASES_LOST && strcmp(report_text(begin, "data"), "speed") != 0)
        status = run_again(c, case_number(begin), why, size);
    if (!status && *why) status = report_lost(&c->report, begin, why);
    if (!status) status = leave_out(c, begin);
    cJSON_Delete(begin);
    return status;
}

/* All of a job, in as many processes as it takes. */
static int run_job(checker *c, check_job job)
{
    char why[2 * REPORT_TEXT] = "";
    int status = EXIT_DONE;
    size_t next = 0;
    for (;;) {
        cases_end end = run_cases(c, job, next, SIZE_MAX, &status, why, sizeof why);
        if (end == CASES_FAILED || end == CASES_DONE) return status;
        if (!c->begun) return tool_fail(EXIT_FAILED, "check: before the first case: %s", why);
        next = case_number(c->begun) + 1;
        status = settle(c, end, why, sizeof why);
        if (status) return status;
    }
}

/* The cases, while another process compiles ahead of them if there is a second CPU; what that one says is lost. */
static int run_all_cases(checker *c)
{
    worker ahead;
    int is_ahead = sysconf(_SC_NPROCESSORS_ONLN) > 1 && !start_cases(c, CHECK_AHEAD, 0, SIZE_MAX, &ahead);
    int status = run_job(c, CHECK_CASES);
    if (is_ahead) {
        worker_kill(&ahead);
        worker_wait(&ahead);
    }
    return status;
}

static int check_device(checker *c)
{
    int status = run_all_cases(c);
    if (!status) status = run_job(c, CHECK_SPEED);
    if (!status) status = report_end(&c->report);
    if (status || !c->report.failed) return status;
    fflush(stdout);
    return tool_fail(EXIT_FAILED, "check: %zu of %zu cases failed; the first: %s", c->report.failed,
                     c->report.passed + c->report.failed, c->report.first);
}

/* The other process: --cases LEVEL FIRST COUNT JOB LEFT-OUT ALGORITHM, then options of the device. */
static int run_as_worker(int argc, char **argv)
{
    common_options common;
    common_options_init(&common);
    const option_group groups[] = {{"device", device_option_table, &common}, {NULL, NULL, NULL}};
    if (argc < 8) return tool_fail(EXIT_WRONG_USE, "check: --cases is between clconv and itself");
    const check_cases cases = {.level = (clconv_check_level)strtol(argv[2], NULL, 10),
                               .first = (size_t)strtoull(argv[3], NULL, 10),
                               .count = (size_t)strtoull(argv[4], NULL, 10),
                               .job = (check_job)strtol(argv[5], NULL, 10),
                               .left_out = argv[6],
                               .algorithm = *argv[7] ? argv[7] : NULL};
    argv[7] = argv[0];
    int status = options_parse(&check_help, groups, argc - 7, argv + 7, NULL);
    if (status != OPTIONS_PARSED) return status;
    clconv_context *context = NULL;
    status = common_options_open(&common, &context);
    if (!status) status = check_cases_run(context, &cases);
    clconv_context_release(context);
    return status;
}

static int is_algorithm(const char *name)
{
    size_t number = 0;
    while (clconv_algorithm_name(number) && strcmp(clconv_algorithm_name(number), name) != 0)
        number++;
    return clconv_algorithm_name(number) != NULL;
}

int cmd_check(int argc, char **argv)
{
    check_options options = {.time_limit = 120};
    if (argc > 1 && strcmp(argv[1], "--cases") == 0) return run_as_worker(argc, argv);
    common_options_init(&options.common);
    const option_group groups[] = {{"options", check_table, &options},
                                   {"device", device_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&check_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;
    if (options.quick && options.full)
        return tool_fail(EXIT_WRONG_USE, "check: --quick and --full exclude each other");
    if (options.algorithm && !is_algorithm(options.algorithm))
        return tool_fail(EXIT_WRONG_USE, "--algorithm is '%s'; 'clconv plan' lists those that there are",
                         options.algorithm);
    checker *c = calloc(1, sizeof *c);
    if (!c) return tool_fail(EXIT_FAILED, "check: no memory");
    c->options = &options;
    c->report.json = options.json;
    c->report.verbose = options.common.verbose;
    strcpy(c->left_out, " ");
    status = check_device(c);
    cJSON_Delete(c->begun);
    free(c);
    return status;
}
