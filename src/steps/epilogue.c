/* The epilogue: see epilogue.h. */
#include "steps/epilogue.h"

#include "arguments/epilogue.clh"
#include "base/arith.h"
#include "steps/kernel.h"

#include <string.h>

typedef struct epilogue_arguments {
    EPILOGUE_ARGUMENTS(ARGUMENT_MEMBER)
} epilogue_arguments;

bool epilogue_is_needed(const clconv_problem *problem)
{
    return problem->has_residual || problem->activation != CLCONV_ACTIVATION_NONE;
}

/* The bits of a slope of the dtype, since every scalar is an integer. */
static int64_t slope_bits(const clconv_problem *problem)
{
    int64_t bits = 0;
    int32_t narrow_bits = 0;
    float narrow = (float)problem->activation_slope;
    memcpy(&bits, &problem->activation_slope, sizeof bits);
    memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
    return problem->dtype == CLCONV_FLOAT64 ? bits : narrow_bits;
}

void epilogue_fuse(step *s, const clconv_problem *problem, int64_t output_offset)
{
    if (!epilogue_is_needed(problem)) return;
    s->has_epilogue = true;
    if (problem->has_residual) {
        kernel_define(s, "HAS_RESIDUAL", 1);
        kernel_add_buffer(s, BUFFER_RESIDUAL, output_offset);
    }
    if (problem->activation != CLCONV_ACTIVATION_NONE) kernel_define(s, "ACTIVATION", problem->activation);
    if (problem->activation == CLCONV_ACTIVATION_LEAKY_RELU) kernel_add_scalar(s, slope_bits(problem));
}

void epilogue_append_unless_fused(recipe *r, const clconv_problem *problem, const geometry *g,
                                  const device_traits *traits)
{
    if (!epilogue_is_needed(problem) || r->has_epilogue) return;
    epilogue_arguments a = {
        .planes = problem->batch * problem->out_channels,
        .elements = g->output_plane,
    };
    int64_t width = traits_vector_width(traits, g->element_size), local = traits->local_size;
    step s = kernel_step("epilogue", "any/epilogue.cl", "apply_epilogue", problem->dtype);
    kernel_define(&s, "VECTOR_WIDTH", width);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, problem, 0);
    int64_t groups = traits->is_cpu ? 1 : ceil_divide(a.elements, local * width);
    kernel_set_range(&s, (const int64_t[]){groups, a.planes, 1}, (const int64_t[]){local, 1, 1});
    step_moves(&s, (2 + problem->has_residual) * (double)g->elements.output * (double)g->element_size);
    recipe_append_run(r, &s);
}
