/* Programs and kernels out of a runtime's bundle. */
#ifndef CLCONV_OPENCL_BUNDLED_H
#define CLCONV_OPENCL_BUNDLED_H

#include "opencl/runtime.h"

typedef struct bundled_request {
    const char *source, *options, *kernel;
    const text *code;   /* the source, expanded */
    bool is_distrusted; /* what the bundle has is known to be wrong */
} bundled_request;

/* The program, and which of the bundle's it is. NULL if it is to be compiled: an error where there is no compiler, a warning
 * where the bundle has it to no use. */
clconv_status bundled_take(const runtime *rt, const bundled_request *q, cl_program *program,
                           const bundled_program **from, clconv_error *err);

/* A kernel of a program, which has the name that the bundle says if it is `from` one (may be NULL). */
clconv_status bundled_create_kernel(cl_program program, const bundled_program *from, const char *name,
                                    cl_kernel *kernel, clconv_error *err);

#endif
