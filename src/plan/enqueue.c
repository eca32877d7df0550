/* The only loop that enqueues. An in-order queue orders the steps by itself; on an out-of-order one each
 * waits for the one before. Nothing is allocated on the device, compiled or waited for here. */
#include "base/arith.h"
#include "base/error.h"
#include "plan/arguments.h"
#include "steps/gemm.h"
#include "steps/kernel.h"

/* The state of one pass over the steps. */
typedef struct enqueue_pass {
    clconv_plan *plan;
    cl_command_queue queue;
    const plan_buffers *buffers;
    bool out_of_order;
    cl_uint n_wait; /* what the next step waits for */
    const cl_event *wait;
} enqueue_pass;

/* In one launch or in parts, each of which waits for the one before. */
static clconv_status enqueue_kernel(const enqueue_pass *pass, const step *s, cl_kernel kernel, cl_event *done,
                                    clconv_error *err)
{
    clconv_status status = arguments_set(s, pass->buffers, kernel, err);
    cl_uint n_wait = pass->n_wait;
    const cl_event *wait = pass->wait;
    cl_event before = NULL, part_done = NULL;
    int64_t parts = max_i64(s->launch.parts, 1);
    for (int64_t i = 0; i < parts && status == CLCONV_SUCCESS; i++) {
        const launch_part part = launch_part_at(&s->launch, parts, i);
        bool wanted = i == parts - 1 ? done != NULL : pass->out_of_order;
        cl_int code =
            clEnqueueNDRangeKernel(pass->queue, kernel, 3, parts > 1 ? part.offset : NULL, part.global,
                                   s->launch.local, n_wait, wait, wanted ? &part_done : NULL);
        if (code != CL_SUCCESS) status = error_set_opencl(err, code, "clEnqueueNDRangeKernel");
        if (before != NULL) clReleaseEvent(before);
        before = part_done;
        part_done = NULL;
        n_wait = before != NULL ? 1 : 0;
        wait = before != NULL ? &before : NULL;
    }
    if (status == CLCONV_SUCCESS && done != NULL) *done = before;
    return status;
}

/* The temporary as a buffer that starts at its first byte: the workspace itself, or an aligned sub-buffer of
 * it. */
