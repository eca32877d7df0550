/* Packing weights for a register tile (cl/any/pack_weight.cl draws it). */
#ifndef CLCONV_STEPS_PACK_H
#define CLCONV_STEPS_PACK_H

#include "base/text.h"
#include "problem/geometry.h"
#include "steps/step.h"

/* What is packed: `groups` matrices of `group_out` rows of channels and taps, all dense. */
typedef struct pack_shape {
    int64_t groups, group_out, group_in, taps;
    bool taps_outside; /* a block's rows in the order (tap, channel), else (channel, tap) */
} pack_shape;

/* The step that packs a tensor of the shape into blocks of `block` rows, which lie side by side; zeros past
 * the last one. Its two buffers are for the caller to add. */
step pack_step(clconv_dtype dtype, const pack_shape *shape, int64_t block, int local_size);

/* Elements of the packed form; false if they overflow. */
bool pack_size(const pack_shape *shape, int64_t block, int64_t *elements);

/* Appends the packing of the problem's weight in blocks of output channels, and sets the recipe's packed size
 * and layout. False, with the reason, if the packed size overflows. */
bool pack_append(recipe *r, const clconv_problem *problem, const geometry *g, int64_t out_channels,
                 bool taps_outside, int local_size, text *why);

#endif
