/* Contexts: argument checks, then one call down. */
#include "plan/context.h"

#include "base/environment.h"
#include "base/error.h"
#include "opencl/memory.h"
#include "plan/imagine.h"

#include <stdlib.h>
#include <string.h>

void clconv_context_options_init(clconv_context_options *options)
{
    if (options != NULL) *options = (clconv_context_options){0};
}

clconv_status clconv_context_create(cl_context opencl_context, cl_device_id device,
                                    const clconv_context_options *options, clconv_context **context,
                                    clconv_error *err)
{
    if (opencl_context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "opencl_context is NULL");
    if (device == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "device is NULL");
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    clconv_status status = runtime_check_process(err);
    if (status != CLCONV_SUCCESS) return status;
    clconv_context_options chosen = {0};
    if (options != NULL) chosen = *options;
    const char *verbose = environment_get("CLCONV_VERBOSE");
    if (verbose != NULL && strcmp(verbose, "0") != 0) chosen.verbose = 1;

    clconv_context *made = calloc(1, sizeof *made);
    if (made == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a context");
    status = runtime_create(opencl_context, device, &chosen, &made->rt, err);
    if (status != CLCONV_SUCCESS) {
        free(made);
        return status;
    }
    context_load_tuning(made);
    *context = made;
    return status;
}

clconv_status clconv_context_create_selected(const char *selector, const clconv_context_options *options,
                                             clconv_context **context, clconv_error *err)
{
    cl_platform_id platform;
    cl_device_id device;
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    clconv_status status = clconv_select_device(selector, &platform, &device, err);
    if (status != CLCONV_SUCCESS) return status;
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform, 0};
    cl_int code = CL_SUCCESS;
    cl_context opencl_context = clCreateContext(properties, 1, &device, NULL, NULL, &code);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clCreateContext");
    status = clconv_context_create(opencl_context, device, options, context, err);
    clReleaseContext(opencl_context);
    return status;
}

clconv_status clconv_context_create_imagined(const char *family, clconv_context **context, clconv_error *err)
{
    if (family == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "family is NULL");
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    clconv_device_info info;
    clconv_status status = imagine_family(family, &info, err);
    if (status != CLCONV_SUCCESS) return status;
    clconv_context *made = calloc(1, sizeof *made);
    lock *guard = lock_create(), *messages = lock_create();
    if (made == NULL || guard == NULL || messages == NULL) {
        lock_release(guard);
        lock_release(messages);
        free(made);
        return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a context");
    }
    made->rt = (runtime){.info = info, .guard = guard, .messages = messages};
    made->rt.platform = platform_of(&made->rt.info);
    traits_derive(&made->rt.info, &made->rt.traits);
    if (info.type == CL_DEVICE_TYPE_ACCELERATOR) made->rt.traits.has_gemm = false; /* most have no compiler */
    *context = made;
    return CLCONV_SUCCESS;
}

void clconv_context_release(clconv_context *context)
{
    if (context == NULL) return;
    tuning_release(&context->tuning);
    runtime_release(&context->rt);
    free(context);
}

cl_context clconv_context_opencl(const clconv_context *context)
{
    return context != NULL ? context->rt.context : NULL;
}

cl_device_id clconv_context_device(const clconv_context *context)
{
    return context != NULL ? context->rt.device : NULL;
}

cl_command_queue clconv_context_queue(const clconv_context *context)
{
    return context != NULL ? context->rt.queue : NULL;
}

const clconv_device_info *clconv_context_device_info(const clconv_context *context)
{
    return context != NULL ? &context->rt.info : NULL;
}

clconv_status clconv_buffer_create(const clconv_context *context, size_t bytes, const void *source,
                                   cl_mem *memory, clconv_error *err)
{
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    if (memory == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "memory is NULL");
    clconv_status status = runtime_check_process(err);
    return status == CLCONV_SUCCESS ? memory_create(&context->rt, "a buffer", bytes, source, memory, err)
                                    : status;
}

clconv_status clconv_buffer_wrap(const clconv_context *context, void *pointer, size_t bytes, int writable,
                                 cl_mem *memory, clconv_error *err)
{
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    if (pointer == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "pointer is NULL");
    if (bytes == 0) return error_set(err, CLCONV_INVALID_ARGUMENT, "bytes is 0; it must be positive");
    if (memory == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "memory is NULL");
    clconv_status status = runtime_check_process(err);
    return status == CLCONV_SUCCESS
               ? memory_wrap(&context->rt, "the array", bytes, pointer, writable != 0, memory, err)
               : status;
}

void clconv_context_counters(const clconv_context *context, clconv_counters *counters)
{
    if (counters == NULL) return;
    *counters = (clconv_counters){0};
    if (context == NULL) return;
    /* A forked child has no thread that writes, but perhaps the lock of one that its parent has. */
    bool is_shared = runtime_is_usable();
    if (is_shared) lock_acquire(context->rt.guard);
    *counters = context->rt.counters;
    if (is_shared) lock_leave(context->rt.guard);
}
