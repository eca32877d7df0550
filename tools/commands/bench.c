/* clconv bench: times layers, a row each. A layer that fails says so in its row and the rest goes on. */
#include "commands/commands.h"
#include "common/json.h"
#include "measure/measure.h"
#include "measure/peak.h"
#include "measure/suite.h"
#include "options/options.h"

#include <stdio.h>
#include <string.h>

typedef struct bench_options {
    const char *suite, *problem;
    clconv_op op;
    int64_t runs;
    double seconds;
    int residual, unpacked, steps, json;
    activation_choice activation;
    common_options common;
} bench_options;

static const option_spec bench_table[] = {
    {.name = "suite",
     .argument = "FILE",
     .help = "a CSV of layers, read by its header",
     .parse = option_text,
     .offset = offsetof(bench_options, suite)},
    {.name = "problem",
     .argument = "TEXT",
     .help = "one layer, such as mb1ic64id16ih56oc128kd3pd1 (dilation\n"
             "counts from 0); default: a short list of layers",
     .parse = option_text,
     .offset = offsetof(bench_options, problem)},
    {.name = "op",
     .argument = "OP",
     .help = "forward (default), backward-input, backward-weight,\nbackward-bias or transposed",
     .parse = option_op,
     .offset = offsetof(bench_options, op)},
    {.name = "residual",
     .help = "adds a tensor of the output's shape",
     .parse = option_flag,
     .offset = offsetof(bench_options, residual)},
    {.name = "activation",
     .argument = "A",
     .help = "none (default), relu, leaky_relu, leaky_relu:SLOPE, silu,\nsigmoid, tanh or gelu",
     .parse = option_activation,
     .offset = offsetof(bench_options, activation)},
    {.name = "unpacked",
     .help = "packs the weights in every run, not beforehand",
     .parse = option_flag,
     .offset = offsetof(bench_options, unpacked)},
    {.name = "runs",
     .argument = "N",
     .help = "exactly N runs of each layer",
     .parse = option_positive,
     .offset = offsetof(bench_options, runs)},
    {.name = "time",
     .argument = "SECONDS",
     .help = "at least 3 runs, then until so long; default 0.5",
     .parse = option_seconds,
     .offset = offsetof(bench_options, seconds)},
    PARAMETERS_OPTION(bench_options),
    {.name = "steps",
     .help = "the time of each step too, by the device's clock",
     .parse = option_flag,
     .offset = offsetof(bench_options, steps)},
    {.name = "json",
     .help = "prints one JSON object for each layer",
     .parse = option_flag,
     .offset = offsetof(bench_options, json)},
    {.name = NULL},
};

static const command_help bench_help = {
    "bench",
    "[--suite FILE | --problem TEXT] [--op OP] [--residual]\n"
    "[--activation A] [--unpacked] [--runs N | --time SECONDS]\n"
    "[--steps] [--parameters NAME=VALUE,...]\n[device and plan options] [--json]",
    "Times layers from the enqueue of one run to its completion, tensors on the device, weights\n"
    "packed beforehand. GFLOP count two for each multiply-add of the definition; 'peak' is the\n"
    "share of the multiply-add rate that the device reaches in a loop of nothing else.",
    0};

typedef struct bench {
    const bench_options *options;
    clconv_context *context;
    suite layers;
    double peak_gflops;
    int network_width, name_width;
    size_t failed;
} bench;

static int check_options(const bench_options *o)
{
    enum { MAX_RUNS = 1000000 };
    if (o->suite && o->problem) {
        return tool_fail(EXIT_WRONG_USE, "bench: --suite and --problem exclude each other");
    }
    if (o->runs > MAX_RUNS) {
        return tool_fail(EXIT_WRONG_USE, "--runs is %lld; it must be at most %d", (long long)o->runs,
                         MAX_RUNS);
    }
    return EXIT_DONE;
}

static void print_header(bench *b)
{
    for (size_t i = 0; i < b->layers.count; i++) {
        int network = (int)strlen(b->layers.layers[i].network), name = (int)strlen(b->layers.layers[i].name);
        if (network > b->network_width) b->network_width = network;
        if (name > b->name_width) b->name_width = name;
    }
    const char *name = clconv_context_device_info(b->context)->name;
    if (b->peak_gflops > 0)
        printf("%s, %.1f GFLOP/s of multiply-adds\n", name, b->peak_gflops);
    else
        printf("%s, whose peak is not known: it has no compiler\n", name);
    printf("%-*s  %-*s  %-20s %9s %9s %10s %10s %6s %9s %9s %6s %10s\n", b->network_width, "network",
           b->name_width, "layer", "algorithm", "plan", "first", "median", "min", "runs", "GFLOP", "GFLOP/s",
           "peak", "workspace");
}

static double gigaflops(const measurement *m)
{
    return 1e-9 * m->flops / m->median_seconds;
}

static void print_row(const bench *b, const layer *l, const measurement *m)
{
    printf("%-*s  %-*s  %-20s %6.1f ms %6.1f ms %7.3f ms %7.3f ms %6lld %9.4f %9.1f %5.1f%% %6.1f MiB\n",
           b->network_width, l->network, b->name_width, l->name, m->algorithm, 1e3 * m->plan_seconds,
           1e3 * m->first_seconds, 1e3 * m->median_seconds, 1e3 * m->min_seconds, (long long)m->runs,
           1e-9 * m->flops, gigaflops(m), 100 * peak_share(gigaflops(m), b->peak_gflops),
           (double)m->workspace_bytes / (1 << 20));
    for (size_t i = 0; m->step_seconds && i < m->steps; i++) {
        clconv_step_info step;
        if (clconv_plan_get_step(m->plan, i, &step, NULL)) continue;
        double seconds = m->step_seconds[i];
        printf("%*s  step %-20s %9.3f ms %9.1f GFLOP/s %9.2f GB/s\n", b->network_width, "", step.name,
               1e3 * seconds, seconds > 0 ? 1e-9 * step.flops / seconds : 0,
               seconds > 0 ? 1e-9 * step.bytes / seconds : 0);
    }
}

