/* Gradients and transposed convolutions of arrays in host memory: copies what is read once, runs a plan for
 * each op that is wanted, and copies back when all have run. */
#include "base/arith.h"
#include "base/error.h"
#include "plan/plan.h"

enum { INPUT, WEIGHT, BIAS, GRAD_OUTPUT, MADE, OPS = 3, BUFFERS = MADE + OPS };

static const char *const names[] = {"input", "weight", "bias", "grad_output"};

/* Device memory of one call. */
typedef struct gradient_run {
    clconv_context *context;
    const clconv_problem *problem;
    const clconv_plan_options *options;
    cl_mem memory[BUFFERS];
    size_t bytes[BUFFERS];
    void *made[OPS]; /* where MADE + i is copied to; NULL if it is not wanted */
} gradient_run;

static clconv_status create_buffer(const gradient_run *run, const char *name, size_t bytes,
                                   const void *source, cl_mem *memory, clconv_error *err)
{
    const runtime *rt = &run->context->rt;
    if (bytes == 0) return CLCONV_SUCCESS;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): check_call has seen the context */
    if ((int64_t)bytes > rt->info.max_allocation_bytes)
        return error_set(err, CLCONV_OUT_OF_DEVICE_MEMORY,
                         "%s has %zu bytes; device %s allocates at most %lld", name, bytes, rt->info.name,
                         (long long)rt->info.max_allocation_bytes);
    cl_int code = CL_SUCCESS;
    *memory = clCreateBuffer(rt->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code == CL_SUCCESS && source != NULL)
        code = clEnqueueWriteBuffer(rt->queue, *memory, CL_TRUE, 0, bytes, source, 0, NULL, NULL);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clCreateBuffer");
}

