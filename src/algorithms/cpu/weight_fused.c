/* weight_fused: the gradient of the weight in one kernel that pads its input and output gradient block by
 * block in a slice of the workspace for each work-group (cl/cpu/weight_fused.cl), where `weight_direct` pads all
 * of them before. */
#include "arguments/weight_fused.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/kernel.h"
#include "steps/slices.h"
#include "steps/weights.h"

typedef struct weight_fused_arguments {
    WEIGHT_FUSED_ARGUMENTS(ARGUMENT_MEMBER)
} weight_fused_arguments;

enum { OUT_CHANNELS, ROWS, VECTOR_WIDTH, SLICE_KIB, SLICES, BLOCK_TAPS };

static const parameter_range ranges[] = {
    [OUT_CHANNELS] = {"out_channels", 1, 16, false},
    [ROWS] = {"rows", 1, WEIGHT_TILE_ROWS, false},
    [VECTOR_WIDTH] = {"vector_width", 2, 16, true},
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size at most, unless one row needs more */
    [SLICES] = {"slices", 1, 65536, false},         /* at most; work-groups that run */
    [BLOCK_TAPS] = {"block_taps", 1, 1 << 20,
                    false}, /* of the channels that are padded at a time, at least */
    {NULL, 0, 0, false},
};

enum { MAX_SUMS_MIB = 64 };

/* A sum's lanes added, in multiply-adds of a lane, by which blocks are chosen: it decides the order of sums, so it is no
 * machine's. */
enum { SUM_LANES = 14 };

static void choose(const request *q, parameter_set *p)
{
    weight_tile tile = weights_choose_tile(q->traits, q->problem, q->geometry);
    p->values[OUT_CHANNELS] = tile.out_channels;
    p->values[ROWS] = tile.rows;
    p->values[VECTOR_WIDTH] = tile.vector_width;
    /* These decide the order of sums, so they are no machine's. */
    p->values[SLICE_KIB] = 2048;
    p->values[SLICES] = 16;
    p->values[BLOCK_TAPS] = 64;
}

static slice_plan plan_slices(const request *q, const parameter_set *p, const weight_tile *tile,
                              const scratch_layout *l)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t channels = weights_channels_of_block(problem, g, p->values[BLOCK_TAPS], tile->rows);
    double filters =
        weights_filters(problem, g, channels, tile->rows, round_up(g->group_out, tile->out_channels));
    slice_plan s = weights_slices(problem, g, l, channels, filters);
    s.cells = g->output[2] % tile->vector_width != 0 ? g->group_out : 0;
    s.fixed = filters * (double)(problem->kernel[0] * SUM_LANES * tile->vector_width);
    s.slack = s.lanes = tile->vector_width;
    return s;
}

static weight_fused_arguments describe(const request *q, const scratch_layout *l, const slice_plan *s,
                                       int64_t parts)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    return (weight_fused_arguments){
        .items = p->groups * parts,
        .parts = parts,
        SLICE_BLOCKS(l, s),
        .block_in = s->channels,
        KERNEL_GROUPS(p, g),
        KERNEL_EXTENTS(p, g),
        KERNEL_PADDING(p),
        .kernel_d = p->kernel[0],
        .kernel_h = p->kernel[1],
        .kernel_w = p->kernel[2] / weights_row_taps(p),
        .stride_d = p->stride[0],
        AXES(dilation, p->dilation),
        .gradient_size = s->cells > 0 ? s->block_planes * s->row_size : 0,
        .gradient_start = s->padded_size,
        .levels = weights_levels(ceil_divide(s->units, parts)),
        .weights = g->elements.weight,
    };
}

/* The shares of a group's blocks: as many as keep all slices busy, as few as their sums' memory asks for. */
static int64_t count_parts(const request *q, const parameter_set *p, const slice_plan *s)
{
    const geometry *g = q->geometry;
    int64_t most = ((int64_t)MAX_SUMS_MIB << 20) / (g->elements.weight * g->element_size);
    int64_t wanted = min_i64(ceil_divide(p->values[SLICES], q->problem->groups), most);
    return max_i64(1, min_i64(wanted, s->units));
}

