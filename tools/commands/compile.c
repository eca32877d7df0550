/* clconv compile: the programs of problems as a bundle, for a device without a compiler, or their sources for a vendor's. */
#include "commands/commands.h"
#include "measure/suite.h"
#include "options/options.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct compile_options {
    const char *suite, *problem, *manifest, *output, *sources, *family;
    clconv_op op;
    int bias, residual;
    activation_choice activation;
    clconv_padding_mode mode;
    tensor_dtype dtype;
    common_options common;
} compile_options;

static const option_spec compile_table[] = {
    {.name = "suite",
     .argument = "FILE.csv",
     .help = "the programs of all layers of a list",
     .parse = option_text,
     .offset = offsetof(compile_options, suite)},
    {.name = "problem",
     .argument = "TEXT",
     .help = "those of one problem, such as\nmb1ic64id16ih56oc128kd3pd1 (dilation counts from 0)",
     .parse = option_text,
     .offset = offsetof(compile_options, problem)},
    {.name = "output",
     .argument = "BUNDLE",
     .help = "the file to write",
     .parse = option_text,
     .offset = offsetof(compile_options, output)},
    {.name = "emit-source",
     .argument = "DIR",
     .help = "writes the sources and a manifest for a vendor's compiler\ninto a folder; nothing is compiled",
     .parse = option_text,
     .offset = offsetof(compile_options, sources)},
    {.name = "manifest",
     .argument = "FILE",
     .help = "packs a bundle of a manifest and the files that it names",
     .parse = option_text,
     .offset = offsetof(compile_options, manifest)},
    {.name = "as",
     .argument = "FAMILY",
     .help = "with --emit-source: plans for a usual device of a family,\nsuch as accelerator, which need not "
             "be there",
     .parse = option_text,
     .offset = offsetof(compile_options, family)},
    {.name = "op",
     .argument = "OP",
     .help = "forward (default), backward-input, backward-weight,\nbackward-bias or transposed",
     .parse = option_op,
     .offset = offsetof(compile_options, op)},
    {.name = "bias",
     .help = "the problems have a bias",
     .parse = option_flag,
     .offset = offsetof(compile_options, bias)},
    {.name = "residual",
     .help = "the problems add a tensor of the output's shape",
     .parse = option_flag,
     .offset = offsetof(compile_options, residual)},
    {.name = "activation",
     .argument = "A",
     .help = "none (default), relu, leaky_relu, leaky_relu:SLOPE, silu,\nsigmoid, tanh or gelu",
     .parse = option_activation,
     .offset = offsetof(compile_options, activation)},
    {.name = "padding-mode",
     .argument = "M",
     .help = "zeros (default), reflect, replicate, circular or symmetric",
     .parse = option_padding_mode,
     .offset = offsetof(compile_options, mode)},
    {.name = "dtype",
     .argument = "TYPE",
     .help = "float32 (default) or float64",
     .parse = option_dtype,
     .offset = offsetof(compile_options, dtype)},
    {.name = NULL},
};

static const command_help compile_help = {
    "compile",
    "(--suite FILE.csv | --problem TEXT) --output BUNDLE\n"
    "or (--suite FILE.csv | --problem TEXT) --emit-source DIR [--as FAMILY]\n"
    "or --manifest FILE --output BUNDLE",
    "Writes the programs that problems need into a bundle, which CLCONV_BUNDLE names where the device\n"
    "has no compiler; or their sources, for a vendor's compiler, with a manifest that becomes a bundle\n"
    "once it names what that has made.",
    0};

/* Plans of all layers, with the weight packed beforehand and in each run. */
typedef struct planned {
    clconv_plan **plans;
    size_t count, failed;
} planned;

static clconv_problem problem_of(const compile_options *o, const layer *l)
{
    clconv_problem p = l->problem;
    p.has_bias = o->bias;
    p.has_residual = o->residual;
    p.activation = o->activation.activation;
    p.activation_slope = o->activation.slope;
    p.padding_mode = o->mode;
    p.dtype = o->dtype == TENSOR_DTYPE_FLOAT64 ? CLCONV_FLOAT64 : CLCONV_FLOAT32;
    return p;
}

