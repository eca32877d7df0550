/* winograd: F(2x2, 3x3) or F(4x4, 3x3) over H and W, kd summed in the transformed domain (cl/winograd.cl
 * draws it). Each sample is padded and transformed whole; the product and its transform back go in chunks of
 * depth that stay in cache. */
#include "arguments/winograd.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "base/hash.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/scratch.h"

typedef struct winograd_weight_arguments {
    WINOGRAD_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_weight_arguments;

typedef struct winograd_input_arguments {
    WINOGRAD_INPUT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_input_arguments;

typedef struct winograd_output_arguments {
    WINOGRAD_OUTPUT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_output_arguments;

enum { OUTPUT_TILE = TILE_PARAMETERS, CHUNK_KIB };

static const parameter_range ranges[] = {
    TILE_PARAMETER_RANGES,
    [OUTPUT_TILE] = {"output_tile", 2, 4, true},
    [CHUNK_KIB] = {"chunk_kib", 1, 1 << 20,
                   false}, /* the product's size at most, unless one plane is larger */
    {NULL, 0, 0, false},
};

/* Offsets and extents of one plan, in elements; offsets in bytes. */
typedef struct winograd_plan {
    product_tile tile;
    int64_t m, frequencies;
    int64_t local_size, vector_width; /* of the transforms */
    clconv_problem blocks;            /* the problem of which a tile is an output: kernel m + 2, stride m */
    geometry tiles;
    scratch_layout scratch;
    int64_t positions, plane; /* tiles of a plane, flattened; the same with vectors to the end */
    int64_t depth;            /* planes of a channel in the scratch and the transformed volume */
    int64_t chunk;            /* output planes of a product */
    int64_t input_frequency;  /* elements from frequency to frequency of the transformed volume */
    int64_t scratch_offset, input_offset, product_offset;
} winograd_plan;

/* Products summed for a frequency from which on the error of the 4 x 4 tile stays within a quarter of the
 * promised bound; with fewer there is little to gain (docs/numerics.md). */
enum { MIN_TERMS = 16 };

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(product_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_out), p);
    bool has_terms = q->geometry->group_in * q->problem->kernel[0] >= MIN_TERMS;
    p->values[OUTPUT_TILE] = has_terms ? 4 : 2;
    p->values[CHUNK_KIB] = q->traits->is_cpu ? 4096 : 65536;
}

static bool is_applicable(const request *q, text *why)
{
    const clconv_problem *p = q->problem;
    if (q->strict) {
        text_append(why, "strict numerics exclude it: it widens an inf or NaN to its tile");
        return false;
    }
    for (int axis = 1; axis < 3; axis++) {
        if (p->kernel[axis] == 3 && p->stride[axis] == 1 && p->dilation[axis] == 1) continue;
        text_append(why, "on %c kernel_size is %lld, stride %lld and dilation %lld; it needs 3, 1 and 1",
                    "DHW"[axis], (long long)p -> kernel[axis], (long long)p -> stride[axis],
                    (long long)p -> dilation[axis]);
        return false;
    }
    return true;
}

/* The tiles as outputs of a convolution with stride m, whose scratch volume is then the one that the
 * transform reads. */
static bool lay_out(const request *q, winograd_plan *w)
{
    const geometry *g = q->geometry;
    w->blocks = *q->problem;
    w->tiles = *g;
    for (int axis = 1; axis < 3; axis++) {
        w->blocks.kernel[axis] = w->m + 2;
        w->blocks.stride[axis] = w->m;
        w->tiles.output[axis] = ceil_divide(g->output[axis], w->m);
    }
    if (!scratch_layout_compute(&w->blocks, &w->tiles, false, &w->scratch)) return false;
    w->positions = (w->tiles.output[1] - 1) * w->scratch.pitch + w->tiles.output[2];
    w->plane = round_up(w->positions, w->vector_width);
    w->depth = w->scratch.padded_depth;
    return true;
}

/* Elements from frequency to frequency. An odd number of cache lines, so that the streams of a transform do
 * not fall on one cache set; dense with groups, since the product takes a group of a frequency as a group of
 * its own. */
static bool frequency_size(const request *q, const winograd_plan *w, int64_t channels, int64_t depth,
                           int64_t *elements)
{
    enum { LINE = 16 };
    if (!size_product((const int64_t[]){channels, depth, w->plane}, 3, elements)) return false;
    if (q->problem->groups == 1) *elements = (ceil_divide(*elements, LINE) | 1) * LINE;
    return *elements <= INT64_MAX / 64 / 8 / w->frequencies;
}

/* Chooses the chunk of depth and reserves the workspace; false with the reason if not even one plane fits. */
static bool reserve(const request *q, const parameter_set *p, winograd_plan *w, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    int64_t element = g->element_size, slack = product_slack(&w->tile), plane, chunk;
    if (!frequency_size(q, w, q->problem->in_channels, w->depth, &w->input_frequency) ||
        !frequency_size(q, w, q->problem->out_channels, 1, &plane) ||
        !frequency_size(q, w, q->problem->out_channels, g->output[0], &chunk)) {
        text_append(why, "the transformed volume would overflow");
        return false;
    }
    w->scratch_offset = recipe_reserve(r, (w->scratch.sample_size + w->vector_width) * element);
    w->input_offset = recipe_reserve(r, (w->frequencies * w->input_frequency + slack) * element);
    w->product_offset = r->workspace_bytes;
    int64_t packed = q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT);
    int64_t available =
        (q->workspace_limit - packed - r->workspace_bytes) / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT;
    int64_t plane_bytes = w->frequencies * plane * element;
    int64_t wanted = max_i64(p->values[CHUNK_KIB] << 10, plane_bytes);
    w->chunk = min_i64(g->output[0], max_i64(min_i64(available, wanted) / plane_bytes, 1));
    frequency_size(q, w, q->problem->out_channels, w->chunk, &chunk);
    recipe_reserve(r, w->frequencies * chunk * element);
    if (r->workspace_bytes + packed <= q->workspace_limit) return true;
    text_append(why, "it needs %lld bytes of workspace; the limit is %lld",
                (long long)(r->workspace_bytes + packed), (long long)q->workspace_limit);
    return false;
}