static clconv_status open_temporary(const enqueue_pass *pass, const step *s, cl_mem *temporary,
                                    clconv_error *err)
{
    *temporary = NULL;
    if (s->gemm.temporary_bytes == 0) return CLCONV_SUCCESS;
    clconv_buffer b = arguments_resolve(pass->buffers, s->buffers[3]);
    cl_int code = CL_SUCCESS;
    if (b.offset == 0) {
        code = clRetainMemObject(b.memory);
        if (code == CL_SUCCESS) *temporary = b.memory;
    } else {
        cl_buffer_region region = {b.offset, (size_t)s->gemm.temporary_bytes};
        *temporary =
            clCreateSubBuffer(b.memory, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    }
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clCreateSubBuffer");
}

static clconv_status enqueue_gemm(const enqueue_pass *pass, const step *s, cl_event *done, clconv_error *err)
{
    cl_mem temporary = NULL, memory[3];
    int64_t offset[3];
    clconv_status status = open_temporary(pass, s, &temporary, err);
    if (status != CLCONV_SUCCESS) return status;
    for (int i = 0; i < 3; i++) {
        clconv_buffer b = arguments_resolve(pass->buffers, s->buffers[i]);
        memory[i] = b.memory;
        offset[i] = (int64_t)b.offset;
    }
    cl_int code = CL_SUCCESS;
    if (pass->n_wait > 0) code = clEnqueueBarrierWithWaitList(pass->queue, pass->n_wait, pass->wait, NULL);
    if (code != CL_SUCCESS)
        status = error_set_opencl(err, code, "clEnqueueBarrierWithWaitList");
    else
        status = gemm_enqueue(s, pass->queue, memory, offset, temporary, done, err);
    if (temporary != NULL) clReleaseMemObject(temporary);
    return status;
}

static clconv_status enqueue_copy(const enqueue_pass *pass, const step *s, cl_event *done, clconv_error *err)
{
    clconv_buffer from = arguments_resolve(pass->buffers, s->buffers[0]);
    clconv_buffer to = arguments_resolve(pass->buffers, s->buffers[1]);
    cl_int code = clEnqueueCopyBuffer(pass->queue, from.memory, to.memory, from.offset, to.offset,
                                      (size_t)s->copy_bytes, pass->n_wait, pass->wait, done);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueCopyBuffer");
}

static clconv_status enqueue_step(const enqueue_pass *pass, const step *s, size_t kernel, cl_event *done,
                                  clconv_error *err)
{
    switch (s->kind) {
    case STEP_KERNEL:
        return enqueue_kernel(pass, s, pass->plan->kernels[kernel].kernel, done, err);
    case STEP_GEMM:
        return enqueue_gemm(pass, s, done, err);
    case STEP_COPY:
        return enqueue_copy(pass, s, done, err);
    }
    return error_set(err, CLCONV_INTERNAL, "step '%s' is of no known kind", s->name);
}

/* One list of steps. *last (the previous step's event, owned by the pass, or NULL) moves on. */
static clconv_status enqueue_list(enqueue_pass *pass, const step *steps, const size_t *kernels, size_t count,
                                  bool want_last, cl_event *last, cl_event *each, clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    for (size_t i = 0; i < count && status == CLCONV_SUCCESS; i++) {
        cl_event done = NULL;
        bool wanted = pass->out_of_order || each != NULL || (want_last && i == count - 1);
        status = enqueue_step(pass, &steps[i], kernels[i], wanted ? &done : NULL, err);
        if (status != CLCONV_SUCCESS) break;
        if (each != NULL && clRetainEvent(done) == CL_SUCCESS) each[i] = done;
        if (*last != NULL) clReleaseEvent(*last);
        *last = done;
        pass->n_wait = pass->out_of_order ? 1 : 0;
        pass->wait = pass->out_of_order ? last : NULL;
    }
    return status;
}

static clconv_status is_out_of_order(cl_command_queue queue, bool *result, clconv_error *err)
{
    cl_command_queue_properties properties = 0;
    cl_int code = clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clGetCommandQueueInfo");
    *result = (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0;
    return CLCONV_SUCCESS;
}

clconv_status plan_begin(clconv_plan *plan, clconv_error *err)
{
    if (!atomic_exchange_explicit(&plan->is_busy, true, memory_order_acquire)) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_INVALID_ARGUMENT,
                     "plan is being enqueued by another thread; it serves one at a time");
}

void plan_end(clconv_plan *plan)
{
    atomic_store_explicit(&plan->is_busy, false, memory_order_release);
}

clconv_status plan_enqueue_steps(clconv_plan *plan, plan_part part, cl_command_queue queue,
                                 const plan_buffers *buffers, cl_uint n_wait, const cl_event *wait,
                                 cl_event *done, cl_event *each, clconv_error *err)
{
    const recipe *r = &plan->recipe;
    enqueue_pass pass = {.plan = plan, .queue = queue, .buffers = buffers, .n_wait = n_wait, .wait = wait};
    clconv_status status = is_out_of_order(queue, &pass.out_of_order, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_event last = NULL;
    bool pack = part == PLAN_PACK, run_packs = pack || (part == PLAN_RUN && !plan->packed_weights);
    if (run_packs)
        status = enqueue_list(&pass, r->pack, plan->pack_kernels, r->pack_count, pack && done != NULL, &last,
                              each, err);
    if (each != NULL && run_packs) each += r->pack_count;
    if (status == CLCONV_SUCCESS && !pack)
        status = enqueue_list(&pass, r->run, plan->run_kernels, r->run_count, done != NULL, &last, each, err);
    if (status == CLCONV_SUCCESS && done != NULL && last == NULL) {
        cl_int code = clEnqueueMarkerWithWaitList(queue, pass.n_wait, pass.wait, &last);
        if (code != CL_SUCCESS) status = error_set_opencl(err, code, "clEnqueueMarkerWithWaitList");
    }
    if (status == CLCONV_SUCCESS && done != NULL) {
        *done = last;
        last = NULL;
    }
    if (last != NULL) clReleaseEvent(last);
    return status;
}
