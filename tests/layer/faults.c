/* A device that fails: at launches of the kernel that a variable names, or in what it computes.
 *   LAYER_CRASH=KERNEL    a launch of it ends the process
 *   LAYER_HANG=KERNEL     what waits for a launch of it does not return
 *   LAYER_COPIES=0        no buffer is written or read
 *   LAYER_REPLACE=A=>B    in sources A is read as B; a source without A stays as it is */
#include "layer.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_bool hangs;

static bool is_kernel(cl_kernel kernel, const char *variable)
{
    char name[128] = "";
    const char *wanted = layer_text(variable);
    return wanted != NULL &&
           layer_target->clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL) ==
               CL_SUCCESS &&
           strcmp(name, wanted) == 0;
}

static CL_API_ENTRY cl_int CL_API_CALL enqueue_kernel(cl_command_queue queue, cl_kernel kernel,
                                                      cl_uint dimensions, const size_t *offset,
                                                      const size_t *global, const size_t *local,
                                                      cl_uint n_wait, const cl_event *wait, cl_event *done)
{
    cl_int code = pretend_check_launch(queue, kernel, dimensions, local);
    if (code != CL_SUCCESS) return code;
    if (is_kernel(kernel, "LAYER_CRASH")) abort();
    if (is_kernel(kernel, "LAYER_HANG")) atomic_store(&hangs, true);
    return layer_target->clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, n_wait,
                                                wait, done);
}

static void hang_if_due(void)
{
    while (atomic_load(&hangs))
        pause();
}

static CL_API_ENTRY cl_int CL_API_CALL finish(cl_command_queue queue)
{
    hang_if_due();
    return layer_target->clFinish(queue);
}

static CL_API_ENTRY cl_int CL_API_CALL wait_for_events(cl_uint count, const cl_event *events)
{
    hang_if_due();
    return layer_target->clWaitForEvents(count, events);
}

static CL_API_ENTRY cl_int CL_API_CALL read_buffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                                                   size_t offset, size_t size, void *to, cl_uint n_wait,
                                                   const cl_event *wait, cl_event *done)
{
    if (blocking) hang_if_due();
    if (layer_number("LAYER_COPIES", 1) == 0) return CL_INVALID_OPERATION;
    return layer_target->clEnqueueReadBuffer(queue, buffer, blocking, offset, size, to, n_wait, wait, done);
}

static CL_API_ENTRY cl_int CL_API_CALL write_buffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                                                    size_t offset, size_t size, const void *from,
                                                    cl_uint n_wait, const cl_event *wait, cl_event *done)
{
    if (layer_number("LAYER_COPIES", 1) == 0) return CL_INVALID_OPERATION;
    return layer_target->clEnqueueWriteBuffer(queue, buffer, blocking, offset, size, from, n_wait, wait,
                                              done);
}

/* The source with every `from` replaced, to be freed; NULL if it has none or memory is out. */
static char *replace(const char *source, const char *from, const char *to)
{
    const size_t length = strlen(from);
    size_t count = 0;
    for (const char *at = source; (at = strstr(at, from)) != NULL; at += length)
        count++;
    char *made = count > 0 ? malloc(strlen(source) + count * strlen(to) + 1) : NULL, *end = made;
    if (made == NULL) return NULL;
    for (const char *at; (at = strstr(source, from)) != NULL; source = at + length)
        end += sprintf(end, "%.*s%s", (int)(at - source), source, to);
    memcpy(end, source, strlen(source) + 1);
    return made;
}

static char *join(cl_uint count, const char **texts, const size_t *lengths)
{
    char *made = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&made, &size);
    if (stream == NULL) return NULL;
    for (cl_uint i = 0; i < count; i++)
        fwrite(texts[i], 1, lengths != NULL && lengths[i] > 0 ? lengths[i] : strlen(texts[i]), stream);
    fclose(stream);
    return made;
}

static CL_API_ENTRY cl_program CL_API_CALL create_program(cl_context context, cl_uint count,
                                                          const char **texts, const size_t *lengths,
                                                          cl_int *code)
{
    char from[256] = "";
    const char *rule = layer_text("LAYER_REPLACE"), *arrow = rule != NULL ? strstr(rule, "=>") : NULL;
    if (arrow == NULL || (size_t)(arrow - rule) >= sizeof from)
        return layer_target->clCreateProgramWithSource(context, count, texts, lengths, code);
    memcpy(from, rule, (size_t)(arrow - rule));
    char *whole = join(count, texts, lengths);
    char *other = whole != NULL ? replace(whole, from, arrow + 2) : NULL;
    const char *source = other != NULL ? other : whole;
    cl_program program = layer_target->clCreateProgramWithSource(context, 1, &source, NULL, code);
    free(other);
    free(whole);
    return program;
}

void faults_install(struct _cl_icd_dispatch *own)
{
    own->clEnqueueNDRangeKernel = enqueue_kernel;
    own->clFinish = finish;
    own->clWaitForEvents = wait_for_events;
    own->clEnqueueReadBuffer = read_buffer;
    own->clEnqueueWriteBuffer = write_buffer;
    own->clCreateProgramWithSource = create_program;
}
