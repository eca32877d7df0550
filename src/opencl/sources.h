/* The kernel sources of cl/, embedded at build time, or read from the folder CLCONV_KERNEL_DIR while
 * developing. */
#ifndef CLCONV_OPENCL_SOURCES_H
#define CLCONV_OPENCL_SOURCES_H

#include "base/text.h"
#include "clconv.h"

typedef struct embedded_source {
    const char *name; /* relative to cl/: "common/types.clh" */
    const char *bytes;
    size_t size;
} embedded_source;

extern const embedded_source embedded_sources[]; /* ends in a NULL name */

/* Appends the file `name` with its #include "..." lines replaced by those files, each once, and #line
 * directives, so that a compiler's messages read "cl/any/direct.cl:123". */
clconv_status source_expand(const char *name, text *out, clconv_error *err);

#endif
