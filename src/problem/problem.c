/* The problem and the rules of Conv3d that hold for each of its members. Rules that need sizes derived from
 * several are in geometry.c. */
#include "problem/problem.h"

#include "base/arith.h"
#include "base/error.h"
#include "problem/activation.h"

static const char axis_names[] = "DHW";

void clconv_problem_init(clconv_problem *problem)
{
    if (problem == NULL) return;
    *problem = (clconv_problem){
        .batch = 1,
        .groups = 1,
        .in_channels = 1,
        .out_channels = 1,
        .input = {1, 1, 1},
        .kernel = {1, 1, 1},
        .stride = {1, 1, 1},
        .dilation = {1, 1, 1},
        .activation_slope = 0.01,
    };
}

static clconv_status check_channels(const clconv_problem *p, clconv_error *err)
{
    if (p->batch < 0)
        return error_set(err, CLCONV_INVALID_PROBLEM, "batch is %lld; it must not be negative",
                         (long long)p->batch);
    if (p->groups <= 0)
        return error_set(err, CLCONV_INVALID_PROBLEM, "groups is %lld; it must be a positive integer",
                         (long long)p->groups);
    if (p->in_channels <= 0)
        return error_set(err, CLCONV_INVALID_PROBLEM, "in_channels is %lld; it must be positive",
                         (long long)p->in_channels);
    if (p->out_channels <= 0)
        return error_set(err, CLCONV_INVALID_PROBLEM, "out_channels is %lld; it must be positive",
                         (long long)p->out_channels);
    if (p->in_channels % p->groups != 0)
        return error_set(err, CLCONV_INVALID_PROBLEM,
                         "in_channels is %lld; it must be divisible by groups (%lld)",
                         (long long)p->in_channels, (long long)p->groups);
    if (p->out_channels % p->groups != 0)
        return error_set(err, CLCONV_INVALID_PROBLEM,
                         "out_channels is %lld; it must be divisible by groups (%lld)",
                         (long long)p->out_channels, (long long)p->groups);
    return CLCONV_SUCCESS;
}

static clconv_status check_kinds(const clconv_problem *p, clconv_error *err)
{
    if (p->dtype != CLCONV_FLOAT32 && p->dtype != CLCONV_FLOAT64)
        return error_set(err, CLCONV_INVALID_PROBLEM, "dtype is %d; it must be float32 or float64",
                         (int)p->dtype);
    if (p->layout != CLCONV_NCDHW)
        return error_set(err, CLCONV_INVALID_PROBLEM, "layout is %d; it must be NCDHW", (int)p->layout);
    switch (p->padding_mode) {
    case CLCONV_PADDING_ZEROS:
    case CLCONV_PADDING_REFLECT:
    case CLCONV_PADDING_REPLICATE:
    case CLCONV_PADDING_CIRCULAR:
    case CLCONV_PADDING_SYMMETRIC:
        break;
    default:
        return error_set(err, CLCONV_INVALID_PROBLEM,
                         "padding_mode is %d; it must be zeros, reflect, replicate, circular or symmetric",
                         (int)p->padding_mode);
    }
    if (p->has_bias != 0 && p->has_bias != 1)
        return error_set(err, CLCONV_INVALID_PROBLEM, "has_bias is %d; it must be 0 or 1", p->has_bias);
    if (p->has_residual != 0 && p->has_residual != 1)
        return error_set(err, CLCONV_INVALID_PROBLEM, "has_residual is %d; it must be 0 or 1",
                         p->has_residual);
    return CLCONV_SUCCESS;
}

static clconv_status check_positive(const char *name, int64_t value, int axis, clconv_error *err)
{
    if (value > 0) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_INVALID_PROBLEM, "%s of %c is %lld; it must be greater than zero", name,
                     axis_names[axis], (long long)value);
}

