/* Volumes of an input gradient: see adjoint.h. */
#include "steps/adjoint.h"

#include "arguments/adjoint.clh"
#include "base/arith.h"
#include "base/hash.h"
#include "steps/kernel.h"

typedef struct transpose_weight_arguments {
    TRANSPOSE_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} transpose_weight_arguments;

typedef struct pack_adjoint_arguments {
    PACK_ADJOINT_ARGUMENTS(ARGUMENT_MEMBER)
} pack_adjoint_arguments;

typedef struct pad_backward_arguments {
    PAD_BACKWARD_ARGUMENTS(ARGUMENT_MEMBER)
} pad_backward_arguments;

static int64_t greatest_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

adjoint_taps adjoint_taps_of(const clconv_problem *problem, int axis, const adjoint_axis *a, int64_t residue)
{
    int64_t stride = problem->stride[axis], shift = residue * problem->dilation[axis];
    adjoint_taps t = {.count = (problem->kernel[axis] - 1 - residue) / a->step + 1};
    t.last = residue + (t.count - 1) * a->step;
    t.dilation = a->step * problem->dilation[axis] / stride;
    t.start = (shift % stride - shift) / stride - (t.count - 1) * t.dilation;
    t.first = (a->low - shift % stride + stride - 1) / stride;
    return t;
}

static int64_t step_of(const clconv_problem *problem, int axis)
{
    return problem->stride[axis] / greatest_divisor(problem->stride[axis], problem->dilation[axis]);
}

bool adjoint_is_few(const clconv_problem *problem, int64_t most, text *why)
{
    int64_t volumes = 1;
    for (int axis = 0; axis < 3; axis++)
        if (!size_multiply(volumes, min_i64(problem->kernel[axis], step_of(problem, axis)), &volumes))
            volumes = INT64_MAX;
    if (volumes <= most) return true;
    text_append(why,
                "it would take %lld convolutions, one for each remainder by the stride; the limit is %lld",
                (long long)volumes, (long long)most);
    return false;
}

adjoint_axis adjoint_span(const clconv_problem *problem, const geometry *g, int axis)
{
    const clconv_problem *p = problem;
    int64_t stride = p->stride[axis];
    bool is_cropped = p->padding_mode == CLCONV_PADDING_ZEROS;
    int64_t low = is_cropped ? p->pad_before[axis] : 0;
    int64_t high = is_cropped ? low + p->input[axis] : g->padded[axis];
    adjoint_axis a = {.low = low, .step = step_of(p, axis)};
    a.residues = min_i64(p->kernel[axis], a.step);
    for (int64_t e = 0; e < a.residues; e++) {
        int64_t last = (high - 1 - e * p->dilation[axis] % stride + stride) / stride;
        a.count = max_i64(a.count, last - adjoint_taps_of(p, axis, &a, e).first);
    }
    a.count = max_i64(a.count, 1); /* a stride beyond the kernel may leave no position to a tap */
    return a;
}

void adjoint_reads(const clconv_problem *problem, int axis, const adjoint_axis *a, int64_t *first,
                   int64_t *end)
{
    *first = INT64_MAX;
    *end = INT64_MIN;
    for (int64_t e = 0; e < a->residues; e++) {
        adjoint_taps t = adjoint_taps_of(problem, axis, a, e);
        *first = min_i64(*first, t.first + t.start);
        *end = max_i64(*end, t.first + a->count + t.start + (t.count - 1) * t.dilation);
    }
}

int64_t adjoint_volume_count(const adjoint_volumes *v)
{
    return v->axis[0].residues * v->axis[1].residues * v->axis[2].residues;
}

bool adjoint_lay_out(const clconv_problem *problem, const geometry *g, int64_t batch, adjoint_volumes *v,
                     text *why)
{
    int64_t volumes = 1, cells = 0;
    bool fits = size_product((const int64_t[]){v->axis[0].count, v->axis[1].count, v->pitch}, 3, &cells);
    for (int axis = 0; axis < 3; axis++)
        fits = fits && size_multiply(volumes, v->axis[axis].residues, &volumes);
    const int64_t extents[] = {volumes, batch, problem->in_channels, cells, g->element_size};
    if (!fits || !size_product(extents, 5, &v->bytes) || v->bytes > INT64_MAX / 64) {
        text_append(why, "the gradient of the padded input would overflow");
        return false;
    }
    v->volume = v->scatters ? cells : batch * problem->in_channels * cells;
    v->channel = v->scatters ? volumes * cells : cells;
    return true;
}

