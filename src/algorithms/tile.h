/* A register tile as an algorithm's parameters: the first TILE_PARAMETERS of its ranges, of any device or of one with vector
 * registers. */
#ifndef CLCONV_ALGORITHMS_TILE_H
#define CLCONV_ALGORITHMS_TILE_H

#include "algorithms/algorithm.h"
#include "steps/product.h"

enum { TILE_OUT_CHANNELS, TILE_VECTORS, TILE_VECTOR_WIDTH, TILE_LOCAL_SIZE, TILE_PARAMETERS };

#define TILE_RANGES(max_vectors, min_width, max_local)           \
    [TILE_OUT_CHANNELS] = {"out_channels", 1, 16, false},        \
    [TILE_VECTORS] = {"vectors", 1, max_vectors, false},         \
    [TILE_VECTOR_WIDTH] = {"vector_width", min_width, 16, true}, \
    [TILE_LOCAL_SIZE] = {"local_size", 1, max_local, true}
#define TILE_PARAMETER_RANGES(max_vectors) TILE_RANGES(max_vectors, 1, 256)
#define VECTOR_TILE_RANGES(max_vectors) TILE_RANGES(max_vectors, 2, 1)

static inline void tile_to_parameters(product_tile tile, parameter_set *p)
{
    p->values[TILE_OUT_CHANNELS] = tile.out_channels;
    p->values[TILE_VECTORS] = tile.vectors;
    p->values[TILE_VECTOR_WIDTH] = tile.vector_width;
    p->values[TILE_LOCAL_SIZE] = tile.local_size;
}

/* False, with the reason, for values that are legal one by one but not together. */
static inline bool tile_is_legal(const product_tile *tile, text *why)
{
    if (tile->local_size == 1 || tile->vector_width == 1) return true;
    text_append(why, "local_size is %lld and vector_width %lld; one of them must be 1",
                (long long)tile->local_size, (long long)tile->vector_width);
    return false;
}

static inline bool tile_from_parameters(const parameter_set *p, product_tile *tile, text *why)
{
    *tile = (product_tile){p->values[TILE_OUT_CHANNELS], p->values[TILE_VECTORS],
                           p->values[TILE_VECTOR_WIDTH], p->values[TILE_LOCAL_SIZE]};
    return tile_is_legal(tile, why);
}

#endif
