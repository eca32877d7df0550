/* direct_channels: direct convolution whose vectors are of output channels (cl/cpu/direct_channels.cl): for images
 * whose planes are no whole vectors of positions. */
#include "arguments/direct_channels.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/channel_tiles.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/partial_sums.h"
#include "steps/product.h"

#include <math.h>

typedef struct direct_channels_arguments {
    DIRECT_CHANNELS_ARGUMENTS(ARGUMENT_MEMBER)
} direct_channels_arguments;

enum { VECTORS, POSITIONS, VECTOR_WIDTH, SUMS_KIB, WEIGHT_KIB, SLICES };

enum { MAX_ADDITIONS = 64 }; /* to a sum, before it goes to its total */

static const parameter_range ranges[] = {
    [VECTORS] = {"vectors", 1, CHANNEL_TILE_VECTORS, false},
    [POSITIONS] = {"positions", 1, CHANNEL_TILE_POSITIONS, false},
    [VECTOR_WIDTH] = {"vector_width", 2, 16, true},
    [SUMS_KIB] = {"sums_kib", 1, 1 << 20,
                  false}, /* of a work-group's sums at most, unless one tile needs more */
    [WEIGHT_KIB] = {"weight_kib", 1, 1 << 20, false}, /* of the weights that are used at a time at most */
    [SLICES] = {"slices", 1, 65536, false},           /* at most; work-groups that run */
    {NULL, 0, 0, false},
};

static void choose(const request *q, parameter_set *p)
{
    channel_tile tile = channel_tile_choose(q->traits, q->geometry->element_size, q->geometry->group_out);
    p->values[VECTORS] = tile.vectors;
    p->values[POSITIONS] = tile.positions;
    p->values[VECTOR_WIDTH] = tile.vector_width;
    p->values[SUMS_KIB] = 64;
    p->values[WEIGHT_KIB] = 128; /* decides the order of sums, so it is no machine's */
    p->values[SLICES] = 64;
}

/* Whether zeros around the volume are left out. */
static bool leaves_zeros_out(const request *q)
{
    return q->problem->padding_mode == CLCONV_PADDING_ZEROS && !q->strict;
}

/* Ranges of positions at most that taps along an axis have inside the input. */
static int64_t most_ranges(const request *q, int axis)
{
    const clconv_problem *p = q->problem;
    bool is_clipped = leaves_zeros_out(q) && p->pad_before[axis] + p->pad_after[axis] > 0;
    return is_clipped ? p->kernel[axis] : 1;
}

static bool is_applicable(const request *q, text *why)
{
    if (q->geometry->taps > MAX_TAPS)
        text_append(why, "a channel has %lld taps; it needs at most %d", (long long)q->geometry->taps,
                    MAX_TAPS);
    else if (partial_sums_are_long(q->geometry->reduction) &&
             most_ranges(q, 1) * most_ranges(q, 2) > MAX_ADDITIONS)
        text_append(why,
                    "kernel_size is %lld on H and %lld on W; its sums would be in too many parts at borders",
                    (long long)q->problem->kernel[1], (long long)q->problem->kernel[2]);
    else if (q->problem->stride[2] > INT32_MAX / 64)
        text_append(why, "stride is %lld on W, too large for 32 bits", (long long)q->problem->stride[2]);
    else
        return true;
    return false;
}

/* The padded input as it lies, without phases: elements are read one at a time. */
static bool lay_out(const request *q, clconv_problem *plain, geometry *g, scratch_layout *l)
{
    *plain = *q->problem;
    for (int axis = 0; axis < 3; axis++) {
        plain->stride[axis] = 1;
        plain->output_padding[axis] = 0; /* rows are whole, whatever is read of them */
    }
    return geometry_compute(plain, g, NULL) == CLCONV_SUCCESS &&
           scratch_layout_compute(plain, g, q->strict, l) && l->channel_size <= INT32_MAX;
}

/* Whether the input is the volume that is read, rather than a padded copy. */
static bool reads_in_place(const request *q)
{
    const clconv_problem *p = q->problem;
    if (leaves_zeros_out(q)) return true;
    for (int axis = 0; axis < 3; axis++)
        if (p->pad_before[axis] + p->pad_after[axis] > 0) return false;
    return true;
}

