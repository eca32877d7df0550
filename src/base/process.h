/* Which process used OpenCL first. No implementation survives a fork: its threads and what they hold stay
 * behind, and a forked child that uses it hangs. So whoever is about to touch OpenCL asks here first. */
#ifndef CLCONV_BASE_PROCESS_H
#define CLCONV_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

int64_t process_id(void);

/* Whether it runs with rights that whoever started it has not: then what his environment names is not to be trusted. */
bool process_is_privileged(void);

/* The process that used OpenCL first, of this one and those that it was forked from; if none has, this one,
 * from now on. */
int64_t process_of_opencl(void);

#endif
