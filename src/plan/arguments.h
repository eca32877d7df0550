/* The arguments of a step's kernel: for each buffer the cl_mem and its offset in elements, then the scalars, as
 * kernel_launch (steps/step.h) says. */
#ifndef CLCONV_PLAN_ARGUMENTS_H
#define CLCONV_PLAN_ARGUMENTS_H

#include "plan/plan.h"

/* Where a step's buffer lies in this run. */
clconv_buffer arguments_resolve(const plan_buffers *buffers, step_buffer b);

/* Without buffers (NULL) all are NULL and all else is zero: a kernel that is given these does nothing. */
clconv_status arguments_set(const step *s, const plan_buffers *buffers, cl_kernel kernel, clconv_error *err);

#endif
