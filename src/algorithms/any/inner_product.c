/* inner_product: the kernel covers the whole input of a sample, as in the patch embedding of a vision
 * transformer, so that an output is the product of two rows. The weights are the panels, and the samples take
 * the part that output channels have elsewhere: vectors run along output channels, which are neighbours in
 * the output too. */
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/panels.h"

static const parameter_range ranges[] = {TILE_PARAMETER_RANGES(PANEL_VECTORS), {NULL, 0, 0, false}};

static void choose(const request *q, parameter_set *p)
{
    enum { MANY_SAMPLES = 1 << 20 }; /* the tile must not depend on the batch */
    tile_to_parameters(panels_choose_tile(q->traits, q->geometry->element_size, MANY_SAMPLES), p);
}

static const char axis_name[] = "DHW";

static bool is_applicable(const request *q, text *why)
{
    const clconv_problem *p = q->problem;
    if (p->groups != 1) {
        text_append(why, "groups is %lld; it needs 1", (long long)p->groups);
        return false;
    }
    for (int axis = 0; axis < 3; axis++) {
        int64_t padding = p->pad_before[axis] + p->pad_after[axis];
        if (p->kernel[axis] == p->input[axis] && padding == 0 &&
            (p->dilation[axis] == 1 || p->kernel[axis] == 1))
            continue;
        text_append(
            why,
            "on %c the input is %lld, kernel_size %lld, dilation %lld and padding %lld; it needs a kernel "
            "of the input's size, 1 and 0",
            axis_name[axis], (long long)p->input[axis], (long long)p->kernel[axis],
            (long long)p->dilation[axis], (long long)padding);
        return false;
    }
    return true;
}

static void append_product(const request *q, const product_tile *tile, int64_t samples, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    int64_t width = panel_width(tile), rows = g->reduction;
    panel_product what = {
        .name = "product",
        .dtype = p->dtype,
        .volumes = 1,
        .weights = 1,
        .out_channels = p->batch,
        .out_depth = 1,
        .positions = p->out_channels,
        .rows = rows,
        .depth = 1,
        .kernel_d = 1,
        .stride_d = 1,
        .dilation_d = 1,
        .volume_size = round_up(p->out_channels, width) * rows,
        .out_plane = p->out_channels,
        .out_channel = p->out_channels,
        .out_volume = p->batch * p->out_channels,
        .bias_by_position = true,
        .panels = {BUFFER_PACKED, 0},
        .weight = {BUFFER_WORKSPACE, samples},
        .bias = {p->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0},
        .output = {BUFFER_OUTPUT, 0},
        .taps = g->taps,
        .epilogue = p,
    };
    panels_append(r, &what, tile, q->traits->machine);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    const pack_shape samples = {.groups = 1,
                                .group_out = problem->batch,
                                .group_in = g->group_in,
                                .taps = g->taps,
                                .taps_outside = false};
    product_tile tile;
    int64_t elements;
    if (!tile_from_parameters(p, &tile, why) || !is_applicable(q, why)) return;
    if (!pack_append(r, problem, g, panel_width(&tile), false, q->traits->local_size, why)) return;
    if (!pack_size(&samples, tile.out_channels, &elements)) {
        text_append(why, "its packed input is too large");
        return;
    }
    step s = pack_step(problem->dtype, &samples, tile.out_channels, q->traits->local_size);
    s.name = "pack_input";
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, recipe_reserve(r, elements * g->element_size));
    recipe_append_run(r, &s);
    append_product(q, &tile, s.buffers[1].offset, r);
}

const algorithm algorithm_inner_product = {.name = "inner_product",
                                           .accumulates_directly = true,
                                           .ranges = ranges,
                                           .choose = choose,
                                           .emit = emit,
                                           .op = CLCONV_FORWARD};
