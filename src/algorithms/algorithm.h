/* What an algorithm is: a constant table entry of stateless functions. See registry.h for the table and
 * CONTRIBUTING.md for how to add one. */
#ifndef CLCONV_ALGORITHMS_ALGORITHM_H
#define CLCONV_ALGORITHMS_ALGORITHM_H

#include "base/arith.h"
#include "base/text.h"
#include "opencl/traits.h"
#include "parameters/parameters.h"
#include "problem/geometry.h"
#include "steps/gemm.h"
#include "steps/step.h"

/* What is asked of an algorithm. The problem is valid; its batch is at least 1. */
typedef struct request {
    clconv_op op;
    const clconv_problem *problem;
    const geometry *geometry;
    const device_traits *traits;
    gemm_products *products; /* the matrix products that CLBlast has been asked for */
    int64_t workspace_limit; /* bytes in all: the caller's limit, and what one allocation can hold */
    bool packed_weights;     /* the packed weight is the caller's and takes no workspace */
    bool strict;
    uint64_t packed_layout; /* that the packed weight must have; 0: any */
    bool is_adjoint;        /* the problem is a part of a gradient, which keeps its weight among the packed */
} request;

/* Whether a run that needs weights as they are is given packed ones alone. */
static inline bool lacks_weight(const request *q)
{
    return q->packed_weights && !q->is_adjoint;
}

/* Bytes of workspace that the recipe may still reserve. */
static inline int64_t workspace_room(const request *q, const recipe *r)
{
    int64_t packed = q->packed_weights ? 0 : r->packed_bytes + WORKSPACE_ALIGNMENT;
    return max_i64(q->workspace_limit - r->workspace_bytes - packed - WORKSPACE_ALIGNMENT, 0);
}

/* The devices that an algorithm is for. Its files lie in the folder of that name, in src/algorithms/ and in cl/. */
typedef enum algorithm_devices {
    FOR_ANY,
    FOR_CPU, /* work-items are threads with vector registers */
    FOR_GPU  /* work-items are lanes */
} algorithm_devices;

typedef struct algorithm {
    const char *name;
    algorithm_devices devices;
    bool accumulates_directly;     /* each output is a sum of products of inputs and weights: exact on small
                                      integers */
    const parameter_range *ranges; /* ends in a NULL name; values are in this order everywhere */

    /* The algorithm's own choice of parameters, from the kernel's class and the device's traits, never from
     * the size of the input: so a new input size compiles nothing. */
    void (*choose)(const request *q, parameter_set *parameters);

    /* Emits the steps as data. An algorithm that cannot do it appends a sentence to `why`, with names and
     * numbers, and what it has emitted is dropped. */
    void (*emit)(const request *q, const parameter_set *parameters, recipe *r, text *why);
    clconv_op op;       /* that it is made for; one of forward serves backward-input and transposed too */
    bool is_definition; /* its gradients are the definition's for values that are not finite, too */
} algorithm;

#endif
