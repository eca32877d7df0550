/* Computing in blocks: arrays in host memory, through ordinary plans. */
#ifndef CLCONV_BLOCKS_CONVOLVE_H
#define CLCONV_BLOCKS_CONVOLVE_H

#include "blocks/blocks.h"
#include "plan/context.h"

/* What the context's device, and its memory_limit, hold. */
block_limits blocks_limits(const clconv_context *context);

/* Whether the tensors of the problem are more than that, or a limit is set, which workspaces must keep too. */
bool blocks_needed(const clconv_context *context, const clconv_problem *problem, const geometry *g);

/* A forward convolution; the tensors that the problem has are there. */
clconv_status blocks_convolve(clconv_context *context, const clconv_problem *problem, const geometry *g,
                              const clconv_plan_options *options, const clconv_host_tensors *tensors,
                              clconv_error *err);

#endif
