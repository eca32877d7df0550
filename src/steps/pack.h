/* Packing weights for a register tile (cl/pack_weight.cl draws it). */
#ifndef CLCONV_STEPS_PACK_H
#define CLCONV_STEPS_PACK_H

#include "problem/geometry.h"
#include "steps/step.h"

/* Appends the packing of the weight into blocks of `out_channels` output channels, and sets the recipe's
 * packed size and layout. False if the packed size overflows. */
bool pack_append(recipe *r, const clconv_problem *problem, const geometry *g, int64_t out_channels,
                 int local_size);

#endif