static step transform_step(const request *q, const winograd_plan *w, const char *kernel)
{
    step s = kernel_step(kernel, "winograd.cl", kernel, q->problem->dtype);
    kernel_define(&s, "OUTPUT_TILE", w->m);
    kernel_define(&s, "VECTOR_WIDTH", w->vector_width);
    kernel_define(&s, "LOCAL_SIZE", w->local_size);
    s.efficiency = 0.3; /* additions and multiplications by turns: few FMAs */
    return s;
}

static bool append_pack(const request *q, const winograd_plan *w, recipe *r)
{
    const geometry *g = q->geometry;
    winograd_weight_arguments a = {
        .group_blocks = ceil_divide(g->group_out, w->tile.out_channels),
        .group_out = g->group_out,
        .group_in = g->group_in,
        .kernel_d = q->problem->kernel[0],
    };
    a.blocks = a.group_blocks * q->problem->groups;
    const int64_t extents[] = {w->frequencies, a.blocks,   w->tile.out_channels,
                               a.group_in,     a.kernel_d, g->element_size};
    if (!size_product(extents, 6, &r->packed_bytes) || r->packed_bytes > INT64_MAX / 64) return false;
    const int64_t identity[] = {
        2,           w->m,       w->tile.out_channels, q->problem->groups, g->group_out,
        g->group_in, a.kernel_d, g->element_size};
    r->packed_layout = hash_bytes(HASH_START, identity, sizeof identity);

    step s = kernel_step("winograd_weight", "winograd.cl", "winograd_weight", q->problem->dtype);
    kernel_define(&s, "OUTPUT_TILE", w->m);
    kernel_define(&s, "OUT_CHANNELS", w->tile.out_channels);
    kernel_add_buffer(&s, BUFFER_WEIGHT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){1, a.group_in, a.blocks},
                     (const int64_t[]){q->traits->local_size, 1, 1});
    s.bytes = (double)r->packed_bytes + (double)g->elements.weight * (double)g->element_size;
    s.flops = 8 * (double)r->packed_bytes / (double)g->element_size;
    s.efficiency = 0.02;
    recipe_append_pack(r, &s);
    return true;
}

