/* A problem from the shapes of tensors and the convolution options: the rules that tie shapes to each other,
 * in PyTorch's words. What holds for a problem by itself is left to the library. */
#include "options/options.h"

#include <stdio.h>
#include <string.h>

/* "[1, 3, 8, 8, 8]", as PyTorch prints a size. */
typedef struct shape_text {
    char text[256];
} shape_text;

static shape_text describe(shape_view shape)
{
    shape_text d = {"["};
    size_t used = 1;
    for (int i = 0; i < shape.rank && used < sizeof d.text; i++) {
        used += (size_t)snprintf(d.text + used, sizeof d.text - used, i ? ", %lld" : "%lld",
                                 (long long)shape.extents[i]);
    }
    if (used < sizeof d.text) snprintf(d.text + used, sizeof d.text - used, "]");
    return d;
}

static int check_ranks(shape_view input, shape_view weight, const shape_view *bias)
{
    if (input.rank != 4 && input.rank != 5) {
        return tool_fail(EXIT_WRONG_USE,
                         "--input: expected 4D (unbatched) or 5D (batched) input to conv3d, but got input "
                         "of size %s%s",
                         describe(input).text,
                         input.rank == 3 ? "; a volume of one channel is (1,D,H,W): in NumPy x[None]" : "");
    }
    if (weight.rank != 5) {
        return tool_fail(EXIT_WRONG_USE,
                         "--weight: expected a 5D weight (out_channels, in_channels / groups, kD, kH, kW), "
                         "but got weight of size %s",
                         describe(weight).text);
    }
    if (bias && (bias->rank != 1 || bias->extents[0] != weight.extents[0])) {
        return tool_fail(EXIT_WRONG_USE,
                         "--bias: given weight of size %s, expected bias to be 1-dimensional with %lld "
                         "elements, but got bias of size %s instead",
                         describe(weight).text, (long long)weight.extents[0], describe(*bias).text);
    }
    return EXIT_DONE;
}

static int check_channels(int64_t groups, shape_view input, shape_view weight)
{
    int64_t channels = input.extents[input.rank - 4], group_in = weight.extents[1];
    if (groups < 1) return EXIT_DONE; /* the library says what is wrong with it */
    if (channels / groups == group_in && channels % groups == 0) return EXIT_DONE;
    if (group_in > INT64_MAX / groups || group_in < 0) {
        return tool_fail(EXIT_WRONG_USE, "--groups is %lld; weight of size %s leaves no such channel count",
                         (long long)groups, describe(weight).text);
    }
    return tool_fail(EXIT_WRONG_USE,
                     "--groups is %lld; weight of size %s, expected input %s to have %lld channels, but got "
                     "%lld channels instead",
                     (long long)groups, describe(weight).text, describe(input).text,
                     (long long)(groups * group_in), (long long)channels);
}

int conv_problem(const conv_options *options, shape_view input, shape_view weight, const shape_view *bias,
                 clconv_problem *problem)
{
    int status = check_ranks(input, weight, bias);
    if (!status) status = check_channels(options->groups, input, weight);
    if (status) return status;
    const int64_t *volume = input.extents + input.rank - 3;
    problem->batch = input.rank == 5 ? input.extents[0] : 1;
    problem->in_channels = volume[-1];
    problem->out_channels = weight.extents[0];
    problem->has_bias = bias != NULL;
    memcpy(problem->input, volume, sizeof problem->input);
    memcpy(problem->kernel, weight.extents + 2, sizeof problem->kernel);
    return conv_options_apply(options, problem);
}

int shapes_match(const char *option, shape_view tensor, shape_view output)
{
    size_t bytes = sizeof *output.extents * (size_t)output.rank;
    if (tensor.rank == output.rank && !memcmp(tensor.extents, output.extents, bytes)) return EXIT_DONE;
    return tool_fail(EXIT_WRONG_USE, "%s: expected the output's size %s, but got a tensor of size %s", option,
                     describe(output).text, describe(tensor).text);
}

static const char *dtype_name(clconv_dtype dtype)
{
    return dtype == CLCONV_FLOAT64 ? "float64" : "float32";
}

int types_match(const char *name, clconv_dtype dtype, clconv_dtype input)
{
    if (dtype == input) return EXIT_DONE;
    return tool_fail(EXIT_WRONG_USE,
                     "input type (%s) and %s type (%s) should be the same; --dtype makes them so",
                     dtype_name(input), name, dtype_name(dtype));
}

static int check_transposed(const conv_options *options, shape_view input, shape_view weight,
                            const shape_view *bias)
{
    if (input.rank != 4 && input.rank != 5) {
        return tool_fail(
            EXIT_WRONG_USE,
            "--input: expected 4D (unbatched) or 5D (batched) input to conv_transpose3d, but got "
            "input of size %s",
            describe(input).text);
    }
    if (weight.rank != 5) {
        return tool_fail(
            EXIT_WRONG_USE,
            "--weight: expected a 5D weight (in_channels, out_channels / groups, kD, kH, kW), but "
            "got weight of size %s",
            describe(weight).text);
    }
    if (options->padding.same) {
        return tool_fail(EXIT_WRONG_USE, "--padding is 'same'; a transposed convolution needs numbers");
    }
    int64_t channels = input.extents[input.rank - 4], groups = options->groups;
    if (groups < 1)
        return tool_fail(EXIT_WRONG_USE, "--groups is %lld; it must be a positive integer",
                         (long long)groups);
    if (channels != weight.extents[0]) {
        return tool_fail(
            EXIT_WRONG_USE,
            "given transposed=1, weight of size %s, expected input %s to have %lld channels, but got "
            "%lld channels instead",
            describe(weight).text, describe(input).text, (long long)weight.extents[0], (long long)channels);
    }
    if (weight.extents[1] > INT64_MAX / groups) {
        return tool_fail(EXIT_WRONG_USE, "--groups is %lld; weight of size %s leaves no such channel count",
                         (long long)groups, describe(weight).text);
    }
    if (bias && (bias->rank != 1 || bias->extents[0] != weight.extents[1] * groups)) {
        return tool_fail(
            EXIT_WRONG_USE,
            "--bias: given transposed=1, weight of size %s, expected bias to be 1-dimensional with "
            "%lld elements, but got bias of size %s instead",
            describe(weight).text, (long long)(weight.extents[1] * groups), describe(*bias).text);
    }
    return EXIT_DONE;
}

int conv_problem_transposed(const conv_options *options, const int64_t output_padding[3], shape_view input,
                            shape_view weight, const shape_view *bias, clconv_problem *problem)
{
    int status = check_transposed(options, input, weight, bias);
    if (status) return status;
    problem->batch = input.rank == 5 ? input.extents[0] : 1;
    problem->groups = options->groups;
    problem->in_channels = weight.extents[1] * options->groups;
    problem->out_channels = weight.extents[0];
    problem->has_bias = bias != NULL;
    problem->padding_mode = options->mode;
    memcpy(problem->kernel, weight.extents + 2, sizeof problem->kernel);
    memcpy(problem->stride, options->stride, sizeof problem->stride);
    memcpy(problem->dilation, options->dilation, sizeof problem->dilation);
    memcpy(problem->pad_before, options->padding.before, sizeof problem->pad_before);
    memcpy(problem->pad_after, options->padding.after, sizeof problem->pad_after);
    clconv_error err;
    clconv_status result =
        clconv_problem_set_transposed(problem, input.extents + input.rank - 3, output_padding, &err);
    return result ? tool_fail_library(NULL, &err) : EXIT_DONE;
}
