/* Plans that run one after the other: see group.h. */
#include "api/group.h"

#include "algorithms/registry.h"
#include "base/error.h"
#include "problem/problem.h"

/* Whether the options name an algorithm, but one that does not do this op. */
static bool names_another(const clconv_plan_options *options, clconv_op op)
{
    const algorithm *named = options->algorithm != NULL ? registry_find(options->algorithm) : NULL;
    return named != NULL && !registry_serves(named, op);
}

clconv_plan_options plan_group_options(const clconv_plan_options *options, const clconv_op *ops, int count,
                                       clconv_op op)
{
    clconv_plan_options own;
    clconv_plan_options_init(&own);
    if (options != NULL) own = *options;
    bool applies = false, has_weight = false;
    for (int i = 0; i < count; i++) {
        applies = applies || !names_another(&own, ops[i]);
        has_weight = has_weight || op_reads_weight(ops[i]);
    }
    if (applies && names_another(&own, op)) own.algorithm = own.parameters = NULL;
    if (has_weight && !op_reads_weight(op)) own.packed_weights = 0, own.packed_layout = 0;
    return own;
}

clconv_status plan_group_create(clconv_context *context, const clconv_problem *problem, const clconv_op *ops,
                                int count, const clconv_plan_options *options, plan_group *group,
                                clconv_error *err)
{
    *group = (plan_group){.count = 0};
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < count && status == CLCONV_SUCCESS; i++) {
        const clconv_plan_options own = plan_group_options(options, ops, count, ops[i]);
        status = clconv_plan_create(context, ops[i], problem, &own, &group->plans[group->count], err);
        if (status == CLCONV_SUCCESS) group->count++;
    }
    if (status != CLCONV_SUCCESS) plan_group_release(group);
    return status;
}

void plan_group_release(plan_group *group)
{
    for (int i = 0; i < group->count; i++)
        clconv_plan_release(group->plans[i]);
    *group = (plan_group){.count = 0};
}

size_t plan_group_workspace_size(const plan_group *group)
{
    size_t most = 0;
    for (int i = 0; i < group->count; i++) {
        size_t size = clconv_plan_workspace_size(group->plans[i]);
        if (most < size) most = size;
    }
    return most;
}

/* Each plan waits for the one before, whose workspace it uses. */
static clconv_status enqueue_plans(const plan_group *group, cl_command_queue queue,
                                   const plan_buffers *buffers, cl_uint n_wait, const cl_event *wait,
                                   cl_event *done, clconv_error *err)
{
    cl_event before = NULL;
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < group->count && status == CLCONV_SUCCESS; i++) {
        bool is_last = i == group->count - 1;
        cl_event ended = NULL;
        status = plan_enqueue_steps(group->plans[i], PLAN_RUN, queue, &buffers[i], i > 0 ? 1 : n_wait,
                                    i > 0 ? &before : wait, is_last ? done : &ended, NULL, err);
        if (before != NULL) clReleaseEvent(before);
        before = ended;
    }
    if (before != NULL) clReleaseEvent(before);
    return status;
}

clconv_status plan_group_begin(const plan_group *group, clconv_error *err)
{
    for (int i = 0; i < group->count; i++) {
        clconv_status status = plan_begin(group->plans[i], err);
        if (status == CLCONV_SUCCESS) continue;
        while (i > 0)
            plan_end(group->plans[--i]);
        return status;
    }
    return CLCONV_SUCCESS;
}

void plan_group_end(const plan_group *group)
{
    for (int i = 0; i < group->count; i++)
        plan_end(group->plans[i]);
}

clconv_status plan_group_enqueue(const plan_group *group, cl_command_queue queue,
                                 const clconv_tensors *tensors, const clconv_buffer *workspace,
                                 cl_uint n_wait, const cl_event *wait, cl_event *done, clconv_error *err)
{
    plan_buffers buffers[BIND_PLANS];
    clconv_status status = bind_check_queue(group->plans[0], queue, err);
    if (status == CLCONV_SUCCESS) status = bind_check_wait_list(group->plans[0], n_wait, wait, err);
    if (status == CLCONV_SUCCESS)
        status = bind_runs(group->plans, group->count, tensors, workspace, buffers, err);
    if (status == CLCONV_SUCCESS) status = plan_group_begin(group, err);
    if (status != CLCONV_SUCCESS) return status;
    status = enqueue_plans(group, queue, buffers, n_wait, wait, done, err);
    plan_group_end(group);
    return status;
}
