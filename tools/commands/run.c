/* clconv run: a convolution, or a transposed one, of tensors in files. */
#include "commands/commands.h"
#include "common/busy.h"
#include "files/outputs.h"
#include "options/options.h"

#include <string.h>

typedef struct run_options {
    const char *input, *weight, *bias, *residual, *output;
    activation_choice activation;
    int transposed;
    int64_t output_padding[3];
    tensor_dtype dtype;
    conv_options conv;
    common_options common;
} run_options;

static const option_spec run_table[] = {
    {.name = "input",
     .argument = "FILE",
     .help = "(N,C,D,H,W), or (C,D,H,W) unbatched; .npy,\nFILE.npz:NAME, .nii or .nii.gz, whose volume "
             "is\n(1,1,D,H,W), or with four axes (1,C,D,H,W)",
     .parse = option_text,
     .offset = offsetof(run_options, input)},
    {.name = "weight",
     .argument = "FILE",
     .help = "(out_channels, in_channels / groups, kD, kH, kW)",
     .parse = option_text,
     .offset = offsetof(run_options, weight)},
    {.name = "bias",
     .argument = "FILE",
     .help = "(out_channels); none unless given",
     .parse = option_text,
     .offset = offsetof(run_options, bias)},
    {.name = "residual",
     .argument = "FILE",
     .help = "of the output's shape, added before the activation; none\nunless given",
     .parse = option_text,
     .offset = offsetof(run_options, residual)},
    {.name = "activation",
     .argument = "A",
     .help = "none (default), relu, leaky_relu, leaky_relu:SLOPE, silu,\nsigmoid, tanh or gelu",
     .parse = option_activation,
     .offset = offsetof(run_options, activation)},
    {.name = "transposed",
     .help = "the transposed convolution, as torch.nn.ConvTranspose3d; the\n"
             "weight is (in_channels, out_channels / groups, kD, kH, kW)",
     .parse = option_flag,
     .offset = offsetof(run_options, transposed)},
    {.name = "output-padding",
     .argument = "O",
     .help = "of a transposed convolution: an int or d,h,w; default 0",
     .parse = option_extents,
     .offset = offsetof(run_options, output_padding)},
    {.name = "output",
     .argument = "FILE",
     .help = "where the result goes; .npy, .nii or .nii.gz",
     .parse = option_text,
     .offset = offsetof(run_options, output)},
    DTYPE_OPTION(run_options),
    PARAMETERS_OPTION(run_options),
    MEMORY_LIMIT_OPTION(run_options),
    {.name = NULL},
};

static const command_help run_help = {
    "run",
    "--input FILE --weight FILE [--bias FILE] [--residual FILE]\n"
    "[--activation A] [--transposed [--output-padding O]] [convolution options]\n"
    "[--dtype TYPE] [--memory-limit BYTES] [--parameters NAME=VALUE,...]\n"
    "[device and plan options] --output FILE",
    "Computes activation(torch.nn.functional.conv3d(input, weight, bias, ...) + residual) on the\n"
    "device. The tensors share a type, float32 or float64, and the output has it too.",
    0};

typedef struct run_tensors {
    tensor input, weight, bias, residual, output;
} run_tensors;

static int check_options(const run_options *o)
{
    if (!o->input) return tool_fail(EXIT_WRONG_USE, "run: --input is missing");
    if (!o->weight) return tool_fail(EXIT_WRONG_USE, "run: --weight is missing");
    if (!o->output) return tool_fail(EXIT_WRONG_USE, "run: --output is missing");
    if (o->transposed && (o->residual || o->activation.activation != CLCONV_ACTIVATION_NONE))
        return tool_fail(EXIT_WRONG_USE, "run: --transposed goes without --residual and --activation");
    for (int axis = 0; axis < 3 && !o->transposed; axis++) {
        if (o->output_padding[axis])
            return tool_fail(EXIT_WRONG_USE, "run: --output-padding is %lld; it belongs to --transposed",
                             (long long)o->output_padding[axis]);
    }
    return EXIT_DONE;
}

static int read_tensors(const run_options *o, run_tensors *t)
{
    int status = tensor_read("--input", o->input, o->dtype, &t->input);
    if (!status) status = tensor_read("--weight", o->weight, o->dtype, &t->weight);
    if (!status && o->bias) status = tensor_read("--bias", o->bias, o->dtype, &t->bias);
    if (!status && o->residual) status = tensor_read("--residual", o->residual, o->dtype, &t->residual);
    if (!status) status = types_match("weight", t->weight.dtype, t->input.dtype);
    if (!status && o->bias) status = types_match("bias", t->bias.dtype, t->input.dtype);
    if (!status && o->residual) status = types_match("residual", t->residual.dtype, t->input.dtype);
    return status;
}

