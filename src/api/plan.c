/* Plans: argument checks, then one call down. */
#include "plan/plan.h"

#include "algorithms/registry.h"
#include "base/arith.h"
#include "base/error.h"
#include "base/parallel.h"
#include "plan/bind.h"
#include "problem/activation.h"
#include "problem/problem.h"

#include <stdlib.h>
#include <string.h>

/* No value that memory often holds. */
enum { OPTIONS_INITIALIZED = 0x636c636f };

void clconv_plan_options_init(clconv_plan_options *options)
{
    if (options == NULL) return;
    *options = (clconv_plan_options){.workspace_limit = CLCONV_WORKSPACE_UNLIMITED,
                                     .initialized = OPTIONS_INITIALIZED};
}

static clconv_status check_initialized(const clconv_plan_options *options, clconv_error *err)
{
    const bool is_initialized = options == NULL || options->initialized == OPTIONS_INITIALIZED;
    if (is_initialized && options != NULL && options->packed_layout != 0 && !options->packed_weights)
        return error_set(err, CLCONV_INVALID_ARGUMENT,
                         "packed_layout is not 0; it needs packed_weights to be 1");
    if (is_initialized) return CLCONV_SUCCESS;
    return error_set(
        err, CLCONV_INVALID_ARGUMENT,
        "options were not filled by clconv_plan_options_init(); zeroed ones would mean a workspace "
        "limit of 0");
}

static clconv_status check_device_can(const clconv_context *context, const clconv_problem *problem,
                                      clconv_error *err)
{
    if (problem->dtype == CLCONV_FLOAT64 && !context->rt.traits.has_fp64)
        return error_set(err, CLCONV_UNSUPPORTED, "dtype is float64; device %s has no double precision",
                         context->rt.info.name);
    return CLCONV_SUCCESS;
}

/* Bytes of a tensor of so many elements, added to those of the others; refused if the device cannot hold it, or them. */
static clconv_status add_tensor(const clconv_device_info *info, const char *name, int64_t bytes,
                                int64_t *total, clconv_error *err)
{
    if (bytes > info->max_allocation_bytes)
        return error_set(err, CLCONV_OUT_OF_DEVICE_MEMORY,
                         "%s has %lld bytes; device %s allocates at most %lld", name, (long long)bytes,
                         info->name, (long long)info->max_allocation_bytes);
    if (!size_add(*total, bytes, total)) *total = INT64_MAX;
    if (info->global_memory_bytes == 0 || *total <= info->global_memory_bytes) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_OUT_OF_DEVICE_MEMORY,
                     "the tensors have %lld bytes up to %s; device %s has %lld", (long long)*total, name,
                     info->name, (long long)info->global_memory_bytes);
}

/* What the device can never hold is refused before anything is planned. */
static clconv_status check_device_holds(const clconv_context *context, clconv_op op,
                                        const clconv_problem *problem, clconv_error *err)
{
    geometry g;
    clconv_status status = geometry_compute(problem, &g, err);
    if (status != CLCONV_SUCCESS) return status;
    const clconv_device_info *info = &context->rt.info;
    /* Names of what the sizes of the problem's input, weight and output are to the op; NULL if it has none. */
    static const char *const names[][3] = {
        [CLCONV_FORWARD] = {"input", "weight", "output"},
        [CLCONV_BACKWARD_INPUT] = {"grad_input", "weight", "grad_output"},
        [CLCONV_BACKWARD_WEIGHT] = {"input", "grad_weight", "grad_output"},
        [CLCONV_BACKWARD_BIAS] = {NULL, NULL, "grad_output"},
        [CLCONV_TRANSPOSED] = {"output", "weight", "input"},
    };
    const int64_t elements[] = {g.elements.input, g.elements.weight, g.elements.output};
    int64_t total = 0;
    for (int i = 0; i < 3 && status == CLCONV_SUCCESS; i++)
        if (names[op][i] != NULL)
            status = add_tensor(info, names[op][i], elements[i] * g.element_size, &total, err);
    return status;
}

