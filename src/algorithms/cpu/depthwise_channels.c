/* depthwise_channels: depthwise convolution whose vectors are of channels (cl/cpu/depthwise_channels.cl), for images whose
 * rows would leave many lanes of vectors of positions unused, and for larger kernels. */
#include "arguments/depthwise_channels.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/product.h"
#include "steps/slices.h"

typedef struct depthwise_channels_arguments {
    DEPTHWISE_CHANNELS_ARGUMENTS(ARGUMENT_MEMBER)
} depthwise_channels_arguments;

enum { POSITIONS, VECTOR_WIDTH, SLICE_KIB, SLICES };
enum { MAX_TAPS = 8192 }; /* whose sum is in few enough parts */
enum { MAX_POSITIONS = 14, MAX_KERNEL_W = 8, MAX_REACH_W = 16, MAX_STRIDE_W = 2 };

static const parameter_range ranges[] = {
    [POSITIONS] = {"positions", 1, MAX_POSITIONS, false}, /* of a tile, which lies in a row */
    [VECTOR_WIDTH] = {"vector_width", 2, 16, true},
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20,
                   false},                  /* a slice's volume at most, unless one plane needs more */
    [SLICES] = {"slices", 1, 65536, false}, /* at most; work-groups that run */
    {NULL, 0, 0, false},
};

static void choose(const request *q, parameter_set *p)
{
    p->values[VECTOR_WIDTH] = traits_vector_width(q->traits, q->geometry->element_size);
    int64_t free = q->traits->registers - min_i64(q->problem->kernel[2], MAX_KERNEL_W) - 2;
    p->values[POSITIONS] = max_i64(min_i64(free, MAX_POSITIONS), 1);
    p->values[SLICE_KIB] = q->traits->machine->core_cache / 4 >> 10;
    p->values[SLICES] = q->traits->slices;
}

static bool is_applicable(const request *q, text *why)
{
    const clconv_problem *problem = q->problem;
    int64_t reach = (problem->kernel[2] - 1) * problem->dilation[2];
    if (q->geometry->group_in != 1)
        text_append(why, "a group has %lld input channels; it needs 1", (long long)q->geometry->group_in);
    else if (q->geometry->taps > MAX_TAPS)
        text_append(why, "a channel has %lld taps; it needs at most %d", (long long)q->geometry->taps,
                    MAX_TAPS);
    else if (problem->kernel[2] > MAX_KERNEL_W || reach > MAX_REACH_W || problem->stride[2] > MAX_STRIDE_W)
        text_append(
            why,
            "on W kernel_size is %lld, dilation %lld and stride %lld; it needs a kernel_size of %d at most "
            "that reaches over %d elements at most, and a stride of 1 or 2",
            (long long)problem->kernel[2], (long long)problem->dilation[2], (long long)problem->stride[2],
            MAX_KERNEL_W, MAX_REACH_W + 1);
    else
        return true;
    return false;
}

/* Output planes of a block, shared out evenly: as many as keep a slice within its size. */
static int64_t block_depth(const request *q, const parameter_set *p, int64_t plane_bytes)
{
    int64_t planes = (p->values[SLICE_KIB] << 10) / max_i64(plane_bytes, 1), all = q->geometry->output[0];
    int64_t most = geometry_planes_made(q->problem, q->geometry, planes, false);
    return ceil_divide(all, ceil_divide(all, most));
}

/* Sizes of a slice; false if they overflow. */
static bool lay_out(const request *q, const parameter_set *p, depthwise_channels_arguments *a)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t lanes = p->values[VECTOR_WIDTH], plane, sums;
    a->rows = a->clips ? problem->input[1] : g->padded[1];
    a->pitch = g->padded[2];
    if (!size_product((const int64_t[]){a->rows, a->pitch, lanes}, 3, &plane) || plane > INT64_MAX / 64)
        return false;
    a->block_depth = block_depth(q, p, plane * g->element_size);
    a->depth_blocks = ceil_divide(g->output[0], a->block_depth);
    a->slice_depth = geometry_planes_read(problem, a->block_depth, false);
    if (!size_multiply(a->slice_depth, plane, &a->volume_size) ||
        !size_multiply(g->taps, lanes, &a->filter_size) ||
        !size_product((const int64_t[]){g->output[1], g->output[2], lanes}, 3, &sums) ||
        !size_product((const int64_t[]){problem->batch, a->blocks, a->depth_blocks}, 3, &a->units))
        return false;
    if (a->volume_size > INT64_MAX / 64 || a->filter_size > INT64_MAX / 64 || sums > INT64_MAX / 64)
        return false;
    enum { LINE_ELEMENTS = 16 };
    /* The last sums are read as whole vectors of positions. */
    a->slice_size = round_up(a->volume_size + a->filter_size + sums + lanes * lanes, LINE_ELEMENTS);
    return true;
}

