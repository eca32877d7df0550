/* See fill.h. */
#include "opencl/fill.h"

#include "base/error.h"
#include "opencl/kernel_line.h"
#include "opencl/program.h"
#include "opencl/sources.h"

#include <stdlib.h>
#include <string.h>

typedef struct filling {
    runtime *rt;
    int64_t saved;
} filling;

/* With zeros for all scalars and NULL for all buffers, which is the same bytes, a kernel does nothing. */
static bool run_empty(const runtime *rt, cl_kernel kernel, const size_t local[3])
{
    const cl_long zero = 0;
    cl_uint count = 0;
    if (clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof count, &count, NULL) != CL_SUCCESS) return false;
    for (cl_uint i = 0; i < count; i++)
        if (clSetKernelArg(kernel, i, sizeof zero, &zero) != CL_SUCCESS) return false;
    return clEnqueueNDRangeKernel(rt->queue, kernel, 3, NULL, local, local, 0, NULL, NULL) == CL_SUCCESS &&
           clFinish(rt->queue) == CL_SUCCESS;
}

static bool warm(runtime *rt, const char *source, const char *options, const char *line)
{
    kernel_line k;
    cl_kernel kernel;
    kernel_record *cold = NULL;
    if (!kernel_line_parse(line, &k)) return false;
    if (program_get_kernel(rt, source, k.name, options, &kernel, &cold, NULL) != CLCONV_SUCCESS) return false;
    bool is_run = run_empty(rt, kernel, k.local);
    if (is_run && cold != NULL) program_set_warm(rt, cold, k.local);
    clReleaseKernel(kernel);
    return is_run;
}

static bool warm_all(runtime *rt, const char *source, const char *options, byte_span kernels)
{
    text lines = {0};
    text_append_bytes(&lines, kernels.bytes, kernels.size);
    bool ok = !lines.failed && lines.length > 0;
    for (const char *line = lines.data; ok && *line != '\0'; line = strchr(line, '\n') + 1)
        ok = strchr(line, '\n') != NULL && warm(rt, source, options, line);
    text_release(&lines);
    return ok;
}

/* Whether the program that is wanted is the one that would be built now. */
static bool is_current(const runtime *rt, const char *source, const char *options, byte_span key)
{
    text code = {0};
    char *now = source_expand(source, &code, NULL) == CLCONV_SUCCESS
                    ? cache_key(&rt->cache, source, &code, options)
                    : NULL;
    bool is_same = now != NULL && byte_span_equals(byte_span_of(now), key);
    free(now);
    text_release(&code);
    return is_same;
}

static int make_wanted(void *user, const store_item *item)
{
    filling *f = user;
    char *source, *options;
    if (item->result != STORE_FOUND) {
        store_remove_name(f->rt->cache.store, item->name);
        return 0;
    }
    if (!cache_key_parse(&f->rt->cache, item->key, &source, &options)) return 0; /* another device's */
    bool is_made = is_current(f->rt, source, options, item->key) &&
                   warm_all(f->rt, source, options, item->content) && program_save(f->rt, source, options);
    f->saved += is_made;
    store_remove_name(f->rt->cache.store, item->name);
    free(source);
    free(options);
    return 0;
}

clconv_status fill_wanted(runtime *rt, int64_t *saved, clconv_error *err)
{
    filling f = {.rt = rt};
    int held = rt->cache.store != NULL ? store_hold(rt->cache.store, "filling") : -1;
    if (held >= 0) {
        rt->is_filling = true;
        bool is_read = store_visit(rt->cache.store, CACHE_WANTED, make_wanted, &f);
        rt->is_filling = false;
        store_leave(held);
        if (!is_read) return error_set(err, CLCONV_FILE_FAILED, "the cache's folder cannot be read");
    }
    *saved = f.saved;
    return CLCONV_SUCCESS;
}
