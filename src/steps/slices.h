/* Blocks for kernels that do all of their work in slices: a work-group pads the input under a block of planes
 * and rows into its own slice of the workspace and makes the block from there, so that neither memory nor
 * another core sees what is between. */
#ifndef CLCONV_STEPS_SLICES_H
#define CLCONV_STEPS_SLICES_H

#include "base/text.h"
#include "steps/product.h"

typedef struct slice_plan {
    /* What is made: planes and rows of so many volumes, a group of a sample each. */
    int64_t volumes, planes, rows;
    /* What is padded for it: planes * stride_d + halo_d planes of each of `channels`, of each `phases` phase
     * planes of rows + halo_h rows, `pitch` elements apart, and `tail` elements more. */
    int64_t channels, stride_d, halo_d, phases, halo_h, pitch, tail;
    int64_t cells;        /* planes of a row's pitch that are kept for each plane made */
    double multiply_adds; /* of a position and a channel, on average, */
    double fixed;         /* and of a channel of a block, whatever its size */
    int64_t slack;        /* elements that may be read or written past an end */
    int64_t lanes;        /* positions are computed in multiples of so many */
    int64_t most, room;   /* slices at most, and bytes that there are for them */
    double pad,
        row; /* by which blocks are chosen: multiply-adds as long as padding an element, and elements as long as
                             a row's start and end */

    int64_t block_planes, block_rows, plane_blocks, row_blocks, units;
    /* Elements, for a whole block: from channel to channel, of all channels, of the cells of a plane, of a
     * slice. */
    int64_t channel_size, padded_size, row_size, slice_size;
} slice_plan;

/* Initialisers of an argument struct: the blocks, and what is padded for one in a slice, of a scratch layout. */
#define SLICE_BLOCKS(layout, plan)                                                                          \
    .units = (plan)->units, .depth_blocks = (plan)->plane_blocks, .row_blocks = (plan)->row_blocks,         \
    .block_depth = (plan)->block_planes, .block_rows = (plan)->block_rows,                                  \
    .clips_depth = (layout)->clips_depth, .phases_d = (layout)->phases[0], .phases_h = (layout)->phases[1], \
    .halo_d = (plan)->halo_d, .halo_h = (plan)->halo_h, .pitch = (plan)->pitch, .tail = (plan)->tail,       \
    .channel_size = (plan)->channel_size, .slice_size = (plan)->slice_size

/* Chooses the block of the least work whose slice is within `most` elements, or else a row. False, with
 * the reason, if sizes overflow or a plane is too large for 32 bits. */
bool slices_choose(slice_plan *s, int64_t most, text *why);

/* What blocks are chosen by: multiply-adds that take as long as a channel's padding and products. */
double slices_work_shared(const slice_plan *s);

/* Multiply-adds of all units, and those at their rate that take as long as padding. */
double slices_multiply_adds(const slice_plan *s);
double slices_pad_work(const slice_plan *s, const machine *m);

/* Appends slices of `slice_size` elements to the step's buffers and sets its range, a work-group for each: at most
 * `most`, as many as share `units` out evenly, and no more than there is `room` for in bytes, but for a few. False,
 * with the reason, if they overflow. */
bool slices_bind(int64_t units, int64_t most, int64_t room, int64_t slice_size, recipe *r, step *to,
                 text *why);

/* The same for the units of a plan; and sets what the step costs with that tile, weights of `weight_bytes` for
 * each group and `tensor_bytes` that must move. */
bool slices_finish(const slice_plan *s, const product_tile *tile, int64_t weight_bytes, double tensor_bytes,
                   const machine *m, recipe *r, step *to, text *why);

#endif
