/* What the algorithms share that make the weight's gradient with the register tile of
 * cl/common/weight_tile.clh. */
#ifndef CLCONV_STEPS_WEIGHTS_H
#define CLCONV_STEPS_WEIGHTS_H

#include "opencl/traits.h"
#include "steps/slices.h"

/* OUT_CHANNELS, ROWS and so on: see there. */
typedef struct weight_tile {
    int64_t out_channels, rows, vector_width, local_size;
} weight_tile;

/* Multiply-adds of a lane as long as padding an element, in the choice of blocks. */
enum { WEIGHT_TILE_ROWS = 16, WEIGHT_PAD_WORK = 20 };

/* Taps of a row that a tile unrolls, */
int64_t weights_row_taps(const clconv_problem *problem);

/* and rows of so many channels for one kd. */
int64_t weights_rows(const clconv_problem *problem, int64_t channels);

weight_tile weights_choose_tile(const device_traits *traits, const clconv_problem *problem,
                                const geometry *g);

/* Share of the FMA rate that a tile reaches. */
double weights_share(const machine *m, const weight_tile *tile, const clconv_problem *problem);

/* Adding the lanes of a sum takes as long as so many positions of it. */
double weights_lanes_added(const machine *m, const weight_tile *tile);

/* Share of a tile's blocks of so many that exists. */
double weights_use(int64_t count, int64_t block);

/* As few input channels as have so many taps, and rows of them in whole tiles. */
int64_t weights_channels_of_block(const clconv_problem *problem, const geometry *g, int64_t taps,
                                  int64_t tile_rows);

/* Multiply-adds of `out_channels` output channels with so many input channels for a position and kd, for each of these;
 * ragged tiles of rows count in full. */
double weights_filters(const clconv_problem *problem, const geometry *g, int64_t channels, int64_t tile_rows,
                       int64_t out_channels);

/* Blocks of `channels` input channels in slices, all but what is kept of the output gradient. `pad` and `row` decide the
 * order of sums, so they are no machine's. */
slice_plan weights_slices(const clconv_problem *problem, const geometry *g, const scratch_layout *layout,
                          int64_t channels, double filters);

/* The compile-time parameters of cl/common/weight_tile.clh. */
void weights_define(step *s, const weight_tile *tile, const clconv_problem *problem,
                    const scratch_layout *layout);

/* Sums that chunks add to, one after the other, and their totals in the workspace. */
typedef struct weight_sums {
    step_buffer sums;
    int64_t count, totals, levels; /* elements; where the totals are; levels of them, 0 for few chunks */
} weight_sums;

/* Levels of totals for sums of so many chunks. */
int64_t weights_levels(int64_t chunks);

/* What chunk number `chunk` finds done before it: every SUM_PARTS chunks the sums go to their totals; and what follows the
 * last of `chunks`. */
void weights_before_chunk(recipe *r, const clconv_problem *problem, const weight_sums *w, int64_t chunk,
                          const device_traits *traits);
void weights_after_chunks(recipe *r, const clconv_problem *problem, const weight_sums *w, int64_t chunks,
                          const device_traits *traits);

/* Adds so many slices of partial sums, at `offset` bytes of the workspace, to the output. */
void weights_append_reduce(recipe *r, const clconv_problem *problem, const geometry *g, int64_t offset,
                           int64_t slices, const device_traits *traits);

#endif
