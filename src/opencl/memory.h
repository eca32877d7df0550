/* Buffers that clconv makes itself. */
#ifndef CLCONV_OPENCL_MEMORY_H
#define CLCONV_OPENCL_MEMORY_H

#include "opencl/runtime.h"

/* A buffer of `bytes`, at least one, that holds a copy of `source` unless that is NULL; `name` is for the
 * message. On a CPU device it lies in huge pages where the system gives them: kernels read many rows at once,
 * each in pages of its own. */
clconv_status memory_create(const runtime *rt, const char *name, size_t bytes, const void *source,
                            cl_mem *memory, clconv_error *err);

/* A buffer over the host's own memory: what the array holds when the buffer is made is in it. */
clconv_status memory_wrap(const runtime *rt, const char *name, size_t bytes, void *array, bool writable,
                          cl_mem *memory, clconv_error *err);

#endif
