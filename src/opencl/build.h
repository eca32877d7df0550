/* OpenCL programs of this device's context from source and from binaries, and their binaries. */
#ifndef CLCONV_OPENCL_BUILD_H
#define CLCONV_OPENCL_BUILD_H

#include "base/entry.h"
#include "base/text.h"
#include "opencl/runtime.h"

/* Compiles the expanded source of cl/`name`. */
clconv_status build_from_source(const runtime *rt, const char *name, const text *code, const char *options,
                                cl_program *program, clconv_error *err);

/* NULL if the driver does not take the binary, or it has no such kernel. */
cl_program build_from_binary(const runtime *rt, byte_span binary, const char *options, const char *kernel);

/* Appends a program's binary for this device; false if there is none, or no memory. */
bool build_binary_of(const runtime *rt, cl_program program, text *binary);

#endif