clconv_problem adjoint_convolution(const clconv_problem *problem, const geometry *g, const adjoint_volumes *v,
                                   const int64_t e[3])
{
    const clconv_problem *p = problem;
    clconv_problem c;
    clconv_problem_init(&c);
    c.batch = p->batch;
    c.groups = p->groups;
    c.in_channels = p->out_channels;
    c.out_channels = p->in_channels * (v->scatters ? g->taps : 1);
    c.dtype = p->dtype;
    for (int axis = 0; axis < 3; axis++) {
        c.input[axis] = g->output[axis];
        if (v->scatters) continue;
        adjoint_taps t = adjoint_taps_of(p, axis, &v->axis[axis], e[axis]);
        c.kernel[axis] = t.count;
        c.dilation[axis] = t.dilation;
    }
    return c;
}

static step transpose_step(const clconv_problem *problem, const geometry *g, const adjoint_volumes *v,
                           const int64_t e[3], int64_t at, const device_traits *traits)
{
    const clconv_problem *p = problem;
    const clconv_problem c = adjoint_convolution(p, g, v, e);
    int64_t last[3], steps[3];
    for (int axis = 0; axis < 3; axis++) {
        last[axis] = adjoint_taps_of(p, axis, &v->axis[axis], e[axis]).last;
        steps[axis] = v->axis[axis].step;
    }
    const transpose_weight_arguments arguments = {
        .filters = p->in_channels,
        .group_in = g->group_in,
        .group_out = g->group_out,
        AXES(kernel, p->kernel),
        AXES(taps, c.kernel),
        AXES(last, last),
        AXES(step, steps),
        .scatters = v->scatters,
    };
    step s = kernel_step("transpose_weight", "any/adjoint.cl", "transpose_weight", p->dtype);
    kernel_add_buffer(&s, BUFFER_WEIGHT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, at);
    kernel_set_scalars(&s, &arguments, sizeof arguments);
    kernel_set_range(&s, (const int64_t[]){1, g->group_out, p->in_channels},
                     (const int64_t[]){traits->local_size, 1, 1});
    step_moves(&s, 2 * (double)g->elements.weight * (double)g->element_size);
    return s;
}

adjoint_place adjoint_append_transpose(recipe *r, const clconv_problem *problem, const geometry *g,
                                       const adjoint_volumes *v, const int64_t e[3], int64_t bytes,
                                       const device_traits *traits)
{
    adjoint_place where = {.weight_at = r->packed_bytes};
    step s = transpose_step(problem, g, v, e, where.weight_at, traits);
    recipe_append_pack(r, &s);
    r->packed_bytes = where.packed_at = where.weight_at + round_up(bytes, WORKSPACE_ALIGNMENT);
    return where;
}

/* Elements of the packed weight for each tap. */
static int64_t packed_tap(const clconv_problem *problem, const geometry *g, int64_t out_channels)
{
    return problem->groups * g->group_out * round_up(g->group_in, out_channels);
}

int64_t adjoint_packed_at(const clconv_problem *problem, const geometry *g, const adjoint_volumes *v,
                          const int64_t e[3], int64_t out_channels)
{
    int64_t taps = 0, count[3];
    for (int axis = 0; axis < 3; axis++)
        count[axis] = adjoint_taps_of(problem, axis, &v->axis[axis], e[axis]).count;
    for (int axis = 0; axis < 3; axis++) {
        int64_t before = 0;
        for (int64_t i = 0; i < e[axis]; i++)
            before += adjoint_taps_of(problem, axis, &v->axis[axis], i).count;
        for (int other = 0; other < 3; other++)
            if (other != axis) before *= other < axis ? count[other] : problem->kernel[other];
        taps += before;
    }
    return taps * packed_tap(problem, g, out_channels) * g->element_size;
}

