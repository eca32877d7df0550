/* input_fused: the input gradient of a strided convolution in one kernel (cl/cpu/input_fused.cl). Each work-group
 * pads a block of the output's gradient, convolves every residue of the strides from it and stores the rows of
 * the gradient, all in a slice of the workspace of its own, which stays in cache. */
#include "arguments/input_fused.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/adjoint.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"
#include "steps/slices.h"

typedef struct input_fused_arguments {
    INPUT_FUSED_ARGUMENTS(ARGUMENT_MEMBER)
} input_fused_arguments;

enum { SLICE_KIB = TILE_PARAMETERS, SLICES };

enum { MAX_UNROLLED_WIDTH = 8 };

static const parameter_range ranges[] = {
    VECTOR_TILE_RANGES(PRODUCT_VECTORS),
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size at most, unless one row needs more */
    [SLICES] = {"slices", 1, 65536, false},         /* at most; work-groups that run */
    {NULL, 0, 0, false},
};

typedef struct fused_plan {
    product_tile tile;
    adjoint_volumes volumes;
    input_fused_arguments a;
} fused_plan;

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(
        product_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_in, PRODUCT_VECTORS), p);
    p->values[SLICE_KIB] = q->traits->machine->core_cache >> 10;
    p->values[SLICES] = q->traits->slices;
}

static bool is_applicable(const request *q, text *why)
{
    const clconv_problem *p = q->problem;
    if (q->strict)
        text_append(why, "strict numerics exclude it: it leaves out the padding's zeros on the depth axis");
    else if (p->stride[0] == 1 && p->stride[1] == 1 && p->stride[2] == 1)
        text_append(why, "stride is 1; it is for strides above 1");
    else if (p->padding_mode != CLCONV_PADDING_ZEROS)
        text_append(why, "padding_mode is not zeros: gradients of other blocks would fold back");
    else
        return adjoint_is_few(p, ADJOINT_MAX_VOLUMES, why);
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
    w->a = (input_fused_arguments){
        .groups = p->groups,
        .group_in = g->group_out,
        .group_out = g->group_in,
        .blocks = ceil_divide(g->group_in, w->tile.out_channels),
        .in_depth = g->output[0],
        .in_height = g->output[1],
        .in_width = g->output[2],
        INPUT_EXTENTS(p),
        AXES(kernel, p->kernel),
        AXES(stride, p->stride),
        AXES(dilation, p->dilation),
        ADJOINT_CELLS(x),
        AXES(low, p->pad_before),
        AXES(origin, origin),
        .halo_d = halo[0],
        .halo_h = halo[1],
        .pitch = x[2].count + halo[2],
        .streams = kernel_output_streams(q->traits->machine, g->elements.input * g->element_size),
        .has_bias = q->op == CLCONV_TRANSPOSED && p->has_bias,
    };
}

static slice_plan plan_slices(const request *q, const fused_plan *w)
{
    const input_fused_arguments *a = &w->a;
    return (slice_plan){
        .volumes = q->problem->batch * a->groups,
        .planes = a->count_d,
        .rows = a->count_h,
        .channels = a->group_in,
        .stride_d = 1,
        .halo_d = a->halo_d,
        .phases = 1,
        .halo_h = a->halo_h,
        .pitch = a->pitch,
        .cells = a->residues_d * a->residues_h * a->residues_w * w->tile.out_channels,
        .multiply_adds = (double)q->geometry->taps * (double)(a->blocks * w->tile.out_channels),
        .slack = product_slack(&w->tile) + a->pitch,
        .pad = q->traits->machine->slices.pad,
        .row = q->traits->machine->slices.row,
        .lanes = product_slack(&w->tile) / w->tile.vectors,
    };
}

/* The taps of the residue that has the most. */
static int64_t most_taps(const request *q, const fused_plan *w)
{
    int64_t taps = 1;
    for (int axis = 0; axis < 3; axis++)
        taps *= adjoint_taps_of(q->problem, axis, &w->volumes.axis[axis], 0).count;
    return taps;
}

static step program(const request *q, const fused_plan *w)
{
    step s = kernel_step("input_fused", "cpu/input_fused.cl", "input_fused", q->problem->dtype);
    kernel_define(&s, "OUT_CHANNELS", w->tile.out_channels);
    kernel_define(&s, "VECTORS", w->tile.vectors);
    kernel_define(&s, "VECTOR_WIDTH", w->tile.vector_width);
    const adjoint_axis *a = &w->volumes.axis[2];
    adjoint_taps t = adjoint_taps_of(q->problem, 2, a, 0);
    bool is_uniform = q->problem->kernel[2] % a->residues == 0 && t.count <= MAX_UNROLLED_WIDTH;
    kernel_define(&s, "KERNEL_W", is_uniform ? t.count : 0);
    kernel_define(&s, "DILATION_W", t.count > 1 ? t.dilation : 1);
    partial_sums_define(&s, q->geometry->group_out * most_taps(q, w));
    return s;
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    fused_plan w;
    if (!tile_from_parameters(p, &w.tile, why) || !is_applicable(q, why)) return;
    lay_out_axes(q, &w);
    slice_plan slices = plan_slices(q, &w);
    if (!slices_choose(&slices, (p->values[SLICE_KIB] << 10) / g->element_size, why)) return;
    if (!adjoint_append_pack(r, q->problem, g, &w.volumes, w.tile.out_channels, q->traits, why)) return;
    slices.most = p->values[SLICES];
    slices.room = workspace_room(q, r);
    w.a.units = slices.units;
    w.a.depth_blocks = slices.plane_blocks;
    w.a.row_blocks = slices.row_blocks;
    w.a.block_depth = slices.block_planes;
    w.a.block_rows = slices.block_rows;
    w.a.channel_size = slices.channel_size;
    w.a.padded_size = slices.padded_size;
    w.a.row_size = slices.row_size;
    w.a.slice_size = slices.slice_size;
    step s = program(q, &w);
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    kernel_add_buffer(&s, w.a.has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_set_scalars(&s, &w.a, sizeof w.a);
    double bytes = (double)g->element_size * ((double)g->elements.input + (double)g->elements.output);
    if (slices_finish(&slices, &w.tile, r->packed_bytes / w.a.groups, bytes, q->traits->machine, r, &s, why))
        recipe_append_run(r, &s);
}

const algorithm algorithm_input_fused = {.name = "input_fused",
                                         .devices = FOR_CPU,
                                         .accumulates_directly = true,
                                         .ranges = ranges,
                                         .choose = choose,
                                         .emit = emit,
                                         .op = CLCONV_BACKWARD_INPUT};
