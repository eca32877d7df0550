/* Tiles of products of matrices in local memory, which the algorithms for GPUs share (cl/common/gemm_tile.clh). */
#ifndef CLCONV_STEPS_GEMM_TILE_H
#define CLCONV_STEPS_GEMM_TILE_H

#include "base/text.h"
#include "opencl/traits.h"
#include "problem/geometry.h"
#include "steps/step.h"

/* A tile by the values of parameters in this order. */
enum { TILE_CHANNELS, TILE_POSITIONS, SLAB, OUT_CHANNELS, POSITIONS, GEMM_TILE };

/* Their ranges in the list of an algorithm's. */
#define GEMM_TILE_RANGES                                                                  \
    [TILE_CHANNELS] = {"tile_channels", 16, 128, true},                                   \
    [TILE_POSITIONS] = {"tile_positions", 32, 128, true}, [SLAB] = {"slab", 8, 16, true}, \
    [OUT_CHANNELS] = {"out_channels", 4, 8, true}, [POSITIONS] = {"positions", 4, 8, true}

/* Work-groups that fill any GPU: a constant, since it decides how sums are divided. */
enum { GEMM_TILE_GRID = 512 };

/* Work-items of a tile. */
int64_t gemm_tile_items(const int64_t *tile);

/* Multiply-adds by them and reads of local memory, a quad of which takes as long as one. */
double gemm_tile_share(const int64_t *tile);

/* Of the tiles of the device's family that it can take, the one that wastes least of so many rows and columns; columns of 0
 * are many. `more` is what a kernel needs of local memory beside slabs, for each column and in all. */
typedef struct gemm_tile_memory {
    int64_t column, fixed, element_size;
} gemm_tile_memory;

void gemm_tile_choose(const device_traits *traits, int64_t rows, int64_t columns,
                      const gemm_tile_memory *memory, int64_t *tile);

/* Whether the device can take the tile; if not, why. */
bool gemm_tile_is_legal(const device_traits *traits, const int64_t *tile, const gemm_tile_memory *memory,
                        text *why);

/* Whether all places in so many volumes of a group's input and output, and those of padding around it, are below 2^31. */
bool gemm_tile_is_short(const clconv_problem *problem, const geometry *g, int64_t volumes);

/* Its compile-time parameters. */
void gemm_tile_define(step *s, const int64_t *tile);

#endif
