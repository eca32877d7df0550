/* strips: few channels, on lanes that make strips of rows in registers (cl/gpu/strips.cl). */
#include "arguments/strips.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/gemm_tile.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"

typedef struct strips_arguments {
    STRIPS_ARGUMENTS(ARGUMENT_MEMBER)
} strips_arguments;

enum { STRIP, LOCAL_SIZE, INDEX_BITS };

static const parameter_range ranges[] = {
    [STRIP] = {"strip", 1, 16, true},
    [LOCAL_SIZE] = {"local_size", 1, 256, true},
    [INDEX_BITS] = {"index_bits", 32, 64, true},
    {NULL, 0, 0, false},
};

/* Elements of a row in registers at most, and what a work-item does beside products, as long as so many. */
enum { MOST_ROW = 48, USUAL_STRIP = 4, ROW_WORK = 16 };

/* Runs that are added at most, which keeps the error's bound (docs/numerics.md). */
enum { MOST_RUNS = 64 };

/* Elements of a row under a strip; MOST_ROW + 1 for all that are too many. */
static int64_t row_of(const clconv_problem *p, int64_t strip)
{
    if (p->stride[2] > MOST_ROW || p->dilation[2] > MOST_ROW || p->kernel[2] > MOST_ROW) return MOST_ROW + 1;
    int64_t row = (strip - 1) * p->stride[2] + (p->kernel[2] - 1) * p->dilation[2] + 1;
    return min_i64(row, MOST_ROW + 1);
}

static void choose(const request *q, parameter_set *p)
{
    p->values[STRIP] = USUAL_STRIP;
    while (p->values[STRIP] > 1 && row_of(q->problem, p->values[STRIP]) > MOST_ROW)
        p->values[STRIP] /= 2;
    p->values[LOCAL_SIZE] = q->traits->local_size;
    p->values[INDEX_BITS] = gemm_tile_is_short(q->problem, q->geometry, 1) ? 32 : 64;
}

static bool is_applicable(const request *q, const parameter_set *p, text *why)
{
    const geometry *g = q->geometry;
    const int64_t run = max_i64(partial_sums_run(g->taps) / g->taps, 1);
    if (row_of(q->problem, p->values[STRIP]) > MOST_ROW)
        text_append(why, "a strip of %lld outputs reads more than %d elements of a row",
                    (long long)p->values[STRIP], MOST_ROW);
    else if (g->taps > SUM_RUN || ceil_divide(g->group_in, run) > MOST_RUNS)
        text_append(why, "an output sums %lld channels of %lld products; it takes %d runs at most",
                    (long long)g->group_in, (long long)g->taps, MOST_RUNS);
    else if (p->values[INDEX_BITS] == 32 && !gemm_tile_is_short(q->problem, g, 1))
        text_append(why, "index_bits is 32; a volume needs 64");
    else
        return true;
    return false;
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    if (!is_applicable(q, p, why)) return;
    const int64_t strip = p->values[STRIP], local = p->values[LOCAL_SIZE];
    strips_arguments a = {
        .planes = problem->batch * problem->out_channels,
        .row_strips = ceil_divide(g->output[2], strip),
        .channels = problem->out_channels,
        .group_in = g->group_in,
        .group_out = g->group_out,
        .run_channels = max_i64(partial_sums_run(g->taps) / g->taps, 1),
        KERNEL_EXTENTS(problem, g),
        KERNEL_STEPS(problem),
        .has_bias = problem->has_bias,
    };
    a.strips = g->output[0] * g->output[1] * a.row_strips;
    step s = kernel_step("strips", "gpu/strips.cl", "strips", problem->dtype);
    kernel_define(&s, "STRIP", strip);
    kernel_define(&s, "INDEX_BITS", p->values[INDEX_BITS]);
    kernel_define(&s, "MODE", q->problem->padding_mode);
    kernel_define(&s, "KERNEL_W", problem->kernel[2]);
    kernel_define(&s, "STRIDE_W", problem->stride[2]);
    kernel_define(&s, "DILATION_W", problem->kernel[2] > 1 ? problem->dilation[2] : 1);
    kernel_define(&s, "LOCAL_SIZE", local); /* for which it is warmed */
    kernel_add_tensors(&s, problem, BUFFER_WEIGHT);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){ceil_divide(a.strips, local), a.planes, 1},
                     (const int64_t[]){local, 1, 1});
    kernel_keep_whole(&s); /* where it is a part of the whole would be spilled, and memory is what it waits for */
    double products = (double)(strip * problem->kernel[2]), row = (double)row_of(problem, strip);
    step_computes(&s, (double)a.planes * (double)a.strips * (double)strip * (double)g->reduction,
                  q->traits->machine->plain.implicit_share * products / (products + row + ROW_WORK));
    step_moves(&s, (double)g->element_size * ((double)g->elements.input + (double)g->elements.output));
    /* Each output of a group reads it. */
    step_rereads(&s, (double)g->element_size * (double)g->elements.input * (double)(g->group_out - 1));
    epilogue_fuse(&s, problem, 0);
    recipe_append_run(r, &s);
}

const algorithm algorithm_strips = {.name = "strips",
                                    .devices = FOR_GPU,
                                    .accumulates_directly = true,
                                    .ranges = ranges,
                                    .choose = choose,
                                    .emit = emit,
                                    .op = CLCONV_FORWARD};
