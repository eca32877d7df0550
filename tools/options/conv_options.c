/* The options that several commands share: those of the convolution and those of the device and plan. */
#include "options/options.h"

#include "common/worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const option_spec conv_option_table[] = {
    {.name = "stride",
     .argument = "S",
     .help = "an int or d,h,w; default 1",
     .parse = option_extents,
     .offset = offsetof(conv_options, stride)},
    {.name = "padding",
     .argument = "P",
     .help = "an int, d,h,w, 'same', 'valid', or six values\n"
             "d_before,d_after,h_before,h_after,w_before,w_after;\ndefault 0",
     .parse = option_padding,
     .offset = offsetof(conv_options, padding)},
    {.name = "dilation",
     .argument = "D",
     .help = "an int or d,h,w; default 1",
     .parse = option_extents,
     .offset = offsetof(conv_options, dilation)},
    {.name = "groups",
     .argument = "G",
     .help = "divides the channels; default 1",
     .parse = option_integer,
     .offset = offsetof(conv_options, groups)},
    {.name = "padding-mode",
     .argument = "M",
     .help = "zeros (default), reflect, replicate, circular or symmetric",
     .parse = option_padding_mode,
     .offset = offsetof(conv_options, mode)},
    {.name = NULL},
};

#define DEVICE_OPTION                                                           \
    {                                                                           \
        .name = "device", .argument = "SELECTOR",                               \
        .help = "the OpenCL device: N or P:D of 'clconv devices', gpu, cpu,\n"  \
                "accelerator or part of a name; default: CLCONV_DEVICE, else\n" \
                "the best",                                                     \
        .parse = option_text, .offset = offsetof(common_options, device)        \
    }
#define VERBOSE_OPTION                                                                  \
    {                                                                                   \
        .name = "verbose", .help = "says more on standard error", .parse = option_flag, \
        .offset = offsetof(common_options, verbose)                                     \
    }

const option_spec device_option_table[] = {
    DEVICE_OPTION,
    VERBOSE_OPTION,
    {.name = NULL},
};

const option_spec common_option_table[] = {
    DEVICE_OPTION,
    {.name = "algorithm",
     .argument = "NAME",
     .help = "'auto' (default), or the only one to use",
     .parse = option_text,
     .offset = offsetof(common_options, algorithm)},
    {.name = "workspace-limit",
     .argument = "BYTES",
     .help = "scratch memory on the device, with K, M or G; default\nunlimited",
     .parse = option_bytes,
     .offset = offsetof(common_options, workspace_limit)},
    {.name = "strict",
     .help = "inf and NaN in weights meet padded zeros as in PyTorch",
     .parse = option_flag,
     .offset = offsetof(common_options, strict)},
    VERBOSE_OPTION,
    {.name = NULL},
};

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
    how.memory_limit = options->memory_limit;
    how.progress = isatty(STDERR_FILENO);
    how.exportable = options->exportable;
    how.plans_only = options->plans_only;
    clconv_status status = clconv_context_create_selected(options->device, &how, context, &err);
    return status ? tool_fail_library(NULL, &err) : EXIT_DONE;
}

/* How often the cache helped is told with the other verbose messages. */
static void tell_cache(const clconv_counters *c)
{
    fprintf(
        stderr,
        "clconv: programs: %lld compiled, %lld loaded from the cache; not there: %lld absent, %lld damaged, "
        "%lld refused by the driver, %lld wrong; %lld saved, %lld left for 'clconv cache fill'\n",
        (long long)c->programs_built, (long long)c->programs_loaded, (long long)c->cache_absent,
        (long long)c->cache_damaged, (long long)c->cache_refused, (long long)c->cache_wrong,
        (long long)c->programs_saved, (long long)c->programs_wanted);
}

void common_options_close(const common_options *options, clconv_context *context)
{
    clconv_counters counters;
    char selector[32];
    if (!context) return;
    clconv_context_counters(context, &counters);
    snprintf(selector, sizeof selector, "%s", clconv_context_device_info(context)->selector);
    if (options->verbose) tell_cache(&counters);
    clconv_context_release(context);
    const char *const fill[] = {"cache", "fill", "--idle", "--device", selector, NULL};
    if (counters.programs_wanted_again > 0) worker_start_alone(fill);
}

void common_options_plan(const common_options *options, clconv_plan_options *plan)
{
    clconv_plan_options_init(plan);
    plan->algorithm = options->algorithm;
    plan->parameters = options->parameters;
    plan->workspace_limit = options->workspace_limit;
    plan->strict = options->strict;
}
