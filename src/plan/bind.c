/* Checking a run's arguments: see bind.h. */
#include "plan/bind.h"

#include "base/arith.h"
#include "base/error.h"

#include <string.h>

/* Bytes [first, last) of an OpenCL allocation, sub-buffers traced to what they are a part of. */
typedef struct extent {
    const char *name;
    cl_mem memory;
    size_t first, last;
} extent;

clconv_status bind_check_queue(const clconv_plan *plan, cl_command_queue queue, clconv_error *err)
{
    const runtime *rt = &plan->context->rt;
    clconv_status status = runtime_check_process(err);
    if (status == CLCONV_SUCCESS) status = runtime_check_device(rt, err);
    if (status != CLCONV_SUCCESS) return status;
    if (queue == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "queue is NULL");
    cl_context context = NULL;
    cl_device_id device = NULL;
    cl_int code = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
    if (code == CL_SUCCESS)
        code = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clGetCommandQueueInfo");
    if (context != rt->context || device != rt->device)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "queue is of another OpenCL %s than the plan",
                         context != rt->context ? "context" : "device");
    return CLCONV_SUCCESS;
}

/* A NULL event is found here: not every driver does, and what it waits for would never come. */
clconv_status bind_check_wait_list(const clconv_plan *plan, cl_uint n_wait, const cl_event *wait,
                                   clconv_error *err)
{
    if ((n_wait == 0) != (wait == NULL))
        return error_set(err, CLCONV_INVALID_ARGUMENT,
                         "n_wait is %u and wait is %s; both or neither must be given", n_wait,
                         wait == NULL ? "NULL" : "not NULL");
    for (cl_uint i = 0; i < n_wait; i++) {
        cl_context context = NULL;
        if (wait[i] == NULL)
            return error_set(err, CLCONV_INVALID_ARGUMENT, "wait[%u] is NULL; it must be an event", i);
        cl_int code = clGetEventInfo(wait[i], CL_EVENT_CONTEXT, sizeof context, &context, NULL);
        if (code != CL_SUCCESS) return error_set_opencl(err, code, "clGetEventInfo");
        if (context != plan->context->rt.context)
            return error_set(err, CLCONV_INVALID_ARGUMENT,
                             "wait[%u] is of another OpenCL context than the plan", i);
    }
    return CLCONV_SUCCESS;
}

static clconv_status trace(extent *e, clconv_error *err)
{
    cl_mem parent = NULL;
    size_t origin = 0;
    cl_int code = clGetMemObjectInfo(e->memory, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof parent, &parent, NULL);
    if (code == CL_SUCCESS && parent != NULL)
        code = clGetMemObjectInfo(e->memory, CL_MEM_OFFSET, sizeof origin, &origin, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clGetMemObjectInfo");
    if (parent != NULL) e->memory = parent;
    e->first += origin;
    e->last += origin;
    return CLCONV_SUCCESS;
}

/* What kernels do with a buffer. */
typedef enum buffer_use { IS_READ, IS_WRITTEN, IS_BOTH } buffer_use;

static clconv_status check_kind(const char *name, cl_mem memory, buffer_use use, clconv_error *err)
{
    cl_mem_object_type type = CL_MEM_OBJECT_BUFFER;
    cl_mem_flags flags = 0;
    cl_int code = clGetMemObjectInfo(memory, CL_MEM_TYPE, sizeof type, &type, NULL);
    if (code == CL_SUCCESS) code = clGetMemObjectInfo(memory, CL_MEM_FLAGS, sizeof flags, &flags, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clGetMemObjectInfo");
    if (type != CL_MEM_OBJECT_BUFFER)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is an image; it must be a buffer", name);
    if ((flags & CL_MEM_READ_ONLY) != 0 && use != IS_READ)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is read-only to kernels; it is written", name);
    if ((flags & CL_MEM_WRITE_ONLY) != 0 && use != IS_WRITTEN)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is write-only to kernels; it is read", name);
    return CLCONV_SUCCESS;
}

/* Checks one buffer of `bytes` bytes; an empty one may be NULL. */
static clconv_status check_buffer(const clconv_plan *plan, const char *name, clconv_buffer b, int64_t bytes,
                                  buffer_use use, extent *e, clconv_error *err)
{
    *e = (extent){.name = name};
    if (bytes == 0) return CLCONV_SUCCESS;
    if (b.memory == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL; it must hold %lld bytes", name,
                         (long long)bytes);
    size_t element = (size_t)plan->geometry.element_size, size = 0;
    if (b.offset % element != 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s starts at byte %zu; it must be a multiple of %zu",
                         name, b.offset, element);
    cl_context context = NULL;
    cl_int code = clGetMemObjectInfo(b.memory, CL_MEM_SIZE, sizeof size, &size, NULL);
    if (code == CL_SUCCESS)
        code = clGetMemObjectInfo(b.memory, CL_MEM_CONTEXT, sizeof context, &context, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clGetMemObjectInfo");
    if (context != plan->context->rt.context)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is of another OpenCL context than the plan", name);
    if (b.offset > size || size - b.offset < (size_t)bytes)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s has %zu bytes from offset %zu; it must hold %lld",
                         name, b.offset > size ? (size_t)0 : size - b.offset, b.offset, (long long)bytes);
    clconv_status status = check_kind(name, b.memory, use, err);
    if (status != CLCONV_SUCCESS) return status;
    *e = (extent){name, b.memory, b.offset, b.offset + (size_t)bytes};
    return trace(e, err);
}

static clconv_status check_apart(const extent *written, const extent *other, clconv_error *err)
{
    bool apart = written->memory == NULL || written->memory != other->memory ||
                 written->last <= other->first || other->last <= written->first;
    if (apart) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_INVALID_ARGUMENT, "%s overlaps %s; what is written must lie apart",
                     written->name, other->name);
}

typedef struct required_buffer {
    const char *name;
    clconv_buffer buffer;
    int64_t bytes;
} required_buffer;

/* Tensors that an op or several read, that they write, and the workspace. */
enum { READ_MOST = 4, REQUIRED_MOST = READ_MOST + BIND_PLANS + 1 };

/* Checks all; those from `first_written` on are written and must overlap no other. What algorithms write they may read
 * again, to add to it: only what is packed is written alone. */
static clconv_status check_all(const clconv_plan *plan, const required_buffer *required, int count,
                               int first_written, clconv_error *err)
{
    extent extents[REQUIRED_MOST] = {{NULL, NULL, 0, 0}};
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < count && status == CLCONV_SUCCESS; i++)
        status = check_buffer(plan, required[i].name, required[i].buffer, required[i].bytes,
                              i < first_written ? IS_READ : IS_BOTH, &extents[i], err);
    for (int i = first_written; i < count && status == CLCONV_SUCCESS; i++)
        for (int j = 0; j < i && status == CLCONV_SUCCESS; j++)
            status = check_apart(&extents[i], &extents[j], err);
    return status;
}

