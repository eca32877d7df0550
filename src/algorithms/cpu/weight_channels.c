/* weight_channels: the gradient of the weight with vectors along output channels, from an input that is padded and an
 * output gradient that is turned block by block in a slice of the workspace for each work-group
 * (cl/cpu/weight_channels.cl). */
#include "arguments/weight_channels.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"
#include "steps/slices.h"
#include "steps/weights.h"

typedef struct weight_channels_arguments {
    WEIGHT_CHANNELS_ARGUMENTS(ARGUMENT_MEMBER)
} weight_channels_arguments;

typedef struct add_parts_arguments {
    ADD_PARTS_ARGUMENTS(ARGUMENT_MEMBER)
} add_parts_arguments;

enum { ROWS, VECTORS, VECTOR_WIDTH, SLICE_KIB, SLICES, BLOCK_TAPS, BOX_POSITIONS };

static const parameter_range ranges[] = {
    [ROWS] = {"rows", 1, WEIGHT_TILE_ROWS, false},
    [VECTORS] = {"vectors", 1, 4, false},
    [VECTOR_WIDTH] = {"vector_width", 2, 16, true},
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size at most, unless one row needs more */
    [SLICES] = {"slices", 1, SUM_FAN, false},       /* at most; work-groups that run */
    [BLOCK_TAPS] = {"block_taps", 1, 1 << 20,
                    false}, /* of the channels that are padded at a time, at least */
    [BOX_POSITIONS] = {"box_positions", 1, SUM_RUN, false}, /* that are summed in registers at most */
    {NULL, 0, 0, false},
};

enum { MAX_SUMS_MIB = 64 };

/* An element of a part's sums, in multiply-adds of a lane, by which splits and parts are chosen: it decides the order of
 * sums, so it is no machine's. */
enum { SUM_WORK = 100 };

/* Share of the FMA rate of a tile of `elements` of the input by `vectors`: two multiply-adds or two loads a cycle, and as
 * many as fill the pipeline. It decides the order of sums, so it is no machine's. */
static double tile_share(int64_t elements, int64_t vectors)
{
    enum { IN_FLIGHT = 8 };
    return (double)(elements * vectors) /
           (double)max_i64(IN_FLIGHT, max_i64(elements * vectors, elements + vectors));
}

/* The tile that does the most useful work in three quarters of the registers. Rows have an address each. */
static void choose(const request *q, parameter_set *p)
{
    enum { MOST_VECTORS = 4, MOST_ROWS = 8 };
    const geometry *g = q->geometry;
    int64_t budget = q->traits->registers * 3 / 4, taps = weights_row_taps(q->problem);
    int64_t width = traits_vector_width(q->traits, g->element_size),
            all = weights_rows(q->problem, g->group_in);
    double most = -1;
    for (int64_t v = 1; v <= MOST_VECTORS; v++)
        for (int64_t r = 1; r <= MOST_ROWS && r * taps * v <= budget; r++) {
            double value =
                tile_share(r * taps, v) * weights_use(g->group_out, v * width) * weights_use(all, r);
            if (value < most || (value == most && r * v < p->values[ROWS] * p->values[VECTORS])) continue;
            most = value;
            p->values[ROWS] = r;
            p->values[VECTORS] = v;
        }
    if (most < 0) p->values[ROWS] = p->values[VECTORS] = 1;
    p->values[VECTOR_WIDTH] = width;
    p->values[SLICE_KIB] = 512;
    p->values[SLICES] = 16;
    p->values[BLOCK_TAPS] = 512;
    p->values[BOX_POSITIONS] = SUM_RUN;
}

/* Extents of one plan. */
typedef struct division {
    scratch_layout layout;
    slice_plan slices;
    int64_t lanes, tiles, splits, parts, levels;
    int64_t box[3], boxes;              /* of a block, at most */
    int64_t sums_of_tile, sums_of_part; /* elements */
} division;

/* Shares of a group's blocks and of its tiles: as many as keep all slices busy, with the least work for it. Each share
 * of blocks has sums of its own, each split pads the input again. */
static bool divide(const request *q, const parameter_set *p, division *d)
{
    const geometry *g = q->geometry;
    int64_t groups = q->problem->groups, wanted = ceil_divide(p->values[SLICES], groups), all;
    d->lanes = p->values[VECTORS] * p->values[VECTOR_WIDTH];
    d->tiles = ceil_divide(g->group_out, d->lanes);
    if (!size_product((const int64_t[]){g->group_in, g->taps, d->lanes}, 3, &d->sums_of_tile) ||
        !size_product((const int64_t[]){d->sums_of_tile, d->tiles, groups}, 3, &d->sums_of_part) ||
        !size_multiply(d->sums_of_part, p->values[SLICES], &all) || all > INT64_MAX / 64)
        return false;
    int64_t most = max_i64(((int64_t)MAX_SUMS_MIB << 20) / max_i64(d->sums_of_part * g->element_size, 1), 1);
    double least = -1;
    for (int64_t splits = 1; splits <= min_i64(d->tiles, wanted); splits++) {
        int64_t parts = min_i64(ceil_divide(wanted, splits), most);
        double work = (double)WEIGHT_PAD_WORK * (double)splits * (double)g->elements.input +
                      (double)SUM_WORK * (double)parts * (double)d->sums_of_part;
        if (least >= 0 && work >= least) continue;
        least = work;
        d->splits = splits;
        d->parts = parts;
    }
    return true;
}

