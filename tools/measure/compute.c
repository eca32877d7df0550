/* OpenCL objects of the tool's own; see compute.h. */
#include "measure/compute.h"

#include <stdio.h>

clconv_status compute_fail(clconv_error *err, cl_int code, const char *call)
{
    int memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_INVALID_BUFFER_SIZE ||
                 code == CL_OUT_OF_RESOURCES;
    err->status = code == CL_OUT_OF_HOST_MEMORY ? CLCONV_OUT_OF_MEMORY
                  : memory                      ? CLCONV_OUT_OF_DEVICE_MEMORY
                                                : CLCONV_OPENCL_FAILED;
    err->opencl_code = code;
    snprintf(err->message, sizeof err->message, "%s failed: %s (OpenCL code %d)", call,
             clconv_status_text(err->status), (int)code);
    return err->status;
}

clconv_status compute_queue(clconv_context *context, cl_command_queue *queue, clconv_error *err)
{
    cl_int code;
    cl_command_queue made =
        clCreateCommandQueue(clconv_context_opencl(context), clconv_context_device(context), 0, &code);
    if (code != CL_SUCCESS) return compute_fail(err, code, "clCreateCommandQueue");
    *queue = made;
    return CLCONV_SUCCESS;
}
