/* direct: pads the input into a scratch volume, then convolves it with a register tile for each work-item
 * (cl/any/direct.cl). The batch goes in chunks of samples or of depth whose scratch volume stays in
 * cache. */
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/pack.h"
#include "steps/scratch.h"

#include <string.h>

enum { CHUNK_KIB = TILE_PARAMETERS };

static const parameter_range ranges[] = {
    TILE_PARAMETER_RANGES(PRODUCT_VECTORS),
    [CHUNK_KIB] = {"chunk_kib", 1, 1 << 30, false}, /* the scratch volume's size at most, or a few planes */
    {NULL, 0, 0, false},
};

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(
        product_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_out, PRODUCT_VECTORS),
        p);
    p->values[CHUNK_KIB] = q->traits->machine->between_steps >> 10;
}

/* A 1 x 1 x 1 kernel without strides does not care where rows and planes end. */
static bool is_flat(const request *q)
{
    const clconv_problem *p = q->problem;
    return q->geometry->taps == 1 && p->stride[0] == 1 && p->pad_before[0] + p->pad_after[0] == 0 &&
           q->geometry->output_plane <= INT32_MAX;
}

/* A problem without padding or strides on H and W reads its input where it is, if padded planes are clipped.
 * A tile must fit, since it may not read past the end. */
static bool reads_in_place(const request *q, const scratch_layout *layout, int64_t width)
{
    const clconv_problem *p = q->problem;
    for (int axis = 1; axis < 3; axis++)
        if (p->pad_before[axis] + p->pad_after[axis] > 0 || p->stride[axis] > 1) return false;
    if (p->pad_before[0] + p->pad_after[0] > 0 && !layout->clips_depth) return false;
    const int64_t *output = q->geometry->output;
    int64_t positions = is_flat(q) ? q->geometry->output_plane : (output[1] - 1) * layout->pitch + output[2];
    bool is_whole = layout->pitch == p->input[2] && layout->plane_size == p->input[1] * p->input[2];
    return is_whole && positions >= width;
}

/* What one run of the kernel computes: output planes [z, z + depth) of samples [sample, sample + samples). */
typedef struct chunk {
    int64_t sample, samples, z, depth;
} chunk;

static void append_product(const request *q, const product_tile *tile, const scratch_part *part,
                           const chunk *c, step_buffer volume, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    scratch_layout layout = part->layout;
    product w = {
        .name = "direct",
        .dtype = p->dtype,
        .samples = c->samples,
        .groups = p->groups,
        .group_in = g->group_in,
        .group_out = g->group_out,
        .output = {c->depth, g->output[1], g->output[2]},
        .output_depth = g->output[0],
        .clip_depth = part->span.first + p->pad_before[0] - c->z * p->stride[0],
        .layout = &layout,
        .ends_there = volume.role == BUFFER_INPUT,
        .input = volume,
        .weight = {BUFFER_PACKED, 0},
        .bias = {p->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0},
        .output_buffer = {BUFFER_OUTPUT, (c->sample * p->out_channels * g->output_plane +
                                          c->z * g->output[1] * g->output[2]) *
                                             g->element_size},
        .epilogue = p,
    };
    memcpy(w.kernel, p->kernel, sizeof w.kernel);
    memcpy(w.stride, p->stride, sizeof w.stride);
    memcpy(w.dilation, p->dilation, sizeof w.dilation);
    if (w.ends_there && is_flat(q)) {
        layout.pitch = layout.phase_pitch = layout.plane_size = layout.channel_size;
        layout.padded_depth = w.output[0] = w.output[1] = w.output_depth = 1;
        w.output[2] = g->output_plane;
    }
    product_append(r, &w, tile, q->traits->machine);
}

/* Whole samples if one is within the size of a chunk, else planes of one. Several planes at least, unless the
 * workspace limit forbids it: neighbouring chunks both pad the planes that they share. */
