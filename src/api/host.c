/* One call for arrays in host memory: plan, copy, run, copy back. */
#include "api/host.h"

#include "base/error.h"
#include "opencl/memory.h"
#include "plan/plan.h"

enum { INPUT, WEIGHT, BIAS, RESIDUAL, OUTPUT, WORKSPACE, BUFFERS };

/* Device memory of one call; NULL where a tensor is empty. */
typedef struct host_run {
    const clconv_context *context;
    cl_mem memory[BUFFERS];
    size_t bytes[BUFFERS];
} host_run;

static const char *const names[] = {"input", "weight", "bias", "residual", "output", "workspace"};

static clconv_status allocate(host_run *run, int which, const void *source, clconv_error *err)
{
    if (run->bytes[which] == 0) return CLCONV_SUCCESS;
    if (source == NULL && which < OUTPUT)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", names[which]);
    return memory_create(&run->context->rt, names[which], run->bytes[which], source, &run->memory[which],
                         err);
}

static clconv_status run_and_read(host_run *run, clconv_plan *plan, void *output, clconv_error *err)
{
    cl_command_queue queue = run->context->rt.queue;
    const clconv_tensors tensors = {
        .input = {run->memory[INPUT], 0},
        .weight = {run->memory[WEIGHT], 0},
        .bias = {run->memory[BIAS], 0},
        .residual = {run->memory[RESIDUAL], 0},
        .output = {run->memory[OUTPUT], 0},
    };
    const clconv_buffer workspace = {run->memory[WORKSPACE], 0};
    clconv_status status = clconv_plan_enqueue(plan, queue, &tensors, &workspace, 0, NULL, NULL, err);
    if (status != CLCONV_SUCCESS || run->bytes[OUTPUT] == 0) return status;
    cl_int code = clEnqueueReadBuffer(queue, run->memory[OUTPUT], CL_TRUE, 0, run->bytes[OUTPUT], output, 0,
                                      NULL, NULL);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueReadBuffer");
}

static void release(host_run *run)
{
    clFinish(run->context->rt.queue);
    for (int i = 0; i < BUFFERS; i++)
        if (run->memory[i] != NULL) clReleaseMemObject(run->memory[i]);
}

clconv_status host_check_call(const clconv_context *context, const clconv_problem *problem,
                              const clconv_plan_options *options, const void *arrays, const char *name,
                              clconv_error *err)
{
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    if (options != NULL && options->packed_weights)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "packed_weights is %d; on host arrays it must be 0",
                         options->packed_weights);
    if (problem == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "problem is NULL");
    if (arrays == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", name);
    return CLCONV_SUCCESS;
}

clconv_status clconv_conv3d_host(clconv_context *context, const clconv_problem *problem,
                                 const clconv_plan_options *options, const clconv_host_tensors *tensors,
                                 clconv_error *err)
{
    clconv_status status = host_check_call(context, problem, options, tensors, "tensors", err);
    if (status != CLCONV_SUCCESS) return status;
    geometry g;
    status = geometry_compute(problem, &g, err);
    if (status != CLCONV_SUCCESS) return status;
    if (tensors->output == NULL && g.elements.output > 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "output is NULL");

    size_t element = (size_t)g.element_size;
    host_run run = {.context = context,
                    .bytes = {(size_t)g.elements.input * element, (size_t)g.elements.weight * element,
                              (size_t)g.elements.bias * element, (size_t)g.elements.residual * element,
                              (size_t)g.elements.output * element, 0}};
    const void *const sources[BUFFERS] = {tensors->input, tensors->weight, tensors->bias, tensors->residual};
    clconv_plan *plan = NULL;
    for (int i = 0; i < WORKSPACE && status == CLCONV_SUCCESS; i++)
        status = allocate(&run, i, sources[i], err);
    if (status == CLCONV_SUCCESS)
        status = clconv_plan_create(context, CLCONV_FORWARD, problem, options, &plan, err);
    if (status != CLCONV_SUCCESS) goto done;
    run.bytes[WORKSPACE] = clconv_plan_workspace_size(plan);
    status = allocate(&run, WORKSPACE, NULL, err);
    if (status == CLCONV_SUCCESS) status = run_and_read(&run, plan, tensors->output, err);
done:
    release(&run);
    clconv_plan_release(plan);
    return status;
}
