/* The input gradient as forward convolutions: see adjoint.h. */
#include "plan/adjoint.h"

#include "arguments/adjoint.clh"
#include "base/arith.h"
#include "base/error.h"
#include "base/hash.h"
#include "steps/kernel.h"

#include <string.h>

typedef struct transpose_weight_arguments {
    TRANSPOSE_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} transpose_weight_arguments;

typedef struct pad_backward_arguments {
    PAD_BACKWARD_ARGUMENTS(ARGUMENT_MEMBER)
} pad_backward_arguments;

enum { MAX_CONVOLUTIONS = 64 };

/* One axis: `residues` volumes, each of `count` cells from `first` on. */
typedef struct adjoint_axis {
    int64_t residues, first, count;
    int64_t step; /* from one tap of a residue to the next */
} adjoint_axis;

typedef struct adjoint {
    const request *q;
    adjoint_axis axis[3];
    bool scatters;        /* one convolution makes all volumes: each tap is an output channel */
    bool is_direct;       /* the one volume is the gradient */
    int64_t volume;       /* elements from volume to volume, */
    int64_t channel;      /* and from channel to channel */
    int64_t bytes;        /* of all volumes, 0 if there are none, */
    int64_t volumes_at;   /* and their offset in the workspace */
    int64_t scratch_at;   /* where the convolutions' own workspace starts, */
    int64_t scratch_size; /* the largest of them */
    uint64_t identity;    /* of the packed weight */
} adjoint;

static int64_t greatest_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The taps of residue e: e, e + step, ... and where they stand. */
typedef struct residue_taps {
    int64_t count, last, dilation;
    int64_t pad_before; /* of the convolution whose output starts at cell 0 */
} residue_taps;

static residue_taps taps_of(const clconv_problem *p, int axis, int64_t step, int64_t e)
{
    int64_t stride = p->stride[axis], dilation = p->dilation[axis];
    residue_taps t = {.count = (p->kernel[axis] - 1 - e) / step + 1};
    t.last = e + (t.count - 1) * step;
    t.dilation = step * dilation / stride;
    int64_t shift = (e * dilation % stride - e * dilation) / stride;
    t.pad_before = (t.count - 1) * t.dilation - shift;
    return t;
}

/* Cells that hold every position that the gradient needs, and no padding negative. */
static void span_axis(const clconv_problem *p, const geometry *g, int axis, adjoint_axis *a)
{
    int64_t stride = p->stride[axis];
    bool is_cropped = p->padding_mode == CLCONV_PADDING_ZEROS;
    int64_t low = is_cropped ? p->pad_before[axis] : 0;
    int64_t high = is_cropped ? low + p->input[axis] : g->padded[axis];
    a->step = stride / greatest_divisor(stride, p->dilation[axis]);
    a->residues = min_i64(p->kernel[axis], a->step);
    a->first = low / stride;
    for (int64_t e = 0; e < a->residues; e++)
        a->first = min_i64(a->first, taps_of(p, axis, a->step, e).pad_before);
    a->count = (high - 1) / stride + 1 - a->first;
    for (int64_t e = 0; e < a->residues; e++) {
        residue_taps t = taps_of(p, axis, a->step, e);
        int64_t reached = g->output[axis] + t.pad_before - a->first - (t.count - 1) * t.dilation;
        a->count = max_i64(a->count, reached);
    }
}

static bool scatters(const clconv_problem *p)
{
    bool is_strided = false;
    for (int axis = 0; axis < 3; axis++) {
        if (p->kernel[axis] > p->stride[axis] || (p->kernel[axis] > 1 && p->dilation[axis] > 1)) return false;
        is_strided = is_strided || p->stride[axis] > 1;
    }
    return is_strided;
}