static clconv_status read_input(gradient_run *run, int which, int64_t bytes, const void *source,
                                clconv_error *err)
{
    run->bytes[which] = (size_t)bytes;
    if (bytes > 0 && source == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", names[which]);
    return create_buffer(run, names[which], (size_t)bytes, source, &run->memory[which], err);
}

/* Plans and runs one op into buffer MADE + slot, which is not copied back yet. */
static clconv_status run_op(gradient_run *run, clconv_op op, int slot, int64_t bytes, clconv_error *err)
{
    cl_mem made = NULL, workspace = NULL;
    clconv_plan *plan = NULL;
    clconv_status status = clconv_plan_create(run->context, op, run->problem, run->options, &plan, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_command_queue queue = run->context->rt.queue;
    status = create_buffer(run, "the gradient", (size_t)bytes, NULL, &made, err);
    if (status == CLCONV_SUCCESS)
        status = create_buffer(run, "workspace", clconv_plan_workspace_size(plan), NULL, &workspace, err);
    run->memory[MADE + slot] = made;
    run->bytes[MADE + slot] = (size_t)bytes;
    const clconv_buffer output = {made, 0}, grad_output = {run->memory[GRAD_OUTPUT], 0};
    const clconv_tensors tensors = {
        .input = op == CLCONV_TRANSPOSED ? grad_output : (clconv_buffer){run->memory[INPUT], 0},
        .weight = {run->memory[WEIGHT], 0},
        .bias = {run->memory[BIAS], 0},
        .output = output,
        .grad_output = grad_output,
        .grad_input = output,
        .grad_weight = output,
        .grad_bias = output,
    };
    if (status == CLCONV_SUCCESS)
        status =
            clconv_plan_enqueue(plan, queue, &tensors, &(clconv_buffer){workspace, 0}, 0, NULL, NULL, err);
    cl_int code = clFinish(queue);
    if (status == CLCONV_SUCCESS && code != CL_SUCCESS) status = error_set_opencl(err, code, "clFinish");
    if (workspace != NULL) clReleaseMemObject(workspace);
    clconv_plan_release(plan);
    return status;
}

static clconv_status copy_back(const gradient_run *run, clconv_error *err)
{
    cl_int code = CL_SUCCESS;
    for (int i = 0; i < OPS && code == CL_SUCCESS; i++)
        if (run->made[i] != NULL && run->bytes[MADE + i] > 0)
            code = clEnqueueReadBuffer(run->context->rt.queue, run->memory[MADE + i], CL_TRUE, 0,
                                       run->bytes[MADE + i], run->made[i], 0, NULL, NULL);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueReadBuffer");
}

static void release(gradient_run *run)
{
    for (int i = 0; i < BUFFERS; i++)
        if (run->memory[i] != NULL) clReleaseMemObject(run->memory[i]);
}

static clconv_status check_call(const clconv_context *context, const clconv_problem *problem,
                                const clconv_plan_options *options, const void *tensors, clconv_error *err)
{
    if (context == NULL || problem == NULL || tensors == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL",
                         context == NULL   ? "context"
                         : problem == NULL ? "problem"
                                           : "tensors");
    if (options != NULL && options->packed_weights)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "packed_weights is %d; on host arrays it must be 0",
                         options->packed_weights);
    return CLCONV_SUCCESS;
}

clconv_status clconv_conv3d_grad_host(clconv_context *context, const clconv_problem *problem,
                                      const clconv_plan_options *options,
                                      const clconv_host_gradients *gradients, clconv_error *err)
{
    const clconv_host_gradients *t = gradients;
    clconv_status status = check_call(context, problem, options, t, err);
    if (status != CLCONV_SUCCESS) return status;
    if (t->grad_input == NULL && t->grad_weight == NULL && t->grad_bias == NULL)
        return error_set(
            err, CLCONV_INVALID_ARGUMENT,
            "grad_input, grad_weight and grad_bias are NULL; at least one gradient must be asked for");
    geometry g;
    status = geometry_compute(problem, &g, err);
    if (status != CLCONV_SUCCESS) return status;
    int64_t element = g.element_size;
    gradient_run run = {.context = context,
                        .problem = problem,
                        .options = options,
                        .made = {t->grad_input, t->grad_weight, t->grad_bias}};
    const int64_t bytes[OPS] = {g.elements.input * element, g.elements.weight * element,
                                problem->out_channels * element};
    clconv_plan_options defaults;
    clconv_plan_options_init(&defaults);
    if (options != NULL) defaults.workspace_limit = options->workspace_limit;
    status = read_input(&run, GRAD_OUTPUT, g.elements.output * element, t->grad_output, err);
    if (status == CLCONV_SUCCESS && t->grad_weight != NULL)
        status = read_input(&run, INPUT, bytes[0], t->input, err);
    if (status == CLCONV_SUCCESS && t->grad_input != NULL)
        status = read_input(&run, WEIGHT, bytes[1], t->weight, err);
    for (int i = 0; i < OPS && status == CLCONV_SUCCESS; i++) {
        if (i == 2) run.options = &defaults;
        if (run.made[i] != NULL)
            status = run_op(&run, (clconv_op)(CLCONV_BACKWARD_INPUT + i), i, bytes[i], err);
    }
    if (status == CLCONV_SUCCESS) status = copy_back(&run, err);
    release(&run);
    return status;
}

clconv_status clconv_conv_transpose3d_host(clconv_context *context, const clconv_problem *problem,
                                           const clconv_plan_options *options,
                                           const clconv_host_tensors *tensors, clconv_error *err)
{
    clconv_status status = check_call(context, problem, options, tensors, err);
    if (status != CLCONV_SUCCESS) return status;
    geometry g;
    status = geometry_compute(problem, &g, err);
    if (status != CLCONV_SUCCESS) return status;
    int64_t element = g.element_size;
    if (tensors->output == NULL && g.elements.input > 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "output is NULL");
    if (tensors->input == NULL && g.elements.output > 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "input is NULL");
    gradient_run run = {
        .context = context, .problem = problem, .options = options, .made = {tensors->output}};
    status = read_input(&run, GRAD_OUTPUT, g.elements.output * element, tensors->input, err);
    if (status == CLCONV_SUCCESS)
        status = read_input(&run, WEIGHT, g.elements.weight * element, tensors->weight, err);
    if (status == CLCONV_SUCCESS && problem->has_bias)
        status = read_input(&run, BIAS, problem->in_channels * element, tensors->bias, err);
    if (status == CLCONV_SUCCESS)
        status = run_op(&run, CLCONV_TRANSPOSED, 0, g.elements.input * element, err);
    if (status == CLCONV_SUCCESS) status = copy_back(&run, err);
    release(&run);
    return status;
}