/* Whether the channels of the input lie such a power of two apart that a core's own cache does not keep them all. */
static bool shares_cache_sets(const request *q, const direct_channels_arguments *a)
{
    int64_t bytes = a->depth * a->plane_size * q->geometry->element_size;
    return (double)a->group_in * (double)(bytes & -bytes) > (double)q->traits->machine->core_cache;
}

/* A kernel of one element reads its positions as one line. */
static bool is_line(const request *q)
{
    for (int axis = 0; axis < 3; axis++)
        if (!geometry_is_identity(q->problem, q->geometry, axis)) return false;
    return true;
}

static int64_t lanes_of(const parameter_set *p)
{
    return p->values[VECTORS] * p->values[VECTOR_WIDTH];
}

/* Tiles: parts of a row, or as many short rows as there is code for. */
static void choose_shape(const parameter_set *p, direct_channels_arguments *a)
{
    int64_t positions = p->values[POSITIONS], width = a->out_width, height = a->out_height;
    a->row_tiles = ceil_divide(width, positions);
    a->tile_rows = width > 1 && 2 * width <= positions ? 2 : 1;
    if ((width == 3 || width == 4) && 3 * width <= positions &&
        ceil_divide(height, 3) < ceil_divide(height, 2))
        a->tile_rows = 3;
    a->row_blocks = ceil_divide(height, a->tile_rows);
}

/* Of a channel's taps those that some output reads. */
static int64_t taps_read(const request *q)
{
    int64_t taps = 1;
    for (int axis = 0; axis < 3; axis++)
        taps *= product_taps_read(q->problem, q->geometry, axis, leaves_zeros_out(q));
    return taps;
}

/* Additions at most to a sum in a block of input channels: its runs, and one for each rectangle. */
static int64_t additions_of_block(const request *q, const direct_channels_arguments *a)
{
    int64_t runs = 2 * ceil_divide(a->block_in * q->geometry->taps, SUM_RUN);
    return runs + most_ranges(q, 1) * most_ranges(q, 2);
}

/* Totals of long sums. */
static void divide_sums(const request *q, direct_channels_arguments *a)
{
    a->level_blocks = max_i64(MAX_ADDITIONS / additions_of_block(q, a), 1);
    if (partial_sums_are_long(q->geometry->reduction))
        a->levels = partial_sums_levels(ceil_divide(ceil_divide(a->group_in, a->block_in), a->level_blocks));
}

/* Runs of tiles: their sums within a limit, and enough of them to share out, but no more, since each reads all
 * weights. False if sizes overflow. */
static bool divide(const request *q, const parameter_set *p, direct_channels_arguments *a)
{
    enum { MIN_UNITS = 8 }; /* however many compute units there are */
    int64_t element = q->geometry->element_size, tile_bytes = p->values[POSITIONS] * lanes_of(p) * element;
    if (!size_product((const int64_t[]){a->out_depth, a->row_blocks, a->row_tiles}, 3, &a->tiles))
        return false;
    int64_t most = max_i64((p->values[SUMS_KIB] << 10) / tile_bytes, 1);
    int64_t volumes = q->problem->batch * a->groups * a->blocks;
    int64_t wanted = max_i64(ceil_divide(a->tiles, most), ceil_divide(MIN_UNITS, max_i64(volumes, 1)));
    a->runs = max_i64(min_i64(a->tiles, wanted), 1);
    int64_t run_positions = ceil_divide(a->tiles, a->runs) * p->values[POSITIONS];
    a->sums_size = (run_positions + p->values[VECTOR_WIDTH]) * lanes_of(p);
    int64_t weight_bytes = max_i64(taps_read(q), 1) * lanes_of(p) * element;
    a->block_in = max_i64((p->values[WEIGHT_KIB] << 10) / weight_bytes, 1);
    divide_sums(q, a);
    a->slice_size = a->sums_size * (1 + a->levels);
    return size_multiply(volumes, a->runs, &a->units);
}

/* The volume that is read: the input, or a padded copy, whose depth emit() knows. */
static void describe_volume(const request *q, const scratch_layout *l, bool in_place,
                            direct_channels_arguments *a)
{
    const clconv_problem *p = q->problem;
    a->depth = p->input[0];
    a->clip_depth = p->pad_before[0];
    a->pad_height = in_place ? p->pad_before[1] : 0;
    a->pad_width = in_place ? p->pad_before[2] : 0;
    a->height = in_place ? p->input[1] : INT64_MAX / 4;
    a->width = in_place ? p->input[2] : INT64_MAX / 4;
    a->pitch = in_place ? p->input[2] : l->pitch;
    a->plane_size = in_place ? p->input[1] * p->input[2] : l->plane_size;
}

