/* Ragged problems, their data, and what the reference makes of them: see verify.h. */
#include "search/verify.h"

#include "base/error.h"
#include "problem/reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tensors as the reference takes them, and as the device does. */
enum { INPUT, WEIGHT, BIAS, RESIDUAL, GRAD_OUTPUT, TENSORS };

struct verify_data {
    clconv_problem problem;
    geometry g;
    clconv_op op; /* of the reference: transposed is the input's gradient */
    int64_t made;
    double *exact_of[TENSORS];
    void *device_of[TENSORS];
    double *exact, *magnitude;
    void *got;
};

/* Extents of outputs, and channels of a group on either side, at most: no multiple of a tile's, a few tiles', and few
 * outputs of the problem's own channels. */
typedef struct ragged {
    int64_t output[3], batch, groups, in_channels, out_channels;
} ragged;
static const ragged shapes[VERIFY_PROBLEMS] = {
    {{2, 3, 37}, 2, 2, 19, 37}, {{3, 5, 18}, 1, 1, 32, 48}, {{1, 2, 9}, 1, 4, INT64_MAX, INT64_MAX}};

static int64_t at_least_padded(const clconv_problem *p, int axis, int64_t extent)
{
    int64_t most = max_i64(p->pad_before[axis], p->pad_after[axis]);
    return max_i64(extent, p->padding_mode == CLCONV_PADDING_ZEROS ? 1 : most + 1);
}

/* An axis with one output keeps that. */
static clconv_problem ragged_problem(const clconv_problem *from, clconv_op op, const ragged *shape)
{
    clconv_problem p = *from;
    geometry g = {.taps = 1};
    (void)geometry_compute(from, &g, NULL);
    int64_t in = from->in_channels / from->groups, out = from->out_channels / from->groups;
    bool is_depthwise = from->groups > 1 && in == 1;
    p.batch = min_i64(shape->batch, 2);
    p.groups = min_i64(from->groups, is_depthwise ? min_i64(shape->in_channels, 48) : shape->groups);
    p.in_channels = p.groups * min_i64(in, shape->in_channels);
    p.out_channels = p.groups * min_i64(out, is_depthwise ? 4 : shape->out_channels);
    p.has_bias = op == CLCONV_FORWARD && from->has_bias;
    for (int axis = 0; axis < 3; axis++) {
        int64_t outputs = g.output[axis] == 1 ? 1 : shape->output[axis];
        int64_t extent = (outputs - 1) * p.stride[axis] + p.dilation[axis] * (p.kernel[axis] - 1) + 1 -
                         p.pad_before[axis] - p.pad_after[axis];
        p.output_padding[axis] = 0;
        p.input[axis] = at_least_padded(&p, axis, extent);
    }
    return p;
}

static void data_release(verify_data *d)
{
    if (d == NULL) return;
    for (int i = 0; i < TENSORS; i++) {
        free(d->exact_of[i]);
        free(d->device_of[i]);
    }
    free(d->exact);
    free(d->magnitude);
    free(d->got);
    free(d);
}

void verify_release(verifier *v)
{
    for (int i = 0; i < VERIFY_PROBLEMS; i++) {
        data_release(v->data[i]);
        v->data[i] = NULL;
    }
}

/* Fractions in (-1, 1) that floats hold exactly (Knuth's MMIX constants). */
static void fill(uint64_t *state, clconv_dtype dtype, int64_t count, double *values, void *device)
{
    for (int64_t i = 0; i < count; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i] = (double)((int64_t)(*state >> 40) - (1 << 23)) * 0x1p-23;
        if (dtype == CLCONV_FLOAT64)
            ((double *)device)[i] = values[i];
        else
            ((float *)device)[i] = (float)values[i];
    }
}

static bool make_tensor(verify_data *d, int which, int64_t count, uint64_t *state)
{
    if (count == 0) return true;
    d->exact_of[which] = calloc((size_t)count, sizeof(double));
    d->device_of[which] = calloc((size_t)count, (size_t)d->g.element_size);
    bool is_made = d->exact_of[which] != NULL && d->device_of[which] != NULL;
    if (is_made) fill(state, d->problem.dtype, count, d->exact_of[which], d->device_of[which]);
    return is_made;
}

static bool make_data(verify_data *d)
{
    const clconv_tensor_sizes *n = &d->g.elements;
    uint64_t state = 1;
    const bool is_forward = d->op == CLCONV_FORWARD;
    d->exact = calloc((size_t)d->made, sizeof(double));
    d->magnitude = calloc((size_t)d->made, sizeof(double));
    d->got = calloc((size_t)d->made, (size_t)d->g.element_size);
    if (d->exact == NULL || d->magnitude == NULL || d->got == NULL) return false;
    if (!make_tensor(d, INPUT, n->input, &state) || !make_tensor(d, WEIGHT, n->weight, &state) ||
        !make_tensor(d, BIAS, n->bias, &state) || !make_tensor(d, RESIDUAL, n->residual, &state) ||
        !make_tensor(d, GRAD_OUTPUT, is_forward ? 0 : n->output, &state))
        return false;
    const reference_tensors t = {.input = d->exact_of[INPUT],
                                 .weight = d->exact_of[WEIGHT],
                                 .bias = d->exact_of[BIAS],
                                 .residual = d->exact_of[RESIDUAL],
                                 .grad_output = d->exact_of[GRAD_OUTPUT]};
    reference_op(d->op, &d->problem, &d->g, &t, d->exact, d->magnitude);
    return true;
}

