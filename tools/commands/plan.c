/* clconv plan: how a problem would be computed on the device, and why not otherwise. */
#include "commands/commands.h"
#include "commands/plan_suite.h"
#include "common/json.h"
#include "options/options.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct plan_options {
    int64_t input[5], weight[5];
    const char *problem, *family, *suite;
    clconv_op op;
    int bias, residual, packed, json;
    activation_choice activation;
    conv_options conv;
    common_options common;
} plan_options;

static const option_spec plan_table[] = {
    {.name = "input-shape",
     .argument = "N,C,D,H,W",
     .help = "",
     .parse = option_shape,
     .offset = offsetof(plan_options, input)},
    {.name = "weight-shape",
     .argument = "O,I,kD,kH,kW",
     .help = "I is in_channels / groups",
     .parse = option_shape,
     .offset = offsetof(plan_options, weight)},
    {.name = "bias",
     .help = "the problem has a bias",
     .parse = option_flag,
     .offset = offsetof(plan_options, bias)},
    {.name = "residual",
     .help = "the problem adds a tensor of the output's shape",
     .parse = option_flag,
     .offset = offsetof(plan_options, residual)},
    {.name = "activation",
     .argument = "A",
     .help = "none (default), relu, leaky_relu, leaky_relu:SLOPE, silu,\nsigmoid, tanh or gelu",
     .parse = option_activation,
     .offset = offsetof(plan_options, activation)},
    {.name = "problem",
     .argument = "TEXT",
     .help = "instead of shapes and convolution options, such as\n"
             "mb1ic64id16ih56oc128kd3pd1 (dilation counts from 0)",
     .parse = option_text,
     .offset = offsetof(plan_options, problem)},
    {.name = "as",
     .argument = "FAMILY[:UNITS]",
     .help = "plans for a usual device of a family, or one with so many\n"
             "compute units, which need not be there; nothing is built",
     .parse = option_text,
     .offset = offsetof(plan_options, family)},
    {.name = "suite",
     .argument = "FILE.csv",
     .help = "a line for each layer of a list of layers",
     .parse = option_text,
     .offset = offsetof(plan_options, suite)},
    {.name = "op",
     .argument = "OP",
     .help = "forward (default), backward-input, backward-weight,\nbackward-bias or transposed",
     .parse = option_op,
     .offset = offsetof(plan_options, op)},
    {.name = "packed",
     .help = "the weights are packed beforehand, as in a suite",
     .parse = option_flag,
     .offset = offsetof(plan_options, packed)},
    PARAMETERS_OPTION(plan_options),
    {.name = "json",
     .help = "prints one JSON object",
     .parse = option_flag,
     .offset = offsetof(plan_options, json)},
    {.name = NULL},
};

static const command_help plan_help = {
    "plan",
    "--input-shape N,C,D,H,W --weight-shape O,I,kD,kH,kW [convolution options]\n"
    "[--bias] [--residual] [--activation A] [--op OP] [--packed] [--json]\n"
    "or --problem TEXT [--bias] [--residual] [--activation A] [--op OP] [--packed]\n"
    "[--json]\n"
    "or --suite FILE.csv [--op OP] [--json]; all of them also with --as FAMILY[:UNITS]\n"
    "and with [--parameters NAME=VALUE,...]",
    "Describes the plan of a problem on the device: algorithm, parameters, steps, memory and\n"
    "estimated cost, and why each other algorithm was not taken.",
    0};

static int problem_from_text(const plan_options *o, clconv_problem *problem)
{
    clconv_error err;
    if (o->input[0] != SHAPE_MISSING || o->weight[0] != SHAPE_MISSING) {
        return tool_fail(EXIT_WRONG_USE, "plan: --problem and shapes exclude each other");
    }
    if (!conv_options_are_default(&o->conv)) {
        return tool_fail(EXIT_WRONG_USE, "plan: --problem and convolution options exclude each other");
    }
    clconv_status status = clconv_problem_parse(o->problem, problem, &err);
    problem->has_bias = o->bias;
    if (!status) status = clconv_problem_validate(problem, &err);
    if (status) {
        return tool_fail_library("--problem", &err);
    }
    return EXIT_DONE;
}

static int problem_from_shapes(const plan_options *o, clconv_problem *problem)
{
    if (o->input[0] == SHAPE_MISSING) return tool_fail(EXIT_WRONG_USE, "plan: --input-shape is missing");
    if (o->weight[0] == SHAPE_MISSING) return tool_fail(EXIT_WRONG_USE, "plan: --weight-shape is missing");
    shape_view input = {5, o->input}, weight = {5, o->weight}, bias = {1, o->weight};
    return conv_problem(&o->conv, input, weight, o->bias ? &bias : NULL, problem);
}

static int print_text(const clconv_plan *plan)
{
    clconv_error err;
    size_t size = 0;
    clconv_plan_describe(plan, NULL, 0, &size, NULL);
    char *text = malloc(size ? size : 1);
    if (!text) return tool_fail(EXIT_FAILED, "out of memory");
    clconv_status status = clconv_plan_describe(plan, text, size, NULL, &err);
    if (!status) fputs(text, stdout);
    free(text);
    return status ? tool_fail_library(NULL, &err) : EXIT_DONE;
}

