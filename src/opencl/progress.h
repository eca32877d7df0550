/* What is being compiled, told to the message callback of a context that asks for it. */
#ifndef CLCONV_OPENCL_PROGRESS_H
#define CLCONV_OPENCL_PROGRESS_H

#include "opencl/runtime.h"

/* A plan begins to be built, of which so many kernels have not been run; and ends, when so many of them still have not. After
 * the last of several plans the end is told. */
void progress_open(runtime *rt, int64_t kernels);
void progress_close(runtime *rt, int64_t kernels);

/* Something begins to be compiled, or is: so many kernels of those. Between the two other threads may compile as well. */
void progress_begin(runtime *rt, const char *what);
void progress_end(runtime *rt, int64_t kernels);

#endif