static clconv_status data_create(const verifier *v, const ragged *shape, verify_data **made,
                                 clconv_error *err)
{
    verify_data *d = calloc(1, sizeof *d);
    if (d == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory to check a candidate");
    d->problem = ragged_problem(v->problem, v->op, shape);
    d->op = v->op == CLCONV_TRANSPOSED ? CLCONV_BACKWARD_INPUT : v->op;
    clconv_status status = geometry_compute(&d->problem, &d->g, err);
    if (status == CLCONV_SUCCESS) {
        d->made = geometry_made(&d->problem, &d->g, d->op);
        if (!make_data(d)) status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory to check a candidate");
    }
    if (status == CLCONV_SUCCESS)
        *made = d;
    else
        data_release(d);
    return status;
}

static clconv_status compute(const verifier *v, const clconv_plan_options *options, verify_data *d,
                             clconv_error *err)
{
    if (v->op == CLCONV_FORWARD || v->op == CLCONV_TRANSPOSED) {
        const bool is_forward = v->op == CLCONV_FORWARD;
        const clconv_host_tensors t = {.input = d->device_of[is_forward ? INPUT : GRAD_OUTPUT],
                                       .weight = d->device_of[WEIGHT],
                                       .bias = d->device_of[BIAS],
                                       .residual = d->device_of[RESIDUAL],
                                       .output = d->got};
        return is_forward ? clconv_conv3d_host(v->context, &d->problem, options, &t, err)
                          : clconv_conv_transpose3d_host(v->context, &d->problem, options, &t, err);
    }
    clconv_host_gradients t = {.input = d->device_of[INPUT],
                               .weight = d->device_of[WEIGHT],
                               .grad_output = d->device_of[GRAD_OUTPUT]};
    if (v->op == CLCONV_BACKWARD_INPUT) t.grad_input = d->got;
    if (v->op == CLCONV_BACKWARD_WEIGHT) t.grad_weight = d->got;
    if (v->op == CLCONV_BACKWARD_BIAS) t.grad_bias = d->got;
    return clconv_conv3d_grad_host(v->context, &d->problem, options, &t, err);
}

/* The largest error as a share of what is allowed. */
static double worst_share(const verify_data *d, bool is_direct)
{
    double worst = 0;
    const bool is_wide = d->problem.dtype == CLCONV_FLOAT64;
    for (int64_t i = 0; i < d->made; i++) {
        double got = is_wide ? ((const double *)d->got)[i] : (double)((const float *)d->got)[i];
        double allowed = bound_op(d->op, &d->problem, &d->g, is_direct, d->magnitude[i], d->exact[i]);
        worst = fmax(worst, bound_share(got, d->exact[i], allowed));
    }
    return worst;
}

static void forget(verify_data *d)
{
    const bool is_wide = d->problem.dtype == CLCONV_FLOAT64;
    for (int64_t i = 0; i < d->made; i++) {
        if (is_wide) ((double *)d->got)[i] = NAN;
        if (!is_wide) ((float *)d->got)[i] = NAN;
    }
}

/* *checked becomes true if the candidate does the problem. */
static clconv_status verify_one(verifier *v, int index, const space_candidate *c, bool *checked,
                                char why[VERIFY_TEXT], clconv_error *err)
{
    clconv_error failure = {.status = CLCONV_SUCCESS};
    clconv_plan_options options = *v->options;
    clconv_status status = CLCONV_SUCCESS;
    if (v->data[index] == NULL) status = data_create(v, &shapes[index], &v->data[index], err);
    verify_data *d = v->data[index];
    if (status != CLCONV_SUCCESS || d == NULL) return status;
    options.algorithm = c->algorithm->name;
    options.parameters = c->parameters;
    options.packed_weights = 0;
    forget(d);
    status = compute(v, &options, d, &failure);
    if (status == CLCONV_UNSUPPORTED) return CLCONV_SUCCESS;
    *checked = true;
    if (status != CLCONV_SUCCESS) {
        snprintf(why, VERIFY_TEXT, "it fails: %.200s", failure.message);
        return CLCONV_SUCCESS;
    }
    double worst = worst_share(d, c->algorithm->accumulates_directly);
    if (!(worst <= 1)) snprintf(why, VERIFY_TEXT, "it is wrong: an error is %.3g times the bound", worst);
    return CLCONV_SUCCESS;
}

clconv_status verify(verifier *v, const space_candidate *c, char why[VERIFY_TEXT], clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    bool checked = false;
    why[0] = '\0';
    for (int i = 0; i < VERIFY_PROBLEMS && status == CLCONV_SUCCESS && why[0] == '\0'; i++)
        if (i < 2 || !checked) status = verify_one(v, i, c, &checked, why, err);
    if (status == CLCONV_SUCCESS && !checked)
        snprintf(why, VERIFY_TEXT, "it does none of the problems that it would be checked on");
    return status;
}
