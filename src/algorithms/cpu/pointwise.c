/* pointwise: 1x1x1 kernels as a product of matrices in one kernel (cl/cpu/pointwise.cl). Each work-group packs a
 * block of positions into a slice of the workspace of its own, and multiplies it from cache. */
#include "arguments/pointwise.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/panel_slices.h"
#include "steps/slices.h"

typedef struct pointwise_arguments {
    POINTWISE_ARGUMENTS(ARGUMENT_MEMBER)
} pointwise_arguments;

enum { SLICE_KIB = TILE_PARAMETERS, SLICES };

static const parameter_range ranges[] = {
    VECTOR_TILE_RANGES(PANEL_VECTORS),
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size at most, or a few panels */
    [SLICES] = {"slices", 1, 65536, false},         /* at most; work-groups that run */
    {NULL, 0, 0, false},
};

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(panels_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_out), p);
    p->values[SLICE_KIB] = q->traits->machine->core_cache / 4 >> 10;
    p->values[SLICES] = q->traits->slices;
}

static bool is_applicable(const request *q, text *why)
{
    const clconv_problem *p = q->problem;
    int64_t padding = 0;
    for (int axis = 0; axis < 3; axis++)
        padding |= p->pad_before[axis] | p->pad_after[axis];
    if (q->geometry->taps != 1)
        text_append(why, "kernel_size is %lld,%lld,%lld; it needs 1", (long long)p->kernel[0],
                    (long long)p->kernel[1], (long long)p->kernel[2]);
    else if (padding != 0)
        text_append(why, "the input is padded; it needs a padding of 0");
    else
        return true;
    return false;
}

static bool describe(const request *q, const parameter_set *p, const product_tile *tile, panel_slices *d,
                     pointwise_arguments *a)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    const int64_t *input = problem->input;
    bool is_row = g->output_plane == g->input_plane; /* strides and output_padding leave some out */
    *d = (panel_slices){
        .volumes = problem->batch * problem->groups,
        .positions = g->output_plane,
        .out_blocks = ceil_divide(g->group_out, tile->out_channels),
        .rows = g->group_in,
        .line = 1,
    };
    if (problem->stride[2] > INT32_MAX / 4 ||
        !panel_slices_divide(d, tile, p->values[SLICE_KIB] << 10, g->element_size, q->traits->machine))
        return false;
    *a = (pointwise_arguments){
        .units = d->units,
        .position_blocks = d->position_blocks,
        .splits = d->splits,
        .block = d->block,
        .blocks = d->out_blocks,
        .blocks_first = d->blocks_first,
        KERNEL_GROUPS(problem, g),
        .channel_size = g->input_plane,
        .plane_size = input[1] * input[2],
        .row_size = input[2],
        .positions = g->output_plane,
        .out_height = is_row ? 1 : g->output[1],
        .out_width = is_row ? g->output_plane : g->output[2],
        AXES(stride, problem->stride),
        .slice_size = d->slice_size,
        .streams = kernel_output_streams(q->traits->machine, g->elements.output * g->element_size),
        .has_bias = problem->has_bias,
    };
    return a->out_width <= INT64_MAX / 64;
}

static double pack_work(const panel_slices *d, const product_tile *tile, const machine_slices *m)
{
    double lanes = (double)d->volumes * (double)round_up(d->positions, panel_width(tile));
    return m->pack * lanes * (double)(d->splits * d->rows);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    product_tile tile;
    panel_slices d;
    pointwise_arguments a;
    if (!tile_from_parameters(p, &tile, why) || !is_applicable(q, why)) return;
    if (!describe(q, p, &tile, &d, &a)) {
        text_append(why, "its slices would overflow");
        return;
    }
    if (!pack_append(r, q->problem, q->geometry, tile.out_channels, false, q->traits->local_size, why))
        return;
    step s = panel_slices_step("pointwise", "cpu/pointwise.cl", q->problem, q->geometry, &d, &tile,
                               pack_work(&d, &tile, &q->traits->machine->slices), q->traits->machine);
    if (!slices_bind(a.units, p->values[SLICES], workspace_room(q, r), a.slice_size, r, &s, why)) return;
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, q->problem, 0);
    recipe_append_run(r, &s);
}

const algorithm algorithm_pointwise = {.name = "pointwise",
                                       .devices = FOR_CPU,
                                       .accumulates_directly = true,
                                       .ranges = ranges,
                                       .choose = choose,
                                       .emit = emit,
                                       .op = CLCONV_FORWARD};
