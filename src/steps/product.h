/* The convolution of a scratch volume with packed weights (cl/any/direct.cl), as a step: whoever can lay its data
 * out so that a register tile reads unit-stride vectors uses it, whatever the extents mean. */
#ifndef CLCONV_STEPS_PRODUCT_H
#define CLCONV_STEPS_PRODUCT_H

#include "opencl/traits.h"
#include "steps/scratch.h"

/* A register tile: see cl/any/direct.cl for what the values mean and their ranges. */
typedef struct product_tile {
    int64_t out_channels, vectors, vector_width, local_size;
} product_tile;

enum { PRODUCT_VECTORS = 16 };

/* The tile of at most `max_vectors` vectors that does the most useful work in three quarters of the
 * registers, for groups of `group_out` output channels. */
product_tile product_choose_tile(const device_traits *traits, int64_t element_size, int64_t group_out,
                                 int64_t max_vectors);

/* Positions of a work-group: what it may read past the end of the scratch volume. */
int64_t product_slack(const product_tile *tile);

/* Tiles of a row, each inside it, where they are stored without detours and waste hardly more than the gutter
 * between rows of that pitch; 0 where tiles do better that run over the ends of rows. `summed`: products of an
 * output. */
int64_t product_row_tiles(const product_tile *tile, int64_t pitch, int64_t width, double summed);

/* The compile-time parameters of cl/common/direct.clh. */
void product_define(step *s, const product_tile *tile, const int64_t kernel[3], const int64_t stride[3],
                    const int64_t dilation[3], const scratch_layout *layout);

/* Planes that are summed for all output planes together, where the volume starts `clip_depth` planes after the
 * padding does and planes outside it are left out. */
double product_planes_summed(int64_t kernel_d, int64_t stride_d, int64_t dilation_d, int64_t clip_depth,
                             int64_t padded_depth, int64_t output_depth);

/* The taps along an axis that all outputs together sum; with `clips` only those inside the input. */
double product_axis_summed(const clconv_problem *problem, const geometry *g, int axis, bool clips);

/* The taps along an axis that some output reads; with `clips` only those that are inside the input for one. */
int64_t product_taps_read(const clconv_problem *problem, const geometry *g, int axis, bool clips);

typedef struct product {
    const char *name;
    clconv_dtype dtype;
    int64_t samples, groups, group_in, group_out;
    int64_t kernel[3], stride[3], dilation[3];
    int64_t output[3];            /* that is computed */
    int64_t output_depth;         /* planes of the output tensor */
    int64_t clip_depth;           /* planes of padding before the volume's first plane; may be negative */
    const scratch_layout *layout; /* of the volume that is read */
    bool stores_gutter;           /* rows of the output have the layout's pitch too */
    bool ends_there;              /* nothing may be read past the last position of the volume's last plane */
    step_buffer input, weight, bias, output_buffer;
    const clconv_problem *epilogue; /* the problem whose outputs these are; NULL: of none */
} product;

void product_append(recipe *r, const product *what, const product_tile *tile, const machine *m);

#endif