bool adjoint_append_pack(recipe *r, const clconv_problem *problem, const geometry *g,
                         const adjoint_volumes *v, int64_t out_channels, const device_traits *traits,
                         text *why)
{
    const clconv_problem *p = problem;
    const pack_adjoint_arguments a = {
        .blocks = p->groups * ceil_divide(g->group_in, out_channels),
        .group_blocks = ceil_divide(g->group_in, out_channels),
        .group_out = g->group_in,
        .group_in = g->group_out,
        .out_channels = out_channels,
        AXES(kernel, p->kernel),
        .residues_d = v->axis[0].residues,
        .residues_h = v->axis[1].residues,
        .residues_w = v->axis[2].residues,
    };
    int64_t elements;
    const int64_t extents[] = {a.blocks, out_channels, a.group_in, g->taps};
    if (!size_product(extents, 4, &elements) || elements > INT64_MAX / 64) {
        text_append(why, "the packed weight is too large");
        return false;
    }
    r->packed_bytes = elements * g->element_size;
    r->packed_layout =
        hash_bytes(hash_bytes(HASH_START, &a, sizeof a), &g->element_size, sizeof g->element_size);
    step s = kernel_step("pack_adjoint", "any/adjoint.cl", "pack_adjoint", p->dtype);
    kernel_add_buffer(&s, BUFFER_WEIGHT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){1, a.group_in, a.blocks},
                     (const int64_t[]){traits->local_size, 1, 1});
    step_moves(&s, 2 * (double)g->elements.weight * (double)g->element_size);
    recipe_append_pack(r, &s);
    return true;
}

static void move(step *s, const adjoint_place *where)
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

void adjoint_append_part(recipe *r, const recipe *part, const adjoint_place *where)
{
    for (size_t i = 0; i < part->pack_count; i++) {
        step s = part->pack[i];
        move(&s, where);
        recipe_append_pack(r, &s);
    }
    for (size_t i = 0; i < part->run_count; i++) {
        step s = part->run[i];
        move(&s, where);
        recipe_append_run(r, &s);
    }
    if (part->failed && !r->failed) r->overflowed = part->overflowed;
    r->failed = r->failed || part->failed;
    r->packed_bytes = where->packed_at + round_up(part->packed_bytes, WORKSPACE_ALIGNMENT);
}

void adjoint_append_gather(recipe *r, const clconv_problem *problem, const geometry *g,
                           const adjoint_volumes *v, int64_t sample, int64_t samples, bool has_bias,
                           const device_traits *traits)
{
    const clconv_problem *p = problem;
    const adjoint_axis *x = v->axis;
    enum { ITEM_ELEMENTS = 2048 }; /* enough to hide an item's start */
    const pad_backward_arguments arguments = {
        .rows = samples * p->in_channels * p->input[0] * p->input[1],
        .rows_per_item = traits->is_cpu ? max_i64(1, ITEM_ELEMENTS / p->input[2]) : 1,
        .channels = p->in_channels,
        INPUT_EXTENTS(p),
        AXES(before, p->pad_before),
        AXES(after, p->pad_after),
        .mode = p->padding_mode,
        AXES(stride, p->stride),
        AXES(dilation, p->dilation),
        ADJOINT_CELLS(x),
        .low_d = x[0].low,
        .low_h = x[1].low,
        .low_w = x[2].low,
        .pitch = v->pitch,
        .volume = v->volume,
        .channel = v->channel,
        .streams = kernel_output_streams(traits->machine, g->elements.input * g->element_size),
        .has_bias = has_bias,
    };
    step s = kernel_step("pad_backward", "any/adjoint.cl", "pad_backward", p->dtype);
    kernel_define(&s, "VECTOR_WIDTH", traits_vector_width(traits, g->element_size));
    kernel_add_buffer(&s, BUFFER_WORKSPACE, v->offset);
    kernel_add_buffer(&s, arguments.has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, sample * p->in_channels * g->input_plane * g->element_size);
    kernel_set_scalars(&s, &arguments, sizeof arguments);
    kernel_set_range(&s, (const int64_t[]){1, ceil_divide(arguments.rows, arguments.rows_per_item), 1},
                     (const int64_t[]){1, traits->local_size, 1});
    step_moves(&s, 3 * (double)(samples * p->in_channels) * (double)g->input_plane * (double)g->element_size);
    recipe_append_run(r, &s);
}