/* What does not go with an op. */
static clconv_status check_op(clconv_op op, const clconv_problem *problem, const clconv_plan_options *options,
                              clconv_error *err)
{
    if (op == CLCONV_FORWARD) return CLCONV_SUCCESS;
    if (problem->has_residual != 0 || problem->activation != CLCONV_ACTIVATION_NONE)
        return error_set(err, CLCONV_INVALID_PROBLEM, "%s is %s; %s has neither residual nor activation",
                         problem->has_residual ? "has_residual" : "activation",
                         problem->has_residual ? "1" : activation_name(problem->activation),
                         clconv_op_name(op));
    bool has_weight = op == CLCONV_BACKWARD_INPUT || op == CLCONV_TRANSPOSED;
    if (options != NULL && options->packed_weights && !has_weight)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "packed_weights is 1; %s reads no weight",
                         clconv_op_name(op));
    return op == CLCONV_TRANSPOSED ? problem_check_transposed(problem, err) : CLCONV_SUCCESS;
}

clconv_status clconv_plan_create(clconv_context *context, clconv_op op, const clconv_problem *problem,
                                 const clconv_plan_options *options, clconv_plan **plan, clconv_error *err)
{
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    if (problem == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "problem is NULL");
    if (plan == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "plan is NULL");
    if ((int)op < CLCONV_FORWARD || op > CLCONV_TRANSPOSED)
        return error_set(
            err, CLCONV_INVALID_ARGUMENT,
            "op is %d; it must be forward, backward-input, backward-weight, backward-bias or transposed",
            (int)op);
    clconv_status status = runtime_check_process(err);
    if (status == CLCONV_SUCCESS) status = check_initialized(options, err);
    if (status == CLCONV_SUCCESS) status = clconv_problem_validate(problem, err);
    if (status == CLCONV_SUCCESS) status = check_op(op, problem, options, err);
    if (status == CLCONV_SUCCESS) status = check_device_can(context, problem, err);
    if (status == CLCONV_SUCCESS) status = check_device_holds(context, op, problem, err);
    if (status != CLCONV_SUCCESS) return status;
    clconv_plan_options defaults;
    clconv_plan_options_init(&defaults);
    return plan_create(context, op, problem, options != NULL ? options : &defaults, plan, err);
}

typedef struct preparing {
    clconv_context *context;
    const clconv_plan_request *requests;
    clconv_plan **plans;
    clconv_error *errors;
} preparing;

static void prepare_one(void *user, size_t index)
{
    const preparing *p = user;
    const clconv_plan_request *r = &p->requests[index];
    p->errors[index].status =
        clconv_plan_create(p->context, r->op, &r->problem, r->options, &p->plans[index], &p->errors[index]);
}

clconv_status clconv_plans_prepare(clconv_context *context, const clconv_plan_request *requests, size_t count,
                                   clconv_plan **plans, clconv_error *errors)
{
    if (context == NULL || requests == NULL || plans == NULL || count > SIZE_MAX / sizeof *errors)
        return CLCONV_INVALID_ARGUMENT;
    clconv_status status = CLCONV_SUCCESS;
    clconv_error *own = errors == NULL ? calloc(count + 1, sizeof *own) : NULL;
    if (errors == NULL && own == NULL) return CLCONV_OUT_OF_MEMORY;
    preparing p = {context, requests, plans, errors != NULL ? errors : own};
    for (size_t i = 0; i < count; i++)
        plans[i] = NULL;
    const bool is_serial = context->rt.platform->builds_serially;
    parallel_run(count, is_serial ? 1 : parallel_processors(), prepare_one, &p);
    for (size_t i = count; i > 0; i--)
        if (p.errors[i - 1].status != CLCONV_SUCCESS) status = p.errors[i - 1].status;
    free(own);
    return status;
}

void clconv_plan_release(clconv_plan *plan)
{
    plan_release(plan);
}

size_t clconv_plan_workspace_size(const clconv_plan *plan)
{
    return plan != NULL ? (size_t)plan->workspace_size : 0;
}

