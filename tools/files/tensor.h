/* Tensors in host memory and in files: .npy, members of .npz (FILE.npz:NAME) and NIfTI-1 (.nii, .nii.gz), told
 * apart by the name's ending. Every function returns an exit status of tool.h and has reported its failure. */
#ifndef CLCONV_TOOLS_FILES_TENSOR_H
#define CLCONV_TOOLS_FILES_TENSOR_H

#include "common/tool.h"

#include <stdbool.h>

enum { TENSOR_MAX_RANK = 8 };

/* Where the voxels of a NIfTI volume lie in the world, kept so that an output can be written with it. */
typedef struct volume_header volume_header;

typedef struct tensor {
    clconv_dtype dtype;
    int rank;
    int64_t shape[TENSOR_MAX_RANK];
    int64_t elements;
    void *data;            /* owned, dense, C order; not NULL even if empty */
    volume_header *volume; /* owned; NULL unless it was read from NIfTI */
    void *mapped;          /* a mapping of a file that holds the data (files/mapping.h), or NULL */
    size_t mapped_bytes;
} tensor;

/* A zeroed `tensor` may be released. */
void tensor_release(tensor *t);

/* What --dtype says that tensors become. */
typedef enum tensor_dtype {
    TENSOR_DTYPE_STORED, /* nothing: float32 and float64 stay, a volume's integers become float32 */
    TENSOR_DTYPE_FLOAT32,
    TENSOR_DTYPE_FLOAT64
} tensor_dtype;

/* The type of a tensor that is stored as float64, or as something else. */
clconv_dtype tensor_dtype_choose(tensor_dtype wanted, bool stored_wide);

/* `name` is the option that gave the path, for messages: "--input". */
int tensor_read(const char *name, const char *path, tensor_dtype dtype, tensor *t);

/* Allocates zeroed data; checks the product of the shape. */
int tensor_create(clconv_dtype dtype, int rank, const int64_t *shape, tensor *t);

/* The same for a tensor that is converted or compressed: one of TENSOR_SPILL_LEAST bytes and more is in a file without a
 * name where there is room for it, so that it takes no memory that is not given back when others need it. */
enum { TENSOR_SPILL_LEAST = 1 << 26 };
int tensor_create_spilled(clconv_dtype dtype, int rank, const int64_t *shape, tensor *t);

/* The same without its data. */
int tensor_describe(clconv_dtype dtype, int rank, const int64_t *shape, tensor *t);

/* The kind of a file is its name's ending. */
bool tensor_ends_with(const char *path, const char *ending);

/* Copy of `source`'s geometry for an output whose voxel (0,0,0) lies at `origin` (in source voxels, D, H, W
 * order, may be fractional) and whose voxels are `step` source voxels apart. NULL if source is NULL or memory
 * is out. */
volume_header *volume_derive(const volume_header *source, const double origin[3], const double step[3]);

#endif
