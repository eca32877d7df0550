/* Writes a .gz of one member with as many threads as there are processors. The same data gives the same bytes,
 * whatever the number of threads. Reference: RFC 1952. */
#ifndef CLCONV_TOOLS_FILES_GZIP_H
#define CLCONV_TOOLS_FILES_GZIP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct gzip_part {
    const void *data;
    int64_t bytes;
} gzip_part;

/* Writes the parts one after another. `threads` 0 means one for each processor. False if the file could not be
 * written, or memory is out; errno says why. */
bool gzip_write(FILE *file, const gzip_part *parts, int count, int threads);

#endif
