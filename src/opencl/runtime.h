/* One device's state: the OpenCL objects, its traits, and the programs built for it. Shared between threads:
 * the table of programs is under a lock; kernels are made anew for each caller, since OpenCL kernels may not
 * be shared. */
#ifndef CLCONV_OPENCL_RUNTIME_H
#define CLCONV_OPENCL_RUNTIME_H

#include "base/system.h"
#include "clconv.h"
#include "opencl/bundle.h"
#include "opencl/cache.h"
#include "opencl/platforms.h"
#include "opencl/traits.h"

typedef struct program_entry program_entry;

/* What is told of compiling (progress.h). */
typedef struct progress_state {
    int64_t plans;     /* being built */
    int64_t expected;  /* of their kernels, that have not been run yet */
    int64_t compiling; /* things being compiled now */
    bool has_told;
} progress_state;

typedef struct runtime {
    cl_context context;
    cl_device_id device;
    cl_command_queue queue; /* private, in order, profiling: for warming, queries and profiles */
    clconv_device_info info;
    device_traits traits;
    const platform_entry *platform; /* what is known of the implementation */
    clconv_context_options options;
    program_cache cache;
    bundle *bundle; /* NULL: none; else of this device */
    lock *messages; /* held during a call of the message callback */
    lock *guard;    /* of everything below; for moments, never while a program is built */
    program_entry *programs;
    bool is_filling; /* what is missing in the cache is being made, and not noted again */
    clconv_counters counters;
    progress_state telling;
} runtime;

clconv_status runtime_create(cl_context context, cl_device_id device, const clconv_context_options *options,
                             runtime *rt, clconv_error *err);
void runtime_release(runtime *rt);

/* False in a process that was forked from one that had used OpenCL, whether through clconv or not: there any
 * call of OpenCL may hang. Whatever calls it asks first; what releases then leaves its objects alone. */
bool runtime_is_usable(void);

/* The same as an error. */
clconv_status runtime_check_process(clconv_error *err);

/* An error where the context is of a device that is not there, or only plans. */
clconv_status runtime_check_device(const runtime *rt, clconv_error *err);

/* Sends a text to the message callback, if that is set and wants the level; one at a time. */
void runtime_message(const runtime *rt, clconv_message_level level, const char *text);

#endif
