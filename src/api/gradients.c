/* Gradients of arrays in host memory: one call makes any of the three. */
#include "api/host.h"
#include "base/error.h"

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
    status = read_tensors(&run, t, err);
    if (status == CLCONV_SUCCESS) status = host_run_ops(&run, ops, count, options, err);
    if (status == CLCONV_SUCCESS) status = host_copy_back(&run, err);
    host_release(&run);
    return status;
}
