/* A convolution in blocks, for tensors that a device, or what it may use of its memory, does not hold: blocks of samples,
 * output channels, output planes and rows, each an ordinary problem on a part of the input with its halo. Planning them
 * asks no device. Input channels and columns are never divided, so that each output is summed as in the whole. */
#ifndef CLCONV_BLOCKS_BLOCKS_H
#define CLCONV_BLOCKS_BLOCKS_H

#include "problem/geometry.h"

/* Bytes: of all tensors of a block together, and of any one. */
typedef struct block_limits {
    int64_t total, tensor;
} block_limits;

/* What a block has of the output, at most. Of channels they are whole groups, or a part of one. */
typedef struct block_size {
    int64_t samples, channels, depth, rows;
} block_size;

/* The blocks that move the fewest bytes within the limits. CLCONV_OUT_OF_DEVICE_MEMORY, with what is needed, if not even
 * one row of one channel is. */
clconv_status blocks_choose(const clconv_problem *problem, const geometry *g, const block_limits *limits,
                            block_size *size, clconv_error *err);

/* Bytes of the tensors of a block of this size, and of the largest of them. INT64_MAX: more than that. */
int64_t blocks_bytes(const clconv_problem *problem, const geometry *g, const block_size *size,
                     int64_t *largest);

/* One block: where its output begins and its problem. Its input has planes and rows from `first` on, which may lie outside
 * of the tensor: geometry_source() says what they hold. */
typedef struct block {
    int64_t sample, channel, at[2]; /* of the output, on D and H */
    int64_t in_channel, first[2];   /* of the input */
    clconv_problem problem;
    int64_t output[2];
} block;

int64_t blocks_count(const clconv_problem *problem, const geometry *g, const block_size *size);

/* Blocks with the same channels follow each other. */
block blocks_at(const clconv_problem *problem, const geometry *g, const block_size *size, int64_t index);

#endif
