/* The header of .npy: a Python dictionary with exactly the keys descr, fortran_order and shape, as any NumPy
 * wrote it, Python 2's included. It is bounded, and its claims are checked against the file's size, before
 * anything is allocated for what it describes. Reference: numpy.lib.format (NEP 1). */
#ifndef CLCONV_TOOLS_FILES_NPY_HEADER_H
#define CLCONV_TOOLS_FILES_NPY_HEADER_H

#include "files/convert.h"
#include "files/source.h"
#include "files/tensor.h"

enum { NPY_PREFIX = 10, NPY_DESCR_SIZE = 24, NPY_SHAPE_TEXT = 192 };

typedef struct npy_header {
    char descr[NPY_DESCR_SIZE];
    element_type type; /* ELEMENT_NONE if clconv cannot read the descr */
    bool swapped;      /* big-endian */
    bool fortran_order;
    int rank;
    int64_t shape[TENSOR_MAX_RANK];
} npy_header;

/* Reads what stands before the data, to where the data starts. Returns an exit status; the failure has been
 * reported. */
int npy_header_read(source *s, npy_header *h, int64_t *data_start);

/* Whether what follows the header is what its type and shape need, to the byte; reports if not. */
int npy_header_check_size(const source *s, const npy_header *h, int64_t data_start);

/* The shape as Python writes it. One of at most TENSOR_MAX_RANK extents always fits `text`. */
void npy_shape_format(int rank, const int64_t *shape, char text[NPY_SHAPE_TEXT]);

#endif
