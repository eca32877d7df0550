/* See tune_layer.h. */
#include "commands/tune_layer.h"

#include "common/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { MOST_NUMBER = 40, MOST_LOST = 100 };

const char *tune_text(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
    return text ? text : "";
}

double tune_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void show_progress(tuning *t)
{
    char label[256], best[96] = "";
    double ratio = tune_number(t->begun, "best_ratio"), count = tune_number(t->begun, "count");
    if (ratio > 0)
        snprintf(best, sizeof best, "best so far %s, %.2f times as fast as the default; ",
                 tune_text(t->begun, "best"), 1 / ratio);
    snprintf(label, sizeof label, "%s, candidate %.0f of %.0f: %strying %s", t->layer->name,
             tune_number(t->begun, "begin") + 1, count, best, tune_text(t->begun, "algorithm"));
    tool_progress_show(&t->progress, label, count > 0 ? tune_number(t->begun, "begin") / count : -1);
}

static void tell_trial(const tuning *t, const cJSON *o)
{
    if (!t->options->common.verbose) return;
    const char *message = tune_text(o, "message");
    fprintf(stderr, "clconv: %s: %s %s: ", t->layer->name, tune_text(o, "algorithm"),
            tune_text(o, "parameters"));
    if (*message)
        fprintf(stderr, "%s\n", message);
    else
        fprintf(stderr, "%.3f ms, %.3f of the default's time\n", tune_number(o, "ms"),
                tune_number(o, "ratio"));
}

/* An object of tune_trials.h. */
int tune_take_object(void *user, cJSON *object)
{
    tuning *t = user;
    cJSON_Delete(t->begun);
    t->begun = NULL;
    if (cJSON_HasObjectItem(object, "begin")) {
        t->begun = object;
        show_progress(t);
        return EXIT_DONE;
    }
    tool_progress_show(&t->progress, NULL, 1);
    if (cJSON_HasObjectItem(object, "result") || cJSON_HasObjectItem(object, "error")) {
        cJSON_Delete(t->result);
        t->result = object;
        return EXIT_DONE;
    }
    tell_trial(t, object);
    cJSON_Delete(object);
    return EXIT_DONE;
}

static int take_line(tuning *t, const char *line)
{
    cJSON *object = cJSON_Parse(line);
    if (!object) return tool_fail(EXIT_FAILED, "tune: what a candidate printed is no JSON: %s", line);
    return tune_take_object(t, object);
}

/* How a process of candidates ended. */
typedef enum trials_end { TRIALS_DONE, TRIALS_LOST, TRIALS_FAILED } trials_end;

/* `lost` is the candidate that ended the process before; NULL: there was none. */
static int start_trials(const tuning *t, const cJSON *lost, worker *w)
{
    const tune_options *o = t->options;
    char problem[CLCONV_PROBLEM_TEXT_SIZE], seconds[MOST_NUMBER];
    clconv_error err;
    double left = t->end - tool_seconds();
    snprintf(seconds, sizeof seconds, "%.3f", left > 0 ? left : 0);
    if (clconv_problem_format(&t->layer->problem, problem, &err))
        return tool_fail_library(t->layer->name, &err);
    const char *arguments[17] = {"tune",
                                 "--trials",
                                 clconv_op_name(o->op),
                                 problem,
                                 seconds,
                                 o->unpacked ? "unpacked" : "packed",
                                 o->again ? "again" : "once",
                                 lost ? tune_text(lost, "algorithm") : "",
                                 lost ? tune_text(lost, "parameters") : "",
                                 lost ? t->reason : "",
                                 o->algorithm ? o->algorithm : ""};
    int n = 11;
    if (o->common.verbose) arguments[n++] = "--verbose";
    if (o->common.device) arguments[n++] = "--device";
    if (o->common.device) arguments[n++] = o->common.device;
    int code = worker_start(w, arguments);
    return code == 0 ? EXIT_DONE
                     : tool_fail(EXIT_FAILED, "tune: a process cannot be started: %s", strerror(code));
}

/* Until the layer is done or a candidate is lost, which is then t->begun, with the reason in t->reason. */
static trials_end run_process(tuning *t, const cJSON *lost, int *status)
{
    worker w;
    char *line;
    worker_event event = WORKER_ENDED;
    *status = start_trials(t, lost, &w);
    if (*status) return TRIALS_FAILED;
    while (!*status && (event = worker_next(&w, t->options->time_limit, &line)) == WORKER_LINE)
        *status = take_line(t, line);
    if (*status || event != WORKER_ENDED) worker_kill(&w);
    int ended = worker_wait(&w);
    tool_progress_show(&t->progress, NULL, 1);
    if (*status) return TRIALS_FAILED;
    if (event == WORKER_ENDED && ended >= 0 && WIFEXITED(ended) &&
        (WEXITSTATUS(ended) == EXIT_DONE || !t->begun)) {
        *status = WEXITSTATUS(ended); /* it has told why */
        return *status ? TRIALS_FAILED : TRIALS_DONE;
    }
    if (event == WORKER_SILENT)
        snprintf(t->reason, TUNE_REASON, "it did not end within %g s", t->options->time_limit);
    else if (ended >= 0 && WIFSIGNALED(ended))
        snprintf(t->reason, TUNE_REASON, "it ended the process: %s", strsignal(WTERMSIG(ended)));
    else
        snprintf(t->reason, TUNE_REASON, "it ended the process with status %d", WEXITSTATUS(ended));
    return TRIALS_LOST;
}

/* The layer in as many processes as it takes. */
int tune_in_processes(tuning *t)
{
    cJSON *lost = NULL;
    int status = EXIT_DONE;
    t->lost = 0;
    while (run_process(t, lost, &status) == TRIALS_LOST) {
        if (!t->begun || t->lost++ == MOST_LOST) {
            status = tool_fail(EXIT_FAILED, "tune: %s: %s", t->layer->name, t->reason);
            break;
        }
        cJSON_Delete(lost);
        lost = t->begun;
        t->begun = NULL;
        if (t->options->common.verbose)
            fprintf(stderr, "clconv: %s: %s %s: %s\n", t->layer->name, tune_text(lost, "algorithm"),
                    tune_text(lost, "parameters"), t->reason);
    }
    cJSON_Delete(lost);
    return status;
}
