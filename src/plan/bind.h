/* Checking a run's arguments and binding tensors to the roles that the steps name. */
#ifndef CLCONV_PLAN_BIND_H
#define CLCONV_PLAN_BIND_H

#include "plan/plan.h"

/* The queue must be of the plan's context and device, and the process one that may use OpenCL. */
clconv_status bind_check_queue(const clconv_plan *plan, cl_command_queue queue, clconv_error *err);

/* n_wait events of the plan's OpenCL context, none of them NULL, or no list at all. */
clconv_status bind_check_wait_list(const clconv_plan *plan, cl_uint n_wait, const cl_event *wait,
                                   clconv_error *err);

/* A bias or a residual is given only if the problem has one. */
clconv_status bind_check_absent(const clconv_problem *problem, bool bias, bool residual, clconv_error *err);

/* Plans of one problem that share their tensors and their workspace, which they use one after the other. */
enum { BIND_PLANS = 3 };

/* The buffers of a run of each of so many plans. Each tensor must be there, hold its elements, start at a
 * multiple of the element size, be readable or writable as it is used, and not be overlapped by what any of the plans
 * writes. */
clconv_status bind_runs(clconv_plan *const *plans, int count, const clconv_tensors *tensors,
                        const clconv_buffer *workspace, plan_buffers *buffers, clconv_error *err);
clconv_status bind_pack(const clconv_plan *plan, clconv_buffer weight, clconv_buffer packed,
                        plan_buffers *buffers, clconv_error *err);

#endif
