/* Extents and index rules: see geometry.h. Formulas are those of torch.nn.Conv3d's page. */
#include "problem/geometry.h"

#include "base/arith.h"
#include "base/error.h"
#include "problem/problem.h"

#include <string.h>

int64_t geometry_source(clconv_padding_mode mode, int64_t position, int64_t size)
{
    if (position >= 0 && position < size) return position;
    switch (mode) {
    case CLCONV_PADDING_REFLECT:
        return position < 0 ? -position : 2 * (size - 1) - position;
    case CLCONV_PADDING_REPLICATE:
        return position < 0 ? 0 : size - 1;
    case CLCONV_PADDING_CIRCULAR:
        return position < 0 ? position + size : position - size;
    case CLCONV_PADDING_SYMMETRIC:
        return position < 0 ? -1 - position : 2 * size - 1 - position;
    default:
        return -1;
    }
}

static clconv_status compute_axis(const clconv_problem *p, int axis, geometry *g, clconv_error *err)
{
    static const char names[] = "DHW";
    int64_t padded, extent;
    if (!size_add(p->input[axis], p->pad_before[axis], &padded) ||
        !size_add(padded, p->pad_after[axis], &padded) || padded > INT64_MAX / 4)
        return error_set(err, CLCONV_INVALID_PROBLEM, "padded input size of %c exceeds 2^61", names[axis]);
    if (!size_multiply(p->dilation[axis], p->kernel[axis] - 1, &extent) || !size_add(extent, 1, &extent) ||
        extent > padded)
        return error_set(err, CLCONV_INVALID_PROBLEM,
                         "kernel size can't be greater than actual input size: on %c the kernel spans "
                         "%lld * (%lld - 1) + 1 elements, the padded input has %lld",
                         names[axis], (long long)p->dilation[axis], (long long)p->kernel[axis],
                         (long long)padded);
    if (p->output_padding[axis] > padded - extent)
        return error_set(err, CLCONV_INVALID_PROBLEM,
                         "output_padding of %c is %lld; beside a kernel that spans %lld elements the padded "
                         "input of %lld has no room for it",
                         names[axis], (long long)p->output_padding[axis], (long long)extent,
                         (long long)padded);
    g->padded[axis] = padded;
    g->output[axis] = (padded - extent - p->output_padding[axis]) / p->stride[axis] + 1;
    return CLCONV_SUCCESS;
}

/* A tensor's elements; its bytes must fit int64_t, with room for the sums of offsets that kernels make. */
static clconv_status count(const char *name, const int64_t *sizes, int rank, int64_t element_size,
                           int64_t *elements, clconv_error *err)
{
    if (size_product(sizes, rank, elements) && *elements <= INT64_MAX / 4 / element_size)
        return CLCONV_SUCCESS;
    return error_set(err, CLCONV_INVALID_PROBLEM, "%s would have more than 2^61 bytes", name);
}

static clconv_status count_elements(const clconv_problem *p, geometry *g, clconv_error *err)
{
    const int64_t *x = p->input, *y = g->output, *k = p->kernel, size = g->element_size;
    clconv_tensor_sizes *n = &g->elements;
    int64_t unused;
    /* Counted for one sample at least, so that extents are safe to multiply in an empty batch too. */
    int64_t samples = max_i64(p->batch, 1);
    clconv_status status =
        count("input", (const int64_t[]){samples, p->in_channels, x[0], x[1], x[2]}, 5, size, &n->input, err);
    if (status == CLCONV_SUCCESS)
        status = count("output", (const int64_t[]){samples, p->out_channels, y[0], y[1], y[2]}, 5, size,
                       &n->output, err);
    if (status == CLCONV_SUCCESS)
        status = count("weight", (const int64_t[]){p->out_channels, g->group_in, k[0], k[1], k[2]}, 5, size,
                       &n->weight, err);
    if (status == CLCONV_SUCCESS)
        status = count("padded input",
                       (const int64_t[]){samples, p->in_channels, g->padded[0], g->padded[1], g->padded[2]},
                       5, size, &unused, err);
    if (p->batch == 0) n->input = n->output = 0;
    n->bias = p->has_bias ? p->out_channels : 0;
    n->residual = p->has_residual ? n->output : 0;
    return status;
}