/* The tensors of an op: those that are read, in the order of the list, then the one that is written. */
static int list_tensors(const clconv_plan *plan, const clconv_tensors *t,
                        required_buffer required[READ_MOST + 1])
{
    const geometry *g = &plan->geometry;
    int64_t element = g->element_size, channel_sums = plan->problem.out_channels * element;
    bool runs = plan->recipe.run_count > 0;
    int64_t weight = plan->packed_weights ? plan->recipe.packed_bytes : g->elements.weight * element;
    const required_buffer weights = {plan->packed_weights ? "weight (packed)" : "weight", t->weight,
                                     runs ? weight : 0};
    int64_t input = g->elements.input * element, output = g->elements.output * element;
    int64_t biases = plan->op == CLCONV_TRANSPOSED && plan->problem.has_bias
                         ? plan->problem.in_channels * element
                         : g->elements.bias * element;
    const required_buffer bias = {"bias", t->bias, runs ? biases : 0};
    int count = 0;
    switch (plan->op) {
    case CLCONV_FORWARD:
        required[count++] = (required_buffer){"input", t->input, input};
        required[count++] = weights;
        required[count++] = bias;
        required[count++] = (required_buffer){"residual", t->residual, g->elements.residual * element};
        required[count++] = (required_buffer){"output", t->output, output};
        break;
    case CLCONV_TRANSPOSED:
        required[count++] = (required_buffer){"input", t->input, output};
        required[count++] = weights;
        required[count++] = bias;
        required[count++] = (required_buffer){"output", t->output, input};
        break;
    case CLCONV_BACKWARD_INPUT:
        required[count++] = (required_buffer){"grad_output", t->grad_output, output};
        required[count++] = weights;
        required[count++] = (required_buffer){"grad_input", t->grad_input, input};
        break;
    case CLCONV_BACKWARD_WEIGHT:
        required[count++] = (required_buffer){"input", t->input, input};
        required[count++] = (required_buffer){"grad_output", t->grad_output, output};
        required[count++] = (required_buffer){"grad_weight", t->grad_weight, g->elements.weight * element};
        break;
    case CLCONV_BACKWARD_BIAS:
        required[count++] = (required_buffer){"grad_output", t->grad_output, output};
        required[count++] = (required_buffer){"grad_bias", t->grad_bias, channel_sums};
        break;
    }
    return count;
}

