/* Runs on arrays in host memory: see run_host.h. Where the device shares memory with the host, each run makes buffers of the
 * arrays themselves: OpenCL takes what they hold then, and what was made is there when it has been mapped for reading. Two
 * buffers must not lie over the same memory, so arrays that overlap share one. */
#include "api/run_host.h"

#include "base/arith.h"
#include "base/error.h"
#include "opencl/memory.h"
#include "problem/problem.h"

/* One tensor of the run; `bytes` is 0 if the run has no such tensor. */
typedef struct host_array {
    const char *name;
    const char *start;
    size_t bytes;
    clconv_buffer buffer;
} host_array;

typedef struct host_pass {
    const plan_group *group;
    const runtime *rt;
    kept_memory *kept;
    host_array arrays[KEPT_TENSORS];
    cl_mem wrapped[KEPT_TENSORS]; /* this run's own buffers, by the slot of the first array in each */
    bool shares, keeps;           /* host memory; the weight of an earlier run */
} host_pass;

static const char *made_name(clconv_op op)
{
    static const char *const names[] = {"output", "grad_input", "grad_weight", "grad_bias", "output"};
    return names[op];
}

static void list_array(host_pass *pass, int slot, const char *name, const void *start, int64_t elements)
{
    int64_t bytes = elements * pass->group->plans[0]->geometry.element_size;
    pass->arrays[slot] = (host_array){.name = name, .start = start, .bytes = (size_t)bytes};
}

/* Elements of what an op reads, by slot. */
static void count_read(const clconv_plan *plan, int64_t elements[KEPT_MADE])
{
    const clconv_tensor_sizes *n = &plan->geometry.elements;
    const clconv_problem *p = &plan->problem;
    bool runs = plan->recipe.run_count > 0, is_forward = plan->op == CLCONV_FORWARD,
         is_transposed = plan->op == CLCONV_TRANSPOSED;
    int64_t biases = is_forward ? p->out_channels : p->in_channels;
    if (is_forward || plan->op == CLCONV_BACKWARD_WEIGHT) elements[KEPT_INPUT] = n->input;
    if (is_transposed) elements[KEPT_INPUT] = n->output;
    if (op_reads_weight(plan->op) && runs) elements[KEPT_WEIGHT] = n->weight;
    if ((is_forward || is_transposed) && runs && p->has_bias) elements[KEPT_BIAS] = biases;
    if (is_forward) elements[KEPT_RESIDUAL] = n->residual;
    if (!is_forward && !is_transposed) elements[KEPT_GRAD_OUTPUT] = n->output;
}

static void list_arrays(host_pass *pass, const host_arrays *a)
{
    static const char *const names[] = {"input", "weight", "bias", "residual", "grad_output"};
    for (int i = 0; i < pass->group->count; i++) {
        const clconv_plan *plan = pass->group->plans[i];
        int64_t elements[KEPT_MADE] = {0};
        count_read(plan, elements);
        for (int slot = 0; slot < KEPT_MADE; slot++)
            if (elements[slot] > 0) list_array(pass, slot, names[slot], a->read[slot], elements[slot]);
        list_array(pass, KEPT_MADE + i, made_name(plan->op), a->made[i],
                   geometry_made(&plan->problem, &plan->geometry, plan->op));
    }
}

static bool overlap(const host_array *a, const host_array *b)
{
    return a->bytes > 0 && b->bytes > 0 && a->start < b->start + b->bytes && b->start < a->start + a->bytes;
}

static clconv_status check_arrays(const host_pass *pass, clconv_error *err)
{
    size_t element = (size_t)pass->group->plans[0]->geometry.element_size;
    for (int i = 0; i < KEPT_TENSORS; i++) {
        const host_array *a = &pass->arrays[i];
        if (a->bytes == 0) continue;
        if (a->start == NULL)
            return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL; it must hold %zu bytes", a->name,
                             a->bytes);
        if ((uintptr_t)a->start % element != 0)
            return error_set(err, CLCONV_INVALID_ARGUMENT,
                             "%s lies at %p; it must be aligned to its elements of %zu bytes", a->name,
                             (const void *)a->start, element);
        for (int k = 0; k < i && i >= KEPT_MADE; k++)
            if (overlap(a, &pass->arrays[k]))
                return error_set(err, CLCONV_INVALID_ARGUMENT,
                                 "%s overlaps %s; what is written must lie apart", a->name,
                                 pass->arrays[k].name);
    }
    return CLCONV_SUCCESS;
}

/* The memory that holds array i and all that overlap it, directly or through others. */
static host_array span_of(const host_pass *pass, int i)
{
    host_array span = pass->arrays[i], before;
    do {
        before = span;
        for (int k = 0; k < KEPT_TENSORS; k++) {
            const host_array *other = &pass->arrays[k];
            if (!overlap(&span, other)) continue;
            const char *end = span.start + span.bytes, *other_end = other->start + other->bytes;
            if (other->start < span.start) span.start = other->start;
            span.bytes = (size_t)((other_end > end ? other_end : end) - span.start);
        }
    } while (span.start != before.start || span.bytes != before.bytes);
    return span;
}

