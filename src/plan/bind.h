/* Checking a run's arguments and binding tensors to the roles that the steps name. */
#ifndef CLCONV_PLAN_BIND_H
#define CLCONV_PLAN_BIND_H

#include "plan/plan.h"

/* The queue must be of the plan's context and device, and the process the one that made the context. */
clconv_status bind_check_queue(const clconv_plan *plan, cl_command_queue queue, clconv_error *err);

/* Each tensor must be there, hold its elements, start at a multiple of the element size, and not be
 * overlapped by the output. */
clconv_status bind_run(const clconv_plan *plan, const clconv_tensors *tensors, const clconv_buffer *workspace,
                       plan_buffers *buffers, clconv_error *err);
clconv_status bind_pack(const clconv_plan *plan, clconv_buffer weight, clconv_buffer packed,
                        plan_buffers *buffers, clconv_error *err);

#endif
