/* What algorithms by Winograd's minimal filtering share: the transformed weight (cl/any/winograd_weight.cl,
 * cl/any/winograd_depth.cl) and how tiles lie (cl/any/winograd.cl). */
#ifndef CLCONV_STEPS_WINOGRAD_H
#define CLCONV_STEPS_WINOGRAD_H

#include "base/text.h"
#include "opencl/traits.h"
#include "problem/geometry.h"
#include "steps/step.h"

/* Taps of Winograd's filtering along depth. */
enum { WINOGRAD_TAPS = 3 };

/* Taps of a phase of the kernel along H or W: of the elements that lie a stride apart. */
int64_t winograd_taps(const clconv_problem *problem, int axis);

/* Phases of the input over H and W that some tap meets: each is one more channel to sum. */
int64_t winograd_phases(const clconv_problem *problem);

/* Inputs along an axis that a tile of m outputs reads. */
int64_t winograd_input_tile(const clconv_problem *problem, int64_t m);

/* Tiles of m outputs along an axis: those of a dilated kernel interlace, as many as the dilation at a time.
 */
int64_t winograd_tiles(const clconv_problem *problem, const geometry *g, int axis, int64_t m);

/* Whether vectors hold whole groups of tiles that interlace along W, as cl/common/tile_groups.clh needs. */
bool winograd_has_groups(int64_t dilation_w, int64_t vector_width);

/* DILATION_W of such kernels: what their programs know beforehand of the dilation along W. */
int64_t winograd_fixed_dilation(int64_t dilation_w, int64_t vector_width);

/* Whether every output sums `fewest` products at least, beside the padding's zeros; if not, why. */
bool winograd_is_accurate(const clconv_problem *problem, const geometry *g, int64_t fewest, text *why);

/* Whether there is a scheme for tiles of m x m outputs of the kernel over H and W, which is accurate, and numerics
 * are not strict; if not, why. */
bool winograd_is_applicable(const clconv_problem *problem, const geometry *g, int64_t m, bool strict,
                            text *why);

/* Whether strides and dilations are such that a kernel can take phases of strides as channels; if not, why. */
bool winograd_combines_strides(const clconv_problem *problem, text *why);

/* Of the output tiles that the kernel has schemes for, 4 where sums are long enough for its accuracy and its tiles
 * fill vectors of `width` better, else 2. */
int64_t winograd_choose_output_tile(const clconv_problem *problem, const geometry *g, int64_t width);

/* Appends the transform of the weight and of its phases for tiles of m x m outputs, in blocks of output channels,
 * and sets the recipe's packed size and layout. With `frequencies_last` a block must be one channel. False if the
 * packed size overflows. */
/* FLOPs of a frequency along two axes, or so: what reports count for a transform. */
enum { WINOGRAD_TRANSFORM_FLOPS = 5 };

bool winograd_append_weight(recipe *r, const clconv_problem *problem, const geometry *g, int64_t m,
                            int64_t out_channels, bool frequencies_last, const device_traits *traits);

/* The same for Winograd's filtering along depth (cl/any/winograd_depth.cl): kernels 3 x 1 x 1, tiles of m planes. */
bool winograd_depth_is_applicable(const clconv_problem *problem, const geometry *g, bool strict, text *why);
int64_t winograd_choose_depth_tile(const geometry *g);
bool winograd_append_depth_weight(recipe *r, const clconv_problem *problem, const geometry *g, int64_t m,
                                  int64_t out_channels, const device_traits *traits);

/* The same for Winograd's filtering along W alone (cl/cpu/winograd_channels.cl): tiles of m columns. */
bool winograd_row_is_applicable(const clconv_problem *problem, const geometry *g, int64_t m, bool strict,
                                text *why);
int64_t winograd_choose_row_tile(const clconv_problem *problem, const geometry *g);
bool winograd_append_row_weight(recipe *r, const clconv_problem *problem, const geometry *g, int64_t m,
                                int64_t out_channels, int64_t block_in, const device_traits *traits);

#endif