static bool describe(const request *q, const parameter_set *p, const scratch_layout *l, bool in_place,
                     direct_channels_arguments *a)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    *a = (direct_channels_arguments){
        .blocks = ceil_divide(g->group_out, lanes_of(p)),
        .inner_samples = g->elements.weight > g->elements.input ? max_i64(problem->batch, 1) : 1,
        KERNEL_GROUPS(problem, g),
        OUTPUT_EXTENTS(g),
        AXES(kernel, problem->kernel),
        .stride_d = problem->stride[0],
        .stride_h = problem->stride[1],
        AXES(dilation, problem->dilation),
        .has_bias = problem->has_bias,
    };
    describe_volume(q, l, in_place, a);
    if (is_line(q)) {
        a->depth = a->height = a->out_depth = a->out_height = 1;
        a->width = a->pitch = a->plane_size = a->out_width = g->output_plane;
    }
    choose_shape(p, a);
    return divide(q, p, a);
}

static step program(const request *q, const parameter_set *p)
{
    step s = kernel_step("direct_channels", "cpu/direct_channels.cl", "direct_channels", q->problem->dtype);
    kernel_define(&s, "OUT_CHANNELS", lanes_of(p));
    kernel_define(&s, "POSITIONS", p->values[POSITIONS]);
    kernel_define(&s, "VECTOR_WIDTH", p->values[VECTOR_WIDTH]);
    kernel_define(&s, "STRIDE_W", q->problem->stride[2]);
    partial_sums_define(&s, q->geometry->reduction);
    return s;
}

/* Bytes that move for the volume: what the last-level cache does not hold comes anew for each
 * plane of the kernel and block of output channels, in lines far apart, and more slowly where few cache sets hold them.
 * With few channels there is little to prefetch. */
static double traffic(const request *q, const direct_channels_arguments *a, double volume_bytes)
{
    enum { FEW_CHANNELS = 16 };
    const clconv_problem *p = q->problem;
    const machine *m = q->traits->machine;
    if (volume_bytes <= (a->group_in > FEW_CHANNELS ? 1.5 : 0.5) * (double)m->shared_cache)
        return volume_bytes * geometry_rows_met(p);
    double planes_read = product_axis_summed(p, q->geometry, 0, leaves_zeros_out(q));
    double times = planes_read / (double)max_i64(p->input[0], 1) * geometry_axis_met(p, 1);
    return volume_bytes * times * (double)a->blocks *
           (shares_cache_sets(q, a) ? m->channels.far_conflict : m->channels.far);
}

/* Multiply-adds as long as elements come late: a row of one tap fetches its first line ahead, and the others come when a
 * block of output channels first reads them. */
static double late_work(const request *q, const direct_channels_arguments *a)
{
    int64_t lanes = traits_vector_width(q->traits, q->geometry->element_size);
    double span = (double)(a->out_width * q->problem->stride[2]) / (double)a->row_tiles;
    if (a->kernel_w > 1 || span <= (double)lanes) return 0;
    double rows = (double)q->problem->batch * (double)(a->groups * a->group_in * a->kernel_d * a->kernel_h) *
                  (double)(a->tiles * a->tile_rows);
    return q->traits->machine->channels.late * (span / (double)lanes - 1) * rows * (double)lanes;
}

/* A tap takes as long as its multiply-adds or its loads, and a little more; a tile's sums
 * are loaded and stored for each block of input channels, and turned into rows at the end; and each channel of a
 * rectangle starts a loop. */