clconv_status geometry_compute(const clconv_problem *problem, geometry *g, clconv_error *err)
{
    const clconv_problem *p = problem;
    clconv_status status = problem_check_members(p, err);
    geometry made = {0};
    for (int axis = 0; axis < 3 && status == CLCONV_SUCCESS; axis++)
        status = compute_axis(p, axis, &made, err);
    if (status != CLCONV_SUCCESS) return status;
    made.group_in = p->in_channels / p->groups;
    made.group_out = p->out_channels / p->groups;
    made.element_size = p->dtype == CLCONV_FLOAT64 ? 8 : 4;
    status = count_elements(p, &made, err);
    if (status != CLCONV_SUCCESS) return status;
    made.taps = p->kernel[0] * p->kernel[1] * p->kernel[2];
    made.reduction = made.group_in * made.taps;
    made.input_plane = p->input[0] * p->input[1] * p->input[2];
    made.output_plane = made.output[0] * made.output[1] * made.output[2];
    *g = made;
    return CLCONV_SUCCESS;
}

int64_t geometry_made(const clconv_problem *problem, const geometry *g, clconv_op op)
{
    switch (op) {
    case CLCONV_FORWARD:
        return g->elements.output;
    case CLCONV_BACKWARD_WEIGHT:
        return g->elements.weight;
    case CLCONV_BACKWARD_BIAS:
        return problem->out_channels;
    default:
        return g->elements.input;
    }
}

clconv_status clconv_problem_validate(const clconv_problem *problem, clconv_error *err)
{
    geometry g;
    if (problem == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "problem is NULL");
    return geometry_compute(problem, &g, err);
}

