/* Programs of one runtime: built from cl/ with options, kept until the runtime is released. Callers hold the
 * runtime's lock. */
#ifndef CLCONV_OPENCL_PROGRAM_H
#define CLCONV_OPENCL_PROGRAM_H

#include "opencl/runtime.h"

clconv_status program_find_or_build(runtime *rt, const char *source, const char *kernel_name,
                                    const char *options, program_entry **entry, clconv_error *err);

/* *first_use is true exactly once for an entry. */
clconv_status program_create_kernel(program_entry *entry, cl_kernel *kernel, bool *first_use,
                                    clconv_error *err);

void program_release_all(program_entry *first);

#endif
