/* Tiles of products of matrices in local memory, which the algorithms for GPUs share (cl/common/gemm_tile.clh). */
#ifndef CLCONV_STEPS_GEMM_TILE_H
#define CLCONV_STEPS_GEMM_TILE_H

#include "base/text.h"
#include "opencl/traits.h"
#include "problem/geometry.h"
#include "steps/step.h"

/* A tile by the values of parameters in this order. */
enum { TILE_CHANNELS, TILE_POSITIONS, SLAB, OUT_CHANNELS, POSITIONS, GEMM_TILE };

/* After them: bits of a place, and work-groups that there should be, whatever the device has of units. */
enum { GEMM_INDEX_BITS = GEMM_TILE, GEMM_GRID };

/* Their ranges in the list of an algorithm's. */
#define GEMM_TILE_RANGES                                                                    \
    [TILE_CHANNELS] = {"tile_channels", 16, 128, true},                                     \
    [TILE_POSITIONS] = {"tile_positions", 32, 128, true}, [SLAB] = {"slab", 8, 16, true},   \
    [OUT_CHANNELS] = {"out_channels", 4, 8, true}, [POSITIONS] = {"positions", 4, 8, true}, \
    [GEMM_INDEX_BITS] = {"index_bits", 32, 64, true}, [GEMM_GRID] = {"grid", 1, 65536, false}

/* Work-groups that fill any GPU: a constant, since it decides how sums are divided. */
enum { GEMM_TILE_GRID = 512 };

/* Work-items of a tile. */
int64_t gemm_tile_items(const int64_t *tile);

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

/* Whether all places in so many volumes of a group's input and output, and those of padding around it, are below 2^31, and
 * all samples' positions and planes are fewer. */
bool gemm_tile_is_short(const clconv_problem *problem, const geometry *g, int64_t volumes);

/* Into how many parts to divide the slabs of each of so many tiles, whose sums are so many outputs, for units not to be idle:
 * parts of some slabs, that do not take more memory than the tensors do. A constant decides and not how many units there
 * are, since it is the order of sums. */
int64_t gemm_tile_parts(const geometry *g, const int64_t *tile, int64_t tiles, int64_t slabs,
                        int64_t outputs);

/* The work of so many tiles, or parts of some, that sum so many products for each of their places; `finds_places` if where
 * one is read is found for each. Tiles that do not fill the device's units leave some idle, whose share of the time goes with
 * the rest. */
void gemm_tile_works(step *s, const device_traits *traits, const geometry *g, const int64_t *tile,
                     int64_t units, int64_t products, bool finds_places);

/* The tile, bits of a place and the padding's mode as compile-time parameters. */
void gemm_tile_define(step *s, const int64_t *tile, clconv_padding_mode mode);

#endif
