/* The calls of the library that may fail. Each line has what the wrapper needs: type, name, parameters, arguments. */
#ifndef CLCONV_TESTS_FAULTS_CALLS_H
#define CLCONV_TESTS_FAULTS_CALLS_H

#define P(...) (__VA_ARGS__)

/* Return a code, and make nothing. Those that wait do so even if they fail, as where a command has failed late. */
#define FAULT_QUERIES(X)                                                                                    \
    X(clBuildProgram,                                                                                       \
      P(cl_program p, cl_uint n, const cl_device_id *d, const char *o,                                      \
        void(CL_CALLBACK * f)(cl_program, void *), void *u),                                                \
      P(p, n, d, o, f, u))                                                                                  \
    X(clFinish, P(cl_command_queue q), P(q))                                                                \
    X(clFlush, P(cl_command_queue q), P(q))                                                                 \
    X(clGetCommandQueueInfo, P(cl_command_queue o, cl_command_queue_info i, size_t s, void *v, size_t *n),  \
      P(o, i, s, v, n))                                                                                     \
    X(clGetDeviceIDs, P(cl_platform_id p, cl_device_type t, cl_uint s, cl_device_id *d, cl_uint *n),        \
      P(p, t, s, d, n))                                                                                     \
    X(clGetDeviceInfo, P(cl_device_id o, cl_device_info i, size_t s, void *v, size_t *n), P(o, i, s, v, n)) \
    X(clGetEventInfo, P(cl_event o, cl_event_info i, size_t s, void *v, size_t *n), P(o, i, s, v, n))       \
    X(clGetEventProfilingInfo, P(cl_event o, cl_profiling_info i, size_t s, void *v, size_t *n),            \
      P(o, i, s, v, n))                                                                                     \
    X(clGetKernelInfo, P(cl_kernel o, cl_kernel_info i, size_t s, void *v, size_t *n), P(o, i, s, v, n))    \
    X(clGetKernelWorkGroupInfo,                                                                             \
      P(cl_kernel o, cl_device_id d, cl_kernel_work_group_info i, size_t s, void *v, size_t *n),            \
      P(o, d, i, s, v, n))                                                                                  \
    X(clGetMemObjectInfo, P(cl_mem o, cl_mem_info i, size_t s, void *v, size_t *n), P(o, i, s, v, n))       \
    X(clGetPlatformIDs, P(cl_uint s, cl_platform_id *p, cl_uint *n), P(s, p, n))                            \
    X(clGetPlatformInfo, P(cl_platform_id o, cl_platform_info i, size_t s, void *v, size_t *n),             \
      P(o, i, s, v, n))                                                                                     \
    X(clGetProgramBuildInfo,                                                                                \
      P(cl_program o, cl_device_id d, cl_program_build_info i, size_t s, void *v, size_t *n),               \
      P(o, d, i, s, v, n))                                                                                  \
    X(clGetProgramInfo, P(cl_program o, cl_program_info i, size_t s, void *v, size_t *n), P(o, i, s, v, n)) \
    X(clSetKernelArg, P(cl_kernel k, cl_uint i, size_t s, const void *v), P(k, i, s, v))                    \
    X(clWaitForEvents, P(cl_uint n, const cl_event *e), P(n, e))

/* Return a code, and make an event if `e` is not NULL. */
#define FAULT_COMMANDS(X)                                                                                   \
    X(clEnqueueBarrierWithWaitList, P(cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e),       \
      P(q, n, w, e))                                                                                        \
    X(clEnqueueMarkerWithWaitList, P(cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e),        \
      P(q, n, w, e))                                                                                        \
    X(clEnqueueCopyBuffer,                                                                                  \
      P(cl_command_queue q, cl_mem a, cl_mem b, size_t i, size_t j, size_t s, cl_uint n, const cl_event *w, \
        cl_event *e),                                                                                       \
      P(q, a, b, i, j, s, n, w, e))                                                                         \
    X(clEnqueueFillBuffer,                                                                                  \
      P(cl_command_queue q, cl_mem b, const void *p, size_t z, size_t i, size_t s, cl_uint n,               \
        const cl_event *w, cl_event *e),                                                                    \
      P(q, b, p, z, i, s, n, w, e))                                                                         \
    X(clEnqueueNDRangeKernel,                                                                               \
      P(cl_command_queue q, cl_kernel k, cl_uint d, const size_t *o, const size_t *g, const size_t *l,      \
        cl_uint n, const cl_event *w, cl_event *e),                                                         \
      P(q, k, d, o, g, l, n, w, e))                                                                         \
    X(clEnqueueReadBuffer,                                                                                  \
      P(cl_command_queue q, cl_mem b, cl_bool c, size_t i, size_t s, void *p, cl_uint n, const cl_event *w, \
        cl_event *e),                                                                                       \
      P(q, b, c, i, s, p, n, w, e))                                                                         \
    X(clEnqueueWriteBuffer,                                                                                 \
      P(cl_command_queue q, cl_mem b, cl_bool c, size_t i, size_t s, const void *p, cl_uint n,              \
        const cl_event *w, cl_event *e),                                                                    \
      P(q, b, c, i, s, p, n, w, e))                                                                         \
    X(clEnqueueUnmapMemObject,                                                                              \
      P(cl_command_queue q, cl_mem b, void *p, cl_uint n, const cl_event *w, cl_event *e),                  \
      P(q, b, p, n, w, e))