static bool plan_axes(adjoint *a, text *why)
{
    const clconv_problem *p = a->q->problem;
    const geometry *g = a->q->geometry;
    a->scatters = scatters(p);
    a->is_direct = p->padding_mode == CLCONV_PADDING_ZEROS && !a->scatters;
    int64_t convolutions = 1, cells = 1, bytes = 0;
    bool fits = true;
    for (int axis = 0; axis < 3; axis++) {
        adjoint_axis *x = &a->axis[axis];
        span_axis(p, g, axis, x);
        if (a->scatters) *x = (adjoint_axis){p->kernel[axis], 0, g->output[axis], 1};
        a->is_direct = a->is_direct && p->stride[axis] == 1 && x->first == p->pad_before[axis] &&
                       x->count == p->input[axis];
        fits = fits && size_multiply(convolutions, x->residues, &convolutions) &&
               size_multiply(cells, x->count, &cells);
    }
    const int64_t extents[] = {convolutions, p->batch, p->in_channels, cells, g->element_size};
    if (!fits || !size_product(extents, 5, &bytes) || bytes > INT64_MAX / 64) {
        text_append(why, "the gradient of the padded input would overflow");
        return false;
    }
    if (!a->scatters && convolutions > MAX_CONVOLUTIONS) {
        text_append(why,
                    "it would take %lld convolutions, one for each remainder by the stride; the limit is %d",
                    (long long)convolutions, MAX_CONVOLUTIONS);
        return false;
    }
    a->bytes = a->is_direct ? 0 : bytes;
    a->volume = a->scatters ? cells : p->batch * p->in_channels * cells;
    a->channel = a->scatters ? convolutions * cells : cells;
    return true;
}

/* The convolution that makes the volumes of residues e of the axes. */
static clconv_problem convolution(const adjoint *a, const int64_t e[3])
{
    const clconv_problem *p = a->q->problem;
    const geometry *g = a->q->geometry;
    clconv_problem c;
    clconv_problem_init(&c);
    c.batch = p->batch;
    c.groups = p->groups;
    c.in_channels = p->out_channels;
    c.out_channels = p->in_channels * (a->scatters ? g->taps : 1);
    c.dtype = p->dtype;
    c.has_bias = a->is_direct && a->q->op == CLCONV_TRANSPOSED && p->has_bias;
    for (int axis = 0; axis < 3; axis++) {
        c.input[axis] = g->output[axis];
        if (a->scatters) continue;
        residue_taps t = taps_of(p, axis, a->axis[axis].step, e[axis]);
        c.kernel[axis] = t.count;
        c.dilation[axis] = max_i64(t.dilation, 1);
        c.pad_before[axis] = t.pad_before - a->axis[axis].first;
        c.pad_after[axis] =
            a->axis[axis].count - g->output[axis] - c.pad_before[axis] + (t.count - 1) * t.dilation;
    }
    return c;
}

static step transpose_step(const adjoint *a, const clconv_problem *c, const int64_t e[3], int64_t packed_at)
{
    const clconv_problem *p = a->q->problem;
    const geometry *g = a->q->geometry;
    int64_t last[3], steps[3];
    for (int axis = 0; axis < 3; axis++) {
        last[axis] = taps_of(p, axis, a->axis[axis].step, e[axis]).last;
        steps[axis] = a->axis[axis].step;
    }
    const transpose_weight_arguments arguments = {
        .filters = p->in_channels,
        .group_in = g->group_in,
        .group_out = g->group_out,
        .kernel_d = p->kernel[0],
        .kernel_h = p->kernel[1],
        .kernel_w = p->kernel[2],
        .taps_d = c->kernel[0],
        .taps_h = c->kernel[1],
        .taps_w = c->kernel[2],
        .last_d = last[0],
        .last_h = last[1],
        .last_w = last[2],
        .step_d = steps[0],
        .step_h = steps[1],
        .step_w = steps[2],
        .scatters = a->scatters,
    };
    step s = kernel_step("transpose_weight", "adjoint.cl", "transpose_weight", p->dtype);
    kernel_add_buffer(&s, BUFFER_WEIGHT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, packed_at);
    kernel_set_scalars(&s, &arguments, sizeof arguments);
    kernel_set_range(&s, (const int64_t[]){1, g->group_out, p->in_channels},
                     (const int64_t[]){a->q->traits->local_size, 1, 1});
    s.bytes = 2 * (double)g->elements.weight * (double)g->element_size;
    return s;
}

