/* Several gradients in one call: a group of plans. */
#include "api/run_host.h"
#include "base/error.h"

#include <stdlib.h>

enum { GRADIENTS = CLCONV_GRAD_INPUT | CLCONV_GRAD_WEIGHT | CLCONV_GRAD_BIAS };

struct clconv_backward {
    plan_group group;
    kept_memory kept; /* of runs on host arrays */
};

clconv_status clconv_backward_create(clconv_context *context, const clconv_problem *problem, int gradients,
                                     const clconv_plan_options *options, clconv_backward **backward,
                                     clconv_error *err)
{
    if (backward == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "backward is NULL");
    if (gradients == 0 || (gradients & ~GRADIENTS) != 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT,
                         "gradients is %d; it must be a sum of CLCONV_GRAD_INPUT, CLCONV_GRAD_WEIGHT and "
                         "CLCONV_GRAD_BIAS, of one at least",
                         gradients);
    clconv_op ops[BIND_PLANS];
    int count = 0;
    if (gradients & CLCONV_GRAD_INPUT) ops[count++] = CLCONV_BACKWARD_INPUT;
    if (gradients & CLCONV_GRAD_WEIGHT) ops[count++] = CLCONV_BACKWARD_WEIGHT;
    if (gradients & CLCONV_GRAD_BIAS) ops[count++] = CLCONV_BACKWARD_BIAS;
    clconv_backward *made = calloc(1, sizeof *made);
    if (made == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    clconv_status status = plan_group_create(context, problem, ops, count, options, &made->group, err);
    if (status == CLCONV_SUCCESS)
        *backward = made;
    else
        free(made);
    return status;
}

void clconv_backward_release(clconv_backward *backward)
{
    if (backward == NULL) return;
    plan_group_release(&backward->group);
    kept_release(&backward->kept);
    free(backward);
}

size_t clconv_backward_workspace_size(const clconv_backward *backward)
{
    return backward != NULL ? plan_group_workspace_size(&backward->group) : 0;
}

clconv_plan *clconv_backward_plan(const clconv_backward *backward, clconv_op op)
{
    if (backward == NULL) return NULL;
    const plan_group *group = &backward->group;
    for (int i = 0; i < group->count; i++)
        if (group->plans[i]->op == op) return group->plans[i];
    return NULL;
}

clconv_status clconv_backward_enqueue(clconv_backward *backward, cl_command_queue queue,
                                      const clconv_tensors *tensors, const clconv_buffer *workspace,
                                      cl_uint n_wait, const cl_event *wait, cl_event *done, clconv_error *err)
{
    if (backward == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "backward is NULL");
    return plan_group_enqueue(&backward->group, queue, tensors, workspace, n_wait, wait, done, err);
}

clconv_status clconv_backward_run_host(clconv_backward *backward, const clconv_host_gradients *gradients,
                                       clconv_error *err)
{
    if (backward == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "backward is NULL");
    if (gradients == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "gradients is NULL");
    host_arrays arrays = {.read = {[KEPT_INPUT] = gradients->input,
                                   [KEPT_WEIGHT] = gradients->weight,
                                   [KEPT_GRAD_OUTPUT] = gradients->grad_output},
                          .weight_version = gradients->weight_version};
    void *const made[] = {gradients->grad_input, gradients->grad_weight, gradients->grad_bias};
    for (int i = 0; i < backward->group.count; i++)
        arrays.made[i] = made[backward->group.plans[i]->op - CLCONV_BACKWARD_INPUT];
    return run_host(&backward->group, &arrays, &backward->kept, err);
}
