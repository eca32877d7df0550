/* direct: pads the input into a scratch volume, then convolves it with a register tile for each work-item
 * (cl/direct.cl). The batch goes in chunks of samples if the workspace is limited. */
#include "arguments/direct.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/scratch.h"

typedef struct direct_arguments {
    DIRECT_ARGUMENTS(ARGUMENT_MEMBER)
} direct_arguments;

enum { OUT_CHANNELS, VECTORS, VECTOR_WIDTH, LOCAL_SIZE };

static const parameter_range ranges[] = {
    [OUT_CHANNELS] = {"out_channels", 1, 16, false},
    [VECTORS] = {"vectors", 1, 16, false},
    [VECTOR_WIDTH] = {"vector_width", 1, 16, true},
    [LOCAL_SIZE] = {"local_size", 1, 256, true},
    {NULL, 0, 0, false},
};

/* Wider kernels are looped over at run time: unrolled they gain nothing and compile for long. */
enum { MAX_UNROLLED_WIDTH = 8 };

/* Share of the FMA rate that a tile reaches: two FMAs or two loads a cycle, eight FMAs in flight. */
static double tile_efficiency(int64_t out_channels, int64_t vectors)
{
    double fmas = (double)(out_channels * vectors), loads = (double)(out_channels + vectors);
    double busy = fmas > loads ? fmas : loads;
    return fmas / (busy > 8 ? busy : 8);
}

/* Share of the output channels of a tile's blocks that exist. */
static double channel_use(int64_t group_out, int64_t out_channels)
{
    return (double)group_out / (double)round_up(group_out, out_channels);
}

/* The tile that does the most useful work in three quarters of the registers; of equal ones the one with more
 * channels, which reads the input less often. */
static void choose(const request *q, parameter_set *p)
{
    int64_t budget = q->traits->registers * 3 / 4, group_out = q->geometry->group_out;
    double best = -1;
    for (int64_t o = 1; o <= ranges[OUT_CHANNELS].maximum && o <= budget; o++) {
        for (int64_t v = 1; v <= ranges[VECTORS].maximum && o * v <= budget; v++) {
            double use = tile_efficiency(o, v) * channel_use(group_out, o);
            if (use < best || (use == best && o * v < p->values[OUT_CHANNELS] * p->values[VECTORS])) continue;
            best = use;
            p->values[OUT_CHANNELS] = o;
            p->values[VECTORS] = v;
        }
    }
    p->values[VECTOR_WIDTH] = traits_vector_width(q->traits, q->geometry->element_size);
    p->values[LOCAL_SIZE] = q->traits->local_size;
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

static direct_arguments describe(const request *q, const scratch_layout *layout, const parameter_set *p)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    bool has_gutter = layout->pitch != g->output[2];
    direct_arguments a = {
        .group_blocks = ceil_divide(g->group_out, p->values[OUT_CHANNELS]),
        .groups = problem->groups,
        .group_in = g->group_in,
        .group_out = g->group_out,
        .out_depth = g->output[0],
        .out_plane = g->output[1] * g->output[2],
        .positions = (g->output[1] - 1) * layout->pitch + g->output[2],
        .padded_depth = layout->padded_depth,
        .plane_size = layout->plane_size,
        .phase_pitch = layout->phase_pitch,
        .pitch = layout->pitch,
        .kernel_d = problem->kernel[0],
        .kernel_h = problem->kernel[1],
        .kernel_w = problem->kernel[2],
        .stride_d = problem->stride[0],
        .dilation_d = problem->dilation[0],
        .dilation_h = problem->dilation[1],
        .clip_depth = layout->clip_depth,
        .has_bias = problem->has_bias,
    };
    a.blocks = a.group_blocks * problem->groups;
    a.tiles = ceil_divide(a.positions, p->values[LOCAL_SIZE] * p->values[VECTORS] * p->values[VECTOR_WIDTH]);
    a.store_pitch = has_gutter ? layout->pitch : a.positions;
    a.store_width = has_gutter ? g->output[2] : a.positions;
    return a;
}

