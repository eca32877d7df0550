/* The few OpenCL objects that commands make themselves, with failures told as the library tells its own. */
#ifndef CLCONV_TOOLS_MEASURE_COMPUTE_H
#define CLCONV_TOOLS_MEASURE_COMPUTE_H

#include <clconv.h>

/* Fills *err for a failed OpenCL call. */
clconv_status compute_fail(clconv_error *err, cl_int code, const char *call);

clconv_status compute_queue(clconv_context *context, cl_command_queue *queue, clconv_error *err);

#endif