/* Where the buffers of a convolution's steps lie among those of the whole. */
typedef struct placement {
    int64_t weight_at, packed_at;
    step_buffer output;
    int64_t scratch_at;
} placement;

static void place(step *s, const placement *where)
{
    for (int i = 0; i < s->buffer_count || (s->kind != STEP_KERNEL && i < STEP_BUFFERS); i++) {
        step_buffer *b = &s->buffers[i];
        if (b->role == BUFFER_WEIGHT)
            *b = (step_buffer){BUFFER_PACKED, where->weight_at + b->offset};
        else if (b->role == BUFFER_PACKED)
            b->offset += where->packed_at;
        else if (b->role == BUFFER_OUTPUT)
            *b = (step_buffer){where->output.role, where->output.offset + b->offset};
        else if (b->role == BUFFER_WORKSPACE)
            b->offset += where->scratch_at;
    }
}

static void merge(adjoint *a, const recipe *part, const placement *where, recipe *r)
{
    for (size_t i = 0; i < part->pack_count; i++) {
        step s = part->pack[i];
        place(&s, where);
        recipe_append_pack(r, &s);
    }
    for (size_t i = 0; i < part->run_count; i++) {
        step s = part->run[i];
        place(&s, where);
        recipe_append_run(r, &s);
    }
    r->failed = r->failed || part->failed;
    a->scratch_size = max_i64(a->scratch_size, part->workspace_bytes);
    a->identity = hash_bytes(a->identity, &part->packed_layout, sizeof part->packed_layout);
}

/* Bytes of the workspace that are left to a convolution. */
static int64_t workspace_left(const adjoint *a, const recipe *r)
{
    int64_t packed = a->q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT);
    return max_i64(a->q->workspace_limit - a->scratch_at - packed - (int64_t)2 * WORKSPACE_ALIGNMENT, 0);
}

static clconv_status append_convolution(adjoint *a, const algorithm *algorithm, const char *overrides,
                                        const int64_t e[3], int64_t volume, parameter_set *parameters,
                                        recipe *r, text *why, clconv_error *err)
{
    clconv_problem c = convolution(a, e);
    geometry g;
    clconv_error refusal;
    if (geometry_compute(&c, &g, &refusal) != CLCONV_SUCCESS) {
        text_append(why, "of its convolutions %s", refusal.message);
        return CLCONV_SUCCESS;
    }
    placement where = {.weight_at = r->packed_bytes, .scratch_at = a->scratch_at};
    r->packed_bytes += round_up(g.elements.weight * g.element_size, WORKSPACE_ALIGNMENT);
    where.packed_at = r->packed_bytes;
    where.output = a->is_direct
                       ? (step_buffer){BUFFER_OUTPUT, 0}
                       : (step_buffer){BUFFER_WORKSPACE, a->volumes_at + volume * a->volume * g.element_size};
    step transpose = transpose_step(a, &c, e, where.weight_at);
    recipe_append_pack(r, &transpose);

    request q = *a->q;
    q.op = CLCONV_FORWARD;
    q.problem = &c;
    q.geometry = &g;
    q.workspace_limit = workspace_left(a, r);
    recipe part = {0};
    parameter_set own;
    algorithm->choose(&q, &own);
    clconv_status status = parameters_override(algorithm->ranges, overrides, &own, err);
    if (status == CLCONV_SUCCESS) algorithm->emit(&q, &own, &part, why);
    if (status == CLCONV_SUCCESS && why->length == 0) {
        merge(a, &part, &where, r);
        r->packed_bytes += round_up(part.packed_bytes, WORKSPACE_ALIGNMENT);
        if (volume == 0) *parameters = own;
    }
    recipe_release(&part);
    return status;
}

