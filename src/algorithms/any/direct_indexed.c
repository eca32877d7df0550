/* direct_indexed: one kernel, no workspace; padding by index arithmetic (cl/any/direct_indexed.cl). What is left
 * when no memory is to be had, and the check of the others. */
#include "arguments/direct_indexed.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"

typedef struct direct_indexed_arguments {
    DIRECT_INDEXED_ARGUMENTS(ARGUMENT_MEMBER)
} direct_indexed_arguments;

enum { OUT_CHANNELS, VECTOR_WIDTH, LOCAL_SIZE };
enum { CHANNELS = 8 }; /* one vector load feeds as many multiply-adds */

static const parameter_range ranges[] = {
    [OUT_CHANNELS] = {"out_channels", 1, 16, false},
    [VECTOR_WIDTH] = {"vector_width", 1, 16, true},
    [LOCAL_SIZE] = {"local_size", 1, 256, true},
    {NULL, 0, 0, false},
};

static void choose(const request *q, parameter_set *p)
{
    p->values[OUT_CHANNELS] = min_i64(CHANNELS, q->geometry->group_out);
    p->values[VECTOR_WIDTH] = traits_vector_width(q->traits, q->geometry->element_size);
    p->values[LOCAL_SIZE] = q->traits->local_size;
}

static direct_indexed_arguments describe(const request *q, const parameter_set *p)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    direct_indexed_arguments a = {
        .group_blocks = ceil_divide(g->group_out, p->values[OUT_CHANNELS]),
        .segments = ceil_divide(g->output[2], p->values[LOCAL_SIZE] * p->values[VECTOR_WIDTH]),
        .rows = problem->batch * g->output[0] * g->output[1],
        KERNEL_GROUPS(problem, g),
        KERNEL_EXTENTS(problem, g),
        KERNEL_WINDOW(problem),
        .multiply_zeros = q->strict,
        .has_bias = problem->has_bias,
    };
    a.blocks = a.group_blocks * problem->groups;
    return a;
}

/* Each column that is loaded, or gathered if the stride is not 1, feeds a multiply-add for each output channel. */
static double reachable_share(const request *q, const parameter_set *p)
{
    const machine_plain *m = &q->traits->machine->plain;
    double load = q->problem->stride[2] == 1 ? 1 : m->indexed_strided;
    return m->indexed_share * load * (double)p->values[OUT_CHANNELS] / CHANNELS;
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    (void)why;
    const geometry *g = q->geometry;
    direct_indexed_arguments a = describe(q, p);
    step s = kernel_step("direct_indexed", "any/direct_indexed.cl", "direct_indexed", q->problem->dtype);
    kernel_define(&s, "OUT_CHANNELS", p->values[OUT_CHANNELS]);
    kernel_define(&s, "VECTOR_WIDTH", p->values[VECTOR_WIDTH]);
    kernel_define(&s, "LOCAL_SIZE", p->values[LOCAL_SIZE]);
    kernel_add_tensors(&s, q->problem, BUFFER_WEIGHT);
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, q->problem, 0);
    kernel_set_range(&s, (const int64_t[]){a.blocks, a.segments, a.rows},
                     (const int64_t[]){p->values[LOCAL_SIZE], 1, 1});
    double lanes = (double)(a.segments * p->values[LOCAL_SIZE] * p->values[VECTOR_WIDTH]);
    step_computes(
        &s, (double)g->reduction * (double)(a.blocks * p->values[OUT_CHANNELS]) * lanes * (double)a.rows,
        reachable_share(q, p));
    step_moves(&s, (double)g->element_size *
                       ((double)g->elements.input + (double)g->elements.weight + (double)g->elements.output));
    recipe_append_run(r, &s);
}

const algorithm algorithm_direct_indexed = {.name = "direct_indexed",
                                            .accumulates_directly = true,
                                            .ranges = ranges,
                                            .choose = choose,
                                            .emit = emit,
                                            .op = CLCONV_FORWARD};
