/* direct: pads the input into a scratch volume, then convolves it with a register tile for each work-item
 * (cl/direct.cl). The batch goes in chunks of samples if the workspace is limited. */
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/pack.h"
#include "steps/scratch.h"

#include <string.h>

static const parameter_range ranges[] = {TILE_PARAMETER_RANGES(PRODUCT_VECTORS), {NULL, 0, 0, false}};

static void choose(const request *q, parameter_set *p)
{
    tile_to_parameters(
        product_choose_tile(q->traits, q->geometry->element_size, q->geometry->group_out, PRODUCT_VECTORS),
        p);
}

/* Samples that a chunk may hold; 0 if not even one fits. */
static int64_t chunk_samples(const request *q, const recipe *r, const scratch_layout *layout, int64_t slack)
{
    int64_t element = q->geometry->element_size;
    int64_t used = (q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT)) + slack * element;
    int64_t available = q->workspace_limit / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT - used;
    if (available < 0) return 0;
    return min_i64(q->problem->batch, available / (layout->sample_size * element));
}

/* A 1 x 1 x 1 kernel without strides does not care where rows and planes end. */
static bool is_flat(const request *q)
{
    return q->geometry->taps == 1 && q->problem->stride[0] == 1 && q->geometry->output_plane <= INT32_MAX;
}

/* A problem without padding or strides on H and W reads its input where it is. A tile must fit, since it may
 * not read past the end. */
static bool reads_in_place(const request *q, const scratch_layout *layout, int64_t width)
{
    const clconv_problem *p = q->problem;
    for (int axis = 0; axis < 3; axis++)
        if (p->pad_before[axis] + p->pad_after[axis] > 0 || (axis > 0 && p->stride[axis] > 1)) return false;
    const int64_t *output = q->geometry->output;
    int64_t positions = is_flat(q) ? q->geometry->output_plane : (output[1] - 1) * layout->pitch + output[2];
    return layout->pitch == p->input[2] && positions >= width;
}

static void append_chunk(const request *q, const product_tile *tile, const scratch_layout *layout,
                         int64_t first, int64_t count, step_buffer volume, recipe *r)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    bool in_place = volume.role == BUFFER_INPUT;
    if (!in_place)
        scratch_append_pad(r, problem, g, layout, first, count, volume.offset, q->traits->local_size);
    product w = {
        .name = "direct",
        .dtype = problem->dtype,
        .samples = count,
        .groups = problem->groups,
        .group_in = g->group_in,
        .group_out = g->group_out,
        .layout = layout,
        .ends_there = in_place,
        .input = volume,
        .weight = {BUFFER_PACKED, 0},
        .bias = {problem->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0},
        .output_buffer = {BUFFER_OUTPUT, first * problem->out_channels * g->output_plane * g->element_size},
        .epilogue = problem,
    };
    memcpy(w.kernel, problem->kernel, sizeof w.kernel);
    memcpy(w.stride, problem->stride, sizeof w.stride);
    memcpy(w.dilation, problem->dilation, sizeof w.dilation);
    memcpy(w.output, g->output, sizeof w.output);
    scratch_layout flat = *layout;
    if (in_place && is_flat(q)) {
        flat.pitch = flat.phase_pitch = flat.plane_size = flat.channel_size;
        flat.padded_depth = 1;
        w.layout = &flat;
        w.output[0] = w.output[1] = 1;
        w.output[2] = g->output_plane;
    }
    product_append(r, &w, tile);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const clconv_problem *problem = q->problem;
    product_tile tile;
    scratch_layout layout;
    if (!tile_from_parameters(p, &tile, why)) return;
    int64_t slack = product_slack(&tile);
    if (!scratch_layout_compute(problem, q->geometry, q->strict, &layout)) {
        text_append(why, "a padded plane has 2^31 elements or more");
        return;
    }
    if (!pack_append(r, problem, q->geometry, tile.out_channels, false, q->traits->local_size)) {
        text_append(why, "the packed weight is too large");
        return;
    }
    if (reads_in_place(q, &layout, slack)) {
        append_chunk(q, &tile, &layout, 0, problem->batch, (step_buffer){BUFFER_INPUT, 0}, r);
        return;
    }
    int64_t samples = chunk_samples(q, r, &layout, slack);
    if (samples == 0) {
        int64_t scratch =
            round_up((layout.sample_size + slack) * q->geometry->element_size, WORKSPACE_ALIGNMENT);
        int64_t packed = q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT);
        text_append(why, "it needs %lld bytes of workspace for one sample; the limit is %lld",
                    (long long)(scratch + packed), (long long)q->workspace_limit);
        return;
    }
    int64_t scratch = recipe_reserve(r, (samples * layout.sample_size + slack) * q->geometry->element_size);
    for (int64_t first = 0; first < problem->batch; first += samples)
        append_chunk(q, &tile, &layout, first, min_i64(samples, problem->batch - first),
                     (step_buffer){BUFFER_WORKSPACE, scratch}, r);
}

const algorithm algorithm_direct = {"direct", true, ranges, choose, emit};