static clconv_status wrap_arrays(host_pass *pass, clconv_error *err)
{
    for (int i = 0; i < KEPT_TENSORS; i++) {
        if (pass->arrays[i].bytes == 0 || pass->arrays[i].buffer.memory != NULL) continue;
        host_array span = span_of(pass, i);
        clconv_status status = memory_wrap(pass->rt, span.name, span.bytes, (void *)(uintptr_t)span.start,
                                           i >= KEPT_MADE, &pass->wrapped[i], err);
        if (status != CLCONV_SUCCESS) return status;
        for (int k = i; k < KEPT_TENSORS; k++) {
            host_array *a = &pass->arrays[k];
            if (overlap(&span, a))
                a->buffer = (clconv_buffer){pass->wrapped[i], (size_t)(a->start - span.start)};
        }
    }
    return CLCONV_SUCCESS;
}

static clconv_status ensure(const runtime *rt, const char *name, size_t bytes, cl_mem *memory,
                            clconv_error *err)
{
    if (bytes == 0 || *memory != NULL) return CLCONV_SUCCESS;
    return memory_create(rt, name, bytes, NULL, memory, err);
}

/* Whoever waits for the run waits for the copies: the queue is in order. */
static clconv_status copy_arrays(host_pass *pass, clconv_error *err)
{
    for (int i = 0; i < KEPT_TENSORS; i++) {
        host_array *a = &pass->arrays[i];
        clconv_status status = ensure(pass->rt, a->name, a->bytes, &pass->kept->tensors[i], err);
        if (status != CLCONV_SUCCESS) return status;
        a->buffer.memory = pass->kept->tensors[i];
        if (a->bytes == 0 || i >= KEPT_MADE || (i == KEPT_WEIGHT && pass->keeps)) continue;
        cl_int code = clEnqueueWriteBuffer(pass->rt->queue, a->buffer.memory, CL_FALSE, 0, a->bytes, a->start,
                                           0, NULL, NULL);
        if (code != CL_SUCCESS) return error_set_opencl(err, code, "clEnqueueWriteBuffer");
    }
    return CLCONV_SUCCESS;
}

/* Whether the plan's packed weight outlives the other plans of the group, which use the same workspace. */
static bool packs_apart(const host_pass *pass, const clconv_plan *plan, uint64_t version)
{
    return version != 0 && pass->group->count > 1 && op_reads_weight(plan->op) && plan->recipe.pack_count > 0;
}

static clconv_tensors tensors_of(const host_pass *pass)
{
    const host_array *a = pass->arrays;
    clconv_tensors t = {.input = a[KEPT_INPUT].buffer,
                        .weight = a[KEPT_WEIGHT].buffer,
                        .bias = a[KEPT_BIAS].buffer,
                        .residual = a[KEPT_RESIDUAL].buffer,
                        .grad_output = a[KEPT_GRAD_OUTPUT].buffer};
    for (int i = 0; i < pass->group->count; i++) {
        clconv_buffer made = a[KEPT_MADE + i].buffer;
        clconv_op op = pass->group->plans[i]->op;
        *(op == CLCONV_BACKWARD_INPUT    ? &t.grad_input
          : op == CLCONV_BACKWARD_WEIGHT ? &t.grad_weight
          : op == CLCONV_BACKWARD_BIAS   ? &t.grad_bias
                                         : &t.output) = made;
    }
    return t;
}

static clconv_status enqueue_plans(const host_pass *pass, uint64_t version, clconv_error *err)
{
    plan_buffers buffers[BIND_PLANS];
    clconv_tensors tensors = tensors_of(pass);
    clconv_buffer work = {pass->kept->workspace, 0};
    clconv_status status = bind_runs(pass->group->plans, pass->group->count, &tensors, &work, buffers, err);
    for (int i = 0; i < pass->group->count && status == CLCONV_SUCCESS; i++) {
        clconv_plan *plan = pass->group->plans[i];
        if (packs_apart(pass, plan, version)) {
            status = ensure(pass->rt, "workspace", (size_t)plan->workspace_size, &pass->kept->packing, err);
            buffers[i].roles[BUFFER_WORKSPACE].memory = pass->kept->packing;
            buffers[i].roles[BUFFER_PACKED].memory = pass->kept->packing;
        }
        plan_part part = pass->keeps && op_reads_weight(plan->op) ? PLAN_RUN_PACKED : PLAN_RUN;
        if (status == CLCONV_SUCCESS)
            status = plan_enqueue_steps(plan, part, pass->rt->queue, &buffers[i], 0, NULL, NULL, NULL, err);
    }
    return status;
}

