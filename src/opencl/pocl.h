/* PoCL's cache folder, without which it has no device or builds nothing, and says neither. */
#ifndef CLCONV_OPENCL_POCL_H
#define CLCONV_OPENCL_POCL_H

#include <stdbool.h>

/* The name of PoCL's platform, and whether this is it. */
#define POCL_PLATFORM "Portable Computing Language"
bool pocl_is_platform(const char *platform_name);

/* A sentence for a message if PoCL cannot write its cache folder, which it names; else "". */
enum { POCL_FAULT_SIZE = 512 };
const char *pocl_cache_fault(char fault[POCL_FAULT_SIZE]);

/* The options that the environment has PoCL add to a program's own; "" without any. */
const char *pocl_build_environment(void);

#endif
