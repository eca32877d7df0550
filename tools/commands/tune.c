/* clconv tune: measures how to compute layers on this device, and moves what was measured. Candidates run in another process,
 * this tool started anew: if the driver ends it or does not come back, the candidate is excluded and another process goes on;
 * here OpenCL is not used then. */
#include "commands/commands.h"
#include "commands/tune_layer.h"
#include "commands/tune_trials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const option_spec tune_table[] = {
    {.name = "suite",
     .argument = "FILE",
     .help = "a CSV of layers, read by its header",
     .parse = option_text,
     .offset = offsetof(tune_options, suite)},
    {.name = "problem",
     .argument = "TEXT",
     .help = "one layer, such as mb1ic64id16ih56oc128kd3pd1 (dilation\ncounts from 0)",
     .parse = option_text,
     .offset = offsetof(tune_options, problem)},
    {.name = "op",
     .argument = "OP",
     .help = "forward (default), backward-input, backward-weight,\nbackward-bias or transposed",
     .parse = option_op,
     .offset = offsetof(tune_options, op)},
    {.name = "algorithm",
     .argument = "NAME",
     .help = "this one alone, beside the default",
     .parse = option_text,
     .offset = offsetof(tune_options, algorithm)},
    {.name = "unpacked",
     .help = "for plans that pack the weights in every run, not beforehand",
     .parse = option_flag,
     .offset = offsetof(tune_options, unpacked)},
    {.name = "time",
     .argument = "SECONDS",
     .help =
         "for all layers together; default: 60 for each. What is not\ndone by then goes on at the next call",
     .parse = option_seconds,
     .offset = offsetof(tune_options, seconds)},
    {.name = "again",
     .help = "measures layers that are done already",
     .parse = option_flag,
     .offset = offsetof(tune_options, again)},
    {.name = "time-limit",
     .argument = "SECONDS",
     .help = "of a candidate, compiling included, before it has failed;\ndefault 120",
     .parse = option_seconds,
     .offset = offsetof(tune_options, time_limit)},
    {.name = "no-isolate",
     .help = "runs candidates in this process: what crashes or hangs the\ndriver ends it",
     .parse = option_flag,
     .offset = offsetof(tune_options, no_isolate)},
    {.name = "export",
     .argument = "FILE",
     .help = "writes the tuning data of this user to a file",
     .parse = option_text,
     .offset = offsetof(tune_options, export_to)},
    {.name = "import",
     .argument = "FILE",
     .help = "adds a file's tuning data to this user's, all or none",
     .parse = option_text,
     .offset = offsetof(tune_options, import_from)},
    {.name = "json",
     .help = "prints one JSON object for each layer",
     .parse = option_flag,
     .offset = offsetof(tune_options, json)},
    {.name = NULL},
};

static const command_help tune_help = {
    "tune",
    "--suite FILE | --problem TEXT [--op OP] [--algorithm NAME] [--unpacked]\n"
    "[--time SECONDS] [--again] [--time-limit SECONDS] [--no-isolate]\n"
    "[--device SELECTOR] [--json]\n"
    "or --export FILE\nor --import FILE",
    "Measures algorithms and their parameters on the device, each checked against the reference\n"
    "before it is timed, and keeps for each layer what is faster than the default by more than the\n"
    "noise. Plans of layers of the same class then use it. Nothing is ever tuned unasked.",
    0};

static int run_here(tuning *t)
{
    clconv_context *context = NULL;
    const tune_options *o = t->options;
    const tune_job job = {.op = o->op,
                          .problem = t->layer->problem,
                          .packed = !o->unpacked,
                          .again = o->again,
                          .algorithm = o->algorithm,
                          .seconds = t->end - tool_seconds()};
    int status = common_options_open(&o->common, &context);
    if (!status) status = tune_trials(context, &job, tune_take_object, t);
    common_options_close(&o->common, context);
    return status;
}

