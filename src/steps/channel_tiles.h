/* Tiles whose vectors are of output channels (cl/common/channel_tiles.clh), for whoever sums by them. */
#ifndef CLCONV_STEPS_CHANNEL_TILES_H
#define CLCONV_STEPS_CHANNEL_TILES_H

#include "opencl/traits.h"
#include "problem/geometry.h"

typedef struct channel_tile {
    int64_t vectors, positions, vector_width;
} channel_tile;

enum { CHANNEL_TILE_VECTORS = 2, CHANNEL_TILE_POSITIONS = 14 };

/* The tile for groups of `group_out` output channels: shorter vectors rather than half empty ones, and as many positions
 * as registers hold the sums of. */
channel_tile channel_tile_choose(const device_traits *traits, int64_t element_size, int64_t group_out);

/* Ranges of positions that the taps along an axis have inside the input, of tiles that share its outputs out evenly: the
 * average of all, those without borders counted as 1. A tile is summed for each of them. */
double channel_tile_ranges(const clconv_problem *problem, const geometry *g, int axis, int64_t tiles);

#endif
