/* Units of the algorithms that unfold blocks of positions into panels in slices, and multiply them from there
 * (cl/common/panel_units.clh). */
#ifndef CLCONV_STEPS_PANEL_SLICES_H
#define CLCONV_STEPS_PANEL_SLICES_H

#include "steps/panels.h"

#include "problem/geometry.h"

typedef struct panel_slices {
    /* What there is: groups of samples, output positions and blocks of output channels of each, and rows of a
     * panel. */
    int64_t volumes, positions, out_blocks, rows;
    int64_t line; /* elements of a slice for each position of a block, beside its panels */

    /* Blocks of a volume, and positions of one at most; splits of the output channels; units; elements of a
     * slice. */
    int64_t position_blocks, block, splits, units, slice_size;
    bool blocks_first; /* output channels run faster than tiles of positions */
} panel_slices;

/* Divides the work into blocks within `most` bytes, or of a few panels, and output channels too where that
 * shares it out more evenly. False if sizes overflow. */
bool panel_slices_divide(panel_slices *s, const product_tile *tile, int64_t most, int64_t element_size,
                         const machine *m);

/* The step `name` of these units, the kernel of that name of cl/`source`: its compile options, the problem's tensors, and
 * what it costs where unfolding takes as long as so many multiply-adds of its tiles. */
step panel_slices_step(const char *name, const char *source, const clconv_problem *problem, const geometry *g,
                       const panel_slices *s, const product_tile *tile, double unfold_work, const machine *m);

#endif
