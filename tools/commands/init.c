/* clconv init: the weights that torch.nn.Conv3d starts from. */
#include "commands/commands.h"
#include "files/outputs.h"
#include "options/options.h"

typedef struct init_options {
    int64_t shape[5], groups;
    uint64_t seed;
    const char *weight, *bias;
} init_options;

static const option_spec init_table[] = {
    {.name = "weight-shape",
     .argument = "O,I,kD,kH,kW",
     .help = "the weight's shape; I is in_channels / groups",
     .parse = option_shape,
     .offset = offsetof(init_options, shape)},
    {.name = "groups",
     .argument = "G",
     .help = "divides O; default 1",
     .parse = option_integer,
     .offset = offsetof(init_options, groups)},
    {.name = "seed",
     .argument = "S",
     .help = "as of torch.manual_seed(S); default 0",
     .parse = option_seed,
     .offset = offsetof(init_options, seed)},
    {.name = "weight",
     .argument = "FILE",
     .help = "where the weight goes (.npy)",
     .parse = option_text,
     .offset = offsetof(init_options, weight)},
    {.name = "bias",
     .argument = "FILE",
     .help = "where the bias of O values goes (.npy)",
     .parse = option_text,
     .offset = offsetof(init_options, bias)},
    {.name = NULL},
};

static const command_help init_help = {
    "init", "--weight-shape O,I,kD,kH,kW [--groups G] [--seed S] --weight FILE\n[--bias FILE]",
    "Writes the weight, and the bias, that torch.nn.Conv3d has after torch.manual_seed(S):\n"
    "the same bits.",
    0};

static int check_options(const init_options *o)
{
    static const char *const axes[] = {"O", "I", "kD", "kH", "kW"};
    if (o->shape[0] == SHAPE_MISSING) return tool_fail(EXIT_WRONG_USE, "init: --weight-shape is missing");
    if (!o->weight) return tool_fail(EXIT_WRONG_USE, "init: --weight is missing");
    for (int i = 0; i < 5; i++) {
        if (o->shape[i] >= 1) continue;
        return tool_fail(EXIT_WRONG_USE, "--weight-shape: %s is %lld; it must be positive", axes[i],
                         (long long)o->shape[i]);
    }
    if (o->groups < 1) {
        return tool_fail(EXIT_WRONG_USE, "--groups is %lld; it must be positive", (long long)o->groups);
    }
    if (o->shape[0] % o->groups) {
        return tool_fail(EXIT_WRONG_USE, "out_channels must be divisible by groups: %lld by %lld",
                         (long long)o->shape[0], (long long)o->groups);
    }
    return EXIT_DONE;
}

static int write_initial(const init_options *o, outputs *files, tensor *weight, tensor *bias)
{
    clconv_error err;
    int status = outputs_claim(files, "--weight", o->weight);
    if (!status && o->bias) status = outputs_claim(files, "--bias", o->bias);
    if (!status) status = tensor_create(CLCONV_FLOAT32, 5, o->shape, weight);
    if (!status && o->bias) status = tensor_create(CLCONV_FLOAT32, 1, o->shape, bias);
    if (status) return status;
    if (clconv_init_uniform(o->shape, o->seed, weight->data, bias->data, &err)) {
        return tool_fail_library(NULL, &err);
    }
    status = outputs_write_tensor(files, o->weight, weight);
    if (!status && o->bias) status = outputs_write_tensor(files, o->bias, bias);
    return status ? status : outputs_commit(files);
}

int cmd_init(int argc, char **argv)
{
    init_options options = {.shape = {SHAPE_MISSING}, .groups = 1};
    const option_group groups[] = {{"options", init_table, &options}, {NULL, NULL, NULL}};
    int status = options_parse(&init_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;
    status = check_options(&options);
    if (status) return status;

    tensor weight = {0}, bias = {0};
    outputs *files = outputs_create();
    status = files ? write_initial(&options, files, &weight, &bias) : tool_fail(EXIT_FAILED, "out of memory");
    outputs_release(files);
    tensor_release(&weight);
    tensor_release(&bias);
    return status;
}
