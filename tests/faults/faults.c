/* The wrappers: see faults.h. */
#define _GNU_SOURCE
#include "faults.h"

#include <CL/cl.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"

extern const char __executable_start[];

static atomic_bool is_armed;
static atomic_llong calls, objects;
static int64_t failing;
static bool fails_for_good;
static fault_site sites[FAULT_CALLS];

void faults_arm(int64_t which, bool for_good)
{
    failing = which;
    fails_for_good = for_good;
    atomic_store(&calls, 0);
    atomic_store(&is_armed, true);
}

void faults_disarm(void)
{
    atomic_store(&is_armed, false);
}

int64_t faults_count(void)
{
    return atomic_load(&calls);
}

fault_site faults_site(int64_t call)
{
    return sites[call];
}

int64_t faults_objects(void)
{
    return atomic_load(&objects);
}

static bool is_due(const char *function, const void *site)
{
    if (!atomic_load(&is_armed)) return false;
    int64_t call = atomic_fetch_add(&calls, 1);
    if (call < FAULT_CALLS)
        sites[call] = (fault_site){function, (uintptr_t)site - (uintptr_t)__executable_start};
    return failing >= 0 && (call == failing || (fails_for_good && call > failing));
}

static bool waits(const char *function)
{
    return strcmp(function, "clFinish") == 0 || strcmp(function, "clWaitForEvents") == 0;
}

#define DUE(name) is_due(#name, __builtin_return_address(0))

#define QUERY(name, parameters, arguments)                                           \
    cl_int __real_##name parameters;                                                 \
    cl_int __wrap_##name parameters;                                                 \
    cl_int __wrap_##name parameters                                                  \
    {                                                                                \
        bool fails = DUE(name);                                                      \
        cl_int code = fails && !waits(#name) ? CL_SUCCESS : __real_##name arguments; \
        return fails ? CL_OUT_OF_RESOURCES : code;                                   \
    }
FAULT_QUERIES(QUERY)

#define COMMAND(name, parameters, arguments)                                \
    cl_int __real_##name parameters;                                        \
    cl_int __wrap_##name parameters;                                        \
    cl_int __wrap_##name parameters                                         \
    {                                                                       \
        if (DUE(name)) return CL_OUT_OF_RESOURCES;                          \
        cl_int code = __real_##name arguments;                              \
        if (code == CL_SUCCESS && e != NULL) atomic_fetch_add(&objects, 1); \
        return code;                                                        \
    }
FAULT_COMMANDS(COMMAND)

#define MAKER(type, name, parameters, arguments)         \
    type __real_##name parameters;                       \
    type __wrap_##name parameters;                       \
    type __wrap_##name parameters                        \
    {                                                    \
        if (DUE(name)) {                                 \
            if (e != NULL) *e = CL_OUT_OF_HOST_MEMORY;   \
            return NULL;                                 \
        }                                                \
        type made = __real_##name arguments;             \
        if (made != NULL) atomic_fetch_add(&objects, 1); \
        return made;                                     \
    }
FAULT_MAKERS(MAKER)

#define RETAIN(name, type)                                     \
    cl_int __real_##name(type o);                              \
    cl_int __wrap_##name(type o);                              \
    cl_int __wrap_##name(type o)                               \
    {                                                          \
        if (DUE(name)) return CL_OUT_OF_HOST_MEMORY;           \
        cl_int code = __real_##name(o);                        \
        if (code == CL_SUCCESS) atomic_fetch_add(&objects, 1); \
        return code;                                           \
    }
FAULT_RETAINS(RETAIN)

#define RELEASE(name, type)                                    \
    cl_int __real_##name(type o);                              \
    cl_int __wrap_##name(type o);                              \
    cl_int __wrap_##name(type o)                               \
    {                                                          \
        cl_int code = __real_##name(o);                        \
        if (code == CL_SUCCESS) atomic_fetch_sub(&objects, 1); \
        return code;                                           \
    }
FAULT_RELEASES(RELEASE)

/* Maps memory: an event is one that nobody asks for. */
void *__real_clEnqueueMapBuffer(cl_command_queue q, cl_mem b, cl_bool c, cl_map_flags f, size_t i, size_t s,
                                cl_uint n, const cl_event *w, cl_event *v, cl_int *e);
void *__wrap_clEnqueueMapBuffer(cl_command_queue q, cl_mem b, cl_bool c, cl_map_flags f, size_t i, size_t s,
                                cl_uint n, const cl_event *w, cl_event *v, cl_int *e);
void *__wrap_clEnqueueMapBuffer(cl_command_queue q, cl_mem b, cl_bool c, cl_map_flags f, size_t i, size_t s,
                                cl_uint n, const cl_event *w, cl_event *v, cl_int *e)
{
    if (!DUE(clEnqueueMapBuffer)) return __real_clEnqueueMapBuffer(q, b, c, f, i, s, n, w, v, e);
    if (e != NULL) *e = CL_MAP_FAILURE;
    return NULL;
}

#define FILE_CALL(type, name, parameters, arguments, failed, why) \
    type __real_##name parameters;                                \
    type __wrap_##name parameters;                                \
    type __wrap_##name parameters                                 \
    {                                                             \
        if (!DUE(name)) return __real_##name arguments;           \
        errno = why;                                              \
        return failed;                                            \
    }
FAULT_FILES(FILE_CALL)

int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);

static mode_t mode_of(va_list more, int flags)
{
    return flags & O_CREAT ? (mode_t)va_arg(more, unsigned) : 0;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(more, flags);
    va_end(more);
    if (!DUE(open)) return __real_open(path, flags, mode);
    errno = EMFILE;
    return -1;
}

int __real_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(more, flags);
    va_end(more);
    if (!DUE(openat)) return __real_openat(folder, path, flags, mode);
    errno = EMFILE;
    return -1;
}

/* Allocations, by their addresses: what others allocated may be freed too. */
enum { SLOTS = 1 << 16 };
static _Atomic(void *) held[SLOTS];
static atomic_llong allocations;

int64_t faults_allocations(void)
{
    return atomic_load(&allocations);
}

static void *hold(void *made)
{
    for (size_t i = (uintptr_t)made >> 4; made != NULL; i++) {
        void *empty = NULL;
        if (!atomic_compare_exchange_strong(&held[i % SLOTS], &empty, made)) continue;
        atomic_fetch_add(&allocations, 1);
        break;
    }
    return made;
}

/* Slots are never closed up, so all are looked at. */
static void let_go(void *address)
{
    size_t first = (uintptr_t)address >> 4;
    for (size_t i = 0; i < SLOTS && address != NULL; i++) {
        void *expected = address;
        if (!atomic_compare_exchange_strong(&held[(first + i) % SLOTS], &expected, NULL)) continue;
        atomic_fetch_sub(&allocations, 1);
        return;
    }
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return DUE(malloc) ? NULL : hold(__real_malloc(size));
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return DUE(calloc) ? NULL : hold(__real_calloc(count, size));
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    if (DUE(realloc)) return NULL;
    let_go(old);
    return hold(__real_realloc(old, size));
}

void __real_free(void *address);
void __wrap_free(void *address);
void __wrap_free(void *address)
{
    let_go(address);
    __real_free(address);
}
