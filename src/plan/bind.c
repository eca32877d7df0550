/* Checking a run's arguments: see bind.h. */
#include "plan/bind.h"

#include "base/error.h"

/* Bytes [first, last) of an OpenCL allocation, sub-buffers traced to what they are a part of. */
typedef struct extent {
    const char *name;
    cl_mem memory;
    size_t first, last;
} extent;

clconv_status bind_check_queue(const clconv_plan *plan, cl_command_queue queue, clconv_error *err)
{
    const runtime *rt = &plan->context->rt;
    clconv_status status = runtime_check_process(rt, err);
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

/* Checks one buffer of `bytes` bytes; an empty one may be NULL. */
static clconv_status check_buffer(const clconv_plan *plan, const char *name, clconv_buffer b, int64_t bytes,
                                  extent *e, clconv_error *err)
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

/* Checks all; those from `first_written` on must overlap no other. */
static clconv_status check_all(const clconv_plan *plan, const required_buffer *required, int count,
                               int first_written, clconv_error *err)
{
    enum { MOST = 6 };
    extent extents[MOST];
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < count && status == CLCONV_SUCCESS; i++)
        status =
            check_buffer(plan, required[i].name, required[i].buffer, required[i].bytes, &extents[i], err);
    for (int i = first_written; i < count && status == CLCONV_SUCCESS; i++)
        for (int j = 0; j < i && status == CLCONV_SUCCESS; j++)
            status = check_apart(&extents[i], &extents[j], err);
    return status;
}

enum { READ_MOST = 4 };

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

clconv_status bind_run(const clconv_plan *plan, const clconv_tensors *tensors, const clconv_buffer *workspace,
                       plan_buffers *buffers, clconv_error *err)
{
    if (tensors == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "tensors is NULL");
    clconv_buffer work = workspace != NULL ? *workspace : (clconv_buffer){0};
    required_buffer required[READ_MOST + 2];
    int count = list_tensors(plan, tensors, required);
    required[count] = (required_buffer){"workspace", work, plan->workspace_size};
    clconv_status status = check_all(plan, required, count + 1, count - 1, err);
    if (status != CLCONV_SUCCESS) return status;
    size_t alignment = (size_t)plan->context->rt.traits.address_alignment;
    if (plan->workspace_size > 0 && work.offset % alignment != 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT,
                         "workspace starts at byte %zu; it must be a multiple of %zu", work.offset,
                         alignment);
    assign_roles(plan, tensors, &required[count - 1], buffers);
    buffers->roles[BUFFER_WORKSPACE] = work;
    buffers->roles[BUFFER_PACKED] = plan->packed_weights ? tensors->weight : work;
    if (!plan->packed_weights) buffers->roles[BUFFER_PACKED].offset += (size_t)plan->packed_offset;
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
