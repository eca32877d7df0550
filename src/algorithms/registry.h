/* The algorithms of this build: X(variable), each defined in a file of any/, cpu/ or gpu/. The first of equal cost
 * is taken. */
#ifndef CLCONV_ALGORITHMS_REGISTRY_H
#define CLCONV_ALGORITHMS_REGISTRY_H

#include "algorithms/algorithm.h"

#define ALGORITHM_LIST(X)             \
    X(algorithm_pointwise_streamed)   \
    X(algorithm_direct)               \
    X(algorithm_direct_fused)         \
    X(algorithm_direct_channels)      \
    X(algorithm_direct_indexed)       \
    X(algorithm_depthwise_channels)   \
    X(algorithm_depthwise)            \
    X(algorithm_pointwise)            \
    X(algorithm_patch)                \
    X(algorithm_implicit_gemm)        \
    X(algorithm_strips)               \
    X(algorithm_winograd)             \
    X(algorithm_winograd_fused)       \
    X(algorithm_winograd_channels)    \
    X(algorithm_winograd_depth)       \
    X(algorithm_winograd_depth_fused) \
    X(algorithm_unfold)               \
    X(algorithm_inner_product)        \
    X(algorithm_im2col_gemm)          \
    X(algorithm_input_fused)          \
    X(algorithm_input_direct)         \
    X(algorithm_input_indexed)        \
    X(algorithm_implicit_weight)      \
    X(algorithm_depthwise_weight)     \
    X(algorithm_weight_direct)        \
    X(algorithm_weight_fused)         \
    X(algorithm_weight_channels)      \
    X(algorithm_weight_unfold)        \
    X(algorithm_weight_indexed)       \
    X(algorithm_bias_indexed)

#define ALGORITHM_DECLARE(variable) extern const algorithm variable;
ALGORITHM_LIST(ALGORITHM_DECLARE)
#undef ALGORITHM_DECLARE

/* Whether the algorithm can be asked for the op: those of forward serve backward-input and transposed too. */
bool registry_serves(const algorithm *a, clconv_op op);

/* Whether the algorithm is for such a device. */
bool registry_is_for(const algorithm *a, const device_traits *traits);

/* The algorithm at `index`, NULL past the end. */
const algorithm *registry_at(size_t index);

/* The algorithm of that name, NULL if there is none. */
const algorithm *registry_find(const char *name);

#endif
