/* winograd_depth_fused: F(2, 3) or F(4, 3) along depth in one kernel, for kernels 3 x 1 x 1
 * (cl/cpu/winograd_depth_fused.cl). Each work-group transforms a block of positions into a slice of the workspace of
 * its own, which stays in cache, and makes all output channels from there. */
#include "arguments/winograd_depth_fused.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/definition.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/panels.h"
#include "steps/partial_sums.h"
#include "steps/slices.h"
#include "steps/winograd.h"

typedef struct winograd_depth_fused_arguments {
    WINOGRAD_DEPTH_FUSED_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_depth_fused_arguments;

enum { OUTPUT_TILE = TILE_PARAMETERS, SLICE_KIB, SLICES };

static const parameter_range ranges[] = {
    VECTOR_TILE_RANGES(PANEL_VECTORS),
    [OUTPUT_TILE] = {"output_tile", 2, 4, true},
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size at most, unless one panel needs more */
    [SLICES] = {"slices", 1, 65536, false},         /* at most; work-groups that run */
    {NULL, 0, 0, false},
};

enum { LINE_ELEMENTS = 16, MIN_UNITS = 32 };

static void choose(const request *q, parameter_set *p)
{
    const geometry *g = q->geometry;
    tile_to_parameters(panels_choose_tile(q->traits, g->element_size, g->group_out), p);
    p->values[OUTPUT_TILE] = winograd_choose_depth_tile(g);
    p->values[SLICE_KIB] = 3 * q->traits->machine->core_cache / 8 >> 10;
    p->values[SLICES] = q->traits->slices;
}

/* A slice of `panels` panels; false if sizes overflow. */
static bool lay_out_slice(const request *q, const product_tile *tile, int64_t frequencies, int64_t panels,
                          winograd_depth_fused_arguments *a)
{
    int64_t width = panel_width(tile), input, product, size;
    /* Lines between them, so that frequencies do not fall on one cache set. */
    if (!size_product((const int64_t[]){panels, width, q->geometry->group_in}, 3, &input) ||
        !size_product((const int64_t[]){panels, width, tile->out_channels}, 3, &product) ||
        !size_add(input, product, &size) || !size_multiply(size, frequencies, &size) || size > INT64_MAX / 64)
        return false;
    a->frequency_size = input + LINE_ELEMENTS;
    a->product_size = product + LINE_ELEMENTS;
    a->slice_size = frequencies * (a->frequency_size + a->product_size);
    return true;
}

/* Blocks of as many panels as a slice holds, at least one, and enough of them to share out; shared out evenly. */
static bool choose_blocks(const request *q, const parameter_set *p, const product_tile *tile,
                          winograd_depth_fused_arguments *a)
{
    int64_t frequencies = p->values[OUTPUT_TILE] + 2, volumes, panel_bytes;
    if (!lay_out_slice(q, tile, frequencies, 1, a)) return false;
    panel_bytes = a->slice_size * q->geometry->element_size;
    volumes = q->problem->batch * a->groups * a->tiles;
    int64_t most = max_i64((p->values[SLICE_KIB] << 10) / panel_bytes, 1);
    int64_t wanted = ceil_divide(MIN_UNITS, max_i64(volumes, 1));
    a->panel_blocks = max_i64(ceil_divide(a->panels, most), min_i64(wanted, a->panels));
    return lay_out_slice(q, tile, frequencies, ceil_divide(a->panels, a->panel_blocks), a) &&
           size_multiply(volumes, a->panel_blocks, &a->units);
}

static bool describe(const request *q, const parameter_set *p, const product_tile *tile,
                     winograd_depth_fused_arguments *a)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t plane = g->output[1] * g->output[2];
    *a = (winograd_depth_fused_arguments){
        .tiles = ceil_divide(g->output[0], p->values[OUTPUT_TILE]),
        .panels = ceil_divide(plane, panel_width(tile)),
        KERNEL_GROUPS(problem, g),
        .group_blocks = ceil_divide(g->group_out, tile->out_channels),
        .depth = problem->input[0],
        .plane = plane,
        .pad_depth = problem->pad_before[0],
        .mode = problem->padding_mode,
        .out_depth = g->output[0],
        .streams = kernel_output_streams(q->traits->machine, g->elements.output * g->element_size),
        .has_bias = problem->has_bias,
    };
    return choose_blocks(q, p, tile, a);
}

static step program(const request *q, const parameter_set *p, const product_tile *tile)
{
    step s = kernel_step("winograd_depth_fused", "cpu/winograd_depth_fused.cl", "winograd_depth_fused",
                         q->problem->dtype);
    kernel_define(&s, "OUTPUT_TILE", p->values[OUTPUT_TILE]);
    kernel_define(&s, "TAPS", WINOGRAD_TAPS);
    kernel_define(&s, "OUT_CHANNELS", tile->out_channels);
    kernel_define(&s, "VECTORS", tile->vectors);
    kernel_define(&s, "VECTOR_WIDTH", tile->vector_width);
    partial_sums_define(&s, q->geometry->group_in);
    return s;
}

/* The product runs at most of the tile's rate, wherever its weights come from. */
static void estimate(const request *q, const parameter_set *p, const product_tile *tile,
                     const winograd_depth_fused_arguments *a, step *s)
{
    const geometry *g = q->geometry;
    const machine *m = q->traits->machine;
    double lanes = (double)(q->problem->batch * a->groups * a->tiles) *
                   (double)(a->panels * panel_width(tile) * (p->values[OUTPUT_TILE] + 2));
    double channels_out = (double)(a->group_blocks * tile->out_channels), channels_in = (double)a->group_in;
    step_computes(s, lanes * channels_in * channels_out,
                  m->winograd.depth_share * machine_tile_share(m, tile->out_channels, tile->vectors));
    s->work.flops += WINOGRAD_TRANSFORM_FLOPS * lanes * (channels_in + channels_out);
    s->work.busy += lanes * (m->winograd.depth_in * channels_in + m->winograd.depth_out * channels_out);
    step_moves(s, (double)g->element_size * ((double)g->elements.input + (double)g->elements.output));
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    product_tile tile;
    winograd_depth_fused_arguments a;
    step_buffer filters;
    if (!tile_from_parameters(p, &tile, why) ||
        !winograd_depth_is_applicable(q->problem, q->geometry, q->strict, why))
        return;
    if (!winograd_append_depth_weight(r, q->problem, q->geometry, p->values[OUTPUT_TILE], tile.out_channels,
                                      q->traits) ||
        !definition_append_filters(r, q->geometry, lacks_weight(q), &filters)) {
        text_append(why, "the transformed weight is too large");
        return;
    }
    if (!describe(q, p, &tile, &a)) {
        text_append(why, "its slices would overflow");
        return;
    }
    step s = program(q, p, &tile);
    kernel_add_tensors(&s, q->problem, BUFFER_PACKED);
    kernel_add_buffer(&s, filters.role, filters.offset);
    a.slice_size += definition_window(q->geometry);
    if (!slices_bind(a.units, p->values[SLICES], workspace_room(q, r), a.slice_size, r, &s, why)) return;
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, q->problem, 0);
    estimate(q, p, &tile, &a, &s);
    recipe_append_run(r, &s);
}

const algorithm algorithm_winograd_depth_fused = {.name = "winograd_depth_fused",
                                                  .devices = FOR_CPU,
                                                  .accumulates_directly = false,
                                                  .ranges = ranges,
                                                  .choose = choose,
                                                  .emit = emit,
                                                  .op = CLCONV_FORWARD};
