/* Making the entries of the cache on disk that plans have left wanted. */
#ifndef CLCONV_OPENCL_FILL_H
#define CLCONV_OPENCL_FILL_H

#include "opencl/runtime.h"

/* Builds what is wanted for this device, runs each of its kernels once, empty, and saves it; what cannot be made is wanted
 * no more. Nothing, if another process does so now. */
clconv_status fill_wanted(runtime *rt, int64_t *saved, clconv_error *err);

#endif
