/* Gradients of arrays in host memory: one call makes any of the three. */
#include "algorithms/registry.h"
#include "api/host.h"
#include "base/error.h"

#include <string.h>

static clconv_op op_of(int slot)
{
    return (clconv_op)(CLCONV_BACKWARD_INPUT + slot);
}

/* Whether the options name an algorithm, but one that does not do this op. */
static bool names_another(const clconv_plan_options *options, clconv_op op)
{
    for (size_t i = 0; options->algorithm != NULL && registry_at(i) != NULL; i++)
        if (strcmp(registry_at(i)->name, options->algorithm) == 0)
            return !registry_serves(registry_at(i), op);
    return false;
}

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

/* A named algorithm applies where it can, if it can at all; elsewhere it is chosen. */
static clconv_status run_ops(host_run *run, const clconv_plan_options *options, clconv_error *err)
{
    bool applies = false;
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < HOST_OPS; i++)
        applies = applies || (run->made[i] != NULL && !names_another(options, op_of(i)));
    for (int i = 0; i < HOST_OPS && status == CLCONV_SUCCESS; i++) {
        if (run->made[i] == NULL) continue;
        clconv_plan_options own = *options;
        if (applies && names_another(options, op_of(i))) own.algorithm = own.parameters = NULL;
        status = host_run_op(run, op_of(i), &own, i, err);
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
    clconv_plan_options defaults;
    clconv_plan_options_init(&defaults);
    void *const made[HOST_OPS] = {t->grad_input, t->grad_weight, t->grad_bias};
    memcpy(run.made, made, sizeof made);
    status = read_tensors(&run, t, err);
    if (status == CLCONV_SUCCESS) status = run_ops(&run, options != NULL ? options : &defaults, err);
    if (status == CLCONV_SUCCESS) status = host_copy_back(&run, err);
    host_release(&run);
    return status;
}