static bool describe(const request *q, const parameter_set *p, depthwise_channels_arguments *a)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    *a = (depthwise_channels_arguments){
        .blocks = ceil_divide(problem->in_channels, p->values[VECTOR_WIDTH]),
        .multiplier = g->group_out,
        .channels = problem->in_channels,
        .input_size = g->elements.input,
        .weight_size = g->elements.weight,
        KERNEL_EXTENTS(problem, g),
        KERNEL_PADDING(problem),
        .clips = problem->padding_mode == CLCONV_PADDING_ZEROS && !q->strict,
        .row_tiles = ceil_divide(g->output[2], p->values[POSITIONS]),
        .kernel_d = problem->kernel[0],
        .kernel_h = problem->kernel[1],
        .stride_d = problem->stride[0],
        .stride_h = problem->stride[1],
        .dilation_d = problem->dilation[0],
        .dilation_h = problem->dilation[1],
        .has_bias = problem->has_bias,
    };
    return lay_out(q, p, a);
}

static step program(const request *q, const parameter_set *p)
{
    step s = kernel_step("depthwise_channels", "cpu/depthwise_channels.cl", "depthwise_channels",
                         q->problem->dtype);
    kernel_define(&s, "POSITIONS", p->values[POSITIONS]);
    kernel_define(&s, "VECTOR_WIDTH", p->values[VECTOR_WIDTH]);
    kernel_define(&s, "KERNEL_W", q->problem->kernel[2]);
    kernel_define(&s, "STRIDE_W", q->problem->stride[2]);
    kernel_define(&s, "DILATION_W", q->problem->kernel[2] > 1 ? q->problem->dilation[2] : 1);
    return s;
}

/* Elements are turned, on the way in from lines that come from further away, and a row's taps take a start. */
static void estimate(const request *q, const parameter_set *p, const depthwise_channels_arguments *a, step *s)
{
    const geometry *g = q->geometry;
    const machine_depthwise *m = &q->traits->machine->depthwise;
    double lanes = (double)(q->problem->batch * a->blocks * p->values[VECTOR_WIDTH]);
    double rows =
        product_axis_summed(q->problem, g, 0, a->clips) * product_axis_summed(q->problem, g, 1, a->clips);
    double in = (double)(a->depth_blocks * a->slice_depth) * (double)(a->height * a->width);
    double channels = lanes * (double)a->multiplier;
    step_computes(s, channels * rows * (double)(a->out_width * q->problem->kernel[2]), m->channels_share);
    s->work.busy +=
        (lanes * m->turn_in * in + channels * (m->row * rows * (double)a->row_tiles +
                                               m->turn_out * (double)(g->output_plane + g->taps))) /
        m->channels_share;
    step_moves(s, (double)g->element_size * ((double)g->elements.input + (double)g->elements.output));
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    depthwise_channels_arguments a;
    if (!is_applicable(q, why)) return;
    if (!describe(q, p, &a)) {
        text_append(why, "its slices would overflow");
        return;
    }
    step s = program(q, p);
    kernel_add_tensors(&s, q->problem, BUFFER_WEIGHT);
    if (!slices_bind(a.units, p->values[SLICES], workspace_room(q, r), a.slice_size, r, &s, why)) return;
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, q->problem, 0);
    estimate(q, p, &a, &s);
    recipe_append_run(r, &s);
}

const algorithm algorithm_depthwise_channels = {.name = "depthwise_channels",
                                                .devices = FOR_CPU,
                                                .accumulates_directly = true,
                                                .ranges = ranges,
                                                .choose = choose,
                                                .emit = emit,
                                                .op = CLCONV_FORWARD};