static slice_plan plan_slices(const request *q, const parameter_set *p, const division *d, int64_t channels)
{
    double filters = weights_filters(q->problem, q->geometry, channels, p->values[ROWS], d->lanes * d->tiles);
    slice_plan s = weights_slices(q->problem, q->geometry, &d->layout, channels, filters);
    s.cells = ceil_divide(d->tiles, d->splits) * d->lanes;
    s.fixed = filters * (double)q->problem->kernel[0];
    s.slack = p->values[VECTOR_WIDTH];
    s.lanes = 1;
    return s;
}

/* The box of a block whose products make a run: columns first, then rows, then planes. How many a block has. */
static int64_t divide_block(const slice_plan *s, int64_t width, int64_t most, int64_t box[3])
{
    box[2] = ceil_divide(width, ceil_divide(width, most));
    box[1] = box[2] < width ? 1 : max_i64(1, min_i64(s->block_rows, most / width));
    box[0] = box[1] < s->block_rows ? 1 : max_i64(1, min_i64(s->block_planes, most / (width * box[1])));
    return ceil_divide(width, box[2]) * ceil_divide(s->block_rows, box[1]) *
           ceil_divide(s->block_planes, box[0]);
}

/* Blocks within `most` elements: of all channels that are padded at a time, or of fewer where large blocks of those share
 * so much more of what they read. */
static bool choose_slices(const request *q, const parameter_set *p, division *d, int64_t most, text *why)
{
    const double gain = 0.9;
    double least = -1;
    for (int64_t channels =
             weights_channels_of_block(q->problem, q->geometry, p->values[BLOCK_TAPS], p->values[ROWS]);
         channels > 0; channels /= 2) {
        slice_plan s = plan_slices(q, p, d, channels);
        if (!slices_choose(&s, most, why)) return false;
        double work = slices_work_shared(&s);
        if (least >= 0 && work > gain * least) continue;
        least = work;
        d->slices = s;
    }
    return true;
}

/* Blocks of at most SUM_PARTS boxes, which are added to the sums before any goes to their totals. */
static bool choose_blocks(const request *q, const parameter_set *p, division *d, text *why)
{
    int64_t most = (p->values[SLICE_KIB] << 10) / q->geometry->element_size;
    for (;; most /= 2) {
        if (!choose_slices(q, p, d, most, why)) return false;
        d->boxes = divide_block(&d->slices, q->geometry->output[2], p->values[BOX_POSITIONS], d->box);
        if (d->boxes <= SUM_PARTS) break;
        if (d->slices.block_planes * d->slices.block_rows == 1) {
            text_append(why, "a row of %lld outputs is too long; it has room for %lld",
                        (long long)q->geometry->output[2], (long long)(SUM_PARTS * p->values[BOX_POSITIONS]));
            return false;
        }
    }
    d->parts = min_i64(d->parts, d->slices.units);
    d->levels =
        partial_sums_levels(ceil_divide(ceil_divide(d->slices.units, d->parts), SUM_PARTS / d->boxes));
    return true;
}

static weight_channels_arguments describe(const request *q, const division *d)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    const scratch_layout *l = &d->layout;
    const slice_plan *s = &d->slices;
    return (weight_channels_arguments){
        .items = p->groups * d->splits * d->parts,
        .splits = d->splits,
        .parts = d->parts,
        SLICE_BLOCKS(l, s),
        .block_in = s->channels,
        .box_depth = d->box[0],
        .box_rows = d->box[1],
        .box_width = d->box[2],
        KERNEL_GROUPS(p, g),
        .tiles = d->tiles,
        KERNEL_EXTENTS(p, g),
        KERNEL_PADDING(p),
        .kernel_d = p->kernel[0],
        .kernel_h = p->kernel[1],
        .kernel_w = p->kernel[2] / weights_row_taps(p),
        .stride_d = p->stride[0],
        AXES(dilation, p->dilation),
        .gradient_start = s->padded_size,
        .levels = d->levels,
        .sums_of_tile = d->sums_of_tile,
        .sums_of_part = d->sums_of_part,
    };
}

