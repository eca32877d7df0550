/* Several gradients in one call: see backward.h. */
#include "api/backward.h"

#include "algorithms/registry.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { GRADIENTS = CLCONV_GRAD_INPUT | CLCONV_GRAD_WEIGHT | CLCONV_GRAD_BIAS };

/* Whether the options name an algorithm, but one that does not do this op. */
static bool names_another(const clconv_plan_options *options, clconv_op op)
{
    for (size_t i = 0; options->algorithm != NULL && registry_at(i) != NULL; i++)
        if (strcmp(registry_at(i)->name, options->algorithm) == 0)
            return !registry_serves(registry_at(i), op);
    return false;
}

static bool reads_weight(clconv_op op)
{
    return op != CLCONV_BACKWARD_WEIGHT && op != CLCONV_BACKWARD_BIAS;
}

clconv_status backward_create(clconv_context *context, const clconv_problem *problem, const clconv_op *ops,
                              int count, const clconv_plan_options *options, clconv_backward **backward,
                              clconv_error *err)
{
    clconv_plan_options defaults;
    clconv_plan_options_init(&defaults);
    if (options == NULL) options = &defaults;
    bool applies = false, has_weight = false;
    for (int i = 0; i < count; i++) {
        applies = applies || !names_another(options, ops[i]);
        has_weight = has_weight || reads_weight(ops[i]);
    }
    clconv_backward *made = calloc(1, sizeof *made);
    if (made == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < count && status == CLCONV_SUCCESS; i++) {
        clconv_plan_options own = *options;
        if (applies && names_another(options, ops[i])) own.algorithm = own.parameters = NULL;
        if (has_weight && !reads_weight(ops[i])) own.packed_weights = 0;
        status = clconv_plan_create(context, ops[i], problem, &own, &made->plans[made->count], err);
        if (status == CLCONV_SUCCESS) made->count++;
    }
    if (status == CLCONV_SUCCESS)
        *backward = made;
    else
        clconv_backward_release(made);
    return status;
}

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
    return backward_create(context, problem, ops, count, options, backward, err);
}

void clconv_backward_release(clconv_backward *backward)
{
    if (backward == NULL) return;
    for (int i = 0; i < backward->count; i++)
        clconv_plan_release(backward->plans[i]);
    free(backward);
}

size_t clconv_backward_workspace_size(const clconv_backward *backward)
{
    size_t most = 0;
    for (int i = 0; i < backward->count; i++) {
        size_t size = clconv_plan_workspace_size(backward->plans[i]);
        if (most < size) most = size;
    }
    return most;
}

clconv_plan *clconv_backward_plan(const clconv_backward *backward, clconv_op op)
{
    for (int i = 0; i < backward->count; i++)
        if (backward->plans[i]->op == op) return backward->plans[i];
    return NULL;
}

/* Each plan waits for the one before, whose workspace it uses. */
static clconv_status enqueue_plans(const clconv_backward *b, cl_command_queue queue,
                                   const plan_buffers *buffers, cl_uint n_wait, const cl_event *wait,
                                   cl_event *done, clconv_error *err)
{
    cl_event before = NULL;
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < b->count && status == CLCONV_SUCCESS; i++) {
        bool is_last = i == b->count - 1;
        cl_event ended = NULL;
        status = plan_enqueue_steps(b->plans[i], false, queue, &buffers[i], i > 0 ? 1 : n_wait,
                                    i > 0 ? &before : wait, is_last ? done : &ended, NULL, err);
        if (before != NULL) clReleaseEvent(before);
        before = ended;
    }
    if (before != NULL) clReleaseEvent(before);
    return status;
}

clconv_status clconv_backward_enqueue(clconv_backward *backward, cl_command_queue queue,
                                      const clconv_tensors *tensors, const clconv_buffer *workspace,
                                      cl_uint n_wait, const cl_event *wait, cl_event *done, clconv_error *err)
{
    if (backward == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "backward is NULL");
    plan_buffers buffers[BIND_PLANS];
    clconv_status status = bind_check_queue(backward->plans[0], queue, err);
    if (status == CLCONV_SUCCESS) status = bind_check_wait_list(n_wait, wait, err);
    if (status == CLCONV_SUCCESS)
        status = bind_runs(backward->plans, backward->count, tensors, workspace, buffers, err);
    if (status != CLCONV_SUCCESS) return status;
    return enqueue_plans(backward, queue, buffers, n_wait, wait, done, err);
}
