/* Elements by the definition: see sample.h. On each axis an element sums over pairs of an output's position and a tap; the three
 * lists and the channels or samples that are summed besides make all of its products. */
#include "search/sample.h"

#include "base/arith.h"
#include "base/error.h"
#include "problem/reference.h"

#include <math.h>
#include <stdlib.h>

double sample_value(sample_tensor tensor, int64_t index)
{
    /* SplitMix64 (https://prng.di.unimi.it/splitmix64.c) */
    uint64_t x = ((uint64_t)index * 8 + (uint64_t)tensor + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((int64_t)((x ^ (x >> 31)) >> 40) - (1 << 23)) * 0x1p-23;
}

typedef struct place {
    int64_t out, tap, source; /* source -1: a padded zero */
} place;

typedef struct axis_list {
    place *places; /* owned */
    int64_t count;
} axis_list;

/* What a made tensor's element is: batch or output channel, channel, and a position or a tap on each axis. */
typedef struct element {
    int64_t outer, channel, at[3];
} element;

static int64_t flat(int64_t outer, int64_t channels, int64_t channel, const int64_t extents[3], int64_t d,
                    int64_t h, int64_t w)
{
    return (((outer * channels + channel) * extents[0] + d) * extents[1] + h) * extents[2] + w;
}

static element element_of(const sample *s, int64_t index)
{
    const clconv_problem *p = s->problem;
    const bool is_weight = s->op == CLCONV_BACKWARD_WEIGHT, is_output = s->op == CLCONV_FORWARD;
    const int64_t *extents = is_weight ? p->kernel : is_output ? s->g.output : p->input;
    element e = {.outer = 0, .channel = index};
    if (s->op == CLCONV_BACKWARD_BIAS) return e;
    for (int axis = 2; axis >= 0; axis--) {
        e.at[axis] = index % extents[axis];
        index /= extents[axis];
    }
    const int64_t channels = is_weight ? s->g.group_in : is_output ? p->out_channels : p->in_channels;
    e.channel = index % channels;
    e.outer = index / channels;
    return e;
}

/* Whether an element sums what an output's position and a tap of an axis give. */
static bool is_summed(const sample *s, const element *e, int axis, const place *at)
{
    switch (s->op) {
    case CLCONV_FORWARD:
        return at->out == e->at[axis] && at->source >= 0;
    case CLCONV_BACKWARD_WEIGHT:
        return at->tap == e->at[axis] && at->source >= 0;
    case CLCONV_BACKWARD_BIAS:
        return at->tap == 0;
    default:
        return at->source == e->at[axis];
    }
}

static bool list_axis(const sample *s, const element *e, int axis, axis_list *list)
{
    const clconv_problem *p = s->problem;
    int64_t room;
    if (!size_multiply(s->g.output[axis], p->kernel[axis], &room)) return false;
    list->places = calloc((size_t)room + 1, sizeof *list->places);
    list->count = 0;
    for (int64_t out = 0; list->places != NULL && out < s->g.output[axis]; out++)
        for (int64_t tap = 0; tap < p->kernel[axis]; tap++) {
            int64_t position = out * p->stride[axis] + tap * p->dilation[axis] - p->pad_before[axis];
            const place at = {out, tap, geometry_source(p->padding_mode, position, p->input[axis])};
            if (is_summed(s, e, axis, &at)) list->places[list->count++] = at;
        }
    return list->places != NULL;
}

/* The product that one place on each axis gives in channel or sample `q`. */
static double product_of(const sample *s, const element *e, const place *d, const place *h, const place *w,
                         int64_t q)
{
    const clconv_problem *p = s->problem;
    const geometry *g = &s->g;
    const bool is_forward = s->op == CLCONV_FORWARD;
    int64_t n = e->outer, in = 0, out = e->channel, group;
    if (is_forward) {
        group = out / g->group_out;
        in = group * g->group_in + q;
    } else if (s->op == CLCONV_BACKWARD_WEIGHT) {
        n = q;
        out = e->outer;
        in = out / g->group_out * g->group_in + e->channel;
    } else if (s->op == CLCONV_BACKWARD_BIAS) {
        n = q;
    } else {
        in = e->channel;
        out = in / g->group_in * g->group_out + q;
    }
    double y = is_forward ? 1
                          : sample_value(SAMPLE_OUTPUT_LIKE,
                                         flat(n, p->out_channels, out, g->output, d->out, h->out, w->out));
    if (s->op == CLCONV_BACKWARD_BIAS) return y;
    if (s->op != CLCONV_BACKWARD_WEIGHT)
        y *= sample_value(SAMPLE_WEIGHT,
                          flat(out, g->group_in, in % g->group_in, p->kernel, d->tap, h->tap, w->tap));
    if (is_forward || s->op == CLCONV_BACKWARD_WEIGHT)
        y *= sample_value(SAMPLE_INPUT,
                          flat(n, p->in_channels, in, p->input, d->source, h->source, w->source));
    return y;
}

static int64_t summed_besides(const sample *s)
{
    switch (s->op) {
    case CLCONV_FORWARD:
        return s->g.group_in;
    case CLCONV_BACKWARD_WEIGHT:
    case CLCONV_BACKWARD_BIAS:
        return s->problem->batch;
    default:
        return s->g.group_out;
    }
}

static void sum_products(const sample *s, const element *e, const axis_list lists[3], double *sum,
                         double *magnitude)
{
    const int64_t besides = summed_besides(s);
    for (int64_t d = 0; d < lists[0].count; d++)
        for (int64_t h = 0; h < lists[1].count; h++)
            for (int64_t w = 0; w < lists[2].count; w++)
                for (int64_t q = 0; q < besides; q++) {
                    double product =
                        product_of(s, e, &lists[0].places[d], &lists[1].places[h], &lists[2].places[w], q);
                    *sum += product;
                    *magnitude += fabs(product);
                }
}

/* Bias, residual and activation, of what has them. */
static void add_epilogue(const sample *s, const element *e, int64_t index, double *sum, double *magnitude)
{
    const clconv_problem *p = s->problem;
    const bool is_forward = s->op == CLCONV_FORWARD;
    if (p->has_bias && (is_forward || s->op == CLCONV_TRANSPOSED)) {
        double bias = sample_value(SAMPLE_BIAS, e->channel);
        *sum += bias;
        *magnitude += fabs(bias);
    }
    double residual = sample_value(SAMPLE_RESIDUAL, index);
    if (is_forward) reference_epilogue(p, 1, p->has_residual ? &residual : NULL, sum, magnitude);
}

static bool compute(sample *s, int i)
{
    const element e = element_of(s, s->index[i]);
    axis_list lists[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    bool ok = true;
    for (int axis = 0; axis < 3; axis++)
        ok = ok && list_axis(s, &e, axis, &lists[axis]);
    if (ok) {
        sum_products(s, &e, lists, &s->exact[i], &s->magnitude[i]);
        add_epilogue(s, &e, s->index[i], &s->exact[i], &s->magnitude[i]);
    }
    for (int axis = 0; axis < 3; axis++)
        free(lists[axis].places);
    return ok;
}

/* Products of an element at most, about. */
static double products_of(const sample *s)
{
    const bool is_of_outputs = s->op == CLCONV_BACKWARD_WEIGHT || s->op == CLCONV_BACKWARD_BIAS;
    return (double)summed_besides(s) * (double)(is_of_outputs ? s->g.output_plane : s->g.taps);
}

clconv_status sample_create(clconv_op op, const clconv_problem *problem, sample *s, clconv_error *err)
{
    static const double most_products = 2e7;
    enum { FEWEST = 16 };
    uint64_t state = 1;
    *s = (sample){.op = op, .problem = problem};
    clconv_status status = geometry_compute(problem, &s->g, err);
    if (status != CLCONV_SUCCESS) return status;
    const int64_t made = geometry_made(problem, &s->g, op);
    s->count = (int)fmin(fmax(most_products / products_of(s), FEWEST), SAMPLE_MOST);
    for (int i = 0; i < s->count; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX */
        s->index[i] = i == 0 ? 0 : i == 1 ? made - 1 : (int64_t)((state >> 1) % (uint64_t)made);
        if (!compute(s, i)) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory to check a candidate");
    }
    return CLCONV_SUCCESS;
}

double sample_worst(const sample *s, const void *made, bool accumulates_directly)
{
    double worst = 0;
    const bool is_wide = s->problem->dtype == CLCONV_FLOAT64;
    for (int i = 0; i < s->count; i++) {
        double got =
            is_wide ? ((const double *)made)[s->index[i]] : (double)((const float *)made)[s->index[i]];
        double allowed =
            bound_op(s->op, s->problem, &s->g, accumulates_directly, s->magnitude[i], s->exact[i]);
        worst = fmax(worst, bound_share(got, s->exact[i], allowed));
    }
    return worst;
}
