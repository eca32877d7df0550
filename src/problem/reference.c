/* The answer by its definition: see reference.h. One loop for each index of the formula; plain enough to be
 * seen right. */
#include "problem/reference.h"

#include "arguments/partial_sums.clh"
#include "problem/activation.h"

#include <math.h>

/* Of an output at `at` along an axis the element that tap `tap` reads, in what `index` is of the axes before; -1 for a padded
 * zero. */
static int64_t source_of(const clconv_problem *p, int axis, int64_t index, int64_t at, int64_t tap)
{
    if (index < 0) return -1;
    int64_t position = at * p->stride[axis] + tap * p->dilation[axis] - p->pad_before[axis];
    int64_t source = geometry_source(p->padding_mode, position, p->input[axis]);
    return source < 0 ? -1 : index * p->input[axis] + source;
}

/* One output, and the same sum of absolute values. */
static double one_output(const clconv_problem *p, const geometry *g, const double *volume,
                         const double *filter, const int64_t at[3], double *magnitude)
{
    double sum = 0;
    *magnitude = 0;
    for (int64_t c = 0; c < g->group_in; c++)
        for (int64_t i = 0; i < p->kernel[0]; i++) {
            int64_t plane = source_of(p, 0, c, at[0], i);
            for (int64_t j = 0; j < p->kernel[1]; j++) {
                int64_t row = source_of(p, 1, plane, at[1], j);
                for (int64_t k = 0; k < p->kernel[2]; k++, filter++) {
                    int64_t index = source_of(p, 2, row, at[2], k);
                    double x = index < 0 ? 0 : volume[index];
                    sum += *filter * x;
                    *magnitude += fabs(*filter) * fabs(x);
                }
            }
        }
    return sum;
}

void reference_forward(const clconv_problem *problem, const geometry *g, const double *input,
                       const double *weight, const double *bias, double *output, double *magnitude)
{
    const clconv_problem *p = problem;
    for (int64_t n = 0; n < p->batch; n++)
        for (int64_t o = 0; o < p->out_channels; o++) {
            const double *volume =
                input + (n * p->in_channels + o / g->group_out * g->group_in) * g->input_plane;
            double b = bias != NULL ? bias[o] : 0;
            int64_t at[3];
            for (at[0] = 0; at[0] < g->output[0]; at[0]++)
                for (at[1] = 0; at[1] < g->output[1]; at[1]++)
                    for (at[2] = 0; at[2] < g->output[2]; at[2]++) {
                        double sum_of_magnitudes;
                        *output++ =
                            b + one_output(p, g, volume, weight + o * g->reduction, at, &sum_of_magnitudes);
                        if (magnitude != NULL) *magnitude++ = fabs(b) + sum_of_magnitudes;
                    }
        }
}

static void add(double *sums, double *magnitudes, int64_t at, double product)
{
    if (sums != NULL) sums[at] += product;
    if (magnitudes != NULL) magnitudes[at] += fabs(product);
}

/* All products of one output with a filter: `at` is the output's index, `gradient` its gradient. */
static void add_products(const clconv_problem *p, const geometry *g, const double *input,
                         const double *weight, int64_t volume, int64_t filter, const int64_t at[3],
                         double gradient, const reference_gradient *sum, const reference_gradient *magnitude)
{
    for (int64_t c = 0; c < g->group_in; c++)
        for (int64_t i = 0; i < p->kernel[0]; i++) {
            int64_t plane = source_of(p, 0, volume + c, at[0], i);
            for (int64_t j = 0; j < p->kernel[1]; j++) {
                int64_t row = source_of(p, 1, plane, at[1], j);
                for (int64_t k = 0; k < p->kernel[2]; k++, filter++) {
                    int64_t index = source_of(p, 2, row, at[2], k);
                    double x = index < 0 || input == NULL ? 0 : input[index];
                    if (input != NULL) add(sum->weight, magnitude->weight, filter, x * gradient);
                    if (weight != NULL && index >= 0)
                        add(sum->input, magnitude->input, index, weight[filter] * gradient);
                }
            }
        }
}

static void clear(const clconv_problem *p, const geometry *g, const reference_gradient *r)
{
    for (int64_t i = 0; r->input != NULL && i < g->elements.input; i++)
        r->input[i] = 0;
    for (int64_t i = 0; r->weight != NULL && i < g->elements.weight; i++)
        r->weight[i] = 0;
    for (int64_t i = 0; r->bias != NULL && i < p->out_channels; i++)
        r->bias[i] = 0;
}

void reference_backward(const clconv_problem *problem, const geometry *g, const double *input,
                        const double *weight, const double *grad_output, const reference_gradient *gradient,
                        const reference_gradient *magnitude)
{
    const clconv_problem *p = problem;
    clear(p, g, gradient);
    clear(p, g, magnitude);
    for (int64_t n = 0; n < p->batch; n++)
        for (int64_t o = 0; o < p->out_channels; o++) {
            int64_t volume = n * p->in_channels + o / g->group_out * g->group_in, at[3];
            for (at[0] = 0; at[0] < g->output[0]; at[0]++)
                for (at[1] = 0; at[1] < g->output[1]; at[1]++)
                    for (at[2] = 0; at[2] < g->output[2]; at[2]++, grad_output++) {
                        add(gradient->bias, magnitude->bias, o, *grad_output);
                        add_products(p, g, input, weight, volume, o * g->reduction, at, *grad_output,
                                     gradient, magnitude);
                    }
        }
}