/* Plans each layer with either kind of weights, all at once. */
static int plan_layers(clconv_context *context, const compile_options *o, const suite *s, planned *made)
{
    const size_t each = o->op != CLCONV_BACKWARD_WEIGHT && o->op != CLCONV_BACKWARD_BIAS ? 2 : 1;
    clconv_plan_options how[2];
    clconv_plan_request *requests = calloc(each * s->count + 1, sizeof *requests);
    clconv_error *errors = calloc(each * s->count + 1, sizeof *errors);
    made->plans = calloc(each * s->count + 1, sizeof(clconv_plan *));
    int status = EXIT_DONE;
    if (!requests || !errors || !made->plans) {
        status = tool_fail(EXIT_FAILED, "out of memory");
        goto done;
    }
    common_options_plan(&o->common, &how[0]);
    how[1] = how[0];
    how[1].packed_weights = 1;
    made->count = each * s->count;
    for (size_t i = 0; i < made->count; i++)
        requests[i] = (clconv_plan_request){o->op, problem_of(o, &s->layers[i / each]), &how[i % each]};
    if (!clconv_plans_prepare(context, requests, made->count, made->plans, errors)) goto done;
    for (size_t i = 0; i < made->count; i++) {
        if (made->plans[i]) continue;
        tool_warn("%s: %s", s->layers[i / each].name, errors[i].message);
        made->failed++;
    }
    /* A bundle that lacks what was asked for would fail where nothing can be compiled. */
    status = tool_fail(EXIT_FAILED, "compile: %zu of %zu plans cannot be made; nothing is written",
                       made->failed, made->count);
done:
    free(errors);
    free(requests);
    return status;
}

static int write_programs(const compile_options *o, const planned *made)
{
    clconv_error err;
    if (made->count == 0) return tool_fail(EXIT_FAILED, "compile: there is nothing to write");
    if (o->sources && clconv_programs_emit(made->plans, made->count, o->sources, &err))
        return tool_fail_library("--emit-source", &err);
    if (o->output && clconv_programs_export(made->plans, made->count, o->output, &err))
        return tool_fail_library("--output", &err);
    return EXIT_DONE;
}

static int open_context(const compile_options *o, clconv_context **context)
{
    clconv_error err;
    if (!o->family) return common_options_open(&o->common, context);
    return clconv_context_create_imagined(o->family, context, &err) ? tool_fail_library("--as", &err)
                                                                    : EXIT_DONE;
}

static int compile_layers(const compile_options *o, const suite *s)
{
    clconv_context *context = NULL;
    planned made = {NULL};
    int status = open_context(o, &context);
    if (!status) status = plan_layers(context, o, s, &made);
    if (!status) status = write_programs(o, &made);
    for (size_t i = 0; i < made.count; i++)
        clconv_plan_release(made.plans[i]);
    free(made.plans);
    clconv_context_release(context);
    return status;
}

static int check_options(const compile_options *o)
{
    const int lists = !!o->suite + !!o->problem + !!o->manifest;
    if (lists != 1)
        return tool_fail(EXIT_WRONG_USE, "compile: needs one of --suite, --problem and --manifest");
    if (!o->output == !o->sources)
        return tool_fail(EXIT_WRONG_USE, "compile: needs one of --output and --emit-source");
    if (o->manifest && !o->output) return tool_fail(EXIT_WRONG_USE, "compile: --manifest needs --output");
    if (o->family && !o->sources) return tool_fail(EXIT_WRONG_USE, "compile: --as needs --emit-source");
    if (o->family && o->common.device)
        return tool_fail(EXIT_WRONG_USE, "compile: --as and --device exclude each other");
    return EXIT_DONE;
}

int cmd_compile(int argc, char **argv)
{
    clconv_error err;
    suite layers = {0};
    compile_options o = {.dtype = TENSOR_DTYPE_FLOAT32, .activation = {CLCONV_ACTIVATION_NONE, 0.01}};
    common_options_init(&o.common);
    const option_group groups[] = {{"options", compile_table, &o},
                                   {"device and plan", common_option_table, &o.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&compile_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;
    status = check_options(&o);
    if (status) return status;
    if (o.manifest)
        return clconv_programs_pack(o.manifest, o.output, &err) ? tool_fail_library("--manifest", &err)
                                                                : EXIT_DONE;
    o.common.exportable = 1;
    o.common.plans_only = o.sources != NULL;
    status = o.suite ? suite_read(o.suite, o.op, &layers) : suite_from_problem(o.problem, &layers);
    if (!status) status = compile_layers(&o, &layers);
    suite_release(&layers);
    return status;
}
