/* See build.h. */
#include "opencl/build.h"

#include "base/error.h"
#include "opencl/pocl.h"

#include <stdlib.h>
#include <string.h>

/* The first line of a build log that tells an error, else its first line. */
static const char *first_error_line(char *log)
{
    char *found = strstr(log, "error:");
    char *line = found != NULL ? found : log;
    while (line > log && line[-1] != '\n')
        line--;
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static clconv_status report_failure(const runtime *rt, cl_program program, cl_int code, const char *source,
                                    clconv_error *err)
{
    size_t size = 0;
    clGetProgramBuildInfo(program, rt->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *log = calloc(size + 1, 1);
    if (log != NULL && size > 0)
        clGetProgramBuildInfo(program, rt->device, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    if (log != NULL) runtime_message(rt, CLCONV_MESSAGE_WARNING, log);
    char fault[POCL_FAULT_SIZE] = "";
    if (pocl_is_platform(rt->info.platform_name)) pocl_cache_fault(fault);
    /* Without a cache nothing builds, whatever its source. */
    clconv_status status =
        error_set(err, fault[0] != '\0' ? CLCONV_FILE_FAILED : CLCONV_BUILD_FAILED,
                  "cl/%s did not build (%s): %s%s%s", source, error_opencl_name(code), fault,
                  fault[0] != '\0' ? "; " : "", log != NULL ? first_error_line(log) : "no log");
    if (err != NULL) err->opencl_code = code;
    free(log);
    return status;
}

static bool append_options(const runtime *rt, const char *options, text *all)
{
    text_append(all, "%s%s", options, rt->platform->options);
    return !all->failed;
}

clconv_status build_from_source(const runtime *rt, const char *name, const text *code, const char *options,
                                cl_program *program, clconv_error *err)
{
    text all = {0};
    cl_program made = NULL;
    cl_int result = CL_SUCCESS;
    clconv_status status = CLCONV_SUCCESS;
    const char *strings[] = {code->data};
    if (!append_options(rt, options, &all)) {
        status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the program cl/%s", name);
        goto done;
    }
    made = clCreateProgramWithSource(rt->context, 1, strings, &code->length, &result);
    if (result != CL_SUCCESS) {
        status = error_set_opencl(err, result, "clCreateProgramWithSource");
        goto done;
    }
    result = clBuildProgram(made, 1, &rt->device, all.data, NULL, NULL);
    if (result != CL_SUCCESS) {
        status = report_failure(rt, made, result, name, err);
        goto done;
    }
    *program = made;
    made = NULL;
done:
    if (made != NULL) clReleaseProgram(made);
    text_release(&all);
    return status;
}

static bool has_kernel(cl_program program, const char *name)
{
    cl_int code = CL_SUCCESS;
    cl_kernel kernel = clCreateKernel(program, name, &code);
    if (code == CL_SUCCESS) clReleaseKernel(kernel);
    return code == CL_SUCCESS;
}

cl_program build_from_binary(const runtime *rt, byte_span binary, const char *options, const char *kernel)
{
    text all = {0};
    cl_int taken = CL_SUCCESS, code = CL_SUCCESS;
    const unsigned char *bytes = (const unsigned char *)binary.bytes;
    cl_program made =
        clCreateProgramWithBinary(rt->context, 1, &rt->device, &binary.size, &bytes, &taken, &code);
    if (code != CL_SUCCESS) return NULL;
    bool is_built = taken == CL_SUCCESS && append_options(rt, options, &all) &&
                    clBuildProgram(made, 1, &rt->device, all.data, NULL, NULL) == CL_SUCCESS &&
                    has_kernel(made, kernel);
    text_release(&all);
    if (is_built) return made;
    clReleaseProgram(made);
    return NULL;
}

/* The caller's context may have other devices, for which the program has no binary. */
enum { MOST_DEVICES = 32 };

static bool find_size(const runtime *rt, cl_program program, cl_uint *count, cl_uint *at, size_t *size)
{
    cl_device_id devices[MOST_DEVICES];
    size_t sizes[MOST_DEVICES], length = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof devices, devices, &length) != CL_SUCCESS ||
        clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof sizes, sizes, NULL) != CL_SUCCESS)
        return false;
    *count = (cl_uint)(length / sizeof devices[0]);
    for (*at = 0; *at < *count; ++*at) {
        if (devices[*at] != rt->device) continue;
        *size = sizes[*at];
        return *size > 0;
    }
    return false;
}

bool build_binary_of(const runtime *rt, cl_program program, text *binary)
{
    unsigned char *places[MOST_DEVICES] = {NULL};
    cl_uint count = 0, at = 0;
    size_t size = 0;
    if (!find_size(rt, program, &count, &at, &size)) return false;
    places[at] = malloc(size);
    bool is_there =
        places[at] != NULL &&
        clGetProgramInfo(program, CL_PROGRAM_BINARIES, count * sizeof places[0], places, NULL) == CL_SUCCESS;
    if (is_there) text_append_bytes(binary, (const char *)places[at], size);
    free(places[at]);
    return is_there && !binary->failed;
}
