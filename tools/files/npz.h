/* NumPy's .npz: a zip archive of .npy files. Members are read, stored or deflated, never whole archives, and
 * nothing is written. libzip reads the archive; sizes that it claims are checked before memory is taken.
 * Reference: numpy.lib.npyio (savez, savez_compressed). */
#ifndef CLCONV_TOOLS_FILES_NPZ_H
#define CLCONV_TOOLS_FILES_NPZ_H

#include "files/tensor.h"

/* Whether a path means an archive, FILE.npz, or a member of one, FILE.npz:NAME. */
bool npz_is_path(const char *path);

/* Reads the member NAME, or NAME.npy as NumPy calls it in the archive. Returns an exit status; the failure has
 * been reported. *t is written only on success. */
int npz_read(const char *name, const char *path, tensor_dtype dtype, tensor *t);

#endif
