/* input_fused: the input gradient of a strided convolution in one kernel (cl/input_fused.cl). Each work-group
 * pads a block of the output's gradient, convolves every residue of the strides from it and stores the rows of
 * the gradient, all in a slice of the workspace of its own, which stays in cache. */
#include "arguments/input_fused.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/adjoint.h"
#include "steps/kernel.h"

typedef struct input_fused_arguments {
    INPUT_FUSED_ARGUMENTS(ARGUMENT_MEMBER)
} input_fused_arguments;

enum { SLICE_KIB = TILE_PARAMETERS, SLICES };

enum { MAX_UNROLLED_WIDTH = 8 };

static const parameter_range ranges[] = {
    TILE_PARAMETER_RANGES(PRODUCT_VECTORS),
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size at most, unless one row needs more */
    [SLICES] = {"slices", 1, 65536, false},         /* at most; work-groups that run */
    {NULL, 0, 0, false},
};

typedef struct fused_plan {
    product_tile tile;
    adjoint_volumes volumes;
    int64_t halo_w;
    input_fused_arguments a;
} fused_plan;

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(
        product_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_in, PRODUCT_VECTORS), p);
    p->values[SLICE_KIB] = 1024;
    p->values[SLICES] = 16;
}

static bool is_applicable(const request *q, const product_tile *tile, text *why)
{
    const clconv_problem *p = q->problem;
    if (q->strict)
        text_append(why, "strict numerics exclude it: it leaves out the padding's zeros on the depth axis");
    else if (p->stride[0] == 1 && p->stride[1] == 1 && p->stride[2] == 1)
        text_append(why, "stride is 1; it is for strides above 1");
    else if (p->padding_mode != CLCONV_PADDING_ZEROS)
        text_append(why, "padding_mode is not zeros: gradients of other blocks would fold back");
    else if (tile->vector_width == 1)
        text_append(why, "vector_width is 1; it is for devices with vector registers");
    else
        return true;
    return false;
}

/* As many cells as cover the gradient, whether or not a tap reaches the last of them. */
static void lay_out_axes(const request *q, fused_plan *w)
{
    const clconv_problem *p = q->problem;
    int64_t origin[3], halo[3];
    for (int axis = 0; axis < 3; axis++) {
        adjoint_axis *a = &w->volumes.axis[axis];
        int64_t end;
        *a = adjoint_span(p, q->geometry, axis);
        a->count = ceil_divide(p->input[axis], p->stride[axis]);
        adjoint_reads(p, axis, a, &origin[axis], &end);
        halo[axis] = end - origin[axis] - a->count;
    }
    const adjoint_axis *x = w->volumes.axis;
    const geometry *g = q->geometry;
    w->halo_w = halo[2];
    w->a = (input_fused_arguments){
        .groups = p->groups,
        .group_in = g->group_out,
        .group_out = g->group_in,
        .blocks = ceil_divide(g->group_in, w->tile.out_channels),
        .in_depth = g->output[0],
        .in_height = g->output[1],
        .in_width = g->output[2],
        .depth = p->input[0],
        .height = p->input[1],
        .width = p->input[2],
        AXES(kernel, p->kernel),
        AXES(stride, p->stride),
        AXES(dilation, p->dilation),
        .residues_d = x[0].residues,
        .residues_h = x[1].residues,
        .residues_w = x[2].residues,
        AXES(low, p->pad_before),
        .count_d = x[0].count,
        .count_h = x[1].count,
        .count_w = x[2].count,
        AXES(origin, origin),
        .halo_d = halo[0],
        .halo_h = halo[1],
        .pitch = x[2].count + halo[2],
        .streams = kernel_output_streams(g->elements.input * g->element_size),
        .has_bias = q->op == CLCONV_TRANSPOSED && p->has_bias,
    };
}

/* Sizes of a slice for blocks of so many planes and rows of cells; false if they overflow or rows are not
 * counted in 32 bits. */
static bool lay_out_slice(const request *q, fused_plan *w, int64_t planes, int64_t rows)
{
    input_fused_arguments *a = &w->a;
    int64_t slack = product_slack(&w->tile) + a->pitch, plane, padded, cells, count;
    int64_t residues = a->residues_d * a->residues_h * a->residues_w; /* no more than the kernel has taps */
    a->block_depth = planes;
    a->block_rows = rows;
    if (!size_multiply(rows + a->halo_h, a->pitch, &plane) || plane > INT32_MAX / 2) return false;
    if (!size_product((const int64_t[]){planes + a->halo_d, plane, a->group_in}, 3, &padded)) return false;
    a->row_size = rows * a->pitch + slack;
    if (!size_product((const int64_t[]){residues, w->tile.out_channels, planes, a->row_size}, 4, &cells))
        return false;
    a->channel_size = (planes + a->halo_d) * plane;
    a->padded_size = round_up(padded + slack, 16);
    if (!size_add(a->padded_size, round_up(cells, 16), &a->slice_size)) return false;
    a->depth_blocks = ceil_divide(a->count_d, planes);
    a->row_blocks = ceil_divide(a->count_h, rows);
    const int64_t units[] = {q->problem->batch, q->problem->groups, a->depth_blocks, a->row_blocks};
    return size_product(units, 4, &a->units) && size_multiply(a->slice_size, a->units, &count) &&
           a->slice_size < INT64_MAX / 64;
}

