/* Building and finding programs: see program.h. */
#include "opencl/program.h"

#include "base/error.h"
#include "opencl/pocl.h"
#include "opencl/sources.h"

#include <stdlib.h>
#include <string.h>

struct kernel_record {
    char *name;
    bool is_warm;
    kernel_record *next;
};

struct program_entry {
    char *key;              /* source and options */
    cl_program program;     /* NULL until it is built */
    kernel_record *kernels; /* those that have been asked for */
    program_entry *next;
};

static void entry_release(program_entry *entry)
{
    while (entry->kernels != NULL) {
        kernel_record *next = entry->kernels->next;
        free(entry->kernels->name);
        free(entry->kernels);
        entry->kernels = next;
    }
    if (entry->program != NULL && runtime_is_usable()) clReleaseProgram(entry->program);
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

static clconv_status build(const runtime *rt, const char *source, const char *options, cl_program *program,
                           clconv_error *err)
{
    text code = {0};
    cl_program made = NULL;
    clconv_status status = source_expand(source, &code, err);
    if (status != CLCONV_SUCCESS) goto done;
    cl_int result = CL_SUCCESS;
    const char *strings[] = {code.data};
    made = clCreateProgramWithSource(rt->context, 1, strings, &code.length, &result);
    if (result != CL_SUCCESS) {
        status = error_set_opencl(err, result, "clCreateProgramWithSource");
        goto done;
    }
    result = clBuildProgram(made, 1, &rt->device, options, NULL, NULL);
    if (result != CL_SUCCESS) {
        status = report_build_failure(rt, made, result, source, err);
        goto done;
    }
    *program = made;
    made = NULL;
done:
    if (made != NULL) clReleaseProgram(made);
    text_release(&code);
    return status;
}

static void tell_build(const runtime *rt, const char *source, const char *options, double seconds)
{
    text line = {0};
    text_append(&line, "built cl/%s %s in %.0f ms", source, options, 1e3 * seconds);
    if (!line.failed) runtime_message(rt, CLCONV_MESSAGE_VERBOSE, line.data);
    text_release(&line);
}

/* NULL if memory is out. */
static program_entry *find_or_add_entry(runtime *rt, const char *source, const char *options)
{
    text key = {0};
    text_append(&key, "%s|%s", source, options);
    program_entry *entry = key.failed ? NULL : rt->programs;
    while (entry != NULL && strcmp(entry->key, key.data) != 0)
        entry = entry->next;
    if (entry == NULL && !key.failed) entry = calloc(1, sizeof *entry);
    if (entry != NULL && entry->key == NULL) {
        *entry = (program_entry){.key = key.data, .next = rt->programs};
        rt->programs = entry;
        key = (text){0};
    }
    text_release(&key);
    return entry;
}

/* NULL if memory is out. */
static kernel_record *find_or_add_record(program_entry *entry, const char *name)
{
    kernel_record *record = entry->kernels;
    while (record != NULL && strcmp(record->name, name) != 0)
        record = record->next;
    if (record != NULL) return record;
    text copy = {0};
    text_append(&copy, "%s", name);
    record = copy.failed ? NULL : calloc(1, sizeof *record);
    if (record == NULL) {
        text_release(&copy);
        return NULL;
    }
    *record = (kernel_record){.name = copy.data, .next = entry->kernels};
    entry->kernels = record;
    return record;
}

/* An entry whose program did not build stays without one, and is tried again when it is next asked for. */
static clconv_status build_once(runtime *rt, program_entry *entry, const char *source, const char *options,
                                clconv_error *err)
{
    if (entry->program != NULL) {
        rt->counters.programs_reused++;
        return CLCONV_SUCCESS;
    }
    double started = clock_seconds();
    clconv_status status = build(rt, source, options, &entry->program, err);
    if (status != CLCONV_SUCCESS) return status;
    tell_build(rt, source, options, clock_seconds() - started);
    rt->counters.programs_built++;
    return CLCONV_SUCCESS;
}

clconv_status program_get_kernel(runtime *rt, const char *source, const char *name, const char *options,
                                 cl_kernel *kernel, kernel_record **cold, clconv_error *err)
{
    lock_acquire(rt->guard);
    program_entry *entry = find_or_add_entry(rt, source, options);
    kernel_record *record = entry != NULL ? find_or_add_record(entry, name) : NULL;
    clconv_status status = CLCONV_SUCCESS;
    if (record == NULL) {
        status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the program cl/%s", source);
        goto done;
    }
    status = build_once(rt, entry, source, options, err);
    if (status != CLCONV_SUCCESS) goto done;
    cl_int code = CL_SUCCESS;
    cl_kernel made = clCreateKernel(entry->program, name, &code);
    if (code != CL_SUCCESS) {
        status = error_set_opencl(err, code, "clCreateKernel");
        goto done;
    }
    *kernel = made;
    *cold = record->is_warm ? NULL : record;
done:
    lock_leave(rt->guard);
    return status;
}

void program_set_warm(runtime *rt, kernel_record *cold)
{
    lock_acquire(rt->guard);
    if (!cold->is_warm) rt->counters.kernels_warmed++;
    cold->is_warm = true;
    lock_leave(rt->guard);
}
