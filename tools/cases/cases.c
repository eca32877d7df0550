/* The worker's half of a check: see cases.h. */
#include "cases/cases.h"

#include "common/json.h"
#include "measure/copy.h"
#include "measure/measure.h"
#include "measure/peak.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ALGORITHMS = 128, OPS = CLCONV_TRANSPOSED + 1 };

typedef struct cases_run {
    const check_cases *cases;
    clconv_context *context;
    double peak_gflops, copy_gbps;
    char is_timed[MOST_ALGORITHMS][OPS];
    int status; /* of printing */
} cases_run;

/* A line is whole when it is read: what is left in a buffer is lost if a driver ends the process. */
static int print_line(cJSON *object)
{
    int status = json_print(object);
    return fflush(stdout) != 0 ? EXIT_FAILED : status;
}

static cJSON *start_object(const clconv_check_result *r, const char *data)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "number", (double)r->number);
    cJSON_AddStringToObject(object, "op", clconv_op_name(r->op));
    cJSON_AddStringToObject(object, "algorithm", r->algorithm);
    cJSON_AddStringToObject(object, "problem", r->problem);
    cJSON_AddStringToObject(object, "data", data);
    return object;
}

static int print_begin(const clconv_check_result *r, const char *data)
{
    cJSON *object = start_object(r, data);
    cJSON_AddTrueToObject(object, "begin");
    return print_line(object);
}

static int print_result(const clconv_check_result *r)
{
    cJSON *object = start_object(r, r->data);
    cJSON_AddStringToObject(object, "status", clconv_status_name(r->status));
    cJSON_AddStringToObject(object, "message", r->message ? r->message : "");
    cJSON_AddNumberToObject(object, "worst", r->worst);
    cJSON_AddBoolToObject(object, "skipped", r->skipped);
    cJSON_AddBoolToObject(object, "passed", r->passed);
    return print_line(object);
}

static int is_left_out(const check_cases *cases, const clconv_check_result *r)
{
    char name[128];
    if (cases->algorithm && strcmp(cases->algorithm, r->algorithm) != 0) return 1;
    snprintf(name, sizeof name, " %s/%s ", clconv_op_name(r->op), r->algorithm);
    return strstr(cases->left_out, name) != NULL;
}

/* The text up to a blank is a problem; axes along which the kernel moves become longer. */
static clconv_status larger_problem(const char *text, int64_t factor, clconv_problem *p, clconv_error *err)
{
    char word[128] = "";
    snprintf(word, sizeof word, "%.*s", (int)strcspn(text, " "), text);
    clconv_status status = clconv_problem_parse(word, p, err);
    for (int axis = 0; axis < 3 && status == CLCONV_SUCCESS; axis++)
        if (p->input[axis] > p->kernel[axis]) p->input[axis] *= axis == 0 ? 2 : factor;
    return status;
}

static clconv_status time_problem(const cases_run *run, const clconv_check_result *r, int64_t factor,
                                  clconv_problem *p, measurement *m, clconv_error *err)
{
    measure_options how = {.op = r->op, .runs = 3};
    clconv_plan_options_init(&how.plan);
    how.plan.algorithm = r->algorithm;
    clconv_status status = larger_problem(r->problem, factor, p, err);
    return status == CLCONV_SUCCESS ? measure_layer(run->context, p, &how, m, err) : status;
}

/* GB/s of the op's tensors, each moved once, and GFLOP/s of its sums. */
static void add_rates(const cases_run *run, clconv_op op, const clconv_problem *p, const measurement *m,
                      cJSON *object)
{
    clconv_tensor_sizes n;
    if (clconv_problem_tensor_sizes(p, &n, NULL) != CLCONV_SUCCESS) return;
    int is_bias = op == CLCONV_BACKWARD_BIAS;
    double bytes = 4.0 * (double)(n.output + (is_bias ? 0 : n.input + n.weight));
    double gflops = 1e-9 * (is_bias ? (double)n.output : m->flops) / m->min_seconds;
    cJSON_AddNumberToObject(object, "ms", 1e3 * m->min_seconds);
    cJSON_AddNumberToObject(object, "gflops", gflops);
    cJSON_AddNumberToObject(object, "peak_share", peak_share(gflops, run->peak_gflops));
    cJSON_AddNumberToObject(object, "gbps", 1e-9 * bytes / m->min_seconds);
    cJSON_AddNumberToObject(object, "copy_share", 1e-9 * bytes / m->min_seconds / run->copy_gbps);
}

