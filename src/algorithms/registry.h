/* The algorithms of this build: X(variable), each defined in a file of this folder. The first of equal cost
 * is taken. */
#ifndef CLCONV_ALGORITHMS_REGISTRY_H
#define CLCONV_ALGORITHMS_REGISTRY_H

#include "algorithms/algorithm.h"

#define ALGORITHM_LIST(X)       \
    X(algorithm_direct)         \
    X(algorithm_direct_indexed) \
    X(algorithm_depthwise)      \
    X(algorithm_winograd)       \
    X(algorithm_winograd_fused) \
    X(algorithm_winograd_depth) \
    X(algorithm_unfold)         \
    X(algorithm_inner_product)  \
    X(algorithm_im2col_gemm)    \
    X(algorithm_weight_direct)  \
    X(algorithm_weight_unfold)

#define ALGORITHM_DECLARE(variable) extern const algorithm variable;
ALGORITHM_LIST(ALGORITHM_DECLARE)
#undef ALGORITHM_DECLARE

/* The algorithm at `index`, NULL past the end. */
const algorithm *registry_at(size_t index);

#endif
