/* Buffers in huge pages: see memory.h. */
#include "opencl/memory.h"

#include "base/error.h"

/* Nothing of the buffer has been touched yet: its pages come as they are asked for now. A failure costs speed
 * only. */
static void advise(const runtime *rt, cl_mem memory, size_t bytes)
{
    cl_int code = CL_SUCCESS;
    void *mapped = clEnqueueMapBuffer(rt->queue, memory, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION, 0, bytes, 0,
                                      NULL, NULL, &code);
    if (code != CL_SUCCESS || mapped == NULL) return;
    system_advise_huge_pages(mapped, bytes);
    clEnqueueUnmapMemObject(rt->queue, memory, mapped, 0, NULL, NULL);
    clFinish(rt->queue);
}

static clconv_status check_size(const runtime *rt, const char *name, size_t bytes, clconv_error *err)
{
    clconv_status status = runtime_check_device(rt, err);
    if (status != CLCONV_SUCCESS) return status;
    if (bytes <= (size_t)rt->info.max_allocation_bytes) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_OUT_OF_DEVICE_MEMORY, "%s has %zu bytes; device %s allocates at most %lld",
                     name, bytes, rt->info.name, (long long)rt->info.max_allocation_bytes);
}

clconv_status memory_create(const runtime *rt, const char *name, size_t bytes, const void *source,
                            cl_mem *memory, clconv_error *err)
{
    enum { HUGE_PAGE = 1 << 21 };
    clconv_status status = check_size(rt, name, bytes, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_int code = CL_SUCCESS;
    cl_mem made = clCreateBuffer(rt->context, CL_MEM_READ_WRITE, bytes > 0 ? bytes : 1, NULL, &code);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clCreateBuffer");
    if (rt->traits.is_cpu && bytes >= HUGE_PAGE) advise(rt, made, bytes);
    if (source != NULL && bytes > 0)
        code = clEnqueueWriteBuffer(rt->queue, made, CL_TRUE, 0, bytes, source, 0, NULL, NULL);
    if (code != CL_SUCCESS) {
        clReleaseMemObject(made);
        return error_set_opencl(err, code, "clEnqueueWriteBuffer");
    }
    *memory = made;
    return CLCONV_SUCCESS;
}

clconv_status memory_wrap(const runtime *rt, const char *name, size_t bytes, void *array, bool writable,
                          cl_mem *memory, clconv_error *err)
{
    clconv_status status = check_size(rt, name, bytes, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_int code = CL_SUCCESS;
    cl_mem_flags flags = CL_MEM_USE_HOST_PTR | (writable ? CL_MEM_READ_WRITE : CL_MEM_READ_ONLY);
    cl_mem made = clCreateBuffer(rt->context, flags, bytes, array, &code);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clCreateBuffer");
    *memory = made;
    return CLCONV_SUCCESS;
}
