/* winograd: F(2x2, 3x3), F(4x4, 3x3) or F(2x2, 5x5) over H and W, of any dilation, kd summed in the transformed domain
 * (cl/any/winograd.cl draws it). Spans of depth are transformed at a time, as many planes as a size allows; their
 * product and its transform back go in chunks of depth that stay in cache. */
#include "arguments/winograd.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/definition.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/panels.h"
#include "steps/winograd.h"

typedef struct winograd_input_arguments {
    WINOGRAD_INPUT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_input_arguments;

typedef struct winograd_output_arguments {
    WINOGRAD_OUTPUT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_output_arguments;

enum { OUTPUT_TILE = TILE_PARAMETERS, SPAN_KIB, CHUNK_KIB, SLICES };

static const parameter_range ranges[] = {
    TILE_PARAMETER_RANGES(PANEL_VECTORS),
    [OUTPUT_TILE] = {"output_tile", 2, 4, true},
    [SPAN_KIB] = {"span_kib", 1, 1 << 30, false},   /* the transformed input's size at most, and */
    [CHUNK_KIB] = {"chunk_kib", 1, 1 << 30, false}, /* the product's, unless one plane is larger */
    [SLICES] = {"slices", 1, 65536, false},         /* work-groups that transform the input, at most */
    {NULL, 0, 0, false},
};

enum { SLICE_CHANNELS = 8, LINE_ELEMENTS = 16 };

/* Extents of one plan; offsets in bytes, the rest in elements or counts. */
typedef struct winograd_plan {
    product_tile tile;
    int64_t m, n, frequencies, volumes; /* outputs and inputs of a tile; a volume is a group of a frequency */
    int64_t rows, pitch, columns, part; /* see cl/arguments/winograd.clh */
    int64_t padded_size, slice_size, slices;
    int64_t positions, plane_panels, plane; /* tiles of a plane; the panels that hold them; their elements */
    int64_t span, chunk;                    /* output planes of an input transform, and of a product */
    int64_t volume_size;                    /* of the transformed input */
    int64_t slice_offset, input_offset, product_offset;
    definition_memory definition;
} winograd_plan;

static void choose(const request *q, parameter_set *p)
{
    const geometry *g = q->geometry;
    product_tile tile = panels_choose_tile(q->traits, g->element_size, g->group_out);
    tile_to_parameters(tile, p);
    p->values[OUTPUT_TILE] = winograd_choose_output_tile(q->problem, g, panel_width(&tile));
    p->values[SPAN_KIB] = 8 * q->traits->machine->between_steps >> 10;
    p->values[CHUNK_KIB] = q->traits->machine->between_steps >> 10;
    p->values[SLICES] = q->traits->is_cpu ? 16 : 1024;
}

static bool clips_depth(const request *q)
{
    return q->problem->padding_mode == CLCONV_PADDING_ZEROS;
}

/* An odd number of cache lines, so that the streams of a transform do not fall on one cache set. */
static int64_t odd_lines(int64_t elements)
{
    return (ceil_divide(elements, LINE_ELEMENTS) | 1) * LINE_ELEMENTS;
}

static int64_t volume_size(const request *q, const winograd_plan *w, int64_t planes)
{
    return odd_lines(planes * w->plane * q->geometry->group_in);
}

/* With groups dense, since the transform back takes the channels of all groups as one list. */
static int64_t product_volume(const request *q, const winograd_plan *w, int64_t planes)
{
    int64_t elements = planes * w->plane * q->geometry->group_out;
    return q->problem->groups == 1 ? odd_lines(elements) : elements;
}

static bool lay_out(const request *q, const parameter_set *p, winograd_plan *w)
{
    const geometry *g = q->geometry;
    const int64_t *dilation = q->problem->dilation;
    int64_t width = panel_width(&w->tile), tile_rows = winograd_tiles(q->problem, q->geometry, 1, w->m),
            units, most;
    w->n = winograd_input_tile(q->problem, w->m);
    w->frequencies = w->n * w->n;
    w->volumes = w->frequencies * q->problem->groups;
    w->columns = winograd_tiles(q->problem, q->geometry, 2, w->m);
    w->rows = tile_rows * w->m + (w->n - w->m) * dilation[1];
    w->pitch = w->columns * w->m + (w->n - w->m) * dilation[2];
    if (!size_multiply(tile_rows, w->columns, &w->positions) || w->positions > INT32_MAX) return false;
    w->plane_panels = ceil_divide(w->positions, width);
    w->plane = w->plane_panels * width;
    /* Vectors run past the end of the last row. */
    w->part = ceil_divide(w->rows / dilation[1], w->m) * dilation[1] * w->columns + width;
    w->padded_size = round_up(w->rows * w->pitch + (w->m + 1) * width, LINE_ELEMENTS);
    w->slice_size = w->padded_size + SLICE_CHANNELS * round_up(w->m * w->n * w->part + width, LINE_ELEMENTS);
    int64_t channels = max_i64(q->problem->in_channels, q->problem->out_channels);
    int64_t planes = max_i64(g->padded[0], g->output[0]);
    if (!size_product((const int64_t[]){w->frequencies, channels, planes, w->plane + LINE_ELEMENTS}, 4,
                      &most) ||
        most > INT64_MAX / 64)
        return false;
    units = geometry_planes_read(q->problem, g->output[0], clips_depth(q)) *
            ceil_divide(q->problem->in_channels, SLICE_CHANNELS);
    w->slices = ceil_divide(units, ceil_divide(units, p->values[SLICES]));
    return true;
}

/* Chooses span and chunk and reserves the workspace; false with the reason if not even one plane fits. */
static bool reserve(const request *q, const parameter_set *p, winograd_plan *w, recipe *r, text *why)
{
    int64_t element = q->geometry->element_size, depth = q->geometry->output[0];
    w->slice_offset = recipe_reserve(r, w->slices * w->slice_size * element);
    w->definition = definition_reserve(r, q->problem, q->geometry, 1, q->traits);
    int64_t packed = q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT);
    int64_t available = q->workspace_limit - packed - r->workspace_bytes - (int64_t)2 * WORKSPACE_ALIGNMENT;
    int64_t product_plane = w->volumes * product_volume(q, w, 1) * element;
    int64_t input_plane = w->volumes * volume_size(q, w, 1) * element;
    int64_t planes = min_i64(available - product_plane, p->values[SPAN_KIB] << 10) / input_plane;
    w->span = geometry_planes_made(q->problem, q->geometry, planes, clips_depth(q));
    w->span = ceil_divide(depth, ceil_divide(depth, w->span));
    w->volume_size = volume_size(q, w, geometry_planes_read(q->problem, w->span, clips_depth(q)));
    w->input_offset = recipe_reserve(r, w->volumes * w->volume_size * element);
    available -= w->volumes * w->volume_size * element;
    w->chunk = min_i64(available, p->values[CHUNK_KIB] << 10) / product_plane;
    w->chunk = min_i64(w->span, max_i64(w->chunk, 1));
    w->product_offset = recipe_reserve(r, w->volumes * product_volume(q, w, w->chunk) * element);
    if (r->workspace_bytes + packed <= q->workspace_limit) return true;
    text_append(why, "it needs %lld bytes of workspace; the limit is %lld",
                (long long)(r->workspace_bytes + packed), (long long)q->workspace_limit);
    return false;
}

static step transform_step(const request *q, const winograd_plan *w, const char *kernel)
{
    step s = kernel_step(kernel, "any/winograd.cl", kernel, q->problem->dtype);
    kernel_define(&s, "OUTPUT_TILE", w->m);
    kernel_define(&s, "TAPS", q->problem->kernel[2]);
    kernel_define(&s, "VECTOR_WIDTH", w->tile.vector_width);
    kernel_define(&s, "LOCAL_SIZE", w->tile.local_size);
    kernel_define(&s, "SLICE_CHANNELS", SLICE_CHANNELS);
    kernel_define(&s, "DILATION_W", winograd_fixed_dilation(q->problem->dilation[2], w->tile.vector_width));
    return s;
}

static void append_input(const request *q, const winograd_plan *w, int64_t sample, depth_span s, recipe *r)
{
    const clconv_problem *p = q->problem;
    winograd_input_arguments a = {
        .channel_blocks = ceil_divide(p->in_channels, SLICE_CHANNELS),
        .channels = p->in_channels,
        .group_in = q->geometry->group_in,
        .first_depth = s.first,
        INPUT_EXTENTS(p),
        .pad_height = p->pad_before[1],
        .pad_width = p->pad_before[2],
        .mode = p->padding_mode,
        .rows = w->rows,
        .pitch = w->pitch,
        .padded_size = w->padded_size,
        .columns = w->columns,
        .part = w->part,
        .dilation_h = p->dilation[1],
        .dilation_w = p->dilation[2],
        .slice_size = w->slice_size,
        .plane_panels = w->plane_panels,
        .volume_size = w->volume_size,
    };
    a.units = (s.last - s.first) * a.channel_blocks;
    step t = transform_step(q, w, "winograd_input");
    kernel_add_buffer(&t, BUFFER_INPUT, sample * p->in_channels * q->geometry->input_plane * t.element_size);
    kernel_add_buffer(&t, BUFFER_WORKSPACE, w->input_offset);
    kernel_add_buffer(&t, BUFFER_WORKSPACE, w->slice_offset);
    kernel_set_scalars(&t, &a, sizeof a);
    kernel_share_out(&t, w->slices, w->tile.local_size);
    double planes = (double)((s.last - s.first) * p->in_channels);
    double made = planes * (double)(w->frequencies * w->plane), element = (double)t.element_size;
    const machine_winograd *m = &q->traits->machine->winograd;
    step_computes(&t, 0.5 * WINOGRAD_TRANSFORM_FLOPS * made, m->share);
    step_moves(&t, element * (made + planes * (double)(a.height * a.width)));
    t.work.traffic += element * m->scatter * made;
    recipe_append_run(r, &t);
}

static void append_product(const request *q, const winograd_plan *w, depth_span s, int64_t first,
                           int64_t count, recipe *r)
{
    const clconv_problem *p = q->problem;
    panel_product what = {
        .name = "product",
        .dtype = p->dtype,
        .volumes = w->volumes,
        .weights = w->volumes,
        .out_channels = q->geometry->group_out,
        .out_depth = count,
        .positions = w->plane,
        .rows = q->geometry->group_in,
        .depth = s.last - s.first,
        .kernel_d = p->kernel[0],
        .stride_d = p->stride[0],
        .dilation_d = p->dilation[0],
        .clip_depth = s.first + p->pad_before[0] - first * p->stride[0],
        .volume_size = w->volume_size,
        .out_plane = w->plane,
        .out_channel = count * w->plane,
        .out_volume = product_volume(q, w, count),
        .panels = {BUFFER_WORKSPACE, w->input_offset},
        .weight = {BUFFER_PACKED, 0},
        .output = {BUFFER_WORKSPACE, w->product_offset},
    };
    panels_append(r, &what, &w->tile, q->traits->machine);
}

static void append_output(const request *q, const winograd_plan *w, int64_t sample, int64_t first,
                          int64_t count, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    winograd_output_arguments a = {
        .planes = p->out_channels * count,
        .chunk_depth = count,
        .first_depth = first,
        OUTPUT_EXTENTS(g),
        .positions = w->positions,
        .columns = w->columns,
        .dilation_h = p->dilation[1],
        .dilation_w = p->dilation[2],
        .from_plane = w->plane,
        .from_frequency = p->groups * product_volume(q, w, count),
        .streams = kernel_output_streams(q->traits->machine, g->elements.output * g->element_size),
        .has_doubts = w->definition.sets > 0,
        .has_bias = p->has_bias,
    };
    step s = transform_step(q, w, "winograd_output");
    kernel_add_buffer(&s, BUFFER_WORKSPACE, w->product_offset);
    kernel_add_buffer(&s, p->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    int64_t output_offset = sample * p->out_channels * g->output_plane * g->element_size;
    kernel_add_buffer(&s, BUFFER_OUTPUT, output_offset);
    kernel_add_buffer(&s, a.has_doubts ? BUFFER_WORKSPACE : BUFFER_NONE,
                      w->definition.doubts_at + definition_doubts(p, g, 0, sample) * g->element_size);
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, p, output_offset);
    int64_t groups = q->traits->is_cpu ? 1 : w->plane_panels;
    kernel_set_range(&s, (const int64_t[]){groups, a.planes, 1}, (const int64_t[]){w->tile.local_size, 1, 1});
    double products = (double)w->frequencies * (double)a.planes * (double)w->plane;
    step_computes(&s, 0.5 * WINOGRAD_TRANSFORM_FLOPS * products, q->traits->machine->winograd.share);
    step_moves(&s,
               (double)s.element_size * (products + (double)a.planes * (double)(a.out_height * a.out_width)));
    recipe_append_run(r, &s);
}

static void append_span(const request *q, const winograd_plan *w, int64_t sample, int64_t z, recipe *r)
{
    int64_t depth = q->geometry->output[0], end = min_i64(z + w->span, depth);
    depth_span s = geometry_depth_span(q->problem, z, end - z, clips_depth(q));
    append_input(q, w, sample, s, r);
    for (int64_t first = z; first < end; first += w->chunk) {
        int64_t count = min_i64(w->chunk, end - first);
        append_product(q, w, s, first, count, r);
        append_output(q, w, sample, first, count, r);
    }
}

static bool admits(const request *q, const winograd_plan *w, const recipe *r, text *why)
{
    int64_t spans;
    if (!size_multiply(q->problem->batch, ceil_divide(q->geometry->output[0], w->span), &spans))
        spans = INT64_MAX;
    return recipe_admits(r, spans, 1 + 2 * ceil_divide(w->span, w->chunk), why);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    winograd_plan w = {.m = p->values[OUTPUT_TILE]};
    step_buffer filters;
    const int64_t *stride = q->problem->stride;
    if (stride[1] != 1 || stride[2] != 1) {
        text_append(why, "on H and W stride is %lld,%lld; it needs 1", (long long)stride[1],
                    (long long)stride[2]);
        return;
    }
    if (!winograd_is_applicable(q->problem, q->geometry, w.m, q->strict, why) ||
        !tile_from_parameters(p, &w.tile, why))
        return;
    if (!lay_out(q, p, &w)) {
        text_append(why, "its transformed volumes would overflow");
        return;
    }
    if (!winograd_append_weight(r, q->problem, q->geometry, w.m, w.tile.out_channels, false, q->traits) ||
        !definition_append_filters(r, q->geometry, lacks_weight(q), &filters)) {
        text_append(why, "the transformed weight is too large");
        return;
    }
    if (!reserve(q, p, &w, r, why) || !admits(q, &w, r, why)) return;
    for (int64_t n = 0; n < q->problem->batch; n++)
        for (int64_t z = 0; z < q->geometry->output[0]; z += w.span)
            append_span(q, &w, n, z, r);
    definition_append(r, q->problem, q->geometry, filters, &w.definition, q->traits);
}

const algorithm algorithm_winograd = {.name = "winograd",
                                      .accumulates_directly = false,
                                      .ranges = ranges,
                                      .choose = choose,
                                      .emit = emit,
                                      .op = CLCONV_FORWARD};
