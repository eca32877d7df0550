/* Tensors in host memory; see tensor.h. The formats themselves are in npy.c, npz.c and nifti.c. */
#include "files/tensor.h"

#include "files/mapping.h"
#include "files/nifti.h"
#include "files/npy.h"
#include "files/npz.h"
#include "files/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void tensor_release(tensor *t)
{
    if (t->mapped != NULL)
        mapping_release(t);
    else
        free(t->data);
    volume_release(t->volume);
    *t = (tensor){.rank = 0};
}

int tensor_describe(clconv_dtype dtype, int rank, const int64_t *shape, tensor *t)
{
    tensor made = {.dtype = dtype, .rank = rank, .elements = 1};
    int64_t width = dtype == CLCONV_FLOAT64 ? 8 : 4;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) return tool_fail(EXIT_WRONG_USE, "a tensor's size must be at least 0");
        made.shape[i] = shape[i];
        if (shape[i] == 0) made.elements = 0;
    }
    for (int i = 0; i < rank && made.elements != 0; i++) {
        if (shape[i] > INT64_MAX / width / made.elements)
            return tool_fail(EXIT_WRONG_USE, "a tensor's size does not fit 63 bits");
        made.elements *= shape[i];
    }
    *t = made;
    return EXIT_DONE;
}

int tensor_create(clconv_dtype dtype, int rank, const int64_t *shape, tensor *t)
{
    tensor made;
    int status = tensor_describe(dtype, rank, shape, &made);
    if (status != EXIT_DONE) return status;
    int64_t bytes = made.elements * (dtype == CLCONV_FLOAT64 ? 8 : 4);
    if ((uint64_t)bytes <= SIZE_MAX) made.data = calloc(1, bytes > 0 ? (size_t)bytes : 1);
    if (made.data == NULL)
        return tool_fail(EXIT_FAILED, "out of memory: a tensor needs %" PRId64 " bytes", bytes);
    *t = made;
    return EXIT_DONE;
}

int tensor_create_spilled(clconv_dtype dtype, int rank, const int64_t *shape, tensor *t)
{
    tensor made;
    int status = tensor_describe(dtype, rank, shape, &made);
    if (status != EXIT_DONE) return status;
    const int64_t width = dtype == CLCONV_FLOAT64 ? 8 : 4;
    if (made.elements >= TENSOR_SPILL_LEAST / width && mapping_create_unnamed(dtype, rank, shape, t))
        return EXIT_DONE;
    return tensor_create(dtype, rank, shape, t);
}

bool tensor_ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && strcmp(path + length - tail, ending) == 0;
}

clconv_dtype tensor_dtype_choose(tensor_dtype wanted, bool stored_wide)
{
    if (wanted == TENSOR_DTYPE_STORED) return stored_wide ? CLCONV_FLOAT64 : CLCONV_FLOAT32;
    return wanted == TENSOR_DTYPE_FLOAT64 ? CLCONV_FLOAT64 : CLCONV_FLOAT32;
}

int tensor_read(const char *name, const char *path, tensor_dtype dtype, tensor *t)
{
    source s;
    if (npz_is_path(path)) return npz_read(name, path, dtype, t);
    int status = source_open(name, path, &s);
    if (status != EXIT_DONE) return status;
    if (tensor_ends_with(path, ".npy"))
        status = npy_read(&s, dtype, t);
    else if (tensor_ends_with(path, ".nii") || tensor_ends_with(path, ".nii.gz"))
        status = volume_read(&s, dtype, t);
    else
        status =
            source_refuse(&s, "has an unknown ending; a tensor's file ends in .npy, .nii or .nii.gz, or is "
                              "a member of an archive, FILE.npz:NAME");
    source_close(&s);
    return status;
}
