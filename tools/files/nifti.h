/* NIfTI-1 volumes in one file (.nii, .nii.gz). The header struct, its byte swapping and its quaternions are
 * libnifti2's; what is read from a file is checked here first, because that library prints, and trusts sizes.
 * Reference: nifti1.h, the format's definition. */
#ifndef CLCONV_TOOLS_FILES_NIFTI_H
#define CLCONV_TOOLS_FILES_NIFTI_H

#include "files/source.h"
#include "files/tensor.h"

#include <stdbool.h>
#include <stdio.h>

struct nifti_1_header;

/* Reads a volume of 3 or 4 dimensions as (1, 1, D, H, W) or (1, C, D, H, W). Returns an exit status; the
 * failure has been reported. *t is written only on success. */
int volume_read(source *s, tensor_dtype dtype, tensor *t);

/* Whether a tensor of this shape fits a NIfTI-1 file: (D, H, W), (C, D, H, W) or (1, C, D, H, W), each extent
 * 1 to 32767. If not it is reported as wrong use of the option `name`. */
int volume_check_shape(const char *name, const char *path, int rank, const int64_t *shape);

/* Writes a tensor that passed volume_check_shape(). False if the file could not be written; errno says why.
 */
bool volume_write(FILE *file, bool compressed, const tensor *t);

/* What stands before the voxels of one that is not compressed. */
bool volume_write_header(FILE *file, const tensor *t);

/* A copy of the header, or NULL if memory is out. */
volume_header *volume_create(const struct nifti_1_header *header);
void volume_release(volume_header *volume); /* NULL is ignored */

/* How the axes D, H, W lie in the world. Without a header: 1 apart, W to the right, H to the front, D up. */
typedef struct volume_frame {
    double spacing[3]; /* between voxels, positive */
    int axis[3];       /* the tensor's axis (0 D, 1 H, 2 W) that runs left-right, back-front, down-up */
    bool reversed[3];  /* it runs the other way: right to left, ... */
} volume_frame;

volume_frame volume_get_frame(const volume_header *volume);

#endif
