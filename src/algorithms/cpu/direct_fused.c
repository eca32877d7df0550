/* direct_fused: direct convolution that pads its input block by block in a slice of the workspace for each
 * work-group (cl/cpu/direct_fused.cl), where `direct` pads all of it before. */
#include "arguments/direct_fused.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/partial_sums.h"
#include "steps/slices.h"

typedef struct direct_fused_arguments {
    DIRECT_FUSED_ARGUMENTS(ARGUMENT_MEMBER)
} direct_fused_arguments;

enum { SLICE_KIB = TILE_PARAMETERS, SLICES };

static const parameter_range ranges[] = {
    VECTOR_TILE_RANGES(PRODUCT_VECTORS),
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size at most, unless one row needs more */
    [SLICES] = {"slices", 1, 65536, false},         /* at most; work-groups that run */
    {NULL, 0, 0, false},
};

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(
        product_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_out, PRODUCT_VECTORS),
        p);
    p->values[SLICE_KIB] = q->traits->machine->core_cache >> 10;
    p->values[SLICES] = q->traits->slices;
}

static slice_plan plan_slices(const request *q, const product_tile *tile, const scratch_layout *l)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    const machine *m = q->traits->machine;
    double planes =
        product_planes_summed(p->kernel[0], p->stride[0], p->dilation[0],
                              l->clips_depth ? p->pad_before[0] : 0, l->padded_depth, g->output[0]);
    double taps = planes / (double)g->output[0] * (double)(p->kernel[1] * p->kernel[2]) +
                  m->tiles.start / (double)g->group_in;
    return (slice_plan){
        .volumes = p->batch * p->groups,
        .planes = g->output[0],
        .rows = g->output[1],
        .channels = g->group_in,
        .stride_d = p->stride[0],
        .halo_d = (p->kernel[0] - 1) * p->dilation[0] + 1 - p->stride[0],
        .phases = l->phases[1] * l->phases[2],
        .halo_h = l->rows - g->output[1],
        .pitch = l->pitch,
        .tail = l->phase_pitch - l->rows * l->pitch,
        .multiply_adds = taps * (double)round_up(g->group_out, tile->out_channels),
        .slack = product_slack(tile) + l->pitch,
        .lanes = product_slack(tile) / tile->vectors,
        .pad = m->slices.pad,
        .row = m->slices.row,
    };
}

static direct_fused_arguments describe(const request *q, const product_tile *tile, const scratch_layout *l,
                                       const slice_plan *s)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    double summed = (double)g->group_in * (double)g->taps;
    return (direct_fused_arguments){
        SLICE_BLOCKS(l, s),
        .row_tiles = l->pitch != g->output[2] ? product_row_tiles(tile, l->pitch, g->output[2], summed) : 0,
        .blocks_first = 0,
        .blocks = ceil_divide(g->group_out, tile->out_channels),
        KERNEL_GROUPS(p, g),
        KERNEL_EXTENTS(p, g),
        KERNEL_PADDING(p),
        AXES(kernel, p->kernel),
        .stride_d = p->stride[0],
        .dilation_d = p->dilation[0],
        .dilation_h = p->dilation[1],
        .streams = kernel_output_streams(q->traits->machine, g->elements.output * g->element_size),
        .has_bias = p->has_bias,
    };
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    product_tile tile;
    scratch_layout layout;
    if (!tile_from_parameters(p, &tile, why)) return;
    if (!scratch_layout_compute(problem, g, q->strict, &layout)) {
        text_append(why, "a padded plane or a stride is too large for 32 bits");
        return;
    }
    slice_plan slices = plan_slices(q, &tile, &layout);
    if (!slices_choose(&slices, (p->values[SLICE_KIB] << 10) / g->element_size, why)) return;
    if (!pack_append(r, problem, g, tile.out_channels, false, q->traits->local_size, why)) return;
    slices.most = p->values[SLICES];
    slices.room = workspace_room(q, r);
    direct_fused_arguments a = describe(q, &tile, &layout, &slices);
    step s = kernel_step("direct_fused", "cpu/direct_fused.cl", "direct_fused", problem->dtype);
    product_define(&s, &tile, problem->kernel, problem->stride, problem->dilation, &layout);
    partial_sums_define(&s, g->reduction);
    kernel_add_tensors(&s, problem, BUFFER_PACKED);
    double read = geometry_rows_met(problem) * (double)g->elements.input,
           bytes = (double)g->element_size * (read + (double)g->elements.output);
    if (!slices_finish(&slices, &tile, r->packed_bytes / a.groups, bytes, q->traits->machine, r, &s, why))
        return;
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, problem, 0);
    recipe_append_run(r, &s);
}

const algorithm algorithm_direct_fused = {.name = "direct_fused",
                                          .devices = FOR_CPU,
                                          .accumulates_directly = true,
                                          .ranges = ranges,
                                          .choose = choose,
                                          .emit = emit,
                                          .op = CLCONV_FORWARD};
