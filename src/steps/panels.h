/* Panels: PANEL positions by a number of rows, row after row, and their product with packed weights
 * (cl/any/panels.cl), as a step. Whoever can write its data as panels uses it, whatever rows and positions mean.
 */
#ifndef CLCONV_STEPS_PANELS_H
#define CLCONV_STEPS_PANELS_H

#include "steps/product.h"

/* The tile of product_choose_tile() with at most as many vectors as the kernel has code for. */
enum { PANEL_VECTORS = 4 };
product_tile panels_choose_tile(const device_traits *traits, int64_t element_size, int64_t out_channels);

/* Positions of a panel. */
int64_t panel_width(const product_tile *tile);

/* Sizes in elements. Panels are [volume][plane][panel][row][position], dense but for volume_size. The packed
 * weights are [matrix][block of output channels][kd][row][o]. */
typedef struct panel_product {
    const char *name;
    clconv_dtype dtype;
    int64_t volumes;
    int64_t weights;      /* distinct weight matrices: volume v has the one of v % weights */
    int64_t out_channels; /* of a volume */
    int64_t out_depth, positions;
    int64_t rows, depth; /* of a panel; planes of a volume that are stored */
    int64_t kernel_d, stride_d, dilation_d;
    int64_t clip_depth; /* planes before the first that is stored; may be negative */
    int64_t volume_size;
    int64_t out_plane, out_channel, out_volume; /* from one to the next in the output */
    bool bias_by_position;                      /* else by output channel */
    int64_t taps;                               /* of a channel, where rows are taps */
    step_buffer panels, weight, bias, output;
    const clconv_problem *epilogue; /* whose residual and activation the outputs take; NULL for none */
} panel_product;

void panels_append(recipe *r, const panel_product *what, const product_tile *tile, const machine *m);

#endif
