/* Packing weights for a register tile (cl/pack_weight.cl draws it). */
#ifndef CLCONV_STEPS_PACK_H
#define CLCONV_STEPS_PACK_H

#include "problem/geometry.h"
#include "steps/step.h"

/* Appends the packing of the weight into blocks of `out_channels` output channels, a block's rows in the
 * order (channel, tap) or, with `taps_outside`, (tap, channel), and sets the recipe's packed size and layout.
 * False if the packed size overflows. */
bool pack_append(recipe *r, const clconv_problem *problem, const geometry *g, int64_t out_channels,
                 bool taps_outside, int local_size);

#endif