/* Roles as the steps have them: see BUFFER_INPUT. */
static void assign_roles(const clconv_plan *plan, const clconv_tensors *t, const required_buffer *written,
                         plan_buffers *buffers)
{
    *buffers = (plan_buffers){0};
    buffers->roles[BUFFER_INPUT] = plan->op == CLCONV_BACKWARD_INPUT ? t->grad_output : t->input;
    buffers->roles[BUFFER_WEIGHT] = t->weight;
    buffers->roles[BUFFER_BIAS] = t->bias;
    buffers->roles[BUFFER_RESIDUAL] = t->residual;
    buffers->roles[BUFFER_GRAD_OUTPUT] = t->grad_output;
    buffers->roles[BUFFER_OUTPUT] = written->buffer;
}

/* What the plans need in all: what is read, each tensor once, what is written, the workspace. */
static int list_all(clconv_plan *const *plans, int count, const clconv_tensors *tensors,
                    const clconv_buffer *workspace, required_buffer required[REQUIRED_MOST],
                    int *first_written)
{
    required_buffer written[BIND_PLANS];
    int64_t work = 0;
    int reads = 0;
    for (int i = 0; i < count; i++) {
        required_buffer own[READ_MOST + 1];
        int last = list_tensors(plans[i], tensors, own) - 1;
        for (int k = 0; k < last; k++) {
            int same = 0;
            while (same < reads && strcmp(required[same].name, own[k].name) != 0)
                same++;
            if (same == reads) required[reads++] = own[k];
        }
        written[i] = own[last];
        work = max_i64(work, plans[i]->workspace_size);
    }
    *first_written = reads;
    for (int i = 0; i < count; i++)
        required[reads++] = written[i];
    required[reads++] =
        (required_buffer){"workspace", workspace != NULL ? *workspace : (clconv_buffer){0}, work};
    return reads;
}

clconv_status bind_check_absent(const clconv_problem *problem, bool bias, bool residual, clconv_error *err)
{
    if (!problem->has_bias && bias)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "bias is given; has_bias is 0");
    if (!problem->has_residual && residual)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "residual is given; has_residual is 0");
    return CLCONV_SUCCESS;
}

/* Forward and transposed alone have a bias or a residual; the gradients' plans may share a struct with them. */
static clconv_status check_absent(const clconv_plan *plan, const clconv_tensors *t, clconv_error *err)
{
    if (plan->op != CLCONV_FORWARD && plan->op != CLCONV_TRANSPOSED) return CLCONV_SUCCESS;
    return bind_check_absent(&plan->problem, t->bias.memory != NULL, t->residual.memory != NULL, err);
}

clconv_status bind_runs(clconv_plan *const *plans, int count, const clconv_tensors *tensors,
                        const clconv_buffer *workspace, plan_buffers *buffers, clconv_error *err)
{
    if (tensors == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "tensors is NULL");
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < count && status == CLCONV_SUCCESS; i++)
        status = check_absent(plans[i], tensors, err);
    if (status != CLCONV_SUCCESS) return status;
    required_buffer required[REQUIRED_MOST];
    int first_written, all = list_all(plans, count, tensors, workspace, required, &first_written);
    status = check_all(plans[0], required, all, first_written, err);
    if (status != CLCONV_SUCCESS) return status;
    const required_buffer *work = &required[all - 1];
    size_t alignment = (size_t)plans[0]->context->rt.traits.address_alignment;
    if (work->bytes > 0 && work->buffer.offset % alignment != 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT,
                         "workspace starts at byte %zu; it must be a multiple of %zu", work->buffer.offset,
                         alignment);
    for (int i = 0; i < count; i++) {
        const clconv_plan *plan = plans[i];
        assign_roles(plan, tensors, &required[first_written + i], &buffers[i]);
        buffers[i].roles[BUFFER_WORKSPACE] = work->buffer;
        buffers[i].roles[BUFFER_PACKED] = plan->packed_weights ? tensors->weight : work->buffer;
        if (!plan->packed_weights) buffers[i].roles[BUFFER_PACKED].offset += (size_t)plan->packed_offset;
    }
    return CLCONV_SUCCESS;
}

clconv_status bind_pack(const clconv_plan *plan, clconv_buffer weight, clconv_buffer packed,
                        plan_buffers *buffers, clconv_error *err)
{
    const required_buffer required[] = {
        {"weight", weight, plan->geometry.elements.weight * plan->geometry.element_size},
        {"packed", packed, plan->recipe.packed_bytes},
    };
    clconv_status status = check_all(plan, required, 2, 1, err);
    if (status != CLCONV_SUCCESS) return status;
    *buffers = (plan_buffers){0};
    buffers->roles[BUFFER_WEIGHT] = weight;
    buffers->roles[BUFFER_PACKED] = packed;
    return CLCONV_SUCCESS;
}
