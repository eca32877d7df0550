/* Files by path that are read whole, and replaced whole: under the name there is the old one or the new one. */
#ifndef CLCONV_BASE_WHOLE_FILE_H
#define CLCONV_BASE_WHOLE_FILE_H

#include "base/entry.h"

#include <stdint.h>

enum { WHOLE_FILE_WHY = 256 };

/* The bytes of a regular file, to be freed; NULL and a reason if they cannot be had, or are more than `most`. */
char *whole_file_read(const char *path, int64_t most, size_t *size, char why[WHOLE_FILE_WHY]);

/* False and a reason if the file is not there afterwards; then what was there still is. */
bool whole_file_write(const char *path, byte_span bytes, char why[WHOLE_FILE_WHY]);

/* Makes the folder unless it is there; false and a reason if it then is not. */
bool whole_file_make_folder(const char *path, char why[WHOLE_FILE_WHY]);

#endif
