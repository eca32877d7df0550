/* The epilogue y = activation(sum + residual) of a problem: fused into the kernels that store its outputs
 * (cl/common/epilogue.clh is their side), or done in place by a step of its own. */
#ifndef CLCONV_STEPS_EPILOGUE_H
#define CLCONV_STEPS_EPILOGUE_H

#include "opencl/traits.h"
#include "problem/geometry.h"
#include "steps/step.h"

bool epilogue_is_needed(const clconv_problem *problem);

/* Gives a kernel that stores final outputs, from `output_offset` bytes on, the problem's residual and
 * activation: to be called last, when the kernel's own buffers and scalars are set. Does nothing for a
 * problem without an epilogue. */
void epilogue_fuse(step *s, const clconv_problem *problem, int64_t output_offset);

/* Appends the step that applies the epilogue in place, if the problem has one that no step has fused. */
void epilogue_append_unless_fused(recipe *r, const clconv_problem *problem, const geometry *g,
                                  const device_traits *traits);

#endif