static int print_result_json(const tuning *t, const cJSON *r)
{
    cJSON *object = cJSON_CreateObject();
    double ms = tune_number(r, "ms"), usual = tune_number(r, "default_ms");
    cJSON_AddStringToObject(object, "network", t->layer->network);
    cJSON_AddStringToObject(object, "layer", t->layer->name);
    cJSON_AddStringToObject(object, "op", clconv_op_name(t->options->op));
    if (cJSON_HasObjectItem(r, "error")) {
        cJSON_AddStringToObject(object, "error", tune_text(r, "error"));
        return json_print(object);
    }
    cJSON_AddStringToObject(object, "algorithm", tune_text(r, "result"));
    cJSON_AddStringToObject(object, "parameters", tune_text(r, "parameters"));
    cJSON_AddStringToObject(object, "default_algorithm", tune_text(r, "default_algorithm"));
    cJSON_AddNumberToObject(object, "ms", ms);
    cJSON_AddNumberToObject(object, "default_ms", usual);
    cJSON_AddNumberToObject(object, "gain", ms > 0 && usual > 0 ? usual / ms : 0);
    cJSON_AddNumberToObject(object, "noise", tune_number(r, "noise"));
    cJSON_AddNumberToObject(object, "tried", tune_number(r, "tried"));
    cJSON_AddNumberToObject(object, "failed", tune_number(r, "failed"));
    cJSON_AddBoolToObject(object, "done", cJSON_IsTrue(cJSON_GetObjectItem(r, "done")));
    return json_print(object);
}

static int print_result(const tuning *t)
{
    const cJSON *r = t->result;
    if (t->options->json) return print_result_json(t, r);
    double ms = tune_number(r, "ms"), usual = tune_number(r, "default_ms");
    printf("%s %s: ", t->layer->network, t->layer->name);
    if (cJSON_HasObjectItem(r, "error")) {
        printf("error: %s\n", tune_text(r, "error"));
        return EXIT_DONE;
    }
    if (strcmp(tune_text(r, "result"), "auto") == 0)
        printf("nothing beats %s, %.3f ms", tune_text(r, "default_algorithm"), usual);
    else if (usual > 0)
        printf("%s %s, %.3f ms, %.2f times as fast as %s, noise %.1f%%", tune_text(r, "result"),
               tune_text(r, "parameters"), ms, usual / ms, tune_text(r, "default_algorithm"),
               100 * tune_number(r, "noise"));
    else
        printf("%s %s, %.3f ms; the default, %s, failed", tune_text(r, "result"), tune_text(r, "parameters"),
               ms, tune_text(r, "default_algorithm"));
    printf("; %.0f tried, %.0f failed%s\n", tune_number(r, "tried"), tune_number(r, "failed"),
           cJSON_IsTrue(cJSON_GetObjectItem(r, "done")) ? "" : "; not done: another call goes on");
    return EXIT_DONE;
}

/* A problem that is none is no process's business. */
static int check_layer(tuning *t)
{
    clconv_error err;
    if (!clconv_problem_validate(&t->layer->problem, &err)) return 1;
    t->result = cJSON_CreateObject();
    cJSON_AddStringToObject(t->result, "error", err.message);
    return 0;
}

static int tune_layer(tuning *t, const layer *l, double seconds)
{
    int status = EXIT_DONE;
    t->layer = l;
    t->end = tool_seconds() + seconds;
    cJSON_Delete(t->result);
    t->result = NULL;
    if (check_layer(t)) status = t->options->no_isolate ? run_here(t) : tune_in_processes(t);
    cJSON_Delete(t->begun);
    t->begun = NULL;
    if (!status && !t->result)
        status = tool_fail(EXIT_FAILED, "tune: %s: it ended without a result", l->name);
    if (status) return status;
    t->failed += (size_t)cJSON_HasObjectItem(t->result, "error");
    return print_result(t);
}

/* Layers share what is left of the time. One that fails says so in its row, and the rest goes on. */
static int tune_layers(tuning *t)
{
    static const double for_each = 60;
    const tune_options *o = t->options;
    const double end = tool_seconds() + o->seconds;
    int status = EXIT_DONE;
    for (size_t i = 0; i < t->layers.count && !status; i++) {
        double left = (end - tool_seconds()) / (double)(t->layers.count - i);
        status = tune_layer(t, &t->layers.layers[i], o->seconds > 0 ? left : for_each);
        if (fflush(stdout)) return EXIT_DONE; /* main() reports it */
    }
    if (status || !t->failed) return status;
    return tool_fail(EXIT_FAILED, "tune: %zu of %zu layers failed", t->failed, t->layers.count);
}