/* Mapping makes what was written visible in the array. */
static clconv_status show(const host_pass *pass, const host_array *a, clconv_error *err)
{
    cl_int code = CL_SUCCESS;
    cl_event done = NULL;
    void *mapped = clEnqueueMapBuffer(pass->rt->queue, a->buffer.memory, CL_TRUE, CL_MAP_READ,
                                      a->buffer.offset, a->bytes, 0, NULL, NULL, &code);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clEnqueueMapBuffer");
    code = clEnqueueUnmapMemObject(pass->rt->queue, a->buffer.memory, mapped, 0, NULL, &done);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clEnqueueUnmapMemObject");
    code = clWaitForEvents(1, &done);
    clReleaseEvent(done);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clWaitForEvents");
}

static clconv_status bring_back(const host_pass *pass, clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    for (int i = KEPT_MADE; i < KEPT_TENSORS && status == CLCONV_SUCCESS; i++) {
        const host_array *a = &pass->arrays[i];
        if (a->bytes == 0) continue;
        if (pass->shares) {
            status = show(pass, a, err);
            continue;
        }
        cl_int code = clEnqueueReadBuffer(pass->rt->queue, a->buffer.memory, CL_TRUE, 0, a->bytes,
                                          (void *)(uintptr_t)a->start, 0, NULL, NULL);
        if (code != CL_SUCCESS) status = error_set_opencl(err, code, "clEnqueueReadBuffer");
    }
    return status;
}

static clconv_status run(host_pass *pass, uint64_t version, clconv_error *err)
{
    size_t needed = plan_group_workspace_size(pass->group);
    clconv_status status = ensure(pass->rt, "workspace", needed, &pass->kept->workspace, err);
    if (status == CLCONV_SUCCESS) status = pass->shares ? wrap_arrays(pass, err) : copy_arrays(pass, err);
    if (status == CLCONV_SUCCESS) status = enqueue_plans(pass, version, err);
    if (status == CLCONV_SUCCESS) status = bring_back(pass, err);
    /* Nothing may use the caller's arrays any more. */
    if (status != CLCONV_SUCCESS) clFinish(pass->rt->queue);
    return status;
}

clconv_status run_host(const plan_group *group, const host_arrays *arrays, kept_memory *kept,
                       clconv_error *err)
{
    const runtime *rt = &group->plans[0]->context->rt;
    clconv_status status = bind_check_queue(group->plans[0], rt->queue, err);
    if (status != CLCONV_SUCCESS) return status;
    for (int i = 0; i < group->count; i++)
        if (group->plans[i]->packed_weights)
            return error_set(err, CLCONV_INVALID_ARGUMENT,
                             "the plan takes packed weights; on host arrays weight_version says "
                             "that a weight is the same");
    uint64_t version = arrays->weight_version;
    host_pass pass = {.group = group, .rt = rt, .kept = kept, .shares = rt->info.shares_host_memory};
    list_arrays(&pass, arrays);
    status = check_arrays(&pass, err);
    if (status == CLCONV_SUCCESS) status = plan_group_begin(group, err);
    if (status != CLCONV_SUCCESS) return status;
    pass.keeps = version != 0 && kept->weight_version == version;
    kept->weight_version = 0;
    status = run(&pass, version, err);
    if (status == CLCONV_SUCCESS) kept->weight_version = version;
    for (int i = 0; i < KEPT_TENSORS; i++)
        if (pass.wrapped[i] != NULL) clReleaseMemObject(pass.wrapped[i]);
    plan_group_end(group);
    return status;
}

clconv_status clconv_plan_run_host(clconv_plan *plan, const clconv_host_tensors *tensors, clconv_error *err)
{
    if (plan == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "plan is NULL");
    if (tensors == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "tensors is NULL");
    if (plan->op != CLCONV_FORWARD && plan->op != CLCONV_TRANSPOSED)
        return error_set(err, CLCONV_INVALID_ARGUMENT,
                         "plan is of %s; gradients of host arrays are made by clconv_backward_run_host()",
                         clconv_op_name(plan->op));
    clconv_status status =
        bind_check_absent(&plan->problem, tensors->bias != NULL, tensors->residual != NULL, err);
    if (status != CLCONV_SUCCESS) return status;
    const plan_group group = {.plans = {plan}, .count = 1};
    const host_arrays arrays = {.read = {[KEPT_INPUT] = tensors->input,
                                         [KEPT_WEIGHT] = tensors->weight,
                                         [KEPT_BIAS] = tensors->bias,
                                         [KEPT_RESIDUAL] = tensors->residual},
                                .made = {tensors->output},
                                .weight_version = tensors->weight_version};
    return run_host(&group, &arrays, &plan->kept, err);
}
