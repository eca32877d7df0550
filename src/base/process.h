/* Which process used OpenCL first. No implementation survives a fork: its threads and what they hold stay
 * behind, and a forked child that uses it hangs. So whoever is about to touch OpenCL asks here first. */
#ifndef CLCONV_BASE_PROCESS_H
#define CLCONV_BASE_PROCESS_H

#include <stdint.h>

int64_t process_id(void);

/* The process that used OpenCL first, of this one and those that it was forked from; if none has, this one,
 * from now on. */
int64_t process_of_opencl(void);

#endif
