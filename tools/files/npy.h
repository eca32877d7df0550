/* NumPy's .npy format: versions 1 to 3, either order and either byte order are read; version 1, C order and
 * little-endian is written. float32 and float64 are read as they are, other numbers if the caller says what
 * they are to become. Objects are never unpickled. Reference: numpy.lib.format (NEP 1). */
#ifndef CLCONV_TOOLS_FILES_NPY_H
#define CLCONV_TOOLS_FILES_NPY_H

#include "files/source.h"
#include "files/tensor.h"

#include <stdbool.h>
#include <stdio.h>

/* Returns an exit status; the failure has been reported. *t is written only on success. */
int npy_read(source *s, tensor_dtype dtype, tensor *t);

/* False if the file could not be written; errno says why. */
bool npy_write(FILE *file, const tensor *t);

/* What stands before the data. */
bool npy_write_header(FILE *file, const tensor *t);

#endif