static void set_cost(const request *q, const weight_tile *tile, const slice_plan *s, int64_t parts, step *to)
{
    const geometry *g = q->geometry;
    const machine *m = q->traits->machine;
    int64_t group_bytes = g->elements.weight / q->problem->groups * g->element_size;
    double share = weights_share(m, tile, q->problem),
           blocks = (double)q->problem->in_channels / (double)s->channels;
    step_computes(to, blocks * slices_multiply_adds(s), share);
    to->work.busy += blocks * slices_pad_work(s, m) / share;
    step_moves(to, (double)g->element_size * ((double)g->elements.input + (double)g->elements.output +
                                              (double)parts * (double)g->elements.weight));
    if (group_bytes > m->core_cache) /* sums come from further away than a core's own cache */
        to->work.traffic +=
            m->weights.far * (double)s->units * (double)g->elements.weight * (double)g->element_size;
}

static bool add_buffers(const parameter_set *p, const weight_fused_arguments *a, step *s, recipe *r,
                        int64_t *sums_offset)
{
    int64_t slices = min_i64(a->items, p->values[SLICES]), slice_bytes, sum_bytes;
    step_buffer totals = {BUFFER_NONE, 0};
    if (!size_product((const int64_t[]){slices, a->slice_size, s->element_size}, 3, &slice_bytes) ||
        !size_product((const int64_t[]){a->parts, a->weights, s->element_size}, 3, &sum_bytes) ||
        slice_bytes > INT64_MAX / 4 || sum_bytes > INT64_MAX / 4 / (1 + a->levels))
        return false;
    kernel_add_buffer(s, BUFFER_INPUT, 0);
    kernel_add_buffer(s, BUFFER_GRAD_OUTPUT, 0);
    kernel_add_buffer(s, BUFFER_WORKSPACE, recipe_reserve(r, slice_bytes));
    *sums_offset = a->parts > 1 ? recipe_reserve(r, sum_bytes) : 0;
    kernel_add_buffer(s, a->parts > 1 ? BUFFER_WORKSPACE : BUFFER_OUTPUT, *sums_offset);
    if (a->levels > 0) totals = (step_buffer){BUFFER_WORKSPACE, recipe_reserve(r, a->levels * sum_bytes)};
    kernel_add_buffer(s, totals.role, totals.offset);
    kernel_share_out(s, slices, 1);
    return true;
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    const weight_tile tile = {p->values[OUT_CHANNELS], p->values[ROWS], p->values[VECTOR_WIDTH], 1};
    scratch_layout layout;
    int64_t sums_offset;
    if (!scratch_layout_compute(problem, g, q->strict, &layout)) {
        text_append(why, "a padded plane or a stride is too large for 32 bits");
        return;
    }
    /* Every vector stays inside its plane, whose end is zero. */
    scratch_layout_widen(&layout, problem, tile.vector_width);
    slice_plan slices = plan_slices(q, p, &tile, &layout);
    if (!slices_choose(&slices, (p->values[SLICE_KIB] << 10) / g->element_size, why)) return;
    int64_t parts = count_parts(q, p, &slices);
    weight_fused_arguments a = describe(q, &layout, &slices, parts);
    step s = kernel_step("weight_fused", "cpu/weight_fused.cl", "weight_fused", problem->dtype);
    weights_define(&s, &tile, problem, &layout);
    if (!add_buffers(p, &a, &s, r, &sums_offset)) {
        text_append(why, "its slices or sums would overflow");
        return;
    }
    kernel_set_scalars(&s, &a, sizeof a);
    set_cost(q, &tile, &slices, parts, &s);
    recipe_append_run(r, &s);
    if (parts > 1) weights_append_reduce(r, problem, g, sums_offset, parts, q->traits);
}

const algorithm algorithm_weight_fused = {.name = "weight_fused",
                                          .devices = FOR_CPU,
                                          .accumulates_directly = true,
                                          .ranges = ranges,
                                          .choose = choose,
                                          .emit = emit,
                                          .op = CLCONV_BACKWARD_WEIGHT};