clconv_status clconv_output_size(const clconv_problem *problem, int64_t output[3], clconv_error *err)
{
    geometry g;
    if (problem == NULL || output == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", problem == NULL ? "problem" : "output");
    clconv_status status = geometry_compute(problem, &g, err);
    for (int axis = 0; axis < 3 && status == CLCONV_SUCCESS; axis++)
        output[axis] = g.output[axis];
    return status;
}

clconv_status clconv_problem_tensor_sizes(const clconv_problem *problem, clconv_tensor_sizes *sizes,
                                          clconv_error *err)
{
    geometry g;
    if (problem == NULL || sizes == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", problem == NULL ? "problem" : "sizes");
    clconv_status status = geometry_compute(problem, &g, err);
    if (status == CLCONV_SUCCESS) *sizes = g.elements;
    return status;
}

/* What a transposed convolution makes on an axis of `input` elements. */
static clconv_status transposed_size(const clconv_problem *problem, int axis, int64_t input,
                                     int64_t output_padding, int64_t *size, clconv_error *err)
{
    static const char names[] = "DHW";
    int64_t stride = problem->stride[axis], dilation = problem->dilation[axis], reached, extent, padding;
    if (stride <= 0 || dilation <= 0 || problem->kernel[axis] <= 0)
        return error_set(
            err, CLCONV_INVALID_PROBLEM,
            "on %c stride is %lld, dilation %lld and kernel_size %lld; each must be greater than zero",
            names[axis], (long long)stride, (long long)dilation, (long long)problem->kernel[axis]);
    if (input <= 0)
        return error_set(err, CLCONV_INVALID_PROBLEM,
                         "input size of %c is %lld; it must be greater than zero", names[axis],
                         (long long)input);
    clconv_status status = problem_check_output_padding(output_padding, stride, dilation, axis, err);
    if (status != CLCONV_SUCCESS) return status;
    if (!size_multiply(input - 1, stride, &reached) ||
        !size_multiply(dilation, problem->kernel[axis] - 1, &extent) ||
        !size_add(reached, extent, &reached) || !size_add(reached, output_padding + 1, &reached) ||
        !size_add(problem->pad_before[axis], problem->pad_after[axis], &padding))
        return error_set(
            err, CLCONV_INVALID_PROBLEM,
            "on %c stride is %lld, dilation %lld, kernel_size %lld and padding %lld; each must be "
            "legal, and the output smaller than 2^63",
            names[axis], (long long)stride, (long long)dilation, (long long)problem->kernel[axis],
            (long long)problem->pad_before[axis]);
    if (reached - padding <= 0)
        return error_set(err, CLCONV_INVALID_PROBLEM,
                         "output size of %c would be %lld; it must be greater than zero", names[axis],
                         (long long)(reached - padding));
    *size = reached - padding;
    return CLCONV_SUCCESS;
}

clconv_status clconv_problem_set_transposed(clconv_problem *problem, const int64_t input[3],
                                            const int64_t output_padding[3], clconv_error *err)
{
    if (problem == NULL || input == NULL || output_padding == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL",
                         problem == NULL ? "problem"
                         : input == NULL ? "input"
                                         : "output_padding");
    clconv_status status = problem_check_transposed(problem, err);
    clconv_problem made = *problem;
    for (int axis = 0; axis < 3 && status == CLCONV_SUCCESS; axis++)
        status = transposed_size(problem, axis, input[axis], output_padding[axis], &made.input[axis], err);
    memcpy(made.output_padding, output_padding, sizeof made.output_padding);
    geometry g;
    if (status == CLCONV_SUCCESS) status = geometry_compute(&made, &g, err);
    if (status == CLCONV_SUCCESS) *problem = made;
    return status;
}

/* Taps of output `at` that lie inside the input. */
static int64_t taps_inside(const clconv_problem *p, int axis, int64_t at)
{
    int64_t start = at * p->stride[axis] - p->pad_before[axis], dilation = p->dilation[axis];
    int64_t first = start < 0 ? ceil_divide(-start, dilation) : 0;
    int64_t end = start < p->input[axis] ? ceil_divide(p->input[axis] - start, dilation) : 0;
    return max_i64(min_i64(end, p->kernel[axis]) - first, 0);
}

bool geometry_is_identity(const clconv_problem *problem, const geometry *g, int axis)
{
    return problem->kernel[axis] == 1 && problem->stride[axis] == 1 && problem->pad_before[axis] == 0 &&
           g->output[axis] == problem->input[axis];
}

int64_t geometry_fewest_products(const clconv_problem *problem, const geometry *g)
{
    /* Windows between the ends hold as many taps as those at the ends unless the input is smaller than a
     * window; then nearly every output is an end. */
    enum { END = 64 };
    if (problem->padding_mode != CLCONV_PADDING_ZEROS) return g->reduction;
    int64_t products = g->group_in;
    for (int axis = 0; axis < 3; axis++) {
        int64_t outputs = g->output[axis], fewest = problem->kernel[axis];
        for (int64_t i = 0; i < min_i64(END, outputs); i++) {
            fewest = min_i64(fewest, taps_inside(problem, axis, i));
            fewest = min_i64(fewest, taps_inside(problem, axis, outputs - 1 - i));
        }
        products *= fewest;
    }
    return products;
}

bool geometry_may_read_zeros_alone(const clconv_problem *problem)
{
    if (problem->padding_mode != CLCONV_PADDING_ZEROS) return false;
    for (int axis = 0; axis < 3; axis++) {
        const int64_t before = problem->pad_before[axis], after = problem->pad_after[axis],
                      reach = (problem->kernel[axis] - 1) * problem->dilation[axis];
        /* Before the input, behind it, or with two taps astride of it. */
        if (before > reach || after > reach) return true;
        if (before > 0 && after > 0 && problem->dilation[axis] > problem->input[axis]) return true;
    }
    return false;
}

depth_span geometry_depth_span(const clconv_problem *problem, int64_t z, int64_t count, bool clip)
{
    const clconv_problem *p = problem;
    depth_span s = {.first = z * p->stride[0] - p->pad_before[0]};
    s.last = s.first + (count - 1) * p->stride[0] + (p->kernel[0] - 1) * p->dilation[0] + 1;
    if (clip) {
        s.first = min_i64(max_i64(s.first, 0), p->input[0]);
        s.last = max_i64(min_i64(s.last, p->input[0]), s.first);
    }
    return s;
}

int64_t geometry_planes_read(const clconv_problem *problem, int64_t count, bool clip)
{
    const clconv_problem *p = problem;
    int64_t planes = (count - 1) * p->stride[0] + (p->kernel[0] - 1) * p->dilation[0] + 1;
    return clip ? min_i64(planes, p->input[0]) : planes;
}

int64_t geometry_planes_made(const clconv_problem *problem, const geometry *g, int64_t planes, bool clip)
{
    if (planes >= geometry_planes_read(problem, g->output[0], clip)) return g->output[0];
    int64_t more = planes - geometry_planes_read(problem, 1, false);
    return more < 0 ? 1 : min_i64(more / problem->stride[0] + 1, g->output[0]);
}

double geometry_axis_met(const clconv_problem *problem, int axis)
{
    double share = (double)problem->kernel[axis] / (double)problem->stride[axis];
    return share < 1 ? share : 1;
}

double geometry_rows_met(const clconv_problem *problem)
{
    return geometry_axis_met(problem, 0) * geometry_axis_met(problem, 1);
}