/* Whether there are data of the user's, and they are whole. */
static int check_data(void)
{
    clconv_error err;
    clconv_context *context = NULL;
    clconv_status status = clconv_context_create_imagined("cpu-128", &context, &err);
    if (!status) status = clconv_tuning_load(context, NULL, &err);
    clconv_context_release(context);
    return status ? tool_fail_library(NULL, &err) : EXIT_DONE;
}

/* Data are data of all devices: none is needed to move them. */
static int move(const tune_options *o)
{
    clconv_error err;
    clconv_context *context = NULL;
    if (clconv_context_create_imagined("cpu-128", &context, &err)) return tool_fail_library(NULL, &err);
    clconv_status status = clconv_tuning_load(context, o->import_from, &err);
    if (!status) status = clconv_tuning_save(context, o->export_to, &err);
    clconv_context_release(context);
    return status ? tool_fail_library(o->import_from ? "--import" : "--export", &err) : EXIT_DONE;
}

static int print_object(void *user, cJSON *object)
{
    (void)user;
    int status = json_print(object);
    return fflush(stdout) ? EXIT_FAILED : status;
}

static clconv_op op_named(const char *name)
{
    int op = 0;
    while (clconv_op_name((clconv_op)op) && strcmp(clconv_op_name((clconv_op)op), name) != 0)
        op++;
    return (clconv_op)op;
}

/* The other process: --trials OP PROBLEM SECONDS PACKED AGAIN, the ALGORITHM, PARAMETERS and REASON of a
 * candidate that was lost, the only ALGORITHM, then options of the device. */
static int run_as_worker(int argc, char **argv)
{
    common_options common;
    clconv_error err;
    clconv_context *context = NULL;
    common_options_init(&common);
    const option_group groups[] = {{"device", device_option_table, &common}, {NULL, NULL, NULL}};
    if (argc < 11) return tool_fail(EXIT_WRONG_USE, "tune: --trials is between clconv and itself");
    tune_job job = {.op = op_named(argv[2]),
                    .seconds = strtod(argv[4], NULL),
                    .packed = strcmp(argv[5], "packed") == 0,
                    .again = strcmp(argv[6], "again") == 0,
                    .lost_algorithm = *argv[7] ? argv[7] : NULL,
                    .lost_parameters = argv[8],
                    .lost_reason = argv[9],
                    .algorithm = *argv[10] ? argv[10] : NULL};
    if (clconv_problem_parse(argv[3], &job.problem, &err)) return tool_fail_library("--trials", &err);
    argv[10] = argv[0];
    int status = options_parse(&tune_help, groups, argc - 10, argv + 10, NULL);
    if (status != OPTIONS_PARSED) return status;
    status = common_options_open(&common, &context);
    if (!status) status = tune_trials(context, &job, print_object, NULL);
    clconv_context_release(context);
    return status;
}

static int check_options(const tune_options *o)
{
    size_t algorithm = 0;
    while (o->algorithm && clconv_algorithm_name(algorithm) &&
           strcmp(clconv_algorithm_name(algorithm), o->algorithm) != 0)
        algorithm++;
    if (!clconv_algorithm_name(algorithm))
        return tool_fail(EXIT_WRONG_USE, "--algorithm is '%s'; 'clconv plan' lists those that there are",
                         o->algorithm);
    int wishes =
        (o->suite != NULL) + (o->problem != NULL) + (o->export_to != NULL) + (o->import_from != NULL);
    if (wishes == 1) return EXIT_DONE;
    return tool_fail(EXIT_WRONG_USE, "tune: one of --suite, --problem, --export and --import is needed%s",
                     wishes ? ", and no two" : "");
}

int cmd_tune(int argc, char **argv)
{
    tune_options options = {.time_limit = 120};
    if (argc > 1 && strcmp(argv[1], "--trials") == 0) return run_as_worker(argc, argv);
    common_options_init(&options.common);
    const option_group groups[] = {{"options", tune_table, &options},
                                   {"device", device_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&tune_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;
    status = check_options(&options);
    if (status) return status;
    if (options.export_to || options.import_from) return move(&options);
    tuning t = {.options = &options};
    status = check_data();
    if (status) return status;
    status = options.suite ? suite_read(options.suite, options.op, &t.layers)
                           : suite_from_problem(options.problem, &t.layers);
    if (!status) status = tune_layers(&t);
    cJSON_Delete(t.result);
    suite_release(&t.layers);
    return status;
}