static int prepare_problem(const run_options *o, const run_tensors *t, clconv_problem *problem)
{
    shape_view input = {t->input.rank, t->input.shape}, weight = {t->weight.rank, t->weight.shape};
    shape_view bias = {t->bias.rank, t->bias.shape};
    clconv_problem_init(problem);
    problem->dtype = t->input.dtype;
    problem->has_residual = o->residual != NULL;
    problem->activation = o->activation.activation;
    problem->activation_slope = o->activation.slope;
    const shape_view *biases = o->bias ? &bias : NULL;
    return o->transposed
               ? conv_problem_transposed(&o->conv, o->output_padding, input, weight, biases, problem)
               : conv_problem(&o->conv, input, weight, biases, problem);
}

/* Output voxel 0 lies where the middle of its window does, in voxels of the input; that of a transposed
 * convolution where the convolution that it turns around has it. */
static void derive_volume(const clconv_problem *p, int transposed, run_tensors *t)
{
    double origin[3], step[3];
    for (int axis = 0; axis < 3; axis++) {
        step[axis] = (double)p->stride[axis];
        origin[axis] =
            0.5 * (double)(p->dilation[axis] * (p->kernel[axis] - 1)) - (double)p->pad_before[axis];
        if (!transposed) continue;
        origin[axis] = -origin[axis] / step[axis];
        step[axis] = 1 / step[axis];
    }
    t->output.volume = volume_derive(t->input.volume, origin, step);
}

static int create_output(const run_options *o, const clconv_problem *problem, outputs *files, run_tensors *t)
{
    int transposed = o->transposed;
    clconv_error err;
    int64_t size[3];
    if (clconv_output_size(problem, size, &err)) return tool_fail_library(NULL, &err);
    if (transposed) memcpy(size, problem->input, sizeof size);
    const int64_t shape[5] = {problem->batch, transposed ? problem->in_channels : problem->out_channels,
                              size[0], size[1], size[2]};
    int unbatched = t->input.rank == 4;
    t->output = (tensor){.dtype = problem->dtype, .rank = 5 - unbatched};
    memcpy(t->output.shape, shape + unbatched, sizeof *shape * (size_t)t->output.rank);
    if (t->input.volume) derive_volume(problem, transposed, t);
    return outputs_create_tensor(files, o->output, &t->output);
}

static int check_residual(const run_tensors *t)
{
    shape_view residual = {t->residual.rank, t->residual.shape}, output = {t->output.rank, t->output.shape};
    return shapes_match("--residual", residual, output);
}

static int convolve(const run_options *o, const clconv_problem *problem, run_tensors *t)
{
    clconv_error err;
    busy progress;
    clconv_plan_options how;
    clconv_context *context = NULL;
    int status = common_options_open(&o->common, &context);
    if (status) return status;
    common_options_plan(&o->common, &how);
    busy_start(&progress, "convolving");
    const clconv_host_tensors tensors = {.input = t->input.data,
                                         .weight = t->weight.data,
                                         .bias = t->bias.data,
                                         .residual = t->residual.data,
                                         .output = t->output.data};
    clconv_status result = o->transposed
                               ? clconv_conv_transpose3d_host(context, problem, &how, &tensors, &err)
                               : clconv_conv3d_host(context, problem, &how, &tensors, &err);
    busy_stop(&progress);
    common_options_close(&o->common, context);
    return result ? tool_fail_library(NULL, &err) : EXIT_DONE;
}

static int run(const run_options *o, outputs *files, run_tensors *t)
{
    clconv_problem problem;
    int status = outputs_claim(files, "--output", o->output);
    if (!status) status = read_tensors(o, t);
    if (!status) status = prepare_problem(o, t, &problem);
    if (!status) status = create_output(o, &problem, files, t);
    if (!status && o->residual) status = check_residual(t);
    if (!status) status = convolve(o, &problem, t);
    if (!status) status = outputs_write_tensor(files, o->output, &t->output);
    if (!status) status = outputs_commit(files);
    return status;
}

int cmd_run(int argc, char **argv)
{
    run_options options = {0};
    conv_options_init(&options.conv);
    common_options_init(&options.common);
    const option_group groups[] = {{"tensors", run_table, &options},
                                   {"convolution", conv_option_table, &options.conv},
                                   {"device and plan", common_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&run_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;
    status = check_options(&options);
    if (status) return status;

    run_tensors t = {0};
    outputs *files = outputs_create();
    status = files ? run(&options, files, &t) : tool_fail(EXIT_FAILED, "out of memory");
    outputs_release(files);
    tensor_release(&t.input);
    tensor_release(&t.weight);
    tensor_release(&t.bias);
    tensor_release(&t.residual);
    tensor_release(&t.output);
    return status;
}
