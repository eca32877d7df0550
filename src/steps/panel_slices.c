/* Units of panels in slices: see panel_slices.h. */
#include "steps/panel_slices.h"

#include "base/arith.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"

static int64_t unit_count(const panel_slices *s)
{
    return s->volumes * s->position_blocks * s->splits;
}

/* What the busiest of some workers does, however many the device has: in multiply-adds of a row of panels. */
static double work_of_one(const panel_slices *s, const product_tile *tile, int64_t panels, const machine *m)
{
    enum { WORKERS = 8 };
    int64_t block = ceil_divide(panels, s->position_blocks), blocks = ceil_divide(s->out_blocks, s->splits);
    int64_t tiles = ceil_divide(block, tile->vectors);
    double weights = m->core.weight_load * (double)tile->out_channels; /* from a cache further away */
    double products = (double)blocks *
                      ((double)(tile->out_channels * block) + m->slices.panel_row * (double)tiles + weights);
    return (double)ceil_divide(unit_count(s), WORKERS) * (products + m->slices.panel_vector * (double)block);
}

bool panel_slices_divide(panel_slices *s, const product_tile *tile, int64_t most, int64_t element_size,
                         const machine *m)
{
    /* Fewer panels would read the weights too often. */
    enum { FEW_PANELS = 4, MORE_BLOCKS = 16, MOST_SPLITS = 8 };
    int64_t width = panel_width(tile), panels = ceil_divide(s->positions, width), bytes, all;
    if (!size_product((const int64_t[]){s->rows + s->line, width, element_size}, 3, &bytes) ||
        !size_multiply(s->volumes, panels, &all) || bytes > INT64_MAX / 64 || all > INT64_MAX / 64)
        return false;
    int64_t fitting = max_i64(most / max_i64(bytes, 1), FEW_PANELS);
    int64_t fewest = ceil_divide(panels, fitting), blocks = fewest, splits = 1;
    double least = -1;
    for (s->splits = 1; s->splits <= min_i64(s->out_blocks, MOST_SPLITS); s->splits++)
        for (s->position_blocks = fewest; s->position_blocks <= min_i64(panels, fewest + MORE_BLOCKS);
             s->position_blocks++) {
            double work = work_of_one(s, tile, panels, m);
            if (least >= 0 && work >= least) continue;
            least = work;
            blocks = s->position_blocks;
            splits = s->splits;
        }
    s->position_blocks = blocks;
    s->splits = splits;
    s->units = unit_count(s);
    s->block = ceil_divide(panels, blocks) * width;
    /* What runs fastest is read again and again: the smaller of the weights and a slice. */
    s->blocks_first = s->out_blocks * tile->out_channels <= s->splits * s->block;
    s->slice_size = round_up(s->block * (s->rows + s->line), 16);
    return size_multiply(s->units, s->slice_size, &all);
}

step panel_slices_step(const char *name, const char *source, const clconv_problem *problem, const geometry *g,
                       const panel_slices *s, const product_tile *tile, double unfold_work, const machine *m)
{
    step to = kernel_step(name, source, name, problem->dtype);
    kernel_define(&to, "OUT_CHANNELS", tile->out_channels);
    kernel_define(&to, "VECTORS", tile->vectors);
    kernel_define(&to, "VECTOR_WIDTH", tile->vector_width);
    partial_sums_define(&to, s->rows);
    kernel_add_tensors(&to, problem, BUFFER_PACKED);
    double lanes = (double)s->volumes * (double)round_up(s->positions, panel_width(tile));
    double outputs = lanes * (double)(s->out_blocks * tile->out_channels),
           share = m->tiles.panel * machine_tile_share(m, tile->out_channels, tile->vectors);
    step_computes(&to, (double)s->rows * outputs, share);
    to.work.busy += (m->tiles.start * outputs + unfold_work) / share;
    step_moves(&to, (double)g->element_size * (geometry_rows_met(problem) * (double)g->elements.input +
                                               (double)g->elements.output + (double)g->elements.weight));
    return to;
}