static void append_input(const request *q, const winograd_plan *w, recipe *r)
{
    winograd_input_arguments a = {
        .planes = q->problem->in_channels * w->depth,
        .depth = w->depth,
        .positions = w->positions,
        .pitch = w->scratch.pitch,
        .phase_pitch = w->scratch.phase_pitch,
        .to_plane = w->plane,
        .to_frequency = w->input_frequency,
    };
    step s = transform_step(q, w, "winograd_input");
    kernel_add_buffer(&s, BUFFER_WORKSPACE, w->scratch_offset);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, w->input_offset);
    kernel_set_scalars(&s, &a, sizeof a);
    int64_t groups = q->traits->is_cpu ? 1 : ceil_divide(w->positions, w->local_size * w->vector_width);
    kernel_set_range(&s, (const int64_t[]){groups, a.planes, 1}, (const int64_t[]){w->local_size, 1, 1});
    double outputs = (double)w->frequencies * (double)a.planes * (double)w->plane;
    s.flops = 5 * outputs;
    s.bytes = (double)s.element_size * (outputs + (double)w->scratch.sample_size);
    recipe_append_run(r, &s);
}

static void append_product(const request *q, const winograd_plan *w, int64_t first, int64_t count, recipe *r)
{
    const geometry *g = q->geometry;
    scratch_layout layout = w->scratch;
    layout.pitch = w->positions;
    layout.phase_pitch = layout.plane_size = w->plane;
    layout.channel_size = w->depth * w->plane;
    product what = {
        .name = "product",
        .dtype = q->problem->dtype,
        .samples = 1,
        .groups = w->frequencies * q->problem->groups,
        .group_in = g->group_in,
        .group_out = g->group_out,
        .kernel = {q->problem->kernel[0], 1, 1},
        .stride = {q->problem->stride[0], 1, 1},
        .dilation = {q->problem->dilation[0], 1, 1},
        .output = {count, 1, w->positions},
        .layout = &layout,
        .first_depth = first,
        .output_plane = w->plane,
        .input = {BUFFER_WORKSPACE, w->input_offset},
        .weight = {BUFFER_PACKED, 0},
        .output_buffer = {BUFFER_WORKSPACE, w->product_offset},
    };
    if (q->problem->groups == 1) {
        what.input_group = w->input_frequency;
        frequency_size(q, w, q->problem->out_channels, count, &what.output_group);
    }
    product_append(r, &what, &w->tile);
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
        .out_depth = g->output[0],
        .out_height = g->output[1],
        .out_width = g->output[2],
        .positions = w->positions,
        .pitch = w->scratch.pitch,
        .from_plane = w->plane,
        .has_bias = p->has_bias,
    };
    frequency_size(q, w, p->out_channels, count, &a.from_frequency);
    step s = transform_step(q, w, "winograd_output");
    kernel_add_buffer(&s, BUFFER_WORKSPACE, w->product_offset);
    kernel_add_buffer(&s, p->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    int64_t output_offset = sample * p->out_channels * g->output_plane * g->element_size;
    kernel_add_buffer(&s, BUFFER_OUTPUT, output_offset);
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, p, output_offset);
    int64_t groups = q->traits->is_cpu ? 1 : ceil_divide(w->positions, w->local_size * w->vector_width);
    kernel_set_range(&s, (const int64_t[]){groups, a.planes, 1}, (const int64_t[]){w->local_size, 1, 1});
    double products = (double)w->frequencies * (double)a.planes * (double)w->plane;
    s.flops = 5 * products;
    s.bytes = (double)s.element_size * (products + (double)a.planes * (double)(a.out_height * a.out_width));
    recipe_append_run(r, &s);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    winograd_plan w = {.m = p->values[OUTPUT_TILE]};
    if (!is_applicable(q, why) || !tile_from_parameters(p, &w.tile, why)) return;
    w.frequencies = (w.m + 2) * (w.m + 2);
    w.local_size = w.tile.local_size;
    w.vector_width = w.tile.vector_width;
    if (!lay_out(q, &w)) {
        text_append(why, "a padded plane has 2^31 elements or more");
        return;
    }
    if (!append_pack(q, &w, r)) {
        text_append(why, "the transformed weight is too large");
        return;
    }
    if (!reserve(q, p, &w, r, why)) return;
    for (int64_t n = 0; n < q->problem->batch; n++) {
        scratch_append_pad(r, &w.blocks, &w.tiles, &w.scratch, n, 1, w.scratch_offset, q->traits->local_size);
        append_input(q, &w, r);
        for (int64_t first = 0; first < q->geometry->output[0]; first += w.chunk) {
            int64_t count = min_i64(w.chunk, q->geometry->output[0] - first);
            append_product(q, &w, first, count, r);
            append_output(q, &w, n, first, count, r);
        }
    }
}

const algorithm algorithm_winograd = {"winograd", false, ranges, choose, emit};