static size_t algorithm_number(const char *name)
{
    size_t number = 0;
    while (clconv_algorithm_name(number) && strcmp(clconv_algorithm_name(number), name) != 0)
        number++;
    return number;
}

/* Times the algorithm unless that is done, or it cannot do the problem. */
static int print_speed(cases_run *run, const clconv_check_result *r)
{
    clconv_problem p;
    clconv_error err;
    measurement m;
    size_t number = algorithm_number(r->algorithm);
    if (number >= MOST_ALGORITHMS || run->is_timed[number][r->op]) return EXIT_DONE;
    int status = print_begin(r, "speed");
    if (status) return status;
    if (time_problem(run, r, 4, &p, &m, &err) && time_problem(run, r, 1, &p, &m, &err)) return EXIT_DONE;
    run->is_timed[number][r->op] = 1;
    cJSON *object = start_object(r, "speed");
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
    clconv_problem_format(&p, text, NULL);
    cJSON_ReplaceItemInObject(object, "problem", cJSON_CreateString(text));
    add_rates(run, r->op, &p, &m, object);
    return print_line(object);
}

/* A job that times runs no case itself. */
static int begin_case(void *user, const clconv_check_result *r)
{
    cases_run *run = user;
    if (run->status || is_left_out(run->cases, r)) return 1;
    run->status = run->cases->job == CHECK_SPEED ? print_speed(run, r) : print_begin(r, r->data);
    return run->status || run->cases->job == CHECK_SPEED;
}

static int end_case(void *user, const clconv_check_result *r)
{
    cases_run *run = user;
    run->status = print_result(r);
    return 0;
}

static int print_device(const cases_run *run)
{
    const clconv_device_info *info = clconv_context_device_info(run->context);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "device", info->name);
    cJSON_AddStringToObject(object, "driver", info->driver_version);
    cJSON_AddStringToObject(object, "platform", info->platform_name);
    cJSON_AddStringToObject(object, "version", clconv_version());
    cJSON_AddNumberToObject(object, "cases", (double)clconv_check_case_count(run->cases->level));
    cJSON_AddNumberToObject(object, "peak_gflops", run->peak_gflops);
    cJSON_AddNumberToObject(object, "copy_gbps", run->copy_gbps);
    return print_line(object);
}

/* All cases one after the other, the last first. */
static clconv_status run_ahead(cases_run *run, clconv_check_options *options, clconv_error *err)
{
    size_t failures;
    clconv_status status = CLCONV_SUCCESS;
    options->count = 1;
    for (size_t left = clconv_check_case_count(options->level); left > 0 && !status && !run->status; left--) {
        options->first = left - 1;
        status = clconv_check(run->context, options, &failures, err);
    }
    return status;
}

int check_cases_run(clconv_context *context, const check_cases *cases)
{
    clconv_error err;
    size_t failures;
    cases_run run = {.cases = cases, .context = context};
    clconv_check_options options = {.level = cases->level,
                                    .first = cases->first,
                                    .count = cases->count,
                                    .begin = begin_case,
                                    .end = end_case,
                                    .user = &run};
    if (cases->job == CHECK_SPEED &&
        (peak_measure(context, &run.peak_gflops, &err) || copy_measure(context, &run.copy_gbps, &err)))
        return tool_fail_library(NULL, &err);
    int status = print_device(&run);
    if (status) return status;
    if (cases->job == CHECK_AHEAD ? run_ahead(&run, &options, &err)
                                  : clconv_check(context, &options, &failures, &err))
        return tool_fail_library(NULL, &err);
    return run.status;
}