clconv_status clconv_plan_enqueue(clconv_plan *plan, cl_command_queue queue, const clconv_tensors *tensors,
                                  const clconv_buffer *workspace, cl_uint n_wait, const cl_event *wait,
                                  cl_event *done, clconv_error *err)
{
    if (plan == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "plan is NULL");
    plan_buffers buffers;
    clconv_status status = bind_check_queue(plan, queue, err);
    if (status == CLCONV_SUCCESS) status = bind_check_wait_list(plan, n_wait, wait, err);
    if (status == CLCONV_SUCCESS) status = bind_runs(&plan, 1, tensors, workspace, &buffers, err);
    if (status == CLCONV_SUCCESS) status = plan_begin(plan, err);
    if (status != CLCONV_SUCCESS) return status;
    status = plan_enqueue_steps(plan, PLAN_RUN, queue, &buffers, n_wait, wait, done, NULL, err);
    plan_end(plan);
    return status;
}

size_t clconv_plan_packed_weight_size(const clconv_plan *plan)
{
    if (plan == NULL || !op_reads_weight(plan->op)) return 0;
    const geometry *g = &plan->geometry;
    return (size_t)(plan->recipe.packed_bytes > 0 ? plan->recipe.packed_bytes
                                                  : g->elements.weight * g->element_size);
}

uint64_t clconv_plan_packed_weight_layout(const clconv_plan *plan)
{
    return plan != NULL && op_reads_weight(plan->op) ? plan->recipe.packed_layout : 0;
}

clconv_status clconv_plan_pack_weight(clconv_plan *plan, cl_command_queue queue, clconv_buffer weight,
                                      clconv_buffer packed, cl_uint n_wait, const cl_event *wait,
                                      cl_event *done, clconv_error *err)
{
    if (plan == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "plan is NULL");
    if (!plan->packed_weights)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "plan was created without the option packed_weights");
    plan_buffers buffers;
    clconv_status status = bind_check_queue(plan, queue, err);
    if (status == CLCONV_SUCCESS) status = bind_check_wait_list(plan, n_wait, wait, err);
    if (status == CLCONV_SUCCESS) status = bind_pack(plan, weight, packed, &buffers, err);
    if (status == CLCONV_SUCCESS) status = plan_begin(plan, err);
    if (status != CLCONV_SUCCESS) return status;
    status = plan_enqueue_steps(plan, PLAN_PACK, queue, &buffers, n_wait, wait, done, NULL, err);
    plan_end(plan);
    return status;
}

static double seconds_of(cl_event event, clconv_error *err, clconv_status *status)
{
    cl_ulong started = 0, ended = 0;
    cl_int code = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof started, &started, NULL);
    if (code == CL_SUCCESS)
        code = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof ended, &ended, NULL);
    if (code != CL_SUCCESS) *status = error_set_opencl(err, code, "clGetEventProfilingInfo");
    return 1e-9 * (double)(ended - started);
}

clconv_status clconv_plan_profile(clconv_plan *plan, const clconv_tensors *tensors,
                                  const clconv_buffer *workspace, double *seconds, clconv_error *err)
{
    if (plan == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "plan is NULL");
    if (seconds == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "seconds is NULL");
    cl_command_queue queue = plan->context->rt.queue;
    clconv_plan_info info;
    clconv_plan_get_info(plan, &info);
    plan_buffers buffers;
    clconv_status status = bind_check_queue(plan, queue, err);
    if (status == CLCONV_SUCCESS) status = bind_runs(&plan, 1, tensors, workspace, &buffers, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_event *events = calloc(info.steps + 1, sizeof *events);
    if (events == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a profile");
    status = plan_begin(plan, err);
    if (status == CLCONV_SUCCESS) {
        status = plan_enqueue_steps(plan, PLAN_RUN, queue, &buffers, 0, NULL, NULL, events, err);
        plan_end(plan);
    }
    cl_int code = clFinish(queue);
    if (status == CLCONV_SUCCESS && code != CL_SUCCESS) status = error_set_opencl(err, code, "clFinish");
    for (size_t i = 0; i < info.steps && status == CLCONV_SUCCESS; i++)
        seconds[i] = seconds_of(events[i], err, &status);
    for (size_t i = 0; i < info.steps; i++)
        if (events[i] != NULL) clReleaseEvent(events[i]);
    free(events);
    return status;
}
