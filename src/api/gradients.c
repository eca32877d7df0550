/* Gradients and transposed convolutions of arrays in host memory: copies what is read once, runs a plan for
 * each op that is wanted, and copies back when all have run. */
#include "algorithms/registry.h"
#include "api/host.h"
#include "base/error.h"
#include "opencl/memory.h"
#include "plan/plan.h"

#include <string.h>

enum { INPUT, WEIGHT, BIAS, GRAD_OUTPUT, MADE, OPS = 3, BUFFERS = MADE + OPS };

static const char *const names[] = {"input", "weight", "bias", "grad_output"};

/* Device memory of one call. */
typedef struct gradient_run {
    clconv_context *context;
    const clconv_problem *problem;
    const clconv_plan_options *options;
    cl_mem memory[BUFFERS];
    size_t bytes[OPS];
    void *made[OPS]; /* where MADE + i is copied to; NULL if it is not wanted */
} gradient_run;

static clconv_status read_input(gradient_run *run, int which, int64_t bytes, const void *source,
                                clconv_error *err)
{
    if (bytes == 0) return CLCONV_SUCCESS;
    if (source == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", names[which]);
    return memory_create(&run->context->rt, names[which], (size_t)bytes, source, &run->memory[which], err);
}

/* Plans and runs one op into buffer MADE + slot, which is not copied back yet. */
static clconv_status run_op(gradient_run *run, clconv_op op, int slot, int64_t bytes, clconv_error *err)
{
    cl_mem made = NULL, workspace = NULL;
    clconv_plan *plan = NULL;
    clconv_status status = clconv_plan_create(run->context, op, run->problem, run->options, &plan, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_command_queue queue = run->context->rt.queue;
    size_t needed = clconv_plan_workspace_size(plan);
    if (bytes > 0) status = memory_create(&run->context->rt, "the result", (size_t)bytes, NULL, &made, err);
    if (status == CLCONV_SUCCESS && needed > 0)
        status = memory_create(&run->context->rt, "workspace", needed, NULL, &workspace, err);
    run->memory[MADE + slot] = made;
    run->bytes[slot] = (size_t)bytes;
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
        if (run->made[i] != NULL && run->bytes[i] > 0)
            code = clEnqueueReadBuffer(run->context->rt.queue, run->memory[MADE + i], CL_TRUE, 0,
                                       run->bytes[i], run->made[i], 0, NULL, NULL);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueReadBuffer");
}

static void release(gradient_run *run)
{
    for (int i = 0; i < BUFFERS; i++)
        if (run->memory[i] != NULL) clReleaseMemObject(run->memory[i]);
}

static clconv_op op_of(int slot)
{
    return (clconv_op)(CLCONV_BACKWARD_INPUT + slot);
}

/* Whether the options name an algorithm, but one that does not do this op. */
static bool names_another(const clconv_plan_options *options, clconv_op op)
{
    for (size_t i = 0; options != NULL && options->algorithm != NULL && registry_at(i) != NULL; i++)
        if (strcmp(registry_at(i)->name, options->algorithm) == 0)
            return !registry_serves(registry_at(i), op);
    return false;
}

clconv_status clconv_conv3d_grad_host(clconv_context *context, const clconv_problem *problem,
                                      const clconv_plan_options *options,
                                      const clconv_host_gradients *gradients, clconv_error *err)
{
    const clconv_host_gradients *t = gradients;
    clconv_status status = host_check_call(context, problem, options, t, "gradients", err);
    if (status != CLCONV_SUCCESS) return status;
    if (t->grad_input == NULL && t->grad_weight == NULL && t->grad_bias == NULL)
        return error_set(
            err, CLCONV_INVALID_ARGUMENT,
            "grad_input, grad_weight and grad_bias are NULL; at least one gradient must be asked for");
    geometry g;
    status = geometry_compute(problem, &g, err);
    if (status != CLCONV_SUCCESS) return status;
    int64_t element = g.element_size;
    gradient_run run = {
        .context = context, .problem = problem, .made = {t->grad_input, t->grad_weight, t->grad_bias}};
    const int64_t bytes[OPS] = {g.elements.input * element, g.elements.weight * element,
                                problem->out_channels * element};
    bool applies = false;
    for (int i = 0; i < OPS; i++)
        applies = applies || (run.made[i] != NULL && !names_another(options, op_of(i)));
    status = read_input(&run, GRAD_OUTPUT, g.elements.output * element, t->grad_output, err);
    if (status == CLCONV_SUCCESS && t->grad_weight != NULL)
        status = read_input(&run, INPUT, bytes[0], t->input, err);
    if (status == CLCONV_SUCCESS && t->grad_input != NULL)
        status = read_input(&run, WEIGHT, bytes[1], t->weight, err);
    for (int i = 0; i < OPS && status == CLCONV_SUCCESS; i++) {
        if (run.made[i] == NULL) continue;
        clconv_plan_options own;
        clconv_plan_options_init(&own);
        if (options != NULL) own = *options;
        if (applies && names_another(options, op_of(i))) own.algorithm = own.parameters = NULL;
        run.options = &own;
        status = run_op(&run, op_of(i), i, bytes[i], err);
    }
    if (status == CLCONV_SUCCESS) status = copy_back(&run, err);
    release(&run);
    return status;
}

clconv_status clconv_conv_transpose3d_host(clconv_context *context, const clconv_problem *problem,
                                           const clconv_plan_options *options,
                                           const clconv_host_tensors *tensors, clconv_error *err)
{
    clconv_status status = host_check_call(context, problem, options, tensors, "tensors", err);
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