static void append_gather(const adjoint *a, recipe *r)
{
    const clconv_problem *p = a->q->problem;
    const geometry *g = a->q->geometry;
    const adjoint_axis *x = a->axis;
    const pad_backward_arguments arguments = {
        .rows = p->batch * p->in_channels * p->input[0] * p->input[1],
        .channels = p->in_channels,
        .depth = p->input[0],
        .height = p->input[1],
        .width = p->input[2],
        .before_d = p->pad_before[0],
        .before_h = p->pad_before[1],
        .before_w = p->pad_before[2],
        .after_d = p->pad_after[0],
        .after_h = p->pad_after[1],
        .after_w = p->pad_after[2],
        .mode = p->padding_mode,
        .stride_d = p->stride[0],
        .stride_h = p->stride[1],
        .stride_w = p->stride[2],
        .dilation_d = p->dilation[0],
        .dilation_h = p->dilation[1],
        .dilation_w = p->dilation[2],
        .residues_d = x[0].residues,
        .residues_h = x[1].residues,
        .residues_w = x[2].residues,
        .first_d = x[0].first,
        .first_h = x[1].first,
        .first_w = x[2].first,
        .count_d = x[0].count,
        .count_h = x[1].count,
        .count_w = x[2].count,
        .volume = a->volume,
        .channel = a->channel,
        .has_bias = a->q->op == CLCONV_TRANSPOSED && p->has_bias,
    };
    step s = kernel_step("pad_backward", "adjoint.cl", "pad_backward", p->dtype);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, a->volumes_at);
    kernel_add_buffer(&s, arguments.has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_set_scalars(&s, &arguments, sizeof arguments);
    kernel_set_range(&s, (const int64_t[]){1, arguments.rows, 1},
                     (const int64_t[]){1, a->q->traits->local_size, 1});
    s.bytes = 3 * (double)g->elements.input * (double)g->element_size;
    recipe_append_run(r, &s);
}

static clconv_status append_all(adjoint *a, const algorithm *algorithm, const char *overrides,
                                parameter_set *parameters, recipe *r, text *why, clconv_error *err)
{
    int64_t volume = 0, e[3] = {0, 0, 0};
    clconv_status status = CLCONV_SUCCESS;
    if (a->scatters) return append_convolution(a, algorithm, overrides, e, 0, parameters, r, why, err);
    for (e[0] = 0; e[0] < a->axis[0].residues; e[0]++)
        for (e[1] = 0; e[1] < a->axis[1].residues; e[1]++)
            for (e[2] = 0; e[2] < a->axis[2].residues; e[2]++, volume++)
                if (status == CLCONV_SUCCESS && why->length == 0)
                    status = append_convolution(a, algorithm, overrides, e, volume, parameters, r, why, err);
    return status;
}

clconv_status adjoint_emit(const request *q, const algorithm *algorithm, const char *overrides,
                           parameter_set *parameters, recipe *r, text *why, clconv_error *err)
{
    adjoint a = {.q = q, .identity = HASH_START};
    if (!plan_axes(&a, why)) return CLCONV_SUCCESS;
    if (a.bytes > q->workspace_limit) {
        text_append(
            why, "it needs %lld bytes of workspace for the gradient of the padded input; the limit is %lld",
            (long long)a.bytes, (long long)q->workspace_limit);
        return CLCONV_SUCCESS;
    }
    a.volumes_at = recipe_reserve(r, a.bytes);
    a.scratch_at = r->workspace_bytes;
    clconv_status status = append_all(&a, algorithm, overrides, parameters, r, why, err);
    recipe_reserve(r, a.scratch_size);
    if (!a.is_direct) append_gather(&a, r);
    r->packed_layout = hash_bytes(a.identity, q->problem->stride, sizeof q->problem->stride);
    return status;
}
