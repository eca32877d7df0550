/* See bundled.h. */
#include "opencl/bundled.h"

#include "base/checksum.h"
#include "base/error.h"
#include "opencl/build.h"

#include <stdlib.h>

static const char *reason(const runtime *rt, const bundled_request *q, bool is_found, bool is_stale)
{
    if (rt->bundle == NULL) return "device has no compiler, and no bundle is given that has";
    if (is_found && q->is_distrusted) return "a wrong answer came of the bundle's binary of";
    if (is_found) return "the driver does not take the bundle's binary of";
    return is_stale ? "the bundle has another version of" : "the bundle does not have";
}

clconv_status bundled_take(const runtime *rt, const bundled_request *q, cl_program *program,
                           const bundled_program **from, clconv_error *err)
{
    const bool must = rt->info.has_compiler == 0;
    bool is_stale = false;
    char sum[CHECKSUM_TEXT];
    *program = NULL;
    *from = NULL;
    if (rt->bundle == NULL && !must) return CLCONV_SUCCESS;
    checksum_text(q->code->data, q->code->length, sum);
    const bundled_program *found =
        rt->bundle != NULL ? bundle_find(rt->bundle, q->source, sum, q->options, &is_stale) : NULL;
    char *name = found != NULL && !q->is_distrusted ? bundle_kernel_name(found, q->kernel) : NULL;
    if (name != NULL) *program = build_from_binary(rt, found->binary, q->options, name);
    free(name);
    if (*program != NULL) *from = found;
    if (*program != NULL || (!must && (found == NULL || q->is_distrusted))) return CLCONV_SUCCESS;
    clconv_error told;
    error_set(&told, CLCONV_UNSUPPORTED, "%s cl/%s %s, kernel %s%s", reason(rt, q, found != NULL, is_stale),
              q->source, q->options, q->kernel, must ? "" : "; it is compiled");
    if (!must) {
        runtime_message(rt, CLCONV_MESSAGE_WARNING, told.message);
        return CLCONV_SUCCESS;
    }
    if (err != NULL) *err = told;
    return told.status;
}

clconv_status bundled_create_kernel(cl_program program, const bundled_program *from, const char *name,
                                    cl_kernel *kernel, clconv_error *err)
{
    cl_int code = CL_SUCCESS;
    char *own = from != NULL ? bundle_kernel_name(from, name) : NULL;
    cl_kernel made = clCreateKernel(program, own != NULL ? own : name, &code);
    free(own);
    if (code != CL_SUCCESS && from != NULL)
        return error_set(err, CLCONV_UNSUPPORTED,
                         "the bundle's binary of cl/%s %s does not have the kernel %s", from->source,
                         from->options, name);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clCreateKernel");
    *kernel = made;
    return CLCONV_SUCCESS;
}
