/* The product of panels: see panels.h. */
#include "steps/panels.h"

#include "arguments/panels.clh"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"

typedef struct panels_arguments {
    PANELS_ARGUMENTS(ARGUMENT_MEMBER)
} panels_arguments;

product_tile panels_choose_tile(const device_traits *traits, int64_t element_size, int64_t out_channels)
{
    return product_choose_tile(traits, element_size, out_channels, PANEL_VECTORS);
}

int64_t panel_width(const product_tile *tile)
{
    return tile->local_size * tile->vector_width;
}

/* What runs fastest is read again and again: the smaller of the weights and the panels of a volume. */
static bool blocks_run_first(const panel_product *w, int64_t panels)
{
    return w->out_channels * w->kernel_d <= w->depth * panels;
}

static panels_arguments describe(const panel_product *w, const product_tile *tile, const machine *m)
{
    int64_t width = panel_width(tile);
    panels_arguments a = {
        .volumes = w->volumes,
        .weights = w->weights,
        .blocks = ceil_divide(w->out_channels, tile->out_channels),
        .out_channels = w->out_channels,
        .out_depth = w->out_depth,
        .positions = w->positions,
        .plane_panels = ceil_divide(w->positions, width),
        .rows = w->rows,
        .run = partial_sums_run(w->taps),
        .volume_size = w->volume_size,
        .depth = w->depth,
        .kernel_d = w->kernel_d,
        .stride_d = w->stride_d,
        .dilation_d = w->dilation_d,
        .clip_depth = w->clip_depth,
        .out_plane = w->out_plane,
        .out_channel = w->out_channel,
        .out_volume = w->out_volume,
        .has_bias = w->bias.role == BUFFER_NONE ? 0
                    : w->bias_by_position       ? 2
                                                : 1,
    };
    int64_t element = w->dtype == CLCONV_FLOAT64 ? 8 : 4;
    if (w->output.role == BUFFER_OUTPUT)
        a.streams =
            kernel_output_streams(m, a.volumes * a.out_channels * a.out_depth * a.positions * element);
    a.plane_tiles = ceil_divide(a.plane_panels, tile->vectors);
    a.blocks_first = blocks_run_first(w, a.plane_panels * width);
    return a;
}

static step program(const panel_product *w, const product_tile *tile)
{
    step s = kernel_step(w->name, "any/panels.cl", "panels", w->dtype);
    kernel_define(&s, "OUT_CHANNELS", tile->out_channels);
    kernel_define(&s, "VECTORS", tile->vectors);
    kernel_define(&s, "VECTOR_WIDTH", tile->vector_width);
    kernel_define(&s, "LOCAL_SIZE", tile->local_size);
    partial_sums_define(&s, w->kernel_d * w->rows);
    return s;
}

/* A work-group takes several of what runs fastest, as long as there remain plenty of work-groups. */
static void set_range(step *s, const panels_arguments *a, int64_t local_size)
{
    enum { SHARE = 8, PLENTY = 512 };
    int64_t tiles = a->plane_tiles * a->out_depth;
    int64_t fast = a->blocks_first ? a->blocks : tiles, slow = a->blocks_first ? tiles : a->blocks;
    int64_t shared = ceil_divide(fast, SHARE);
    if ((double)shared * (double)slow * (double)a->volumes >= PLENTY) fast = shared;
    kernel_set_range(s, (const int64_t[]){fast, slow, a->volumes}, (const int64_t[]){local_size, 1, 1});
}

static void set_work(const panel_product *w, const product_tile *tile, const panels_arguments *a,
                     const machine *m, step *s)
{
    bool is_stored = w->output.role == BUFFER_OUTPUT; /* channel by channel */
    int64_t planes_read =
        min_i64(a->depth, (a->out_depth - 1) * a->stride_d + (a->kernel_d - 1) * a->dilation_d + 1);
    double lanes = (double)(a->plane_panels * panel_width(tile)),
           planes = product_planes_summed(w->kernel_d, w->stride_d, w->dilation_d, w->clip_depth, w->depth,
                                          w->out_depth),
           outputs = (double)a->volumes * (double)(a->blocks * tile->out_channels) * lanes,
           share = (is_stored ? m->tiles.panel : m->tiles.frequency) *
                   machine_tile_share(m, tile->out_channels, tile->vectors);
    step_computes(s, outputs * planes * (double)a->rows, share);
    if (is_stored) s->work.busy += outputs * m->tiles.start * (double)a->out_depth / share;
    step_moves(s, (double)s->element_size *
                      ((double)a->volumes * lanes *
                           ((double)(planes_read * a->rows) + (double)(a->out_channels * a->out_depth)) +
                       (double)min_i64(a->volumes, a->weights) * (double)(a->out_channels * a->kernel_d) *
                           (double)a->rows));
}

void panels_append(recipe *r, const panel_product *w, const product_tile *tile, const machine *m)
{
    step s = program(w, tile);
    panels_arguments a = describe(w, tile, m);
    kernel_add_buffer(&s, w->panels.role, w->panels.offset);
    kernel_add_buffer(&s, w->weight.role, w->weight.offset);
    kernel_add_buffer(&s, w->bias.role, w->bias.offset);
    kernel_add_buffer(&s, w->output.role, w->output.offset);
    kernel_set_scalars(&s, &a, sizeof a);
    if (w->epilogue != NULL) epilogue_fuse(&s, w->epilogue, w->output.offset);
    set_range(&s, &a, tile->local_size);
    set_work(w, tile, &a, m, &s);
    recipe_append_run(r, &s);
}
