/* Building and finding programs: see program.h. */
#include "opencl/program.h"

#include "base/error.h"
#include "opencl/pocl.h"
#include "opencl/sources.h"

#include <stdlib.h>
#include <string.h>

struct program_entry {
    char *key; /* source, kernel and options */
    char *kernel_name;
    cl_program program;
    bool used;
    program_entry *next;
};

static void entry_release(program_entry *entry)
{
    if (entry == NULL) return;
    if (entry->program != NULL && runtime_is_usable()) clReleaseProgram(entry->program);
    free(entry->kernel_name);
    free(entry->key);
    free(entry);
}

void program_release_all(program_entry *first)
{
    while (first != NULL) {
        program_entry *next = first->next;
        entry_release(first);
        first = next;
    }
}

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

static clconv_status report_build_failure(const runtime *rt, cl_program program, cl_int code,
                                          const char *source, clconv_error *err)
{
    size_t size = 0;
    clGetProgramBuildInfo(program, rt->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *log = calloc(size + 1, 1);
    if (log != NULL && size > 0)
        clGetProgramBuildInfo(program, rt->device, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    if (log != NULL) runtime_message(rt, CLCONV_MESSAGE_WARNING, log);
    char fault[POCL_FAULT_SIZE] = "";
    if (pocl_is_platform(rt->info.platform_name)) pocl_cache_fault(fault);
    clconv_status status = error_set(err, CLCONV_BUILD_FAILED, "cl/%s did not build (%s): %s%s%s", source,
                                     error_opencl_name(code), fault, fault[0] != '\0' ? "; " : "",
                                     log != NULL ? first_error_line(log) : "no log");
    if (err != NULL) err->opencl_code = code;
    free(log);
    return status;
}

static clconv_status build(runtime *rt, const char *source, const char *options, cl_program *program,
                           clconv_error *err)
{
    text code = {0};
    clconv_status status = source_expand(source, &code, err);
    if (status != CLCONV_SUCCESS) goto done;
    cl_int result = CL_SUCCESS;
    const char *strings[] = {code.data};
    *program = clCreateProgramWithSource(rt->context, 1, strings, &code.length, &result);
    if (result != CL_SUCCESS) {
        status = error_set_opencl(err, result, "clCreateProgramWithSource");
        goto done;
    }
    result = clBuildProgram(*program, 1, &rt->device, options, NULL, NULL);
    if (result != CL_SUCCESS) status = report_build_failure(rt, *program, result, source, err);
done:
    text_release(&code);
    return status;
}

static clconv_status entry_build(runtime *rt, const char *source, const char *kernel_name,
                                 const char *options, text *key, program_entry **entry, clconv_error *err)
{
    program_entry *made = calloc(1, sizeof *made);
    text name = {0};
    text_append(&name, "%s", kernel_name);
    clconv_status status = CLCONV_SUCCESS;
    if (made == NULL || name.failed) {
        text_release(&name);
        status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the program cl/%s", source);
        goto done;
    }
    made->kernel_name = name.data;
    status = build(rt, source, options, &made->program, err);
    if (status != CLCONV_SUCCESS) goto done;
    made->key = key->data;
    *key = (text){0};
    made->next = rt->programs;
    rt->programs = made;
    *entry = made;
    made = NULL;
    rt->counters.programs_built++;
done:
    entry_release(made);
    return status;
}

static void tell_build(const runtime *rt, const char *kernel_name, const char *options, double seconds)
{
    text line = {0};
    text_append(&line, "built %s %s in %.0f ms", kernel_name, options, 1e3 * seconds);
    if (!line.failed) runtime_message(rt, CLCONV_MESSAGE_VERBOSE, line.data);
    text_release(&line);
}

clconv_status program_find_or_build(runtime *rt, const char *source, const char *kernel_name,
                                    const char *options, program_entry **entry, clconv_error *err)
{
    text key = {0};
    text_append(&key, "%s|%s|%s", source, kernel_name, options);
    if (key.failed) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the program cl/%s", source);
    for (program_entry *e = rt->programs; e != NULL; e = e->next) {
        if (strcmp(e->key, key.data) != 0) continue;
        text_release(&key);
        rt->counters.programs_reused++;
        *entry = e;
        return CLCONV_SUCCESS;
    }
    double started = clock_seconds();
    clconv_status status = entry_build(rt, source, kernel_name, options, &key, entry, err);
    if (status == CLCONV_SUCCESS) tell_build(rt, kernel_name, options, clock_seconds() - started);
    text_release(&key);
    return status;
}

clconv_status program_create_kernel(program_entry *entry, cl_kernel *kernel, bool *first_use,
                                    clconv_error *err)
{
    cl_int code = CL_SUCCESS;
    cl_kernel made = clCreateKernel(entry->program, entry->kernel_name, &code);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clCreateKernel");
    *kernel = made;
    *first_use = !entry->used;
    entry->used = true;
    return CLCONV_SUCCESS;
}
