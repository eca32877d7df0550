/* patch: windows that do not overlap, as in the patch embedding of a vision transformer, as a product of matrices
 * in one kernel (cl/cpu/patch.cl). Each work-group unfolds a block of positions into a slice of the workspace of its
 * own, and multiplies it from cache. */
#include "arguments/patch.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/panel_slices.h"
#include "steps/slices.h"

typedef struct patch_arguments {
    PATCH_ARGUMENTS(ARGUMENT_MEMBER)
} patch_arguments;

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
    p->values[SLICE_KIB] = q->traits->machine->core_cache / 2 >> 10;
    p->values[SLICES] = q->traits->slices;
}

static const char axis_name[] = "DHW";

static bool is_applicable(const request *q, text *why)
{
    const clconv_problem *p = q->problem;
    for (int axis = 0; axis < 3; axis++) {
        int64_t padding = p->pad_before[axis] + p->pad_after[axis];
        bool is_apart = p->kernel[axis] <= p->stride[axis] || q->geometry->output[axis] == 1;
        if (padding == 0 && is_apart && (p->dilation[axis] == 1 || p->kernel[axis] == 1)) continue;
        text_append(
            why,
            "on %c kernel_size is %lld, stride %lld, dilation %lld and padding %lld; it needs windows "
            "side by side, 1 and 0",
            axis_name[axis], (long long)p->kernel[axis], (long long)p->stride[axis],
            (long long)p->dilation[axis], (long long)padding);
        return false;
    }
    return true;
}

static bool describe(const request *q, const parameter_set *p, const product_tile *tile, panel_slices *d,
                     patch_arguments *a)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    *d = (panel_slices){
        .volumes = problem->batch * problem->groups,
        .positions = g->output_plane,
        .out_blocks = ceil_divide(g->group_out, tile->out_channels),
        .rows = g->reduction,
    };
    if (!panel_slices_divide(d, tile, p->values[SLICE_KIB] << 10, g->element_size, q->traits->machine))
        return false;
    *a = (patch_arguments){
        .units = d->units,
        .position_blocks = d->position_blocks,
        .splits = d->splits,
        .blocks = d->out_blocks,
        .blocks_first = d->blocks_first,
        KERNEL_GROUPS(problem, g),
        .input_size = g->elements.input,
        .channel_size = g->input_plane,
        .plane_size = problem->input[1] * problem->input[2],
        .row_size = problem->input[2],
        .positions = g->output_plane,
        .out_plane = g->output[1] * g->output[2],
        .out_width = g->output[2],
        AXES(kernel, problem->kernel),
        AXES(stride, problem->stride),
        .slice_size = d->slice_size,
        .streams = kernel_output_streams(q->traits->machine, g->elements.output * g->element_size),
        .has_bias = problem->has_bias,
    };
    return true;
}

/* Rows of patches are turned by vectors, faster where they are short. */
static double turn_work(const clconv_problem *problem, const panel_slices *d, const product_tile *tile,
                        const machine_slices *m)
{
    enum { QUAD = 4 };
    int64_t width = panel_width(tile), kernel_w = problem->kernel[2];
    double vectors = (double)d->volumes * (double)ceil_divide(d->positions, width);
    double turns =
        vectors * (double)(d->splits * (d->rows / kernel_w)) * (double)ceil_divide(kernel_w, width);
    return (double)width * (kernel_w <= QUAD ? m->turn_quad : m->turn) * turns;
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    product_tile tile;
    panel_slices d;
    patch_arguments a;
    if (!tile_from_parameters(p, &tile, why) || !is_applicable(q, why)) return;
    if (!describe(q, p, &tile, &d, &a)) {
        text_append(why, "its slices would overflow");
        return;
    }
    if (!pack_append(r, q->problem, q->geometry, tile.out_channels, false, q->traits->local_size, why))
        return;
    step s =
        panel_slices_step("patch", "cpu/patch.cl", q->problem, q->geometry, &d, &tile,
                          turn_work(q->problem, &d, &tile, &q->traits->machine->slices), q->traits->machine);
    if (!slices_bind(a.units, p->values[SLICES], workspace_room(q, r), a.slice_size, r, &s, why)) return;
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, q->problem, 0);
    recipe_append_run(r, &s);
}

const algorithm algorithm_patch = {.name = "patch",
                                   .devices = FOR_CPU,
                                   .accumulates_directly = true,
                                   .ranges = ranges,
                                   .choose = choose,
                                   .emit = emit,
                                   .op = CLCONV_FORWARD};
