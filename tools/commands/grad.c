/* clconv grad: the gradients of a convolution of tensors in files. */
#include "commands/commands.h"
#include "common/busy.h"
#include "files/outputs.h"
#include "options/options.h"

#include <string.h>

enum { GRADIENTS = 3 };

typedef struct grad_options {
    const char *input, *weight, *grad_output;
    const char *made[GRADIENTS]; /* with respect to input, weight and bias */
    tensor_dtype dtype;
    conv_options conv;
    common_options common;
} grad_options;

static const option_spec grad_table[] = {
    {.name = "input",
     .argument = "FILE",
     .help = "(N,C,D,H,W), or (C,D,H,W) unbatched; .npy,\nFILE.npz:NAME, .nii or .nii.gz",
     .parse = option_text,
     .offset = offsetof(grad_options, input)},
    {.name = "weight",
     .argument = "FILE",
     .help = "(out_channels, in_channels / groups, kD, kH, kW)",
     .parse = option_text,
     .offset = offsetof(grad_options, weight)},
    {.name = "grad-output",
     .argument = "FILE",
     .help = "of the output's shape",
     .parse = option_text,
     .offset = offsetof(grad_options, grad_output)},
    {.name = "grad-input",
     .argument = "FILE",
     .help = "where the gradient of the input goes",
     .parse = option_text,
     .offset = offsetof(grad_options, made[0])},
    {.name = "grad-weight",
     .argument = "FILE",
     .help = "where the gradient of the weight goes",
     .parse = option_text,
     .offset = offsetof(grad_options, made[1])},
    {.name = "grad-bias",
     .argument = "FILE",
     .help = "where the gradient of a bias goes",
     .parse = option_text,
     .offset = offsetof(grad_options, made[2])},
    DTYPE_OPTION(grad_options),
    MEMORY_LIMIT_OPTION(grad_options),
    {.name = NULL},
};

static const command_help grad_help = {
    "grad",
    "--input FILE --weight FILE --grad-output FILE [convolution options]\n"
    "[device and plan options] [--dtype TYPE] [--memory-limit BYTES]\n"
    "[--grad-input FILE] [--grad-weight FILE] [--grad-bias FILE]",
    "Computes the gradients that autograd computes for torch.nn.functional.conv3d, given that of the\n"
    "output: at least one of the three. The tensors share a type, float32 or float64.",
    0};

static const char *const made_options[GRADIENTS] = {"--grad-input", "--grad-weight", "--grad-bias"};

typedef struct grad_tensors {
    tensor input, weight, grad_output, made[GRADIENTS];
} grad_tensors;

static int check_options(const grad_options *o)
{
    if (!o->input) return tool_fail(EXIT_WRONG_USE, "grad: --input is missing");
    if (!o->weight) return tool_fail(EXIT_WRONG_USE, "grad: --weight is missing");
    if (!o->grad_output) return tool_fail(EXIT_WRONG_USE, "grad: --grad-output is missing");
    for (int i = 0; i < GRADIENTS; i++) {
        if (o->made[i]) return EXIT_DONE;
    }
    return tool_fail(
        EXIT_WRONG_USE,
        "grad: --grad-input, --grad-weight and --grad-bias are missing; at least one must be given");
}

static int claim(const grad_options *o, outputs *files)
{
    int status = EXIT_DONE;
    for (int i = 0; i < GRADIENTS && !status; i++) {
        if (o->made[i]) status = outputs_claim(files, made_options[i], o->made[i]);
    }
    return status;
}

static int read_tensors(const grad_options *o, grad_tensors *t)
{
    int status = tensor_read("--input", o->input, o->dtype, &t->input);
    if (!status) status = tensor_read("--weight", o->weight, o->dtype, &t->weight);
    if (!status) status = tensor_read("--grad-output", o->grad_output, o->dtype, &t->grad_output);
    if (!status) status = types_match("weight", t->weight.dtype, t->input.dtype);
    if (!status) status = types_match("grad-output", t->grad_output.dtype, t->input.dtype);
    return status;
}

