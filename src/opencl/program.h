/* Programs of one runtime: built from cl/ with options, kept until the runtime is released. A program is its
 * source and its options: it is built once, and all of its kernels are created from it. Thread-safe: who asks for
 * a program that another thread builds waits for it, and for no other. */
#ifndef CLCONV_OPENCL_PROGRAM_H
#define CLCONV_OPENCL_PROGRAM_H

#include "opencl/runtime.h"

/* What is known of a kernel of a program. */
typedef struct kernel_record kernel_record;

/* A kernel of the caller's own from cl/`source` built with `options`. *cold is its record while no kernel of
 * that program and name has been run in this context: then the caller should run it once, empty, and tell by
 * program_set_warm(). Else *cold is NULL. */
clconv_status program_get_kernel(runtime *rt, const char *source, const char *name, const char *options,
                                 cl_kernel *kernel, kernel_record **cold, clconv_error *err);

void program_set_warm(runtime *rt, kernel_record *cold);

void program_release_all(program_entry *first);

#endif
