/* Copies a buffer that no cache holds, or what the device's largest allows. The best counts, as for the peak. */
#include "measure/copy.h"

#include "common/tool.h"
#include "measure/compute.h"

static clconv_status copy_time(cl_command_queue queue, cl_mem from, cl_mem to, size_t bytes, double *seconds,
                               clconv_error *err)
{
    double start = tool_seconds();
    cl_int code = clEnqueueCopyBuffer(queue, from, to, 0, 0, bytes, 0, NULL, NULL);
    if (!code) code = clFinish(queue);
    if (code) return compute_fail(err, code, "clEnqueueCopyBuffer");
    *seconds = tool_seconds() - start;
    return CLCONV_SUCCESS;
}

clconv_status copy_measure(clconv_context *context, double *gigabytes, clconv_error *err)
{
    static const double budget_seconds = 0.2;
    const clconv_device_info *info = clconv_context_device_info(context);
    size_t bytes = (size_t)128 << 20;
    if ((int64_t)bytes > info->max_allocation_bytes / 4) bytes = (size_t)info->max_allocation_bytes / 4;
    cl_command_queue queue = NULL;
    cl_mem from = NULL, to = NULL;
    double seconds = 0, best = 0;
    clconv_status status = compute_queue(context, &queue, err);
    if (!status) status = clconv_buffer_create(context, bytes, NULL, &from, err);
    if (!status) status = clconv_buffer_create(context, bytes, NULL, &to, err);
    if (!status) status = copy_time(queue, from, to, bytes, &seconds, err); /* the pages' first use */
    for (double end = tool_seconds() + budget_seconds; !status && (best == 0 || tool_seconds() < end);) {
        status = copy_time(queue, from, to, bytes, &seconds, err);
        if (!status && 2e-9 * (double)bytes / seconds > best) best = 2e-9 * (double)bytes / seconds;
    }
    if (!status) *gigabytes = best;
    if (to) clReleaseMemObject(to);
    if (from) clReleaseMemObject(from);
    if (queue) clReleaseCommandQueue(queue);
    return status;
}
