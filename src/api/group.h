/* A group of plans: several ops of one problem that run one after the other in one workspace. */
#ifndef CLCONV_API_GROUP_H
#define CLCONV_API_GROUP_H

#include "plan/bind.h"

typedef struct plan_group {
    clconv_plan *plans[BIND_PLANS];
    int count;
} plan_group;

/* The options of one op of several: see plan_group_create(). `options` may be NULL. */
clconv_plan_options plan_group_options(const clconv_plan_options *options, const clconv_op *ops, int count,
                                       clconv_op op);

/* Plans each op. An algorithm that the options name applies to the ops that it can make, one at least; the
 * others choose. After a failure the group is empty. */
clconv_status plan_group_create(clconv_context *context, const clconv_problem *problem, const clconv_op *ops,
                                int count, const clconv_plan_options *options, plan_group *group,
                                clconv_error *err);
void plan_group_release(plan_group *group);

/* Bytes: of the plan that needs most. */
size_t plan_group_workspace_size(const plan_group *group);

/* Between these the plans are this thread's alone; an error if one is another's. */
clconv_status plan_group_begin(const plan_group *group, clconv_error *err);
void plan_group_end(const plan_group *group);

/* Checks all that clconv_plan_enqueue() checks and enqueues the plans, each waiting for the one before. */
clconv_status plan_group_enqueue(const plan_group *group, cl_command_queue queue,
                                 const clconv_tensors *tensors, const clconv_buffer *workspace,
                                 cl_uint n_wait, const cl_event *wait, cl_event *done, clconv_error *err);

#endif
