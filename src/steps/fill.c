/* The fill step: see fill.h. */
#include "steps/fill.h"

#include "arguments/fill.clh"
#include "base/arith.h"
#include "steps/kernel.h"

typedef struct fill_arguments {
    FILL_ARGUMENTS(ARGUMENT_MEMBER)
} fill_arguments;

void fill_append(recipe *r, clconv_dtype dtype, int64_t planes, int64_t channels, int64_t elements,
                 bool has_bias, const device_traits *traits)
{
    const fill_arguments a = {
        .planes = planes, .channels = channels, .elements = elements, .has_bias = has_bias};
    step s = kernel_step("fill", "any/fill.cl", "fill", dtype);
    kernel_add_buffer(&s, has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_set_scalars(&s, &a, sizeof a);
    int64_t local = traits->local_size, groups = traits->is_cpu ? 1 : ceil_divide(elements, local);
    kernel_set_range(&s, (const int64_t[]){groups, planes, 1}, (const int64_t[]){local, 1, 1});
    step_moves(&s, (double)planes * (double)elements * (double)s.element_size);
    recipe_append_run(r, &s);
}