static cJSON *start_object(const layer *l, clconv_op op)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "network", l->network);
    cJSON_AddStringToObject(object, "layer", l->name);
    cJSON_AddStringToObject(object, "op", clconv_op_name(op));
    return object;
}

static void add_steps(cJSON *object, const measurement *m)
{
    cJSON *array = cJSON_AddArrayToObject(object, "steps");
    for (size_t i = 0; i < m->steps; i++) {
        clconv_step_info info;
        if (clconv_plan_get_step(m->plan, i, &info, NULL)) continue;
        cJSON *step = cJSON_CreateObject();
        cJSON_AddStringToObject(step, "name", info.name);
        cJSON_AddNumberToObject(step, "ms", 1e3 * m->step_seconds[i]);
        cJSON_AddNumberToObject(step, "gflop", 1e-9 * info.flops);
        cJSON_AddNumberToObject(step, "mb", 1e-6 * info.bytes);
        cJSON_AddItemToArray(array, step);
    }
}

static int print_json(const bench *b, const layer *l, const measurement *m)
{
    cJSON *object = start_object(l, b->options->op);
    cJSON_AddStringToObject(object, "algorithm", m->algorithm);
    cJSON_AddStringToObject(object, "parameters", m->parameters);
    cJSON_AddNumberToObject(object, "plan_ms", 1e3 * m->plan_seconds);
    cJSON_AddNumberToObject(object, "first_call_ms", 1e3 * m->first_seconds);
    cJSON_AddNumberToObject(object, "median_ms", 1e3 * m->median_seconds);
    cJSON_AddNumberToObject(object, "min_ms", 1e3 * m->min_seconds);
    cJSON_AddNumberToObject(object, "runs", (double)m->runs);
    cJSON_AddNumberToObject(object, "gflop", 1e-9 * m->flops);
    cJSON_AddNumberToObject(object, "gflops", gigaflops(m));
    cJSON_AddNumberToObject(object, "peak_share", peak_share(gigaflops(m), b->peak_gflops));
    cJSON_AddNumberToObject(object, "peak_gflops", b->peak_gflops);
    cJSON_AddNumberToObject(object, "workspace_bytes", (double)m->workspace_bytes);
    if (m->step_seconds) add_steps(object, m);
    return json_print(object);
}

static int print_failure(const bench *b, const layer *l, const clconv_error *err)
{
    if (!b->options->json) {
        printf("%-*s  %-*s  error: %s\n", b->network_width, l->network, b->name_width, l->name, err->message);
        return EXIT_DONE;
    }
    cJSON *object = start_object(l, b->options->op);
    cJSON_AddStringToObject(object, "error", err->message);
    return json_print(object);
}

static int run_layer(bench *b, const layer *l)
{
    clconv_error err;
    measurement m;
    measure_options how = {.op = b->options->op,
                           .runs = b->options->runs,
                           .seconds = b->options->seconds,
                           .steps = b->options->steps};
    common_options_plan(&b->options->common, &how.plan);
    how.plan.packed_weights =
        !b->options->unpacked && how.op != CLCONV_BACKWARD_WEIGHT && how.op != CLCONV_BACKWARD_BIAS;
    clconv_problem problem = l->problem;
    problem.has_residual = b->options->residual;
    problem.activation = b->options->activation.activation;
    problem.activation_slope = b->options->activation.slope;
    if (measure_layer(b->context, &problem, &how, &m, &err)) {
        b->failed++;
        return print_failure(b, l, &err);
    }
    int status = EXIT_DONE;
    if (b->options->json)
        status = print_json(b, l, &m);
    else
        print_row(b, l, &m);
    measurement_release(&m);
    return status;
}

static int run_layers(bench *b)
{
    tool_progress progress = {0};
    int status = EXIT_DONE;
    if (!b->options->json) print_header(b);
    for (size_t i = 0; !status && i < b->layers.count; i++) {
        const layer *l = &b->layers.layers[i];
        tool_progress_show(&progress, l->name, (double)i / (double)b->layers.count);
        status = run_layer(b, l);
        tool_progress_show(&progress, NULL, 1);
        if (fflush(stdout)) return EXIT_DONE; /* main() reports it */
    }
    if (status || !b->failed) return status;
    return tool_fail(EXIT_FAILED, "bench: %zu of %zu layers failed", b->failed, b->layers.count);
}

static int start(bench *b)
{
    clconv_error err;
    const bench_options *o = b->options;
    int status = o->suite     ? suite_read(o->suite, o->op, &b->layers)
                 : o->problem ? suite_from_problem(o->problem, &b->layers)
                              : suite_builtin(&b->layers);
    if (!status) status = common_options_open(&o->common, &b->context);
    if (!status && peak_measure(b->context, &b->peak_gflops, &err)) status = tool_fail_library(NULL, &err);
    return status;
}

int cmd_bench(int argc, char **argv)
{
    bench_options options = {.seconds = 0.5};
    common_options_init(&options.common);
    const option_group groups[] = {{"options", bench_table, &options},
                                   {"device and plan", common_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&bench_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;
    status = check_options(&options);
    if (status) return status;

    bench b = {.options = &options};
    status = start(&b);
    if (!status) status = run_layers(&b);
    common_options_close(&options.common, b.context);
    suite_release(&b.layers);
    return status;
}