static int prepare_problem(const grad_options *o, const grad_tensors *t, clconv_problem *problem)
{
    shape_view input = {t->input.rank, t->input.shape}, weight = {t->weight.rank, t->weight.shape};
    clconv_problem_init(problem);
    problem->dtype = t->input.dtype;
    int status = conv_problem(&o->conv, input, weight, NULL, problem);
    if (status) return status;
    clconv_error err;
    int64_t size[3];
    if (clconv_output_size(problem, size, &err)) return tool_fail_library(NULL, &err);
    const int64_t shape[5] = {problem->batch, problem->out_channels, size[0], size[1], size[2]};
    int unbatched = t->input.rank == 4;
    shape_view given = {t->grad_output.rank, t->grad_output.shape},
               output = {5 - unbatched, shape + unbatched};
    return shapes_match("--grad-output", given, output);
}

/* Gradients have the shapes, and the input's the geometry, of what they are gradients of. */
static int create_gradients(const grad_options *o, const clconv_problem *problem, outputs *files,
                            grad_tensors *t)
{
    const int64_t channels[1] = {problem->out_channels};
    const tensor *of[GRADIENTS] = {&t->input, &t->weight, NULL};
    const double origin[3] = {0, 0, 0}, step[3] = {1, 1, 1};
    int status = EXIT_DONE;
    if (o->made[0]) t->made[0].volume = volume_derive(t->input.volume, origin, step);
    for (int i = 0; i < GRADIENTS && !status; i++) {
        if (!o->made[i]) continue;
        tensor *made = &t->made[i];
        made->dtype = problem->dtype;
        made->rank = of[i] ? of[i]->rank : 1;
        memcpy(made->shape, of[i] ? of[i]->shape : channels, sizeof *made->shape * (size_t)made->rank);
        status = outputs_create_tensor(files, o->made[i], made);
    }
    return status;
}

static int differentiate(const grad_options *o, const clconv_problem *problem, grad_tensors *t)
{
    clconv_error err;
    busy progress;
    clconv_plan_options how;
    clconv_context *context = NULL;
    int status = common_options_open(&o->common, &context);
    if (status) return status;
    common_options_plan(&o->common, &how);
    busy_start(&progress, "differentiating");
    const clconv_host_gradients gradients = {.input = t->input.data,
                                             .weight = t->weight.data,
                                             .grad_output = t->grad_output.data,
                                             .grad_input = t->made[0].data,
                                             .grad_weight = t->made[1].data,
                                             .grad_bias = t->made[2].data};
    clconv_status result = clconv_conv3d_grad_host(context, problem, &how, &gradients, &err);
    busy_stop(&progress);
    common_options_close(&o->common, context);
    return result ? tool_fail_library(NULL, &err) : EXIT_DONE;
}

static int run(const grad_options *o, outputs *files, grad_tensors *t)
{
    clconv_problem problem;
    int status = claim(o, files);
    if (!status) status = read_tensors(o, t);
    if (!status) status = prepare_problem(o, t, &problem);
    if (!status) status = create_gradients(o, &problem, files, t);
    if (!status) status = differentiate(o, &problem, t);
    for (int i = 0; i < GRADIENTS && !status; i++) {
        if (o->made[i]) status = outputs_write_tensor(files, o->made[i], &t->made[i]);
    }
    if (!status) status = outputs_commit(files);
    return status;
}

int cmd_grad(int argc, char **argv)
{
    grad_options options = {0};
    conv_options_init(&options.conv);
    common_options_init(&options.common);
    const option_group groups[] = {{"tensors", grad_table, &options},
                                   {"convolution", conv_option_table, &options.conv},
                                   {"device and plan", common_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&grad_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;
    status = check_options(&options);
    if (status) return status;

    grad_tensors t = {0};
    outputs *files = outputs_create();
    status = files ? run(&options, files, &t) : tool_fail(EXIT_FAILED, "out of memory");
    outputs_release(files);
    tensor_release(&t.input);
    tensor_release(&t.weight);
    tensor_release(&t.grad_output);
    for (int i = 0; i < GRADIENTS; i++) {
        tensor_release(&t.made[i]);
    }
    return status;
}
