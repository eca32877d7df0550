/* Computing in blocks: arrays in host memory, through ordinary plans. */
#ifndef CLCONV_BLOCKS_CONVOLVE_H
#define CLCONV_BLOCKS_CONVOLVE_H

#include "blocks/copy.h"
#include "plan/context.h"

/* What the context's device, and its memory_limit, hold. */
block_limits blocks_limits(const clconv_context *context);

/* Whether the tensors of the problem, and `copies` times as many, are more than that, or a limit is set, which workspaces
 * must keep too. */
bool blocks_needed(const clconv_context *context, const clconv_problem *problem, const geometry *g,
                   int copies);

/* Whole tensors in host memory, by their shapes. What the op makes is written, the rest is read or NULL. */
typedef struct block_arrays {
    void *whole[BLOCK_TENSORS];
} block_arrays;

/* One op; the tensors that it reads and makes are there, the output has elements. Gradients of a weight and a bias are summed
 * over the blocks in their order, and so are those of input rows that several blocks read. */
clconv_status blocks_run(clconv_context *context, clconv_op op, const clconv_problem *problem,
                         const geometry *g, const clconv_plan_options *options, const block_arrays *arrays,
                         clconv_error *err);

#endif
