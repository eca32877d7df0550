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

/* The runtime's lock guards the list and the records; `building` is held by the thread that builds the program,
 * and guards that. Whoever takes both takes `building` first. */
struct program_entry {
    char *key;              /* source and options */
    kernel_record *kernels; /* those that have been asked for */
    program_entry *next;
    lock *building;
    cl_program program;   /* NULL until it is built */
    int64_t failures;     /* builds that failed; changed under both locks */
    clconv_error failure; /* of the last of them */
};

/* An entry as a caller finds it. */
typedef struct program_request {
    program_entry *entry;
    kernel_record *record;
    int64_t failures;
    bool is_warm;
} program_request;

static void entry_release(program_entry *entry)
{
    while (entry->kernels != NULL) {
        kernel_record *next = entry->kernels->next;
        free(entry->kernels->name);
        free(entry->kernels);
        entry->kernels = next;
    }
    if (entry->program != NULL && runtime_is_usable()) clReleaseProgram(entry->program);
    lock_release(entry->building);
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
    /* Without a cache nothing builds, whatever its source. */
    clconv_status status =
        error_set(err, fault[0] != '\0' ? CLCONV_FILE_FAILED : CLCONV_BUILD_FAILED,
                  "cl/%s did not build (%s): %s%s%s", source, error_opencl_name(code), fault,
                  fault[0] != '\0' ? "; " : "", log != NULL ? first_error_line(log) : "no log");
    if (err != NULL) err->opencl_code = code;
    free(log);
    return status;
}

static clconv_status build(const runtime *rt, const char *source, const char *options, cl_program *program,
                           clconv_error *err)
{
    text code = {0}, all_options = {0};
    cl_program made = NULL;
    clconv_status status = source_expand(source, &code, err);
    if (status != CLCONV_SUCCESS) goto done;
    text_append(&all_options, "%s%s", options, rt->platform->options);
    if (all_options.failed) {
        status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the program cl/%s", source);
        goto done;
    }
    cl_int result = CL_SUCCESS;
    const char *strings[] = {code.data};
    made = clCreateProgramWithSource(rt->context, 1, strings, &code.length, &result);
    if (result != CL_SUCCESS) {
        status = error_set_opencl(err, result, "clCreateProgramWithSource");
        goto done;
    }
    result = clBuildProgram(made, 1, &rt->device, all_options.data, NULL, NULL);
    if (result != CL_SUCCESS) {
        status = report_build_failure(rt, made, result, source, err);
        goto done;
    }
    *program = made;
    made = NULL;
done:
    if (made != NULL) clReleaseProgram(made);
    text_release(&all_options);
    text_release(&code);
    return status;
}

static void tell_build(const runtime *rt, const char *source, const char *options, double seconds)
{
    text line = {0};
    text_append(&line, "built cl/%s %s%s in %.0f ms", source, options, rt->platform->options, 1e3 * seconds);
    if (!line.failed) runtime_message(rt, CLCONV_MESSAGE_VERBOSE, line.data);
    text_release(&line);
}

/* Takes over the key; NULL if memory is out. */
static program_entry *add_entry(runtime *rt, char *key)
{
    program_entry *entry = calloc(1, sizeof *entry);
    lock *building = lock_create();
    if (entry == NULL || building == NULL) {
        lock_release(building);
        free(entry);
        free(key);
        return NULL;
    }
    *entry = (program_entry){.key = key, .building = building, .next = rt->programs};
    rt->programs = entry;
    return entry;
}

/* NULL if memory is out. */
static program_entry *find_or_add_entry(runtime *rt, const char *source, const char *options)
{
    text key = {0};
    text_append(&key, "%s|%s", source, options);
    program_entry *entry = key.failed ? NULL : rt->programs;
    while (entry != NULL && strcmp(entry->key, key.data) != 0)
        entry = entry->next;
    if (entry == NULL && !key.failed) return add_entry(rt, key.data);
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

/* False if memory is out. */
static bool find_or_add(runtime *rt, const char *source, const char *name, const char *options,
                        program_request *request)
{
    *request = (program_request){NULL};
    lock_acquire(rt->guard);
    request->entry = find_or_add_entry(rt, source, options);
    if (request->entry != NULL) request->record = find_or_add_record(request->entry, name);
    if (request->record != NULL) {
        request->failures = request->entry->failures;
        request->is_warm = request->record->is_warm;
    }
    lock_leave(rt->guard);
    return request->record != NULL;
}

static clconv_status build_entry(runtime *rt, program_entry *entry, const char *source, const char *options)
{
    double started = clock_seconds();
    clconv_status status = build(rt, source, options, &entry->program, &entry->failure);
    if (status == CLCONV_SUCCESS) tell_build(rt, source, options, clock_seconds() - started);
    lock_acquire(rt->guard);
    if (status == CLCONV_SUCCESS)
        rt->counters.programs_built++;
    else
        entry->failures++;
    lock_leave(rt->guard);
    return status;
}

/* Of those that ask while the program is built, all get what comes of it. A failure is not kept: who asks later
 * tries again. */
static clconv_status build_once(runtime *rt, const program_request *request, const char *source,
                                const char *options, clconv_error *err)
{
    program_entry *entry = request->entry;
    clconv_status status = CLCONV_SUCCESS;
    lock_acquire(entry->building);
    if (entry->program != NULL) {
        lock_acquire(rt->guard);
        rt->counters.programs_reused++;
        lock_leave(rt->guard);
    } else if (entry->failures > request->failures) {
        status = entry->failure.status;
    } else {
        status = build_entry(rt, entry, source, options);
    }
    if (status != CLCONV_SUCCESS && err != NULL) *err = entry->failure;
    lock_leave(entry->building);
    return status;
}

clconv_status program_get_kernel(runtime *rt, const char *source, const char *name, const char *options,
                                 cl_kernel *kernel, kernel_record **cold, clconv_error *err)
{
    program_request request;
    if (!find_or_add(rt, source, name, options, &request))
        return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the program cl/%s", source);
    clconv_status status = build_once(rt, &request, source, options, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_int code = CL_SUCCESS;
    cl_kernel made = clCreateKernel(request.entry->program, name, &code);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clCreateKernel");
    *kernel = made;
    *cold = request.is_warm ? NULL : request.record;
    return CLCONV_SUCCESS;
}

void program_set_warm(runtime *rt, kernel_record *cold)
{
    lock_acquire(rt->guard);
    if (!cold->is_warm) rt->counters.kernels_warmed++;
    cold->is_warm = true;
    lock_leave(rt->guard);
}
