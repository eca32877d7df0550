/* Blocks under way: see slot.h. */
#include "blocks/slot.h"

#include "base/error.h"
#include "opencl/memory.h"

#include <stdlib.h>

clconv_status slot_reserve(const runtime *rt, const tensor_use *uses, const size_t *bytes, block_slot *slot,
                           clconv_error *err)
{
    static const char *const names[] = {"input", "weight", "bias", "residual", "output"};
    clconv_status status = CLCONV_SUCCESS;
    slot->channel = -1;
    for (int t = 0; t < BLOCK_TENSORS && status == CLCONV_SUCCESS; t++) {
        if (uses[t] == USE_NONE || bytes[t] == 0) continue;
        status = memory_create(rt, names[t], bytes[t], NULL, &slot->memory[t], err);
        if (status != CLCONV_SUCCESS || (uses[t] == USE_READ && (t == BLOCK_WEIGHT || t == BLOCK_BIAS)))
            continue;
        slot->stage[t] = malloc(bytes[t]);
        if (slot->stage[t] == NULL)
            status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a block's %s of %zu bytes", names[t],
                               bytes[t]);
    }
    return status;
}

static void release_event(cl_event *event)
{
    if (*event != NULL) clReleaseEvent(*event);
    *event = NULL;
}

clconv_status slot_write(block_slot *slot, const slot_queues *queues, int tensor, const void *from,
                         size_t bytes, clconv_error *err)
{
    if (bytes == 0) return CLCONV_SUCCESS;
    release_event(&slot->written);
    cl_int code = clEnqueueWriteBuffer(queues->up, slot->memory[tensor], CL_FALSE, 0, bytes, from, 0, NULL,
                                       &slot->written);
    if (code == CL_SUCCESS) code = clFlush(queues->up);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueWriteBuffer");
}

clconv_status slot_read(block_slot *slot, const slot_queues *queues, int tensor, size_t bytes,
                        clconv_error *err)
{
    cl_int code = clFlush(queues->compute);
    if (code == CL_SUCCESS)
        code = clEnqueueReadBuffer(queues->down, slot->memory[tensor], CL_FALSE, 0, bytes,
                                   slot->stage[tensor], slot->computed != NULL,
                                   slot->computed != NULL ? &slot->computed : NULL, &slot->read);
    if (code == CL_SUCCESS) code = clFlush(queues->down);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueReadBuffer");
}

clconv_status slot_wait(block_slot *slot, clconv_error *err)
{
    cl_int code = clWaitForEvents(1, &slot->read);
    release_event(&slot->written);
    release_event(&slot->computed);
    release_event(&slot->read);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clWaitForEvents");
}

void slot_release(block_slot *slot)
{
    release_event(&slot->written);
    release_event(&slot->computed);
    release_event(&slot->read);
    for (int t = 0; t < BLOCK_TENSORS; t++) {
        if (slot->memory[t] != NULL) clReleaseMemObject(slot->memory[t]);
        free(slot->stage[t]);
    }
}