/* Multiply-adds that take as long as padding an element, as measured on a CPU. */
enum { PAD_WORK = 12 };

/* Multiply-adds of all units, for each channel that is summed; padding counts as some. */
static double work_of(const request *q, const fused_plan *w)
{
    const input_fused_arguments *a = &w->a;
    int64_t lanes = round_up(a->block_rows * a->pitch, product_slack(&w->tile) / w->tile.vectors);
    double padded = (double)(a->block_depth + a->halo_d) * (double)((a->block_rows + a->halo_h) * a->pitch);
    double cells = (double)a->block_depth * (double)lanes;
    double taps = (double)q->geometry->taps * (double)(a->blocks * w->tile.out_channels);
    return (double)a->units * (PAD_WORK * padded + cells * taps);
}

/* The block of the least work whose slice has `most` elements at most, or else one row. There should be units
 * enough to share out; whether there are must not depend on the device's compute units. */
static bool choose_block(const request *q, fused_plan *w, int64_t most)
{
    enum { WORKERS = 8 };
    int64_t depth = w->a.count_d, height = w->a.count_h, best_planes = 1, best_rows = 1;
    double least = -1;
    for (int64_t planes = 1; planes <= depth; planes = depth / (depth / planes) + 1) {
        int64_t even = ceil_divide(depth, depth / planes), rows_before = 0;
        for (int64_t parts = 1; parts <= height; parts++) {
            int64_t rows = ceil_divide(height, parts);
            if (rows == rows_before) continue;
            rows_before = rows;
            if (!lay_out_slice(q, w, even, rows)) return false;
            if (w->a.slice_size > most) continue;
            double work = work_of(q, w) / (double)w->a.units * (double)round_up(w->a.units, WORKERS);
            if (least >= 0 && work >= least) {
                if (parts > 64) break;
                continue;
            }
            least = work;
            best_planes = even;
            best_rows = rows;
        }
    }
    return lay_out_slice(q, w, best_planes, best_rows);
}

static step program(const request *q, const fused_plan *w)
{
    step s = kernel_step("input_fused", "input_fused.cl", "input_fused", q->problem->dtype);
    kernel_define(&s, "OUT_CHANNELS", w->tile.out_channels);
    kernel_define(&s, "VECTORS", w->tile.vectors);
    kernel_define(&s, "VECTOR_WIDTH", w->tile.vector_width);
    const adjoint_axis *a = &w->volumes.axis[2];
    adjoint_taps t = adjoint_taps_of(q->problem, 2, a, 0);
    bool is_uniform = q->problem->kernel[2] % a->residues == 0 && t.count <= MAX_UNROLLED_WIDTH;
    kernel_define(&s, "KERNEL_W", is_uniform ? t.count : 0);
    kernel_define(&s, "DILATION_W", t.count > 1 ? t.dilation : 1);
    return s;
}

/* A slice beyond the cache of a core, or a weight that is, comes from further away for each unit. */
static void estimate(const request *q, const fused_plan *w, const recipe *r, step *s)
{
    enum { CACHED = 1 << 20 };
    const geometry *g = q->geometry;
    double element = (double)g->element_size, units = (double)w->a.units;
    s->flops = 2 * work_of(q, w) * (double)w->a.group_in;
    s->efficiency = 0.92 * product_efficiency(w->tile.out_channels, w->tile.vectors);
    s->bytes = element * ((double)g->elements.input + (double)g->elements.output);
    if (w->a.slice_size * g->element_size > CACHED) s->bytes += 2 * units * element * (double)w->a.slice_size;
    if (r->packed_bytes > CACHED) s->bytes += units * (double)(r->packed_bytes / w->a.groups);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    fused_plan w = {.halo_w = 0};
    if (!tile_from_parameters(p, &w.tile, why) || !is_applicable(q, &w.tile, why)) return;
    lay_out_axes(q, &w);
    if (!choose_block(q, &w, (p->values[SLICE_KIB] << 10) / q->geometry->element_size)) {
        text_append(why, "its slices would overflow");
        return;
    }
    int64_t slices = min_i64(w.a.units, p->values[SLICES]), bytes;
    if (!size_product((const int64_t[]){slices, w.a.slice_size, q->geometry->element_size}, 3, &bytes) ||
        bytes > INT64_MAX / 4) {
        text_append(why, "its slices would overflow");
        return;
    }
    if (!adjoint_append_pack(r, q->problem, q->geometry, &w.volumes, w.tile.out_channels, q->traits)) {
        text_append(why, "the packed weight is too large");
        return;
    }
    step s = program(q, &w);
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    kernel_add_buffer(&s, w.a.has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, recipe_reserve(r, bytes));
    kernel_set_scalars(&s, &w.a, sizeof w.a);
    kernel_set_range(&s, (const int64_t[]){slices, 1, 1}, (const int64_t[]){1, 1, 1});
    estimate(q, &w, r, &s);
    recipe_append_run(r, &s);
}

const algorithm algorithm_input_fused = {"input_fused", true, ranges, choose, emit, CLCONV_BACKWARD_INPUT};