static void estimate(const request *q, const parameter_set *p, const direct_channels_arguments *a,
                     double volume_bytes, step *s)
{
    enum { FAR_SLOWNESS = 2 };
    const geometry *g = q->geometry;
    const machine *m = q->traits->machine;
    const machine_channels *cost = &m->channels;
    double positions = (double)g->output_plane / (double)a->tiles, vectors = (double)p->values[VECTORS];
    /* Shorter vectors multiply as many elements in a time, but take as long for each of the rest. */
    double narrow = (double)traits_vector_width(q->traits, g->element_size) / (double)p->values[VECTOR_WIDTH];
    double fmas = positions * vectors / narrow, loads = (positions + vectors + cost->tap_loads) / 2,
           busy = fmas > loads ? fmas : loads;
    double lanes = (double)q->problem->batch * (double)(a->groups * a->blocks * lanes_of(p));
    bool clips = leaves_zeros_out(q);
    double taps = product_axis_summed(q->problem, g, 0, clips) *
                  product_axis_summed(q->problem, g, 1, clips) * product_axis_summed(q->problem, g, 2, clips);
    double rectangles = channel_tile_ranges(q->problem, g, 1, a->row_blocks) *
                        channel_tile_ranges(q->problem, g, 2, a->row_tiles);
    double blocks_in = (double)ceil_divide(a->group_in, a->block_in);
    double sums = (cost->sum * rectangles * blocks_in + cost->turn) * (double)g->output_plane;
    double loops = cost->loop * rectangles * (double)a->group_in * (double)a->tiles / vectors;
    double products = taps * (double)a->group_in, slowness = shares_cache_sets(q, a) ? m->tiles.conflict : 1;
    s->work.flops = 2 * lanes * products;
    s->work.busy = lanes * products * (fmax(busy, cost->least_tap) + cost->tap * vectors) / fmas / slowness;
    s->work.busy += (lanes * narrow * (sums + loops) + late_work(q, a)) / (cost->share * slowness);
    double weights =
        (double)g->element_size * (double)g->elements.weight * (double)taps_read(q) / (double)g->taps;
    if (weights > 1.5 * (double)m->shared_cache)
        weights *= FAR_SLOWNESS;
    else if (weights > (double)m->shared_cache / 4 && g->taps == 1)
        weights *= cost->one_tap;
    step_moves(s,
               traffic(q, a, volume_bytes) + (double)g->element_size * (double)g->elements.output + weights);
}

static void append_product(const request *q, const parameter_set *p, const direct_channels_arguments *a,
                           step_buffer volume, double volume_bytes, int64_t slices, int64_t slices_offset,
                           recipe *r)
{
    step s = program(q, p);
    kernel_add_buffer(&s, volume.role, volume.offset);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    kernel_add_buffer(&s, a->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, slices_offset);
    kernel_set_scalars(&s, a, sizeof *a);
    epilogue_fuse(&s, q->problem, 0);
    kernel_share_out(&s, slices, 1);
    estimate(q, p, a, volume_bytes, &s);
    recipe_append_run(r, &s);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t slice_bytes, volume_bytes;
    direct_channels_arguments a;
    clconv_problem plain;
    geometry plain_geometry;
    scratch_layout layout;
    if (!is_applicable(q, why)) return;
    if (!lay_out(q, &plain, &plain_geometry, &layout)) {
        text_append(why, "a padded channel is too large for 32 bits");
        return;
    }
    bool in_place = reads_in_place(q), fits = describe(q, p, &layout, in_place, &a);
    int64_t slices = fits ? min_i64(a.units, p->values[SLICES]) : 0;
    if (!fits || !size_product((const int64_t[]){slices, a.slice_size, g->element_size}, 3, &slice_bytes) ||
        !size_product((const int64_t[]){problem->batch, layout.sample_size, g->element_size}, 3,
                      &volume_bytes) ||
        slice_bytes > INT64_MAX / 4 || volume_bytes > INT64_MAX / 4) {
        text_append(why, "its slices or its padded input would overflow");
        return;
    }
    if (!pack_append(r, problem, g, lanes_of(p), false, q->traits->local_size, why)) return;
    int64_t slices_offset = recipe_reserve(r, slice_bytes);
    step_buffer volume = {BUFFER_INPUT, 0};
    if (!in_place) {
        int64_t copy = recipe_reserve(r, volume_bytes);
        volume = (step_buffer){BUFFER_WORKSPACE, copy};
        scratch_part all =
            scratch_part_of(&plain, &layout, 0, plain.batch,
                            geometry_depth_span(&plain, 0, plain_geometry.output[0], layout.clips_depth));
        a.depth = all.layout.padded_depth;
        a.clip_depth = all.span.first + problem->pad_before[0];
        if (all.span.last > all.span.first)
            scratch_append_pad(r, &plain, &plain_geometry, &all, copy, q->traits);
    }
    append_product(q, p, &a, volume, (double)volume_bytes, slices, slices_offset, r);
}

const algorithm algorithm_direct_channels = {.name = "direct_channels",
                                             .devices = FOR_CPU,
                                             .accumulates_directly = true,
                                             .ranges = ranges,
                                             .choose = choose,
                                             .emit = emit,
                                             .op = CLCONV_FORWARD};
