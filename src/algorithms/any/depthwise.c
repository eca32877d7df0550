/* depthwise: one input channel a group. Each work-group pads blocks of depth of a channel into a slice of the
 * workspace of its own, and convolves them from cache (cl/any/depthwise.cl). */
#include "arguments/depthwise.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"
#include "steps/scratch.h"
#include "steps/slices.h"

typedef struct depthwise_arguments {
    DEPTHWISE_ARGUMENTS(ARGUMENT_MEMBER)
} depthwise_arguments;

enum { DEPTHS, VECTORS, VECTOR_WIDTH, LOCAL_SIZE, SLICES, SLICE_KIB };

static const parameter_range ranges[] = {
    [DEPTHS] = {"depths", 1, 8, false},
    [VECTORS] = {"vectors", 1, 16, false},
    [VECTOR_WIDTH] = {"vector_width", 1, 16, true},
    [LOCAL_SIZE] = {"local_size", 1, 256, true},
    [SLICES] = {"slices", 1, 65536, false},         /* at most; work-groups that run */
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size at most, unless one tile needs more */
    {NULL, 0, 0, false},
};

enum { MAX_UNROLLED = 16, MAX_VECTORS = 4, DEEP_KERNEL = 5 };

static void choose(const request *q, parameter_set *p)
{
    const int64_t kernel_d = q->problem->kernel[0], *stride = q->problem->stride;
    /* Strided planes are large, and the fewer blocks the fewer of them are padded twice; a deep kernel sums a
     * plane that is loaded once into many. */
    p->values[DEPTHS] = kernel_d == 1 ? 1 : stride[1] * stride[2] > 1 || kernel_d >= DEEP_KERNEL ? 8 : 4;
    p->values[VECTORS] =
        min_i64(MAX_VECTORS, max_i64((q->traits->registers - 2 * kernel_d - 1) / p->values[DEPTHS], 1));
    p->values[VECTOR_WIDTH] = traits_vector_width(q->traits, q->geometry->element_size);
    p->values[LOCAL_SIZE] = q->traits->local_size;
    p->values[SLICES] = q->traits->slices;
    p->values[SLICE_KIB] = q->traits->machine->core_cache / 8 >> 10;
}

static bool is_applicable(const request *q, text *why)
{
    const clconv_problem *p = q->problem;
    if (q->geometry->group_in != 1) {
        text_append(why, "a group has %lld input channels; it needs 1", (long long)q->geometry->group_in);
        return false;
    }
    if (p->kernel[0] > MAX_UNROLLED || p->kernel[2] > MAX_UNROLLED) {
        text_append(why, "kernel_size is %lld on D and %lld on W; it unrolls %d at most",
                    (long long)p->kernel[0], (long long)p->kernel[2], MAX_UNROLLED);
        return false;
    }
    return true;
}

/* However many compute units there are. */
enum { MIN_UNITS = 8 };

/* Output planes of a block: as many tiles as keep a slice within its size, shared out evenly, in blocks enough. */
static int64_t block_depth(const request *q, const parameter_set *p, int64_t plane_bytes)
{
    const clconv_problem *problem = q->problem;
    int64_t depths = max_i64(p->values[DEPTHS], 1), all = round_up(q->geometry->output[0], depths);
    int64_t planes = (p->values[SLICE_KIB] << 10) / plane_bytes - geometry_planes_read(problem, 1, false);
    int64_t block = planes < 0 ? 0 : (planes / problem->stride[0] + 1) / depths * depths;
    int64_t volumes = max_i64(problem->batch * problem->in_channels, 1);
    block = max_i64(min_i64(ceil_divide(all, ceil_divide(MIN_UNITS, volumes)), block), depths);
    return round_up(ceil_divide(all, ceil_divide(all, block)), depths);
}

