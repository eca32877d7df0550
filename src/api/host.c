/* Arrays in host memory: see host.h; and the convolutions of them. */
#include "api/host.h"

#include "api/group.h"
#include "base/error.h"
#include "blocks/convolve.h"
#include "opencl/memory.h"

clconv_status host_start(clconv_context *context, const clconv_problem *problem,
                         const clconv_plan_options *options, const void *arrays, const char *name,
                         host_run *run, clconv_error *err)
{
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    if (options != NULL && options->packed_weights)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "packed_weights is %d; on host arrays it must be 0",
                         options->packed_weights);
    if (problem == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "problem is NULL");
    if (arrays == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", name);
    clconv_status status = runtime_check_process(err);
    if (status != CLCONV_SUCCESS) return status;
    *run = (host_run){.context = context, .problem = problem};
    return geometry_compute(problem, &run->geometry, err);
}

clconv_status host_read(host_run *run, int which, int64_t elements, const void *source, clconv_error *err)
{
    static const char *const names[] = {"input", "weight", "bias", "residual", "grad_output"};
    if (elements == 0) return CLCONV_SUCCESS;
    if (source == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", names[which]);
    size_t bytes = (size_t)(elements * run->geometry.element_size);
    return memory_create(&run->context->rt, names[which], bytes, source, &run->memory[which], err);
}

static clconv_status enqueue(const host_run *run, const plan_group *plans, cl_mem workspace,
                             clconv_error *err)
{
    cl_command_queue queue = run->context->rt.queue;
    const cl_mem *m = run->memory;
    const clconv_tensors tensors = {
        .input = {m[HOST_INPUT], 0},
        .weight = {m[HOST_WEIGHT], 0},
        .bias = {m[HOST_BIAS], 0},
        .residual = {m[HOST_RESIDUAL], 0},
        .output = {m[HOST_MADE], 0},
        .grad_output = {m[HOST_GRAD_OUTPUT], 0},
        .grad_input = {m[HOST_MADE], 0},
        .grad_weight = {m[HOST_MADE + 1], 0},
        .grad_bias = {m[HOST_MADE + 2], 0},
    };
    const clconv_buffer work = {workspace, 0};
    clconv_status status = plan_group_enqueue(plans, queue, &tensors, &work, 0, NULL, NULL, err);
    cl_int code = clFinish(queue);
    return status == CLCONV_SUCCESS && code != CL_SUCCESS ? error_set_opencl(err, code, "clFinish") : status;
}

static clconv_status create_made(host_run *run, clconv_op op, clconv_error *err)
{
    static const char *const names[] = {"output", "grad_input", "grad_weight", "grad_bias", "output"};
    int slot = op == CLCONV_FORWARD || op == CLCONV_TRANSPOSED ? 0 : (int)op - CLCONV_BACKWARD_INPUT;
    size_t bytes = (size_t)(geometry_made(run->problem, &run->geometry, op) * run->geometry.element_size);
    run->bytes[slot] = bytes;
    if (bytes == 0) return CLCONV_SUCCESS;
    return memory_create(&run->context->rt, names[op], bytes, NULL, &run->memory[HOST_MADE + slot], err);
}

clconv_status host_run_ops(host_run *run, const clconv_op *ops, int count, const clconv_plan_options *options,
                           clconv_error *err)
{
    cl_mem workspace = NULL;
    plan_group plans = {.count = 0};
    clconv_status status = CLCONV_SUCCESS;
    /* Before the plans: a device that cannot hold it should say so, not a library that a plan warms. */
    for (int i = 0; i < count && status == CLCONV_SUCCESS; i++)
        status = create_made(run, ops[i], err);
    if (status == CLCONV_SUCCESS)
        status = plan_group_create(run->context, run->problem, ops, count, options, &plans, err);
    size_t needed = plan_group_workspace_size(&plans);
    if (status == CLCONV_SUCCESS && needed > 0)
        status = memory_create(&run->context->rt, "workspace", needed, NULL, &workspace, err);
    if (status == CLCONV_SUCCESS) status = enqueue(run, &plans, workspace, err);
    if (workspace != NULL) clReleaseMemObject(workspace);
    plan_group_release(&plans);
    return status;
}

clconv_status host_copy_back(const host_run *run, clconv_error *err)
{
    cl_int code = CL_SUCCESS;
    for (int i = 0; i < HOST_OPS && code == CL_SUCCESS; i++)
        if (run->made[i] != NULL && run->bytes[i] > 0)
            code = clEnqueueReadBuffer(run->context->rt.queue, run->memory[HOST_MADE + i], CL_TRUE, 0,
                                       run->bytes[i], run->made[i], 0, NULL, NULL);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueReadBuffer");
}

void host_release(host_run *run)
{
    for (int i = 0; i < HOST_BUFFERS; i++)
        if (run->memory[i] != NULL) clReleaseMemObject(run->memory[i]);
}

static clconv_status check_arrays(const clconv_problem *problem, const clconv_host_tensors *t,
                                  clconv_error *err)
{
    const char *missing = t->input == NULL                               ? "input"
                          : t->weight == NULL                            ? "weight"
                          : problem->has_bias && t->bias == NULL         ? "bias"
                          : problem->has_residual && t->residual == NULL ? "residual"
                                                                         : NULL;
    if (missing == NULL) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", missing);
}

/* What is read is not written: the casts are of what block_arrays has no word for. */
static clconv_status convolve_in_blocks(clconv_op op, const host_run *run, const clconv_plan_options *options,
                                        const clconv_host_tensors *t, clconv_error *err)
{
    bool is_forward = op == CLCONV_FORWARD;
    void *input = (void *)(uintptr_t)t->input;
    const block_arrays arrays = {.whole = {[BLOCK_INPUT] = is_forward ? input : t->output,
                                           [BLOCK_WEIGHT] = (void *)(uintptr_t)t->weight,
                                           [BLOCK_BIAS] = (void *)(uintptr_t)t->bias,
                                           [BLOCK_RESIDUAL] = (void *)(uintptr_t)t->residual,
                                           [BLOCK_OUTPUT] = is_forward ? t->output : input}};
    return blocks_run(run->context, op, run->problem, &run->geometry, options, &arrays, err);
}

/* Forward or transposed. */
static clconv_status convolve(clconv_op op, clconv_context *context, const clconv_problem *problem,
                              const clconv_plan_options *options, const clconv_host_tensors *tensors,
                              clconv_error *err)
{
    host_run run = {.context = NULL};
    clconv_status status = host_start(context, problem, options, tensors, "tensors", &run, err);
    if (status != CLCONV_SUCCESS) return status;
    if (tensors->output == NULL && geometry_made(problem, &run.geometry, op) > 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "output is NULL");
    status = bind_check_absent(problem, tensors->bias != NULL, tensors->residual != NULL, err);
    if (status != CLCONV_SUCCESS) return status;
    const clconv_tensor_sizes *n = &run.geometry.elements;
    bool is_forward = op == CLCONV_FORWARD;
    int64_t bias = is_forward ? problem->out_channels : problem->in_channels;
    if (n->output > 0 && n->input > 0 && blocks_needed(context, problem, &run.geometry, 1)) {
        status = check_arrays(problem, tensors, err);
        if (status == CLCONV_SUCCESS) status = convolve_in_blocks(op, &run, options, tensors, err);
        return status;
    }
    run.made[0] = tensors->output;
    status = host_read(&run, HOST_INPUT, is_forward ? n->input : n->output, tensors->input, err);
    if (status == CLCONV_SUCCESS) status = host_read(&run, HOST_WEIGHT, n->weight, tensors->weight, err);
    if (status == CLCONV_SUCCESS)
        status = host_read(&run, HOST_BIAS, problem->has_bias ? bias : 0, tensors->bias, err);
    if (status == CLCONV_SUCCESS && is_forward)
        status = host_read(&run, HOST_RESIDUAL, n->residual, tensors->residual, err);
    if (status == CLCONV_SUCCESS) status = host_run_ops(&run, &op, 1, options, err);
    if (status == CLCONV_SUCCESS) status = host_copy_back(&run, err);
    host_release(&run);
    return status;
}

clconv_status clconv_conv3d_host(clconv_context *context, const clconv_problem *problem,
                                 const clconv_plan_options *options, const clconv_host_tensors *tensors,
                                 clconv_error *err)
{
    return convolve(CLCONV_FORWARD, context, problem, options, tensors, err);
}

clconv_status clconv_conv_transpose3d_host(clconv_context *context, const clconv_problem *problem,
                                           const clconv_plan_options *options,
                                           const clconv_host_tensors *tensors, clconv_error *err)
{
    return convolve(CLCONV_TRANSPOSED, context, problem, options, tensors, err);
}
