/* Filling a caller's clconv_error. Each function returns the status that it sets, so a failure is one
 * statement: return error_set(err, CLCONV_INVALID_PROBLEM, "stride[%d] is %lld; it must be positive", ...);
 */
#ifndef CLCONV_BASE_ERROR_H
#define CLCONV_BASE_ERROR_H

#include "clconv.h"

#if defined(__GNUC__)
#define ERROR_PRINTF __attribute__((format(printf, 3, 4)))
#else
#define ERROR_PRINTF
#endif

clconv_status error_set(clconv_error *err, clconv_status status, const char *format, ...) ERROR_PRINTF;

/* For a failed OpenCL call: "clBuildProgram: CL_BUILD_PROGRAM_FAILURE (-11)", with the status that fits the
 * code. */
clconv_status error_set_opencl(clconv_error *err, cl_int code, const char *call);

/* "CL_OUT_OF_RESOURCES", or "unknown OpenCL error". */
const char *error_opencl_name(cl_int code);

#endif
