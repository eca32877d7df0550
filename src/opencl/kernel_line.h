/* "NAME X Y Z": a kernel and the local size that it has been run at, as entries of the cache and bundles have it, perhaps with
 * another name after it. */
#ifndef CLCONV_OPENCL_KERNEL_LINE_H
#define CLCONV_OPENCL_KERNEL_LINE_H

#include <stdbool.h>
#include <stddef.h>

enum { KERNEL_NAME = 128 };

typedef struct kernel_line {
    char name[KERNEL_NAME];
    size_t local[3];
    char other[KERNEL_NAME]; /* "": none */
} kernel_line;

/* From the start of a line, which ends at a line feed or with the text. False if it is none. */
bool kernel_line_parse(const char *line, kernel_line *k);

#endif