static chunk choose_chunk(const request *q, int64_t chunk_bytes, int64_t available, const scratch_layout *l)
{
    enum { FEW_PLANES = 4 };
    const geometry *g = q->geometry;
    int64_t plane_bytes = l->plane_size * q->problem->in_channels * g->element_size;
    int64_t sample_bytes = l->sample_size * g->element_size, wanted = min_i64(available, chunk_bytes);
    chunk c = {.samples = 1, .depth = g->output[0]};
    if (sample_bytes <= wanted) {
        c.samples = min_i64(q->problem->batch, wanted / sample_bytes);
        return c;
    }
    int64_t few = geometry_planes_read(q->problem, min_i64(FEW_PLANES, g->output[0]), l->clips_depth);
    wanted = min_i64(available, max_i64(wanted, few * plane_bytes));
    c.depth = geometry_planes_made(q->problem, g, wanted / plane_bytes, l->clips_depth);
    c.depth = ceil_divide(g->output[0], ceil_divide(g->output[0], c.depth));
    return c;
}

static void append_chunks(const request *q, const product_tile *tile, const scratch_layout *layout,
                          const chunk *size, int64_t offset, recipe *r)
{
    const clconv_problem *p = q->problem;
    for (int64_t n = 0; n < p->batch; n += size->samples) {
        for (int64_t z = 0; z < q->geometry->output[0]; z += size->depth) {
            chunk c = {n, min_i64(size->samples, p->batch - n), z,
                       min_i64(size->depth, q->geometry->output[0] - z)};
            depth_span span = geometry_depth_span(p, z, c.depth, layout->clips_depth);
            scratch_part part = scratch_part_of(p, layout, n, c.samples, span);
            if (span.last > span.first) scratch_append_pad(r, p, q->geometry, &part, offset, q->traits);
            append_product(q, tile, &part, &c, (step_buffer){BUFFER_WORKSPACE, offset}, r);
        }
    }
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    product_tile tile;
    scratch_layout layout;
    if (!tile_from_parameters(p, &tile, why)) return;
    int64_t slack = product_slack(&tile);
    if (!scratch_layout_compute(problem, g, q->strict, &layout)) {
        text_append(why, "a padded plane or a stride is too large for 32 bits");
        return;
    }
    if (!pack_append(r, problem, g, tile.out_channels, false, q->traits->local_size, why)) return;
    if (reads_in_place(q, &layout, slack)) {
        const chunk all = {0, problem->batch, 0, g->output[0]};
        scratch_part input =
            scratch_part_of(problem, &layout, 0, problem->batch, (depth_span){0, problem->input[0]});
        append_product(q, &tile, &input, &all, (step_buffer){BUFFER_INPUT, 0}, r);
        return;
    }
    int64_t packed = q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT);
    int64_t available = (q->workspace_limit - packed) / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT;
    chunk c = choose_chunk(q, p->values[CHUNK_KIB] << 10, available - slack * g->element_size, &layout);
    int64_t planes = geometry_planes_read(problem, c.depth, layout.clips_depth);
    int64_t elements = c.samples * planes * problem->in_channels * layout.plane_size + slack;
    int64_t offset = recipe_reserve(r, elements * g->element_size);
    int64_t chunks = ceil_divide(problem->batch, c.samples) * ceil_divide(g->output[0], c.depth);
    if (!recipe_admits(r, chunks, 2, why)) return;
    if (r->workspace_bytes <= available)
        append_chunks(q, &tile, &layout, &c, offset, r);
    else
        text_append(why, "it needs %lld bytes of workspace for one plane of one sample; the limit is %lld",
                    (long long)(r->workspace_bytes + packed), (long long)q->workspace_limit);
}

const algorithm algorithm_direct = {.name = "direct",
                                    .accumulates_directly = true,
                                    .ranges = ranges,
                                    .choose = choose,
                                    .emit = emit,
                                    .op = CLCONV_FORWARD};
