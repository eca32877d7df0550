/* Tensors whose memory is a file's: large ones are not read or written whole, but page by page as they are used. */
#ifndef CLCONV_TOOLS_FILES_MAPPING_H
#define CLCONV_TOOLS_FILES_MAPPING_H

#include "files/tensor.h"

/* Smaller files are read and written as usual. */
enum { MAPPING_LEAST = 1 << 20 };

/* Makes a tensor of a shape whose elements are those of an open file from byte `start` on. What is written to it is the
 * tensor's alone if `is_private`, else the file's, which has been made as long. False, without a tensor, where that cannot
 * be. If such a file shrinks, using the tensor ends the program with one line and status 1. */
bool mapping_create(int file, int64_t start, bool is_private, clconv_dtype dtype, int rank,
                    const int64_t *shape, tensor *t);

/* Makes a zeroed tensor whose elements are a file's without a name in TMPDIR, else /var/tmp: what is compressed or converted
 * needs no memory of its size. False where that cannot be. */
bool mapping_create_unnamed(clconv_dtype dtype, int rank, const int64_t *shape, tensor *t);

/* Of a tensor that is mapped. */
void mapping_release(tensor *t);

#endif
