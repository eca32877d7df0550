/* pointwise_streamed: a 1 x 1 x 1 convolution to few output channels, which reads a few channels at a time
 * (cl/cpu/pointwise_streamed.cl). */
#include "arguments/pointwise_streamed.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/partial_sums.h"
#include "steps/slices.h"

#include <math.h>

typedef struct pointwise_streamed_arguments {
    POINTWISE_STREAMED_ARGUMENTS(ARGUMENT_MEMBER)
} pointwise_streamed_arguments;

enum { VECTORS, VECTOR_WIDTH, SLICE_KIB, SLICES };
enum { MAX_OUT_CHANNELS = 8, MAX_VECTORS = 4, CHANNELS = 4 };

static const parameter_range ranges[] = {
    [VECTORS] = {"vectors", 1, MAX_VECTORS, false},
    [VECTOR_WIDTH] = {"vector_width", 2, 16, true},
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size at most, unless one step needs more */
    [SLICES] = {"slices", 1, 65536, false},         /* at most; work-groups that run */
    {NULL, 0, 0, false},
};

static void choose(const request *q, parameter_set *p)
{
    int64_t sums = q->traits->registers / 2 / q->geometry->group_out;
    p->values[VECTORS] = max_i64(min_i64(sums, MAX_VECTORS), 1);
    p->values[VECTOR_WIDTH] = traits_vector_width(q->traits, q->geometry->element_size);
    p->values[SLICE_KIB] = q->traits->machine->core_cache / 4 >> 10;
    p->values[SLICES] = q->traits->slices;
}

static bool is_applicable(const request *q, text *why)
{
    const geometry *g = q->geometry;
    bool is_line = g->taps == 1;
    for (int axis = 0; axis < 3; axis++)
        is_line = is_line && geometry_is_identity(q->problem, g, axis);
    if (!is_line)
        text_append(why, "kernel_size, stride or padding is other than 1, 1 and 0");
    else if (g->group_out > MAX_OUT_CHANNELS)
        text_append(why, "a group has %lld output channels; it needs at most %d", (long long)g->group_out,
                    MAX_OUT_CHANNELS);
    else
        return true;
    return false;
}

/* Positions of a block: its sums within a slice's size, and blocks enough to share out. False if sizes overflow. */
static bool describe(const request *q, const parameter_set *p, pointwise_streamed_arguments *a)
{
    enum { MIN_UNITS = 32, LINE_ELEMENTS = 16 };
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t step = p->values[VECTORS] * p->values[VECTOR_WIDTH], volumes, size;
    *a = (pointwise_streamed_arguments){
        .positions = g->output_plane,
        .groups = problem->groups,
        .group_in = g->group_in,
        .streams = kernel_output_streams(q->traits->machine, g->elements.output * g->element_size),
        .has_bias = problem->has_bias,
    };
    if (!size_multiply(problem->batch, problem->groups, &volumes)) return false;
    int64_t most = max_i64((p->values[SLICE_KIB] << 10) / (g->group_out * g->element_size) / step, 1);
    int64_t wanted =
        ceil_divide(ceil_divide(a->positions, step), ceil_divide(MIN_UNITS, max_i64(volumes, 1)));
    a->block = min_i64(most, wanted) * step;
    a->position_blocks = ceil_divide(a->positions, a->block);
    a->levels = partial_sums_levels(ceil_divide(g->group_in, SUM_RUN));
    a->slice_size = round_up(a->block * g->group_out * (1 + a->levels), LINE_ELEMENTS);
    return size_multiply(volumes, a->position_blocks, &a->units) &&
           size_multiply(a->units, a->slice_size, &size);
}

/* A step of some channels loads them, and loads and stores the sums. */
static void estimate(const request *q, const pointwise_streamed_arguments *a, step *s)
{
    const geometry *g = q->geometry;
    const machine *m = q->traits->machine;
    double fmas = CHANNELS * (double)g->group_out,
           loads = CHANNELS + m->plain.streamed_sum * (double)g->group_out;
    double share = m->plain.streamed_share * fmas / (fmax(fmas, loads) + m->plain.streamed_step);
    double outputs = (double)a->units * (double)a->block * (double)g->group_out;
    step_computes(s, outputs * (double)a->group_in, share);
    s->work.busy += m->plain.streamed_sum * outputs / share;
    step_moves(s, (double)g->element_size * ((double)g->elements.input + (double)g->elements.output));
    /* Sums that go through a cache take longer than direct's where the input is in one as well. */
    if (g->elements.input * g->element_size < m->shared_cache) s->work.traffic *= m->plain.streamed_near;
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    pointwise_streamed_arguments a;
    if (!is_applicable(q, why)) return;
    if (!describe(q, p, &a)) {
        text_append(why, "its slices would overflow");
        return;
    }
    if (!pack_append(r, q->problem, g, g->group_out, false, q->traits->local_size, why)) return;
    step s = kernel_step("pointwise_streamed", "cpu/pointwise_streamed.cl", "pointwise_streamed",
                         q->problem->dtype);
    kernel_define(&s, "OUT_CHANNELS", g->group_out);
    kernel_define(&s, "VECTORS", p->values[VECTORS]);
    kernel_define(&s, "VECTOR_WIDTH", p->values[VECTOR_WIDTH]);
    kernel_add_tensors(&s, q->problem, BUFFER_PACKED);
    if (!slices_bind(a.units, p->values[SLICES], workspace_room(q, r), a.slice_size, r, &s, why)) return;
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, q->problem, 0);
    estimate(q, &a, &s);
    recipe_append_run(r, &s);
}

const algorithm algorithm_pointwise_streamed = {.name = "pointwise_streamed",
                                                .devices = FOR_CPU,
                                                .accumulates_directly = true,
                                                .ranges = ranges,
                                                .choose = choose,
                                                .emit = emit,
                                                .op = CLCONV_FORWARD};
