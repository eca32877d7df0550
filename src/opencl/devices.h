/* Enumeration of OpenCL devices and the facts about one. Platforms without devices are skipped but counted in
 * the indices; a device that does not answer is left out. A loader without any platform is an empty list.
 * Reference: OpenCL 1.2 specification, 4.2. */
#ifndef CLCONV_OPENCL_DEVICES_H
#define CLCONV_OPENCL_DEVICES_H

#include "clconv.h"

/* `platform_index` and `device_index` may be -1 (unknown): then the device is looked up among all, and a
 * device that is in no list (a sub-device) keeps -1 and an empty selector. */
clconv_status device_info_query(cl_platform_id platform, int platform_index, cl_device_id device,
                                int device_index, clconv_device_info *info, clconv_error *err);

/* The same for a device of which nothing else is known. */
clconv_status device_info_query_one(cl_device_id device, clconv_device_info *info, clconv_error *err);

#endif
