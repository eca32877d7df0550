/* winograd_depth: F(2, 3) or F(4, 3) along depth, for kernels 3 x 1 x 1 (cl/any/winograd_depth.cl draws it). A
 * sample goes in chunks of positions whose transformed volumes stay in cache. */
#include "arguments/winograd_depth.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/definition.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/panels.h"
#include "steps/winograd.h"

typedef struct winograd_depth_input_arguments {
    WINOGRAD_DEPTH_INPUT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_depth_input_arguments;

typedef struct winograd_depth_output_arguments {
    WINOGRAD_DEPTH_OUTPUT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_depth_output_arguments;

enum { OUTPUT_TILE = TILE_PARAMETERS, CHUNK_KIB };

static const parameter_range ranges[] = {
    TILE_PARAMETER_RANGES(PANEL_VECTORS),
    [OUTPUT_TILE] = {"output_tile", 2, 4, true},
    [CHUNK_KIB] = {"chunk_kib", 1, 1 << 30, false}, /* the transformed volumes' size at most, unless one
                                                       panel's is larger */
    {NULL, 0, 0, false},
};

enum { BLOCK_CHANNELS = 64, MAX_CHUNKS = 1024 };

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(panels_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_out), p);
    p->values[OUTPUT_TILE] = winograd_choose_depth_tile(q->geometry);
    p->values[CHUNK_KIB] = q->traits->machine->between_steps >> 10;
}

/* Extents of one plan, in elements; offsets in bytes. */
typedef struct depth_plan {
    product_tile tile;
    int64_t m, volumes; /* a volume is a group of a frequency */
    int64_t tiles;      /* along depth */
    int64_t plane;      /* positions of a plane */
    int64_t panels;     /* of a chunk */
    int64_t input_offset, product_offset;
    definition_memory definition;
} depth_plan;

static bool reserve(const request *q, const parameter_set *p, depth_plan *w, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    int64_t width = panel_width(&w->tile), all, input_panel, product_panel, size;
    w->tiles = ceil_divide(g->output[0], w->m);
    w->volumes = (w->m + 2) * q->problem->groups;
    w->plane = g->output[1] * g->output[2];
    all = ceil_divide(w->plane, width);
    if (!size_product((const int64_t[]){w->volumes, w->tiles, g->group_in, width, g->element_size}, 5,
                      &input_panel) ||
        !size_product((const int64_t[]){w->volumes, w->tiles, g->group_out, width, g->element_size}, 5,
                      &product_panel) ||
        !size_multiply(all, max_i64(input_panel, product_panel), &size) || size > INT64_MAX / 64) {
        text_append(why, "its transformed volumes would overflow");
        return false;
    }
    int64_t packed = q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT);
    int64_t available = q->workspace_limit - packed - (int64_t)2 * WORKSPACE_ALIGNMENT;
    w->panels = min_i64(available, p->values[CHUNK_KIB] << 10) / (input_panel + product_panel);
    w->panels = max_i64(min_i64(all, w->panels), 1);
    int64_t chunks = max_i64(ceil_divide(all, w->panels), 1);
    w->panels = ceil_divide(all, chunks);
    w->input_offset = recipe_reserve(r, w->panels * input_panel);
    w->product_offset = recipe_reserve(r, w->panels * product_panel);
    chunks = ceil_divide(all, max_i64(w->panels, 1));
    w->definition = definition_reserve(r, q->problem, g, chunks, q->traits);
    if (r->workspace_bytes + packed > q->workspace_limit)
        text_append(why, "it needs %lld bytes of workspace; the limit is %lld",
                    (long long)(r->workspace_bytes + packed), (long long)q->workspace_limit);
    else if (chunks > MAX_CHUNKS / q->problem->batch)
        text_append(why, "it would take %lld chunks for a sample; it takes %d at most for all",
                    (long long)chunks, MAX_CHUNKS);
    return why->length == 0 && recipe_admits(r, chunks * q->problem->batch, 3, why);
}

static step transform_step(const request *q, const depth_plan *w, const char *name, const char *kernel)
{
    step s = kernel_step(name, "any/winograd_depth.cl", kernel, q->problem->dtype);
    kernel_define(&s, "OUTPUT_TILE", w->m);
    kernel_define(&s, "TAPS", WINOGRAD_TAPS);
    kernel_define(&s, "VECTOR_WIDTH", w->tile.vector_width);
    kernel_define(&s, "LOCAL_SIZE", w->tile.local_size);
    return s;
}

/* Of a sample, `positions` from `first` on. */
typedef struct chunk {
    int64_t sample, first, positions, panels;
} chunk;