/* How many padded positions at most read one element of an axis. */
static int64_t most_readers(const clconv_problem *p, int axis)
{
    switch (p->padding_mode) {
    case CLCONV_PADDING_REFLECT:
    case CLCONV_PADDING_CIRCULAR:
    case CLCONV_PADDING_SYMMETRIC:
        return 1 + (p->pad_before[axis] > 0) + (p->pad_after[axis] > 0);
    case CLCONV_PADDING_REPLICATE:
        return 1 + p->pad_before[axis] + p->pad_after[axis];
    default:
        return 1;
    }
}

static int64_t all_readers(const clconv_problem *p)
{
    return most_readers(p, 0) * most_readers(p, 1) * most_readers(p, 2);
}

int64_t reference_backward_terms(const clconv_problem *problem, const geometry *g, clconv_op op)
{
    const clconv_problem *p = problem;
    if (op != CLCONV_BACKWARD_INPUT && op != CLCONV_TRANSPOSED) return p->batch * g->output_plane;
    return g->group_out * g->taps * all_readers(p);
}

void reference_epilogue(const clconv_problem *problem, int64_t count, const double *residual, double *output,
                        double *magnitude)
{
    for (int64_t i = 0; i < count; i++) {
        double r = residual != NULL ? residual[i] : 0;
        output[i] = activation_apply(problem, output[i] + r);
        if (magnitude != NULL) magnitude[i] += fabs(r);
    }
}

/* Where reference_backward() is to write what the op makes. */
static reference_gradient gradient_at(clconv_op op, double *values)
{
    return (reference_gradient){
        .input = op == CLCONV_BACKWARD_INPUT || op == CLCONV_TRANSPOSED ? values : NULL,
        .weight = op == CLCONV_BACKWARD_WEIGHT ? values : NULL,
        .bias = op == CLCONV_BACKWARD_BIAS ? values : NULL,
    };
}

void reference_op(clconv_op op, const clconv_problem *problem, const geometry *g, const reference_tensors *t,
                  double *made, double *magnitude)
{
    if (op == CLCONV_FORWARD) {
        reference_forward(problem, g, t->input, t->weight, t->bias, made, magnitude);
        reference_epilogue(problem, g->elements.output, t->residual, made, magnitude);
        return;
    }
    const reference_gradient gradient = gradient_at(op, made), bound = gradient_at(op, magnitude);
    reference_backward(problem, g, t->input, t->weight, t->grad_output, &gradient, &bound);
}

static double unit_roundoff(clconv_dtype dtype)
{
    return ldexp(1, dtype == CLCONV_FLOAT64 ? -53 : -24);
}

/* The least denormal: what underflow can add to an error. */
static double underflow_unit(clconv_dtype dtype)
{
    return ldexp(1, dtype == CLCONV_FLOAT64 ? -1074 : -149);
}

double bound_roundings(int64_t terms, int64_t gathered)
{
    /* Runs of SUM_RUN and their totals, and as many again for what an algorithm adds of its own. */
    const double most = 2 * SUM_RUN + (double)terms / (8 * SUM_FAN * SUM_RUN) + (double)gathered;
    return fmin((double)terms + 1, most);
}

static double bound_sum(clconv_dtype dtype, int64_t terms, int64_t gathered, double magnitude)
{
    double nu = bound_roundings(terms, gathered) * unit_roundoff(dtype);
    return nu / (1 - nu) * magnitude + 2 * (double)terms * underflow_unit(dtype);
}

double bound_direct(clconv_dtype dtype, int64_t terms, double magnitude)
{
    return bound_sum(dtype, terms, 0, magnitude);
}

double bound_default(clconv_dtype dtype, int64_t reduction, double magnitude)
{
    double k = (double)reduction;
    return 2 * unit_roundoff(dtype) * (16 + sqrt(k) / 2) * magnitude + (k + 2) * underflow_unit(dtype);
}

double bound_result(const clconv_problem *problem, bool accumulates_directly, double magnitude, double output)
{
    const clconv_problem *p = problem;
    int64_t reduction = p->in_channels / p->groups * p->kernel[0] * p->kernel[1] * p->kernel[2];
    double (*of_sum)(clconv_dtype, int64_t, double) = accumulates_directly ? bound_direct : bound_default;
    double sum = of_sum(p->dtype, reduction + p->has_residual, magnitude);
    activation_error e = activation_error_of(p);
    if (e.roundings == 0) return e.slope * sum;
    double size = e.of_input ? magnitude : fabs(output);
    double least_normal = ldexp(1, p->dtype == CLCONV_FLOAT64 ? -1022 : -126);
    return e.slope * sum + e.roundings * unit_roundoff(p->dtype) * (size + e.slope * sum) +
           0x1p10 * least_normal;
}

double bound_op(clconv_op op, const clconv_problem *problem, const geometry *g, bool accumulates_directly,
                double magnitude, double made)
{
    if (op == CLCONV_FORWARD) return bound_result(problem, accumulates_directly, magnitude, made);
    int64_t terms = reference_backward_terms(problem, g, op);
    if (!accumulates_directly) return bound_default(problem->dtype, terms, magnitude);
    bool is_input = op == CLCONV_BACKWARD_INPUT || op == CLCONV_TRANSPOSED;
    return bound_sum(problem->dtype, terms, is_input ? all_readers(problem) : 0, magnitude);
}

double bound_share(double got, double exact, double allowed)
{
    const double error = fabs(got - exact);
    if (error == 0) return 0;
    return isfinite(error) && allowed > 0 ? error / allowed : INFINITY;
}
