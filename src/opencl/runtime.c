/* One device's state: see runtime.h. */
#include "opencl/runtime.h"

#include "base/environment.h"
#include "base/error.h"
#include "base/process.h"
#include "opencl/devices.h"
#include "opencl/program.h"

#include <stdlib.h>

static clconv_status open_queue(runtime *rt, clconv_error *err)
{
    cl_int code = CL_SUCCESS;
    rt->queue = clCreateCommandQueue(rt->context, rt->device, CL_QUEUE_PROFILING_ENABLE, &code);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clCreateCommandQueue");
}

static void open_cache(runtime *rt)
{
    char why[STORE_WHY];
    bool is_unsafe = false;
    text line = {0};
    cache_open(&rt->info, rt->platform->options, &rt->cache, why, &is_unsafe);
    if (rt->cache.store != NULL) return;
    text_append(&line, "programs are not kept on disk: %s", why);
    if (!line.failed)
        runtime_message(rt, is_unsafe ? CLCONV_MESSAGE_WARNING : CLCONV_MESSAGE_VERBOSE, line.data);
    text_release(&line);
}

static void close_cache(runtime *rt)
{
    int64_t counts[CACHE_COUNTS];
    cache_counts_of(&rt->counters, counts);
    if (rt->cache.store != NULL && runtime_is_usable())
        store_count(rt->cache.store, cache_count_names, counts, CACHE_COUNTS);
    cache_close(&rt->cache);
}

/* A bundle that cannot be used is an error where nothing else can be, else a warning. */
static clconv_status open_bundle(runtime *rt, clconv_error *err)
{
    char why[BUNDLE_WHY];
    const char *path = rt->options.bundle != NULL ? rt->options.bundle : environment_get("CLCONV_BUNDLE");
    if (path == NULL || *path == '\0') return CLCONV_SUCCESS;
    char *device = cache_device(&rt->info, rt->platform->options);
    bundle *b = device != NULL ? bundle_open(path, why) : NULL;
    clconv_error failure = {.status = CLCONV_SUCCESS};
    if (device == NULL)
        error_set(&failure, CLCONV_OUT_OF_MEMORY, "no memory for a context");
    else if (b == NULL || !bundle_is_for(b, device, why))
        error_set(&failure, CLCONV_FILE_FAILED, "the bundle '%.300s' cannot be used: %s", path, why);
    free(device);
    if (failure.status == CLCONV_SUCCESS) {
        rt->bundle = b;
        return CLCONV_SUCCESS;
    }
    bundle_release(b);
    if (rt->info.has_compiler && failure.status == CLCONV_FILE_FAILED) {
        runtime_message(rt, CLCONV_MESSAGE_WARNING, failure.message);
        return CLCONV_SUCCESS;
    }
    if (err != NULL) *err = failure;
    return failure.status;
}

clconv_status runtime_create(cl_context context, cl_device_id device, const clconv_context_options *options,
                             runtime *rt, clconv_error *err)
{
    runtime made = {.device = device, .options = *options};
    clconv_status status = device_info_query_one(device, &made.info, err);
    if (status != CLCONV_SUCCESS) goto done;
    traits_derive(&made.info, &made.traits);
    made.traits.has_gemm = made.info.has_compiler && !options->exportable;
    made.platform = platform_of(&made.info);
    made.messages = lock_create();
    made.guard = lock_create();
    if (made.messages == NULL || made.guard == NULL) {
        status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a context");
        goto done;
    }
    cl_int code = clRetainContext(context);
    if (code != CL_SUCCESS) {
        status = error_set_opencl(err, code, "clRetainContext");
        goto done;
    }
    made.context = context;
    status = open_queue(&made, err);
    if (status == CLCONV_SUCCESS) open_cache(&made);
    if (status == CLCONV_SUCCESS) status = open_bundle(&made, err);
    made.options.bundle = NULL; /* the caller's text */
done:
    if (status == CLCONV_SUCCESS)
        *rt = made;
    else
        runtime_release(&made);
    return status;
}

void runtime_release(runtime *rt)
{
    program_release_all(rt->programs);
    close_cache(rt);
    bundle_release(rt->bundle);
    bool is_usable = runtime_is_usable();
    if (rt->queue != NULL && is_usable) clReleaseCommandQueue(rt->queue);
    if (rt->context != NULL && is_usable) clReleaseContext(rt->context);
    lock_release(rt->guard);
    lock_release(rt->messages);
}

bool runtime_is_usable(void)
{
    return process_of_opencl() == process_id();
}

clconv_status runtime_check_process(clconv_error *err)
{
    if (runtime_is_usable()) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_INVALID_ARGUMENT,
                     "process %lld was forked from process %lld when that had used OpenCL, which does not "
                     "survive a fork; fork before the first use, or start a new program",
                     (long long)process_id(), (long long)process_of_opencl());
}

clconv_status runtime_check_device(const runtime *rt, clconv_error *err)
{
    if (rt->context != NULL && !rt->options.plans_only) return CLCONV_SUCCESS;
    if (rt->context != NULL)
        return error_set(err, CLCONV_UNSUPPORTED,
                         "the context only plans (clconv_context_options.plans_only)");
    return error_set(err, CLCONV_UNSUPPORTED,
                     "the context is of a device that is not there (%s): it only plans",
                     rt->traits.machine->name);
}

void runtime_message(const runtime *rt, clconv_message_level level, const char *text)
{
    if (rt->options.message == NULL) return;
    if (level == CLCONV_MESSAGE_VERBOSE && !rt->options.verbose) return;
    if (level == CLCONV_MESSAGE_PROGRESS && !rt->options.progress) return;
    lock_acquire(rt->messages);
    rt->options.message(rt->options.message_user, level, text);
    lock_leave(rt->messages);
}