static void append_input(const request *q, const depth_plan *w, const chunk *c, int64_t volume_size,
                         recipe *r)
{
    const clconv_problem *p = q->problem;
    winograd_depth_input_arguments a = {
        .tiles = w->tiles,
        .channel_blocks = ceil_divide(p->in_channels, BLOCK_CHANNELS),
        .channels = p->in_channels,
        .group_in = q->geometry->group_in,
        .depth = p->input[0],
        .plane = w->plane,
        .first = c->first,
        .positions = c->positions,
        .pad_depth = p->pad_before[0],
        .mode = p->padding_mode,
        .plane_panels = c->panels,
        .volume_size = volume_size,
    };
    a.block_channels = ceil_divide(a.channels, a.channel_blocks);
    step s = transform_step(q, w, "winograd_input", "winograd_depth_input");
    kernel_add_buffer(&s, BUFFER_INPUT,
                      c->sample * p->in_channels * q->geometry->input_plane * s.element_size);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, w->input_offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){a.plane_panels, a.channel_blocks, a.tiles},
                     (const int64_t[]){w->tile.local_size, 1, 1});
    double planes = (double)(a.channels * (w->tiles * (w->m + 2) + a.depth));
    step_moves(&s, (double)s.element_size * planes * (double)c->positions);
    recipe_append_run(r, &s);
}

static void append_product(const request *q, const depth_plan *w, const chunk *c, int64_t volume_size,
                           recipe *r)
{
    const geometry *g = q->geometry;
    int64_t plane = c->panels * panel_width(&w->tile);
    panel_product what = {
        .name = "product",
        .dtype = q->problem->dtype,
        .volumes = w->volumes,
        .weights = w->volumes,
        .out_channels = g->group_out,
        .out_depth = w->tiles,
        .positions = plane,
        .rows = g->group_in,
        .depth = w->tiles,
        .kernel_d = 1,
        .stride_d = 1,
        .dilation_d = 1,
        .volume_size = volume_size,
        .out_plane = plane,
        .out_channel = w->tiles * plane,
        .out_volume = g->group_out * w->tiles * plane,
        .panels = {BUFFER_WORKSPACE, w->input_offset},
        .weight = {BUFFER_PACKED, 0},
        .output = {BUFFER_WORKSPACE, w->product_offset},
    };
    panels_append(r, &what, &w->tile, q->traits->machine);
}

static void append_output(const request *q, const depth_plan *w, const chunk *c, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    winograd_depth_output_arguments a = {
        .channels = p->out_channels,
        .tiles = w->tiles,
        .out_depth = g->output[0],
        .plane = w->plane,
        .first = c->first,
        .positions = c->positions,
        .plane_panels = c->panels,
        .from_frequency = p->out_channels * w->tiles * c->panels * panel_width(&w->tile),
        .streams = kernel_output_streams(q->traits->machine, g->elements.output * g->element_size),
        .has_doubts = w->definition.sets > 0,
        .has_bias = p->has_bias,
    };
    step s = transform_step(q, w, "winograd_output", "winograd_depth_output");
    kernel_add_buffer(&s, BUFFER_WORKSPACE, w->product_offset);
    kernel_add_buffer(&s, p->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    int64_t output_offset = c->sample * p->out_channels * g->output_plane * g->element_size;
    kernel_add_buffer(&s, BUFFER_OUTPUT, output_offset);
    int64_t doubts = definition_doubts(p, g, c->first / (w->panels * panel_width(&w->tile)), c->sample);
    kernel_add_buffer(&s, a.has_doubts ? BUFFER_WORKSPACE : BUFFER_NONE,
                      w->definition.doubts_at + doubts * g->element_size);
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, p, output_offset);
    kernel_set_range(&s, (const int64_t[]){q->traits->is_cpu ? 1 : a.plane_panels, a.tiles, a.channels},
                     (const int64_t[]){w->tile.local_size, 1, 1});
    double planes = (double)(a.channels * (w->tiles * (w->m + 2) + a.out_depth));
    step_moves(&s, (double)s.element_size * planes * (double)c->positions);
    recipe_append_run(r, &s);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    depth_plan w = {.m = p->values[OUTPUT_TILE]};
    step_buffer filters;
    const geometry *g = q->geometry;
    if (!winograd_depth_is_applicable(q->problem, g, q->strict, why) ||
        !tile_from_parameters(p, &w.tile, why))
        return;
    if (!winograd_append_depth_weight(r, q->problem, g, w.m, w.tile.out_channels, q->traits) ||
        !definition_append_filters(r, g, lacks_weight(q), &filters)) {
        text_append(why, "the transformed weight is too large");
        return;
    }
    if (!reserve(q, p, &w, r, why)) return;
    int64_t width = panel_width(&w.tile);
    for (int64_t n = 0; n < q->problem->batch; n++) {
        for (int64_t first = 0; first < w.plane; first += w.panels * width) {
            chunk c = {n, first, min_i64(w.panels * width, w.plane - first), 0};
            c.panels = ceil_divide(c.positions, width);
            int64_t volume_size = w.tiles * c.panels * g->group_in * width;
            append_input(q, &w, &c, volume_size, r);
            append_product(q, &w, &c, volume_size, r);
            append_output(q, &w, &c, r);
        }
    }
    definition_append(r, q->problem, g, filters, &w.definition, q->traits);
}

const algorithm algorithm_winograd_depth = {.name = "winograd_depth",
                                            .accumulates_directly = false,
                                            .ranges = ranges,
                                            .choose = choose,
                                            .emit = emit,
                                            .op = CLCONV_FORWARD};