/* What a padding mode allows on one side of an axis. */
static clconv_status check_padding(const clconv_problem *p, const char *name, int64_t padding, int axis,
                                   clconv_error *err)
{
    int64_t size = p->input[axis];
    if (padding < 0)
        return error_set(err, CLCONV_INVALID_PROBLEM, "%s of %c is %lld; negative padding is not supported",
                         name, axis_names[axis], (long long)padding);
    if (p->padding_mode == CLCONV_PADDING_REFLECT && padding >= size)
        return error_set(
            err, CLCONV_INVALID_PROBLEM,
            "%s of %c is %lld; with padding_mode reflect it must be less than the input size (%lld)", name,
            axis_names[axis], (long long)padding, (long long)size);
    bool is_symmetric = p->padding_mode == CLCONV_PADDING_SYMMETRIC;
    if ((is_symmetric || p->padding_mode == CLCONV_PADDING_CIRCULAR) && padding > size)
        return error_set(err, CLCONV_INVALID_PROBLEM,
                         "%s of %c is %lld; with padding_mode %s it must not exceed the input size (%lld)",
                         name, axis_names[axis], (long long)padding, is_symmetric ? "symmetric" : "circular",
                         (long long)size);
    return CLCONV_SUCCESS;
}

clconv_status problem_check_output_padding(int64_t output_padding, int64_t stride, int64_t dilation, int axis,
                                           clconv_error *err)
{
    if (output_padding >= 0 && output_padding < max_i64(stride, dilation)) return CLCONV_SUCCESS;
    return error_set(
        err, CLCONV_INVALID_PROBLEM,
        "output_padding of %c is %lld; it must be at least 0 and smaller than either stride (%lld) or "
        "dilation (%lld)",
        axis_names[axis], (long long)output_padding, (long long)stride, (long long)dilation);
}

static clconv_status check_axis(const clconv_problem *p, int axis, clconv_error *err)
{
    clconv_status status = check_positive("input size", p->input[axis], axis, err);
    if (status == CLCONV_SUCCESS) status = check_positive("kernel_size", p->kernel[axis], axis, err);
    if (status == CLCONV_SUCCESS) status = check_positive("stride", p->stride[axis], axis, err);
    if (status == CLCONV_SUCCESS) status = check_positive("dilation", p->dilation[axis], axis, err);
    if (status == CLCONV_SUCCESS) status = check_padding(p, "padding before", p->pad_before[axis], axis, err);
    if (status == CLCONV_SUCCESS) status = check_padding(p, "padding after", p->pad_after[axis], axis, err);
    if (status == CLCONV_SUCCESS)
        status = problem_check_output_padding(p->output_padding[axis], p->stride[axis], p->dilation[axis],
                                              axis, err);
    return status;
}

clconv_status problem_check_members(const clconv_problem *problem, clconv_error *err)
{
    clconv_status status = check_kinds(problem, err);
    if (status == CLCONV_SUCCESS) status = activation_check(problem, err);
    if (status == CLCONV_SUCCESS) status = check_channels(problem, err);
    for (int axis = 0; axis < 3 && status == CLCONV_SUCCESS; axis++)
        status = check_axis(problem, axis, err);
    return status;
}

clconv_status problem_check_transposed(const clconv_problem *problem, clconv_error *err)
{
    if (problem->padding_mode == CLCONV_PADDING_ZEROS) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_INVALID_PROBLEM,
                     "padding_mode is %d; only zeros is supported for transposed convolutions",
                     (int)problem->padding_mode);
}

clconv_status clconv_problem_set_same_padding(clconv_problem *problem, clconv_error *err)
{
    if (problem == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "problem is NULL");
    int64_t total[3];
    for (int axis = 0; axis < 3; axis++) {
        if (problem->stride[axis] != 1)
            return error_set(err, CLCONV_INVALID_PROBLEM,
                             "stride of %c is %lld; padding='same' is not supported for strided convolutions",
                             axis_names[axis], (long long)problem->stride[axis]);
        clconv_status status = check_positive("kernel_size", problem->kernel[axis], axis, err);
        if (status == CLCONV_SUCCESS) status = check_positive("dilation", problem->dilation[axis], axis, err);
        if (status != CLCONV_SUCCESS) return status;
        if (!size_multiply(problem->dilation[axis], problem->kernel[axis] - 1, &total[axis]))
            return error_set(err, CLCONV_INVALID_PROBLEM,
                             "dilation * (kernel_size - 1) of %c exceeds 2^63 - 1", axis_names[axis]);
    }
    for (int axis = 0; axis < 3; axis++) {
        problem->pad_before[axis] = total[axis] / 2;
        problem->pad_after[axis] = total[axis] - total[axis] / 2;
    }
    return CLCONV_SUCCESS;
}
