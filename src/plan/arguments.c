/* Arguments of kernels: see arguments.h. */
#include "plan/arguments.h"

#include "base/error.h"

clconv_buffer arguments_resolve(const plan_buffers *buffers, step_buffer b)
{
    clconv_buffer buffer = buffers->roles[b.role];
    buffer.offset += (size_t)b.offset;
    return buffer;
}

static cl_int set_buffer(cl_kernel kernel, cl_uint *index, cl_mem memory, cl_long offset)
{
    cl_int code = clSetKernelArg(kernel, (*index)++, sizeof memory, memory != NULL ? &memory : NULL);
    return code == CL_SUCCESS ? clSetKernelArg(kernel, (*index)++, sizeof offset, &offset) : code;
}

static cl_int set_scalar(cl_kernel kernel, cl_uint *index, cl_long value)
{
    return clSetKernelArg(kernel, (*index)++, sizeof value, &value);
}

clconv_status arguments_set(const step *s, const plan_buffers *buffers, cl_kernel kernel, clconv_error *err)
{
    cl_uint index = 0;
    cl_int code = CL_SUCCESS;
    for (int i = 0; i < s->buffer_count && code == CL_SUCCESS; i++) {
        clconv_buffer b = {NULL, 0};
        if (buffers != NULL) b = arguments_resolve(buffers, s->buffers[i]);
        code = set_buffer(kernel, &index, b.memory, (cl_long)b.offset / s->element_size);
    }
    for (int i = 0; i < s->launch.scalar_count && code == CL_SUCCESS; i++)
        code = set_scalar(kernel, &index, buffers != NULL ? s->launch.scalars[i] : 0);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clSetKernelArg");
}
