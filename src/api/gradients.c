/* Gradients of arrays in host memory: one call makes any of the three. */
#include "api/group.h"
#include "api/host.h"
#include "base/error.h"
#include "blocks/convolve.h"

/* Copies what the wanted gradients read. */
static clconv_status read_tensors(host_run *run, const clconv_host_gradients *t, clconv_error *err)
{
    const clconv_tensor_sizes *n = &run->geometry.elements;
    clconv_status status = host_read(run, HOST_GRAD_OUTPUT, n->output, t->grad_output, err);
    if (status == CLCONV_SUCCESS && t->grad_weight != NULL)
        status = host_read(run, HOST_INPUT, n->input, t->input, err);
    if (status == CLCONV_SUCCESS && t->grad_input != NULL)
        status = host_read(run, HOST_WEIGHT, n->weight, t->weight, err);
    return status;
}

static clconv_status check_arrays(const clconv_host_gradients *t, clconv_error *err)
{
    const char *missing = t->grad_output == NULL                       ? "grad_output"
                          : t->grad_weight != NULL && t->input == NULL ? "input"
                          : t->grad_input != NULL && t->weight == NULL ? "weight"
                                                                       : NULL;
    if (missing == NULL) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", missing);
}

/* One gradient after the other, each reading what it needs. */
static clconv_status differentiate_in_blocks(const host_run *run, const clconv_op *ops, int count,
                                             const clconv_plan_options *options,
                                             const clconv_host_gradients *t, clconv_error *err)
{
    clconv_status status = check_arrays(t, err);
    for (int i = 0; i < count && status == CLCONV_SUCCESS; i++) {
        block_arrays arrays = {.whole = {[BLOCK_INPUT] = (void *)(uintptr_t)t->input,
                                         [BLOCK_WEIGHT] = (void *)(uintptr_t)t->weight,
                                         [BLOCK_OUTPUT] = (void *)(uintptr_t)t->grad_output}};
        static const int made[] = {BLOCK_INPUT, BLOCK_WEIGHT, BLOCK_BIAS};
        const int which = (int)ops[i] - CLCONV_BACKWARD_INPUT;
        arrays.whole[made[which]] = run->made[which];
        const clconv_plan_options own = plan_group_options(options, ops, count, ops[i]);
        status = blocks_run(run->context, ops[i], run->problem, &run->geometry, &own, &arrays, err);
    }
    return status;
}

clconv_status clconv_conv3d_grad_host(clconv_context *context, const clconv_problem *problem,
                                      const clconv_plan_options *options,
                                      const clconv_host_gradients *gradients, clconv_error *err)
{
    const clconv_host_gradients *t = gradients;
    host_run run = {.context = NULL};
    clconv_status status = host_start(context, problem, options, t, "gradients", &run, err);
    if (status != CLCONV_SUCCESS) return status;
    if (t->grad_input == NULL && t->grad_weight == NULL && t->grad_bias == NULL)
        return error_set(
            err, CLCONV_INVALID_ARGUMENT,
            "grad_input, grad_weight and grad_bias are NULL; at least one gradient must be asked for");
    void *const made[HOST_OPS] = {t->grad_input, t->grad_weight, t->grad_bias};
    clconv_op ops[HOST_OPS];
    int count = 0;
    for (int i = 0; i < HOST_OPS; i++) {
        run.made[i] = made[i];
        if (made[i] != NULL) ops[count++] = (clconv_op)(CLCONV_BACKWARD_INPUT + i);
    }
    const clconv_tensor_sizes *n = &run.geometry.elements;
    if (n->output > 0 && n->input > 0 && blocks_needed(context, problem, &run.geometry, 2))
        return differentiate_in_blocks(&run, ops, count, options, t, err);
    status = read_tensors(&run, t, err);
    if (status == CLCONV_SUCCESS) status = host_run_ops(&run, ops, count, options, err);
    if (status == CLCONV_SUCCESS) status = host_copy_back(&run, err);
    host_release(&run);
    return status;
}