/* Return an object. */
#define FAULT_MAKERS(X)                                                                                      \
    X(cl_mem, clCreateBuffer, P(cl_context c, cl_mem_flags f, size_t s, void *p, cl_int *e),                 \
      P(c, f, s, p, e))                                                                                      \
    X(cl_mem, clCreateSubBuffer,                                                                             \
      P(cl_mem b, cl_mem_flags f, cl_buffer_create_type t, const void *i, cl_int *e), P(b, f, t, i, e))      \
    X(cl_command_queue, clCreateCommandQueue,                                                                \
      P(cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *e), P(c, d, p, e))              \
    X(cl_context, clCreateContext,                                                                           \
      P(const cl_context_properties *p, cl_uint n, const cl_device_id *d,                                    \
        void(CL_CALLBACK * f)(const char *, const void *, size_t, void *), void *u, cl_int *e),              \
      P(p, n, d, f, u, e))                                                                                   \
    X(cl_kernel, clCreateKernel, P(cl_program p, const char *n, cl_int *e), P(p, n, e))                      \
    X(cl_program, clCreateProgramWithBinary,                                                                 \
      P(cl_context c, cl_uint n, const cl_device_id *d, const size_t *l, const unsigned char **b, cl_int *s, \
        cl_int *e),                                                                                          \
      P(c, n, d, l, b, s, e))                                                                                \
    X(cl_program, clCreateProgramWithSource,                                                                 \
      P(cl_context c, cl_uint n, const char **t, const size_t *l, cl_int *e), P(c, n, t, l, e))

/* Of objects; only retaining may fail. */
#define FAULT_RETAINS(X)           \
    X(clRetainContext, cl_context) \
    X(clRetainEvent, cl_event)     \
    X(clRetainMemObject, cl_mem)
#define FAULT_RELEASES(X)                      \
    X(clReleaseCommandQueue, cl_command_queue) \
    X(clReleaseContext, cl_context)            \
    X(clReleaseEvent, cl_event)                \
    X(clReleaseKernel, cl_kernel)              \
    X(clReleaseMemObject, cl_mem)              \
    X(clReleaseProgram, cl_program)

/* Return a number that is -1 where they fail, or NULL; errno is what the fourth says. */
#define FAULT_FILES(X)                                                                         \
    X(int, flock, P(int f, int o), P(f, o), -1, EINTR)                                         \
    X(int, fstat, P(int f, struct stat *s), P(f, s), -1, EIO)                                  \
    X(int, fstatat, P(int f, const char *p, struct stat *s, int o), P(f, p, s, o), -1, EACCES) \
    X(int, fsync, P(int f), P(f), -1, EIO)                                                     \
    X(int, ftruncate, P(int f, off_t s), P(f, s), -1, ENOSPC)                                  \
    X(int, futimens, P(int f, const struct timespec *t), P(f, t), -1, EPERM)                   \
    X(int, lstat, P(const char *p, struct stat *s), P(p, s), -1, EACCES)                       \
    X(int, mkdir, P(const char *p, mode_t m), P(p, m), -1, ENOSPC)                             \
    X(int, renameat, P(int f, const char *p, int g, const char *q), P(f, p, g, q), -1, ENOSPC) \
    X(int, unlinkat, P(int f, const char *p, int o), P(f, p, o), -1, EACCES)                   \
    X(ssize_t, pread, P(int f, void *p, size_t s, off_t o), P(f, p, s, o), -1, EIO)            \
    X(ssize_t, pwrite, P(int f, const void *p, size_t s, off_t o), P(f, p, s, o), -1, ENOSPC)  \
    X(ssize_t, read, P(int f, void *p, size_t s), P(f, p, s), -1, EIO)                         \
    X(ssize_t, write, P(int f, const void *p, size_t s), P(f, p, s), -1, ENOSPC)               \
    X(FILE *, fopen, P(const char *p, const char *m), P(p, m), NULL, EMFILE)                   \
    X(DIR *, fdopendir, P(int f), P(f), NULL, ENOMEM)

#endif
