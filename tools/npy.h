/* NumPy's .npy format, versions 1 to 3 read and version 1 written, for little-endian float32 and float64 in C
 * order. Strict: whatever else the format allows is refused, and the header is checked against the file's
 * size before anything is allocated. Reference: numpy.lib.format (NEP 1). */
#ifndef CLCONV_TOOLS_NPY_H
#define CLCONV_TOOLS_NPY_H

#include "source.h"
#include "tensor.h"

#include <stdbool.h>
#include <stdio.h>

/* Returns an exit status; the failure has been reported. *t is written only on success. */
int npy_read(source *s, tensor *t);

/* False if the file could not be written; errno says why. */
bool npy_write(FILE *file, const tensor *t);

#endif
