/* Gradients by the definition: see gradients.h. */
#include "steps/gradients.h"

#include "arguments/gradient_definition.clh"
#include "base/arith.h"
#include "steps/definition.h"

typedef struct find_doubts_arguments {
    FIND_DOUBTS_ARGUMENTS(ARGUMENT_MEMBER)
} find_doubts_arguments;

typedef struct gradient_definition_arguments {
    int64_t doubt_count, meets_zeros_alone;
    gradient_indexed_arguments shape;
} gradient_definition_arguments;

gradient_indexed_arguments gradient_describe(const clconv_problem *problem, const geometry *g, clconv_op op,
                                             int64_t items)
{
    const clconv_problem *p = problem;
    return (gradient_indexed_arguments){
        .items = items,
        .batch = p->batch,
        KERNEL_GROUPS(p, g),
        KERNEL_EXTENTS(p, g),
        KERNEL_WINDOW(p),
        .end_depth = g->padded[0],
        .end_height = g->padded[1],
        .end_width = g->padded[2],
        .has_bias = op == CLCONV_TRANSPOSED && p->has_bias,
    };
}

static step start(const char *kernel, clconv_dtype dtype, const device_traits *traits)
{
    step s = kernel_step(kernel, "any/gradient_definition.cl", kernel, dtype);
    kernel_define(&s, "VECTOR_WIDTH", traits_vector_width(traits, s.element_size));
    return s;
}

static int64_t doubters(const device_traits *traits)
{
    enum { CPU_ITEMS = 16, GROUPS = 16 };
    return traits->is_cpu ? CPU_ITEMS : (int64_t)GROUPS * traits->local_size;
}

/* The step that looks through `count` values. */
static step find_doubts(step_buffer values, int64_t count, step_buffer doubts, clconv_dtype dtype,
                        const device_traits *traits)
{
    const find_doubts_arguments a = {count};
    int64_t local = traits->is_cpu ? 1 : traits->local_size;
    step s = start("find_doubts", dtype, traits);
    kernel_add_buffer(&s, values.role, values.offset);
    kernel_add_buffer(&s, doubts.role, doubts.offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_share_out(&s, doubters(traits) / local, local);
    step_moves(&s, (double)count * (double)s.element_size);
    return s;
}

static void append(recipe *r, step *s, const clconv_problem *problem, const geometry *g, clconv_op op,
                   int64_t items, int64_t doubt_count, const device_traits *traits)
{
    const gradient_definition_arguments a = {.doubt_count = doubt_count,
                                             .meets_zeros_alone = geometry_may_read_zeros_alone(problem),
                                             .shape = gradient_describe(problem, g, op, items)};
    /* Work-groups mostly find that there is nothing to do: a CPU gets a few, to share out what there may be. */
    enum { CPU_GROUPS = 256 };
    int64_t local = traits->is_cpu ? 1 : traits->local_size, groups = ceil_divide(items, local);
    if (traits->is_cpu) groups = min_i64(groups, CPU_GROUPS);
    kernel_set_scalars(s, &a, sizeof a);
    kernel_share_out(s, groups, local);
    recipe_append_run(r, s);
}

/* Looks through the gradient itself, or before it through the values: if they are fewer, or if a value may meet padded
 * zeros alone, which kernels leave out. */
static void append_weights(recipe *r, const clconv_problem *p, const geometry *g, const device_traits *traits)
{
    step_buffer doubts = {BUFFER_NONE, 0};
    int64_t count = doubters(traits), doubt_count = 0;
    if (geometry_may_read_zeros_alone(p) || g->elements.input + g->elements.output < g->elements.weight) {
        doubt_count = 2 * count;
        doubts = (step_buffer){BUFFER_WORKSPACE, recipe_reserve(r, doubt_count * g->element_size)};
        const step_buffer more = {doubts.role, doubts.offset + count * g->element_size};
        step of_input =
            find_doubts((step_buffer){BUFFER_INPUT, 0}, g->elements.input, doubts, p->dtype, traits);
        step of_gradient =
            find_doubts((step_buffer){BUFFER_GRAD_OUTPUT, 0}, g->elements.output, more, p->dtype, traits);
        recipe_append_run(r, &of_input);
        recipe_append_run(r, &of_gradient);
    }
    step s = start("define_weights", p->dtype, traits);
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_GRAD_OUTPUT, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_add_buffer(&s, doubts.role, doubts.offset);
    if (doubt_count == 0) step_moves(&s, (double)g->elements.weight * (double)g->element_size);
    append(r, &s, p, g, CLCONV_BACKWARD_WEIGHT, p->out_channels * g->group_in, doubt_count, traits);
}

/* Weights alone can be in doubt, and those are looked through when they are packed. */
static void append_inputs(recipe *r, const clconv_problem *p, const geometry *g, clconv_op op,
                          bool packed_weights, const device_traits *traits)
{
    step_buffer filters;
    if (!definition_append_filters(r, g, packed_weights, &filters)) {
        r->failed = true;
        return;
    }
    const step_buffer doubts = {BUFFER_PACKED, round_up(r->packed_bytes, WORKSPACE_ALIGNMENT)};
    r->packed_bytes = doubts.offset + doubters(traits) * g->element_size;
    step look = find_doubts((step_buffer){BUFFER_WEIGHT, 0}, g->elements.weight, doubts, p->dtype, traits);
    recipe_append_pack(r, &look);
    step s = start("define_inputs", p->dtype, traits);
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, filters.role, filters.offset);
    kernel_add_buffer(&s, op == CLCONV_TRANSPOSED && p->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_add_buffer(&s, doubts.role, doubts.offset);
    append(r, &s, p, g, op, p->batch * p->in_channels * p->input[0] * p->input[1], doubters(traits), traits);
}

void gradient_append_definition(recipe *r, const clconv_problem *problem, const geometry *g, clconv_op op,
                                bool packed_weights, const device_traits *traits)
{
    if (op == CLCONV_BACKWARD_WEIGHT) append_weights(r, problem, g, traits);
    if (op == CLCONV_BACKWARD_INPUT || op == CLCONV_TRANSPOSED)
        append_inputs(r, problem, g, op, packed_weights, traits);
}
