/* The options that several commands share: those of the convolution and those of the device and plan. */
#include "options/options.h"

#include <string.h>

const option_spec conv_option_table[] = {
    {"stride", "S", "an int or d,h,w; default 1", option_extents, offsetof(conv_options, stride)},
    {"padding", "P",
     "an int, d,h,w, 'same', 'valid', or six values\n"
     "d_before,d_after,h_before,h_after,w_before,w_after;\ndefault 0",
     option_padding, offsetof(conv_options, padding)},
    {"dilation", "D", "an int or d,h,w; default 1", option_extents, offsetof(conv_options, dilation)},
    {"groups", "G", "divides the channels; default 1", option_integer, offsetof(conv_options, groups)},
    {"padding-mode", "M", "zeros (default), reflect, replicate or circular", option_padding_mode,
     offsetof(conv_options, mode)},
    {NULL, NULL, NULL, NULL, 0}};

#define DEVICE_OPTION                                                       \
    {                                                                       \
        "device", "SELECTOR",                                               \
            "the OpenCL device: N or P:D of 'clconv devices', gpu, cpu,\n"  \
            "accelerator or part of a name; default: CLCONV_DEVICE, else\n" \
            "the best",                                                     \
            option_text, offsetof(common_options, device)                   \
    }
#define VERBOSE_OPTION                                                                                 \
    {                                                                                                  \
        "verbose", NULL, "says more on standard error", option_flag, offsetof(common_options, verbose) \
    }

const option_spec device_option_table[] = {DEVICE_OPTION, VERBOSE_OPTION, {NULL, NULL, NULL, NULL, 0}};

const option_spec common_option_table[] = {
    DEVICE_OPTION,
    {"algorithm", "NAME", "'auto' (default), or the only one to use", option_text,
     offsetof(common_options, algorithm)},
    {"workspace-limit", "BYTES", "scratch memory on the device, with K, M or G; default\nunlimited",
     option_bytes, offsetof(common_options, workspace_limit)},
    {"strict", NULL, "inf and NaN in weights meet padded zeros as in PyTorch", option_flag,
     offsetof(common_options, strict)},
    VERBOSE_OPTION,
    {NULL, NULL, NULL, NULL, 0}};

void conv_options_init(conv_options *options)
{
    *options = (conv_options){.stride = {1, 1, 1}, .dilation = {1, 1, 1}, .groups = 1};
}

int conv_options_are_default(const conv_options *o)
{
    for (int axis = 0; axis < 3; axis++) {
        if (o->stride[axis] != 1 || o->dilation[axis] != 1) return 0;
        if (o->padding.before[axis] != 0 || o->padding.after[axis] != 0) return 0;
    }
    return o->groups == 1 && !o->padding.same && o->mode == CLCONV_PADDING_ZEROS;
}

int conv_options_apply(const conv_options *options, clconv_problem *problem)
{
    clconv_error err;
    problem->groups = options->groups;
    problem->padding_mode = options->mode;
    memcpy(problem->stride, options->stride, sizeof problem->stride);
    memcpy(problem->dilation, options->dilation, sizeof problem->dilation);
    memcpy(problem->pad_before, options->padding.before, sizeof problem->pad_before);
    memcpy(problem->pad_after, options->padding.after, sizeof problem->pad_after);
    clconv_status status = CLCONV_SUCCESS;
    if (options->padding.same) status = clconv_problem_set_same_padding(problem, &err);
    if (!status) status = clconv_problem_validate(problem, &err);
    return status ? tool_fail_library(NULL, &err) : EXIT_DONE;
}

void common_options_init(common_options *options)
{
    *options = (common_options){.workspace_limit = CLCONV_WORKSPACE_UNLIMITED};
}

int common_options_open(const common_options *options, clconv_context **context)
{
    clconv_error err;
    clconv_context_options how;
    clconv_context_options_init(&how);
    how.message = tool_message;
    how.verbose = options->verbose;
    clconv_status status = clconv_context_create_selected(options->device, &how, context, &err);
    return status ? tool_fail_library(NULL, &err) : EXIT_DONE;
}

void common_options_plan(const common_options *options, clconv_plan_options *plan)
{
    clconv_plan_options_init(plan);
    plan->algorithm = options->algorithm;
    plan->workspace_limit = options->workspace_limit;
    plan->strict = options->strict;
}
