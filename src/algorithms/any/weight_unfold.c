/* weight_unfold: the gradient of the weight as a product of matrices, the packed output gradient by the
 * unfolded input (cl/any/weight_unfold.cl), with vectors along the filter: for few positions and many channels.
 * Each sum over positions is one sum, in their order. */
#include "arguments/weight_unfold.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/kernel.h"
#include "steps/panels.h"

typedef struct unfold_filter_arguments {
    UNFOLD_FILTER_ARGUMENTS(ARGUMENT_MEMBER)
} unfold_filter_arguments;

typedef struct pack_gradient_arguments {
    PACK_GRADIENT_ARGUMENTS(ARGUMENT_MEMBER)
} pack_gradient_arguments;

static const parameter_range ranges[] = {
    TILE_PARAMETER_RANGES(PANEL_VECTORS),
    {NULL, 0, 0, false},
};

enum { MAX_PANELS_MIB = 256 };

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(panels_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_out), p);
}

/* Extents of one plan, in elements. */
typedef struct unfolding {
    product_tile tile;
    int64_t positions; /* of all samples: what is summed */
    int64_t group_panels, group_blocks;
    int64_t volume_size; /* of a group's panels */
    int64_t panels_size, packed_size;
} unfolding;

static bool lay_out(const request *q, unfolding *u)
{
    const geometry *g = q->geometry;
    int64_t width = panel_width(&u->tile);
    u->group_panels = ceil_divide(g->reduction, width);
    u->group_blocks = ceil_divide(g->group_out, u->tile.out_channels);
    return size_multiply(q->problem->batch, g->output_plane, &u->positions) &&
           size_product((const int64_t[]){u->group_panels, width, u->positions}, 3, &u->volume_size) &&
           size_multiply(u->volume_size, q->problem->groups, &u->panels_size) &&
           size_product(
               (const int64_t[]){u->group_blocks, u->tile.out_channels, u->positions, q->problem->groups}, 4,
               &u->packed_size) &&
           u->panels_size <= ((int64_t)MAX_PANELS_MIB << 20) / g->element_size &&
           u->packed_size <= INT64_MAX / 64;
}

/* A kernel that makes an output of each input of a plane does not care where rows end: they are one. */
static void join_rows(const clconv_problem *p, const geometry *g, unfold_filter_arguments *a)
{
    for (int axis = 1; axis < 3; axis++)
        if (!geometry_is_identity(p, g, axis)) return;
    a->width *= a->height;
    a->out_width *= a->out_height;
    a->height = a->out_height = 1;
}

static void append_unfold(const request *q, const unfolding *u, int64_t offset, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    unfold_filter_arguments a = {
        .panels = p->groups * u->group_panels,
        .group_panels = u->group_panels,
        .filter = g->reduction,
        .group_in = g->group_in,
        .channels = p->in_channels,
        .batch = p->batch,
        KERNEL_EXTENTS(p, g),
        KERNEL_WINDOW(p),
        .volume_size = u->volume_size,
    };
    join_rows(p, g, &a);
    step s = kernel_step("unfold_filter", "any/weight_unfold.cl", "unfold_filter", p->dtype);
    kernel_define(&s, "VECTOR_WIDTH", u->tile.vector_width);
    kernel_define(&s, "LOCAL_SIZE", u->tile.local_size);
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, offset);
    kernel_set_scalars(&s, &a, sizeof a);
    int64_t rows = q->traits->is_cpu ? 4 : a.batch * a.out_depth * a.out_height;
    kernel_set_range(&s, (const int64_t[]){1, rows, a.panels}, (const int64_t[]){u->tile.local_size, 1, 1});
    /* A vector of a row for each lane of a panel, or under strides each element. */
    const machine_weights *w = &q->traits->machine->weights;
    double width = (double)u->tile.vector_width, rows_made = (double)(a.batch * a.out_depth * a.out_height);
    double squares = rows_made * (double)ceil_divide(a.out_width, u->tile.vector_width);
    s.work.busy = p->stride[2] == 1 ? w->square * width * squares * (double)a.panels
                                    : w->element * (double)u->panels_size;
    step_moves(&s, 2 * (double)u->panels_size * (double)g->element_size);
    recipe_append_run(r, &s);
}

static void append_pack(const request *q, const unfolding *u, int64_t offset, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    pack_gradient_arguments a = {
        .blocks = p->groups * u->group_blocks,
        .group_blocks = u->group_blocks,
        .group_out = g->group_out,
        .channels = p->out_channels,
        .batch = p->batch,
        .positions = g->output_plane,
    };
    step s = kernel_step("pack_gradient", "any/weight_unfold.cl", "pack_gradient", p->dtype);
    kernel_define(&s, "OUT_CHANNELS", u->tile.out_channels);
    kernel_define(&s, "VECTOR_WIDTH", u->tile.vector_width);
    kernel_define(&s, "LOCAL_SIZE", u->tile.local_size);
    kernel_add_buffer(&s, BUFFER_GRAD_OUTPUT, 0);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){1, a.batch, a.blocks},
                     (const int64_t[]){q->traits->local_size, 1, 1});
    step_moves(&s, 2 * (double)u->packed_size * (double)g->element_size);
    recipe_append_run(r, &s);
}

static void append_product(const request *q, const unfolding *u, int64_t panels, int64_t packed, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    panel_product what = {
        .name = "product",
        .dtype = p->dtype,
        .volumes = p->groups,
        .weights = p->groups,
        .out_channels = g->group_out,
        .out_depth = 1,
        .positions = g->reduction,
        .rows = u->positions,
        .depth = 1,
        .kernel_d = 1,
        .stride_d = 1,
        .dilation_d = 1,
        .volume_size = u->volume_size,
        .out_plane = g->reduction,
        .out_channel = g->reduction,
        .out_volume = g->group_out * g->reduction,
        .panels = {BUFFER_WORKSPACE, panels},
        .weight = {BUFFER_WORKSPACE, packed},
        .output = {BUFFER_OUTPUT, 0},
    };
    panels_append(r, &what, &u->tile, q->traits->machine);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    unfolding u = {0};
    if (!tile_from_parameters(p, &u.tile, why)) return;
    if (!lay_out(q, &u)) {
        text_append(why, "the unfolded input would have more than %d MiB", MAX_PANELS_MIB);
        return;
    }
    int64_t panels = recipe_reserve(r, u.panels_size * q->geometry->element_size);
    int64_t packed = recipe_reserve(r, u.packed_size * q->geometry->element_size);
    append_unfold(q, &u, panels, r);
    append_pack(q, &u, packed, r);
    append_product(q, &u, panels, packed, r);
}

const algorithm algorithm_weight_unfold = {.name = "weight_unfold",
                                           .accumulates_directly = true,
                                           .ranges = ranges,
                                           .choose = choose,
                                           .emit = emit,
                                           .op = CLCONV_BACKWARD_WEIGHT};
