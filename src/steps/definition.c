/* Outputs by the definition: see definition.h. */
#include "steps/definition.h"

#include "arguments/definition.clh"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"

typedef struct define_outputs_arguments {
    DEFINE_OUTPUTS_ARGUMENTS(ARGUMENT_MEMBER)
} define_outputs_arguments;

bool definition_append_filters(recipe *r, const geometry *g, bool copies, step_buffer *filters)
{
    *filters = (step_buffer){BUFFER_WEIGHT, 0};
    if (!copies) return true;
    int64_t bytes = g->elements.weight * g->element_size, at = round_up(r->packed_bytes, WORKSPACE_ALIGNMENT),
            end;
    if (!size_add(at, bytes, &end) || end > INT64_MAX / 64) return false;
    *filters = (step_buffer){BUFFER_PACKED, at};
    recipe_append_copy(r, (step_buffer){BUFFER_WEIGHT, 0}, *filters, bytes, g->element_size);
    r->packed_bytes = end;
    return true;
}

int64_t definition_window(const geometry *g)
{
    enum { LINE_ELEMENTS = 16 };
    return round_up(DEFINITION_POSITIONS * g->reduction, LINE_ELEMENTS);
}

int64_t definition_doubts(const clconv_problem *problem, const geometry *g, int64_t set, int64_t sample)
{
    return (set * problem->batch + sample) * problem->out_channels * g->output[0];
}

definition_memory definition_reserve(recipe *r, const clconv_problem *problem, const geometry *g,
                                     int64_t sets, const device_traits *traits)
{
    enum { WORKERS = 16 };
    definition_memory m = {.sets = sets, .workers = WORKERS};
    if (!traits->is_cpu) return (definition_memory){0};
    m.doubts_at = recipe_reserve(r, definition_doubts(problem, g, sets, 0) * g->element_size);
    m.columns_at = recipe_reserve(r, m.workers * definition_window(g) * g->element_size);
    return m;
}

static define_outputs_arguments describe(const clconv_problem *p, const geometry *g, int64_t sets)
{
    enum { ROW_BLOCKS = 4 };
    define_outputs_arguments a = {
        .row_blocks = min_i64(ROW_BLOCKS, g->output[1]),
        .batch = p->batch,
        KERNEL_GROUPS(p, g),
        KERNEL_EXTENTS(p, g),
        KERNEL_WINDOW(p),
        .doubt_sets = sets,
        .has_bias = p->has_bias,
    };
    a.units = p->batch * p->groups * a.out_depth * a.row_blocks;
    return a;
}

void definition_append(recipe *r, const clconv_problem *problem, const geometry *g, step_buffer filters,
                       const definition_memory *memory, const device_traits *traits)
{
    const define_outputs_arguments a = describe(problem, g, memory->sets);
    step s = kernel_step("define_outputs", "any/definition.cl", "define_outputs", problem->dtype);
    int64_t local = traits->is_cpu ? 1 : traits->local_size,
            groups =
                traits->is_cpu ? min_i64(a.units, memory->workers) : ceil_divide(g->elements.output, local);
    buffer_role of_memory = traits->is_cpu ? BUFFER_WORKSPACE : BUFFER_NONE;
    kernel_define(&s, "VECTOR_WIDTH", traits_vector_width(traits, g->element_size));
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, filters.role, filters.offset);
    kernel_add_buffer(&s, problem->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_add_buffer(&s, of_memory, memory->doubts_at);
    kernel_add_buffer(&s, of_memory, memory->columns_at);
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, problem, 0);
    kernel_share_out(&s, groups, local);
    step_moves(&s, (double)g->element_size * (double)definition_doubts(problem, g, memory->sets, 0));
    recipe_append_run(r, &s);
}