static void add_steps(cJSON *object, const clconv_plan *plan, size_t count)
{
    cJSON *array = cJSON_AddArrayToObject(object, "steps");
    for (size_t i = 0; i < count; i++) {
        clconv_step_info info;
        if (clconv_plan_get_step(plan, i, &info, NULL)) continue;
        int64_t global[3], local[3];
        for (int axis = 0; axis < 3; axis++) {
            global[axis] = (int64_t)info.global[axis];
            local[axis] = (int64_t)info.local[axis];
        }
        cJSON *step = cJSON_CreateObject();
        cJSON_AddStringToObject(step, "name", info.name);
        json_add_extents(step, "global", global, 3);
        json_add_extents(step, "local", local, 3);
        cJSON_AddNumberToObject(step, "flops", info.flops);
        cJSON_AddNumberToObject(step, "bytes", info.bytes);
        cJSON_AddItemToArray(array, step);
    }
}

static void add_candidates(cJSON *object, const clconv_plan *plan, size_t count)
{
    cJSON *array = cJSON_AddArrayToObject(object, "candidates");
    for (size_t i = 0; i < count; i++) {
        clconv_candidate_info info;
        if (clconv_plan_get_candidate(plan, i, &info, NULL)) continue;
        cJSON *candidate = cJSON_CreateObject();
        cJSON_AddStringToObject(candidate, "algorithm", info.algorithm);
        if (info.rejection) {
            cJSON_AddStringToObject(candidate, "rejection", info.rejection);
        } else {
            cJSON_AddNullToObject(candidate, "rejection");
            cJSON_AddNumberToObject(candidate, "estimated_ms", 1e3 * info.estimated_seconds);
            cJSON_AddNumberToObject(candidate, "workspace_bytes", (double)info.workspace_size);
        }
        cJSON_AddItemToArray(array, candidate);
    }
}

static int print_json(const clconv_plan *plan, clconv_op op, const clconv_problem *problem)
{
    clconv_error err;
    clconv_plan_info info;
    int64_t output[3];
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    clconv_plan_get_info(plan, &info);
    if (clconv_output_size(problem, output, &err) || clconv_problem_format(problem, text, &err)) {
        return tool_fail_library(NULL, &err);
    }
    int64_t shape[5] = {problem->batch, problem->out_channels, output[0], output[1], output[2]};
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "op", clconv_op_name(op));
    cJSON_AddStringToObject(object, "problem", text);
    json_add_extents(object, "output_shape", shape, 5);
    cJSON_AddStringToObject(object, "algorithm", info.algorithm);
    cJSON_AddStringToObject(object, "parameters", info.parameters);
    cJSON_AddNumberToObject(object, "gflop", 1e-9 * info.flops);
    cJSON_AddNumberToObject(object, "estimated_ms", 1e3 * info.estimated_seconds);
    cJSON_AddNumberToObject(object, "workspace_bytes", (double)info.workspace_size);
    cJSON_AddNumberToObject(object, "packed_weight_bytes", (double)info.packed_weight_size);
    if (info.tuned_problem) {
        cJSON *tuning = cJSON_AddObjectToObject(object, "tuning");
        cJSON_AddStringToObject(tuning, "problem", info.tuned_problem);
        cJSON_AddNumberToObject(tuning, "distance", info.tuned_distance);
    }
    add_steps(object, plan, info.steps);
    add_candidates(object, plan, info.candidates);
    return json_print(object);
}

static int open_context(const plan_options *o, clconv_context **context)
{
    clconv_error err;
    if (!o->family) return common_options_open(&o->common, context);
    if (o->common.device) return tool_fail(EXIT_WRONG_USE, "plan: --as and --device exclude each other");
    return clconv_context_create_imagined(o->family, context, &err) ? tool_fail_library("--as", &err)
                                                                    : EXIT_DONE;
}

static int describe(const plan_options *o, const clconv_problem *problem)
{
    clconv_error err;
    clconv_context *context = NULL;
    clconv_plan *plan = NULL;
    clconv_plan_options how;
    int status = open_context(o, &context);
    if (status) return status;
    common_options_plan(&o->common, &how);
    how.packed_weights = o->packed;
    if (clconv_plan_create(context, o->op, problem, &how, &plan, &err)) {
        status = tool_fail_library(NULL, &err);
    } else {
        status = o->json ? print_json(plan, o->op, problem) : print_text(plan);
    }
    clconv_plan_release(plan);
    common_options_close(&o->common, context);
    return status;
}

/* Plans every layer of the suite, with weights packed beforehand where the op reads them. */
static int describe_suite(const plan_options *o)
{
    clconv_context *context = NULL;
    suite layers = {0};
    plan_suite_options how = {.op = o->op, .json = o->json};
    if (o->problem || o->input[0] != SHAPE_MISSING || o->weight[0] != SHAPE_MISSING)
        return tool_fail(EXIT_WRONG_USE, "plan: --suite and a problem exclude each other");
    int status = open_context(o, &context);
    if (!status) status = suite_read(o->suite, o->op, &layers);
    common_options_plan(&o->common, &how.plan);
    if (!status) status = plan_suite_print(context, &layers, &how);
    suite_release(&layers);
    clconv_context_release(context);
    return status;
}

int cmd_plan(int argc, char **argv)
{
    plan_options options = {.input = {SHAPE_MISSING}, .weight = {SHAPE_MISSING}};
    conv_options_init(&options.conv);
    common_options_init(&options.common);
    const option_group groups[] = {{"options", plan_table, &options},
                                   {"convolution", conv_option_table, &options.conv},
                                   {"device and plan", common_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&plan_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;
    if (options.suite) return describe_suite(&options);
    clconv_problem problem;
    clconv_problem_init(&problem);
    status =
        options.problem ? problem_from_text(&options, &problem) : problem_from_shapes(&options, &problem);
    problem.has_residual = options.residual;
    problem.activation = options.activation.activation;
    problem.activation_slope = options.activation.slope;
    return status ? status : describe(&options, &problem);
}