static depthwise_arguments describe(const request *q, const parameter_set *p, const product_tile *tile,
                                    const scratch_layout *l)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    bool has_gutter = l->pitch != g->output[2];
    depthwise_arguments a = {
        .block_depth = block_depth(q, p, l->plane_size * g->element_size),
        .multiplier = g->group_out,
        .channels = problem->in_channels,
        INPUT_EXTENTS(problem),
        KERNEL_PADDING(problem),
        .out_depth = g->output[0],
        .out_plane = g->output[1] * g->output[2],
        .positions = (g->output[1] - 1) * l->pitch + g->output[2],
        .plane_size = l->plane_size,
        .rows = l->rows,
        .phases_h = l->phases[1],
        .phase_pitch = l->phase_pitch,
        .pitch = l->pitch,
        .kernel_h = problem->kernel[1],
        .dilation_d = problem->dilation[0],
        .dilation_h = problem->dilation[1],
        .clips_depth = problem->padding_mode == CLCONV_PADDING_ZEROS && !q->strict,
        .has_bias = problem->has_bias,
    };
    a.depth_blocks = ceil_divide(g->output[0], a.block_depth);
    a.units = problem->batch * problem->in_channels * a.depth_blocks;
    a.slice_depth = geometry_planes_read(problem, a.block_depth, false);
    a.slice_size = round_up(a.slice_depth * l->plane_size + product_slack(tile), 16);
    a.store_pitch = has_gutter ? l->pitch : a.positions;
    a.store_width = has_gutter ? g->output[2] : a.positions;
    a.streams =
        !has_gutter && kernel_output_streams(q->traits->machine, g->elements.output * g->element_size);
    return a;
}

static step program(const request *q, const parameter_set *p, const scratch_layout *l)
{
    const clconv_problem *problem = q->problem;
    step s = kernel_step("depthwise", "any/depthwise.cl", "depthwise", problem->dtype);
    kernel_define(&s, "DEPTHS", p->values[DEPTHS]);
    kernel_define(&s, "VECTORS", p->values[VECTORS]);
    kernel_define(&s, "VECTOR_WIDTH", p->values[VECTOR_WIDTH]);
    kernel_define(&s, "LOCAL_SIZE", p->values[LOCAL_SIZE]);
    kernel_define(&s, "KERNEL_D", problem->kernel[0]);
    kernel_define(&s, "KERNEL_W", problem->kernel[2]);
    kernel_define(&s, "STRIDE_D", problem->stride[0]);
    kernel_define(&s, "STRIDE_H", problem->stride[1]);
    kernel_define(&s, "STRIDE_W", problem->stride[2]);
    kernel_define(&s, "PHASES_W", l->phases[2]);
    kernel_define(&s, "DILATION_W", problem->kernel[2] > 1 ? problem->dilation[2] : 1);
    kernel_define(&s, "LONG_SUMS", problem->kernel[1] > SUM_RUN / (problem->kernel[0] * problem->kernel[2]));
    return s;
}

/* Rows are sorted by phase under strides, deep kernels use a loaded vector more often, and tiles of one plane are stored in
 * pieces of rows. */
static void estimate(const request *q, const product_tile *tile, const scratch_layout *l,
                     const depthwise_arguments *a, step *s)
{
    const geometry *g = q->geometry;
    const machine_depthwise *m = &q->traits->machine->depthwise;
    double lanes = (double)round_up(a->positions, product_slack(tile) / tile->vectors);
    double units = (double)max_i64(a->units, MIN_UNITS / 2); /* fewer leave workers idle */
    double planes = units * (double)a->block_depth * (double)a->multiplier;
    double share = l->phases[1] * l->phases[2] > 1 ? m->strided_share : m->share;
    if (q->problem->kernel[0] >= DEEP_KERNEL) share *= m->deep;
    step_computes(s, (double)g->taps * planes * lanes, share);
    if (tile->out_channels == 1 && a->store_pitch != a->store_width) {
        double pieces = lanes / (double)product_slack(tile) + lanes / (double)a->store_pitch;
        s->work.busy += m->piece * planes * pieces * (double)tile->vector_width;
    }
    step_moves(s, (double)g->element_size * ((double)g->elements.input + (double)g->elements.output));
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    product_tile tile = {p->values[DEPTHS], p->values[VECTORS], p->values[VECTOR_WIDTH],
                         p->values[LOCAL_SIZE]};
    scratch_layout l;
    if (!is_applicable(q, why) || !tile_is_legal(&tile, why)) return;
    if (!scratch_layout_compute(q->problem, g, true, &l)) {
        text_append(why, "a padded plane or a stride is too large for 32 bits");
        return;
    }
    depthwise_arguments a = describe(q, p, &tile, &l);
    step s = program(q, p, &l);
    kernel_add_tensors(&s, q->problem, BUFFER_WEIGHT);
    if (!slices_bind(a.units, p->values[SLICES], workspace_room(q, r), a.slice_size, r, &s, why)) return;
    kernel_share_out(&s, (int64_t)s.launch.global[0], tile.local_size);
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, q->problem, 0);
    estimate(q, &tile, &l, &a, &s);
    recipe_append_run(r, &s);
}

const algorithm algorithm_depthwise = {.name = "depthwise",
                                       .accumulates_directly = true,
                                       .ranges = ranges,
                                       .choose = choose,
                                       .emit = emit,
                                       .op = CLCONV_FORWARD};
