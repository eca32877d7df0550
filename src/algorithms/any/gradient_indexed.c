/* input_indexed, weight_indexed and bias_indexed: the gradients without workspace, by index arithmetic
 * (cl/any/gradient_indexed.cl). What nothing else can do, or faster; and a check on what does. */
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/gradients.h"

static const parameter_range ranges[] = {{NULL, 0, 0, false}};

static void choose(const request *q, parameter_set *p)
{
    (void)q;
    *p = (parameter_set){{0}};
}

static int64_t column_blocks(const request *q)
{
    return ceil_divide(q->problem->input[2], traits_vector_width(q->traits, q->geometry->element_size));
}

/* A step without buffers. */
static step start(const request *q, const char *kernel)
{
    step s = kernel_step(kernel, "any/gradient_indexed.cl", kernel, q->problem->dtype);
    kernel_define(&s, "VECTOR_WIDTH", traits_vector_width(q->traits, q->geometry->element_size));
    return s;
}

static void append(const request *q, step *s, int64_t items, recipe *r)
{
    gradient_indexed_arguments a = gradient_describe(q->problem, q->geometry, q->op, items);
    a.column_blocks = column_blocks(q);
    kernel_set_scalars(s, &a, sizeof a);
    int64_t local = q->traits->local_size;
    kernel_set_range(s, (const int64_t[]){ceil_divide(items, local), 1, 1}, (const int64_t[]){local, 1, 1});
    recipe_append_run(r, s);
}

static double products(const request *q)
{
    return (double)q->geometry->reduction * (double)q->geometry->elements.output;
}

static void emit_input(const request *q, const parameter_set *p, recipe *r, text *why)
{
    (void)p, (void)why;
    step s = start(q, "input_indexed");
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_WEIGHT, 0);
    kernel_add_buffer(&s, q->op == CLCONV_TRANSPOSED && q->problem->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    step_computes(&s, products(q), q->traits->machine->plain.indexed_gradient);
    const clconv_problem *problem = q->problem;
    append(q, &s,
           problem->batch * problem->in_channels * problem->input[0] * problem->input[1] * column_blocks(q),
           r);
}

static void emit_weight(const request *q, const parameter_set *p, recipe *r, text *why)
{
    (void)p, (void)why;
    step s = start(q, "weight_indexed");
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_GRAD_OUTPUT, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    step_computes(&s, products(q), q->traits->machine->plain.indexed_gradient);
    append(q, &s, q->geometry->elements.weight, r);
}

static void emit_bias(const request *q, const parameter_set *p, recipe *r, text *why)
{
    (void)p, (void)why;
    step s = start(q, "bias_indexed");
    kernel_add_buffer(&s, BUFFER_GRAD_OUTPUT, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    step_moves(&s, (double)q->geometry->elements.output * (double)q->geometry->element_size);
    append(q, &s, q->problem->out_channels, r);
}

const algorithm algorithm_input_indexed = {.name = "input_indexed",
                                           .accumulates_directly = true,
                                           .ranges = ranges,
                                           .choose = choose,
                                           .emit = emit_input,
                                           .op = CLCONV_BACKWARD_INPUT,
                                           .is_definition = true};
const algorithm algorithm_weight_indexed = {.name = "weight_indexed",
                                            .accumulates_directly = true,
                                            .ranges = ranges,
                                            .choose = choose,
                                            .emit = emit_weight,
                                            .op = CLCONV_BACKWARD_WEIGHT,
                                            .is_definition = true};
const algorithm algorithm_bias_indexed = {.name = "bias_indexed",
                                          .accumulates_directly = true,
                                          .ranges = ranges,
                                          .choose = choose,
                                          .emit = emit_bias,
                                          .op = CLCONV_BACKWARD_BIAS,
                                          .is_definition = true};
