/* What algorithms by Winograd's minimal filtering over H and W share: the transformed weight
 * (cl/winograd_weight.cl) and how tiles lie (cl/winograd.cl). */
#ifndef CLCONV_STEPS_WINOGRAD_H
#define CLCONV_STEPS_WINOGRAD_H

#include "base/text.h"
#include "problem/geometry.h"
#include "steps/step.h"

/* Tiles of m outputs along an axis: those of a dilated kernel interlace, as many as the dilation at a time.
 */
int64_t winograd_tiles(const clconv_problem *problem, const geometry *g, int axis, int64_t m);

/* Whether every output sums products enough that what its tile's neighbours round off is small beside them;
 * if not, why. */
bool winograd_is_accurate(const clconv_problem *problem, const geometry *g, text *why);

/* Whether the kernel is 3 x 3 over H and W with stride 1, accurate, and numerics are not strict; if not, why.
 */
bool winograd_is_applicable(const clconv_problem *problem, const geometry *g, bool strict, text *why);

/* 4 where sums are long enough for its accuracy and its tiles fill vectors of `width` better, else 2. */
int64_t winograd_choose_output_tile(const clconv_problem *problem, const geometry *g, int64_t width);

/* Appends the transform of the weight for tiles of m x m outputs, in blocks of output channels, and sets the
 * recipe's packed size and layout. False if the packed size overflows. */
bool winograd_append_weight(recipe *r, const clconv_problem *problem, const geometry *g, int64_t m,
                            int64_t out_channels, int local_size);

#endif