static void set_cost(const request *q, const parameter_set *p, const division *d, step *to)
{
    const geometry *g = q->geometry;
    const machine *m = q->traits->machine;
    const slice_plan *s = &d->slices;
    double element = (double)g->element_size, sums = (double)d->sums_of_part * element,
           share = m->weights.lanes_share *
                   tile_share(p->values[ROWS] * weights_row_taps(q->problem), p->values[VECTORS]),
           blocks = (double)q->problem->in_channels / (double)s->channels;
    step_computes(to, blocks * slices_multiply_adds(s), share);
    to->work.busy += (double)d->splits * blocks * slices_pad_work(s, m) / share;
    to->work.busy += m->slices.pack * (double)g->elements.output;
    step_moves(to,
               element * ((double)g->elements.input + (double)g->elements.output) + (double)d->parts * sums);
    if (sums / (double)(q->problem->groups * d->splits) > (double)m->core_cache)
        to->work.traffic += m->weights.far * (double)s->units * (double)d->boxes * sums;
}

static bool add_buffers(const parameter_set *p, const division *d, int64_t items, step *s, recipe *r,
                        int64_t *sums_offset)
{
    int64_t slices = min_i64(items, p->values[SLICES]), slice_bytes, sum_bytes;
    step_buffer totals = {BUFFER_NONE, 0};
    if (!size_product((const int64_t[]){slices, d->slices.slice_size, s->element_size}, 3, &slice_bytes) ||
        !size_product((const int64_t[]){d->parts, d->sums_of_part, s->element_size}, 3, &sum_bytes) ||
        slice_bytes > INT64_MAX / 4 || sum_bytes > INT64_MAX / 4 / (1 + d->levels))
        return false;
    kernel_add_buffer(s, BUFFER_INPUT, 0);
    kernel_add_buffer(s, BUFFER_GRAD_OUTPUT, 0);
    kernel_add_buffer(s, BUFFER_WORKSPACE, recipe_reserve(r, slice_bytes));
    *sums_offset = recipe_reserve(r, sum_bytes);
    kernel_add_buffer(s, BUFFER_WORKSPACE, *sums_offset);
    if (d->levels > 0) totals = (step_buffer){BUFFER_WORKSPACE, recipe_reserve(r, d->levels * sum_bytes)};
    kernel_add_buffer(s, totals.role, totals.offset);
    kernel_share_out(s, slices, 1);
    return true;
}

static step start(const char *kernel, const request *q, const parameter_set *p, const scratch_layout *layout)
{
    const weight_tile tile = {1, p->values[ROWS], p->values[VECTOR_WIDTH], 1};
    step s = kernel_step(kernel, "cpu/weight_channels.cl", kernel, q->problem->dtype);
    weights_define(&s, &tile, q->problem, layout);
    kernel_define(&s, "VECTORS", p->values[VECTORS]);
    return s;
}

static void append_sum(const request *q, const parameter_set *p, const division *d, int64_t sums_offset,
                       recipe *r)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    const add_parts_arguments a = {
        .panels = problem->groups * d->tiles * p->values[VECTORS],
        .tiles = d->tiles,
        .parts = d->parts,
        .group_in = g->group_in,
        .group_out = g->group_out,
        .kernel_d = problem->kernel[0],
        .kernel_plane = problem->kernel[1] * problem->kernel[2],
        .sums_of_tile = d->sums_of_tile,
        .sums_of_part = d->sums_of_part,
    };
    step s = start("add_parts", q, p, &d->layout);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, sums_offset);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){1, 1, a.panels}, (const int64_t[]){1, 1, 1});
    step_moves(&s, (double)g->element_size *
                       ((double)d->parts * (double)d->sums_of_part + (double)g->elements.weight));
    recipe_append_run(r, &s);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    division d = {0};
    int64_t sums_offset;
    if (!scratch_layout_compute(q->problem, q->geometry, q->strict, &d.layout)) {
        text_append(why, "a padded plane or a stride is too large for 32 bits");
        return;
    }
    if (!divide(q, p, &d)) {
        text_append(why, "its sums would overflow");
        return;
    }
    if (!choose_blocks(q, p, &d, why)) return;
    weight_channels_arguments a = describe(q, &d);
    step s = start("weight_channels", q, p, &d.layout);
    if (!add_buffers(p, &d, a.items, &s, r, &sums_offset)) {
        text_append(why, "its slices or sums would overflow");
        return;
    }
    kernel_set_scalars(&s, &a, sizeof a);
    set_cost(q, p, &d, &s);
    recipe_append_run(r, &s);
    append_sum(q, p, &d, sums_offset, r);
}

const algorithm algorithm_weight_channels = {.name = "weight_channels",
                                             .devices = FOR_CPU,
                                             .accumulates_directly = true,
                                             .ranges = ranges,
                                             .choose = choose,
                                             .emit = emit,
                                             .op = CLCONV_BACKWARD_WEIGHT};
