/* What runs on arrays in host memory leave for the next one: memory on the device, of a plan or of several that
 * run one after the other. */
#ifndef CLCONV_PLAN_KEPT_H
#define CLCONV_PLAN_KEPT_H

#include "clconv.h"

/* The tensors of a run: those that are read, then what is made, an output or up to three gradients. */
enum {
    KEPT_INPUT,
    KEPT_WEIGHT,
    KEPT_BIAS,
    KEPT_RESIDUAL,
    KEPT_GRAD_OUTPUT,
    KEPT_MADE,
    KEPT_TENSORS = KEPT_MADE + 3
};

/* Everything is made when it is first needed. */
typedef struct kept_memory {
    cl_mem workspace;
    cl_mem packing;               /* of several plans: the workspace of the one whose packed weight is kept */
    cl_mem tensors[KEPT_TENSORS]; /* copies, where the device cannot use host memory */
    uint64_t weight_version;      /* of the weight that is kept; 0: none */
} kept_memory;

void kept_release(kept_memory *kept);

#endif
