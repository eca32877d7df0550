/* What is known of OpenCL implementations beyond what they say of themselves, and how it was found. Kernels are OpenCL C
 * 1.2 alone unless a line here asks for more. */
#ifndef CLCONV_OPENCL_PLATFORMS_H
#define CLCONV_OPENCL_PLATFORMS_H

#include "clconv.h"

typedef struct platform_entry {
    const char *name;    /* the platform's whole name */
    cl_device_type type; /* of the devices that it is known of */
    const char *options; /* appended to the compile options of every program: "" or " -D..." */
    const char *reason, *evidence;
} platform_entry;

extern const platform_entry platform_table[]; /* ends in a NULL name */

/* What to append to the compile options of programs for a device; "" if nothing is known of it. */
const char *platform_options(const clconv_device_info *info);

#endif
