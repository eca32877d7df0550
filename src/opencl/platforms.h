/* What is known of OpenCL implementations beyond what they say of themselves, and how it was found. Kernels are OpenCL C
 * 1.2 alone unless a line here asks for more. */
#ifndef CLCONV_OPENCL_PLATFORMS_H
#define CLCONV_OPENCL_PLATFORMS_H

#include "clconv.h"

#include <stdbool.h>

typedef struct platform_entry {
    const char *name;    /* the platform's whole name */
    cl_device_type type; /* of the devices that it is known of */
    const char *options; /* appended to the compile options of every program: "" or " -D..." */
    bool has_lanes; /* work-items are lanes of vectors, whatever the type says: kernels are those for GPUs */
    bool misstates_groups; /* CL_KERNEL_WORK_GROUP_SIZE is less than what runs; the device's limit holds */
    bool compiles_for_binaries; /* who asks for a binary waits for its kernels to be compiled again */
    bool builds_serially;       /* one program after the other, on however many threads */
    const char *reason, *evidence;
} platform_entry;

extern const platform_entry platform_table[]; /* ends in a NULL name */

/* What is known of a device's implementation: a line of the table, or one that says nothing. */
const platform_entry *platform_of(const clconv_device_info *info);

#endif