/* The convolution step but for what differs between chunks. */
static step convolution(const request *q, const parameter_set *p)
{
    const clconv_problem *problem = q->problem;
    bool unrolled = problem->kernel[2] <= MAX_UNROLLED_WIDTH;
    step s = kernel_step("direct", "direct.cl", "direct", problem->dtype);
    kernel_define(&s, "OUT_CHANNELS", p->values[OUT_CHANNELS]);
    kernel_define(&s, "VECTORS", p->values[VECTORS]);
    kernel_define(&s, "VECTOR_WIDTH", p->values[VECTOR_WIDTH]);
    kernel_define(&s, "LOCAL_SIZE", p->values[LOCAL_SIZE]);
    kernel_define(&s, "KERNEL_W", unrolled ? problem->kernel[2] : 0);
    kernel_define(&s, "STRIDE_H", problem->stride[1]);
    kernel_define(&s, "STRIDE_W", problem->stride[2]);
    kernel_define(&s, "DILATION_W", problem->kernel[2] > 1 ? problem->dilation[2] : 1);
    s.efficiency = 0.95 * tile_efficiency(p->values[OUT_CHANNELS], p->values[VECTORS]);
    return s;
}

static void append_chunk(const request *q, const parameter_set *p, const scratch_layout *layout, step s,
                         int64_t first, int64_t count, int64_t scratch, recipe *r)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    scratch_append_pad(r, problem, g, layout, first, count, scratch, q->traits->local_size);

    direct_arguments a = describe(q, layout, p);
    a.planes = count * g->output[0];
    kernel_add_buffer(&s, BUFFER_WORKSPACE, scratch);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    kernel_add_buffer(&s, problem->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, first * problem->out_channels * g->output_plane * g->element_size);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){a.blocks, a.tiles, a.planes},
                     (const int64_t[]){p->values[LOCAL_SIZE], 1, 1});
    double tile = (double)(p->values[LOCAL_SIZE] * p->values[VECTORS] * p->values[VECTOR_WIDTH]);
    s.flops = 2 * (double)g->reduction * (double)(a.blocks * p->values[OUT_CHANNELS]) * (double)a.tiles *
              tile * (double)a.planes;
    s.bytes = (double)g->element_size * ((double)count * (double)layout->sample_size +
                                         (double)(count * problem->out_channels) * (double)g->output_plane);
    recipe_append_run(r, &s);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const clconv_problem *problem = q->problem;
    int64_t slack = p->values[LOCAL_SIZE] * p->values[VECTORS] * p->values[VECTOR_WIDTH];
    scratch_layout layout;
    if (p->values[LOCAL_SIZE] > 1 && p->values[VECTOR_WIDTH] > 1) {
        text_append(why, "local_size is %lld and vector_width %lld; one of them must be 1",
                    (long long)p->values[LOCAL_SIZE], (long long)p->values[VECTOR_WIDTH]);
        return;
    }
    if (!scratch_layout_compute(problem, q->geometry, q->strict, &layout)) {
        text_append(why, "a padded plane has 2^31 elements or more");
        return;
    }
    if (!pack_append(r, problem, q->geometry, p->values[OUT_CHANNELS], q->traits->local_size)) {
        text_append(why, "the packed weight is too large");
        return;
    }
    int64_t samples = chunk_samples(q, r, &layout, slack);
    if (samples == 0) {
        text_append(why, "it needs %lld bytes of workspace for one sample; the limit is %lld",
                    (long long)(round_up((layout.sample_size + slack) * q->geometry->element_size,
                                         WORKSPACE_ALIGNMENT) +
                                (q->packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT))),
                    (long long)q->workspace_limit);
        return;
    }
    int64_t scratch = recipe_reserve(r, (samples * layout.sample_size + slack) * q->geometry->element_size);
    step s = convolution(q, p);
    for (int64_t first = 0; first < problem->batch; first += samples)
        append_chunk(q, p, &layout, s, first, min_i64(samples, problem->batch - first), scratch, r);
}

const algorithm algorithm_direct = {"direct", ranges, choose, emit};
