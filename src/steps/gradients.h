/* Gradients by the definition: the extents that their kernels take, and what stands behind all others (cl/any/gradient_definition.cl).
 */
#ifndef CLCONV_STEPS_GRADIENTS_H
#define CLCONV_STEPS_GRADIENTS_H

#include "arguments/gradient_indexed.clh"
#include "opencl/traits.h"
#include "problem/geometry.h"
#include "steps/kernel.h"

typedef struct gradient_indexed_arguments {
    GRADIENT_INDEXED_ARGUMENTS(ARGUMENT_MEMBER)
} gradient_indexed_arguments;

gradient_indexed_arguments gradient_describe(const clconv_problem *problem, const geometry *g, clconv_op op,
                                             int64_t items);

/* Appends what makes a gradient that the recipe's steps have made the definition's for values that are not finite too; to a
 * recipe for another op nothing. */
void gradient_append_definition(recipe *r, const clconv_problem *problem, const geometry *g, clconv_op op,
                                bool packed_weights, const device_traits *traits);

#endif
