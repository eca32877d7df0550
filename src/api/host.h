/* What the calls for arrays in host memory share: tensors are copied to the device once, ops are run on them,
 * and what they made is copied back when all have run. */
#ifndef CLCONV_API_HOST_H
#define CLCONV_API_HOST_H

#include "clconv.h"
#include "problem/geometry.h"

/* Buffers of a call: tensors that are read, then what is made: an output, or the gradients of input, weight
 * and bias. */
enum { HOST_INPUT, HOST_WEIGHT, HOST_BIAS, HOST_RESIDUAL, HOST_GRAD_OUTPUT, HOST_MADE, HOST_OPS = 3 };
enum { HOST_BUFFERS = HOST_MADE + HOST_OPS };

/* One call. Buffers are NULL where a tensor is empty; host_release() releases them. */
typedef struct host_run {
    clconv_context *context;
    const clconv_problem *problem;
    geometry geometry;
    cl_mem memory[HOST_BUFFERS];
    size_t bytes[HOST_OPS];
    void *made[HOST_OPS]; /* where buffer HOST_MADE + i is copied to; NULL if it is not wanted */
} host_run;

/* Checks the arguments that all calls have, `arrays`, called `name`, being the struct of arrays, and starts a
 * run of nothing yet. */
clconv_status host_start(clconv_context *context, const clconv_problem *problem,
                         const clconv_plan_options *options, const void *arrays, const char *name,
                         host_run *run, clconv_error *err);

/* Copies a tensor to the device, unless it is empty. */
clconv_status host_read(host_run *run, int which, int64_t elements, const void *source, clconv_error *err);

/* Plans and runs some ops, each into the buffer of what it makes. */
clconv_status host_run_ops(host_run *run, const clconv_op *ops, int count, const clconv_plan_options *options,
                           clconv_error *err);

clconv_status host_copy_back(const host_run *run, clconv_error *err);
void host_release(host_run *run);

#endif
