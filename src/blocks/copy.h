/* Copying between whole tensors in host memory and the dense tensors of a block. */
#ifndef CLCONV_BLOCKS_COPY_H
#define CLCONV_BLOCKS_COPY_H

#include "blocks/blocks.h"

#include <stddef.h>

/* The tensors of a problem by their shapes: a gradient has that of what it is the gradient of. */
enum { BLOCK_INPUT, BLOCK_WEIGHT, BLOCK_BIAS, BLOCK_RESIDUAL, BLOCK_OUTPUT, BLOCK_TENSORS };

/* What is copied: blocks of a problem. */
typedef struct block_copy {
    const clconv_problem *problem;
    const geometry *geometry;
} block_copy;

/* A block's input from the whole, zeros where padding is read. */
void copy_gather_input(const block_copy *c, const block *b, const void *whole, void *part);

/* A block's gradient of its input to the whole, each row to where the input's came from: added to what is there, or, if
 * `adds` is false, instead of it. */
void copy_scatter_input(const block_copy *c, const block *b, const void *part, void *whole, bool adds);

/* What has the output's shape. */
void copy_gather_output(const block_copy *c, const block *b, const void *whole, void *part);
void copy_scatter_output(const block_copy *c, const block *b, const void *part, void *whole);

/* count elements: to[i] += from[i]. */
void copy_add(clconv_dtype dtype, int64_t count, const void *from, void *to);

/* Planes of an input's gradient before anything is added: bias[channel], or 0 if bias is NULL. */
void copy_fill_input(const block_copy *c, const void *bias, void *whole);

#endif
