/* The weight's gradient by register tiles: see weights.h. */
#include "steps/weights.h"

#include "arguments/reduce.clh"
#include "arguments/totals.clh"
#include "base/arith.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"

#include <math.h>

typedef struct reduce_arguments {
    REDUCE_ARGUMENTS(ARGUMENT_MEMBER)
} reduce_arguments;

typedef struct totals_arguments {
    TOTALS_ARGUMENTS(ARGUMENT_MEMBER)
} totals_arguments;

enum { MAX_UNROLLED_WIDTH = 8, MAX_TILE = 16, REDUCE_BLOCK = 1024 };

int64_t weights_row_taps(const clconv_problem *problem)
{
    return problem->kernel[2] <= MAX_UNROLLED_WIDTH ? problem->kernel[2] : 1;
}

int64_t weights_rows(const clconv_problem *problem, int64_t channels)
{
    return channels * problem->kernel[1] * (problem->kernel[2] / weights_row_taps(problem));
}

double weights_use(int64_t count, int64_t block)
{
    return (double)count / (double)round_up(count, block);
}

/* Vectors of x lie across cache lines, those of g do not, and a vector of each channel and row comes from a core's second
 * cache. */
static double tile_share(const machine_weights *w, int64_t out_channels, int64_t rows, int64_t taps)
{
    double fmas = (double)(out_channels * rows * taps),
           loads = (double)out_channels + w->split_load * (double)(rows * taps),
           fetched = w->line * (double)(out_channels + rows);
    return fmas / (fmax(fmax(fmas, loads), fmax(fetched, w->least)) + w->step);
}

double weights_share(const machine *m, const weight_tile *tile, const clconv_problem *problem)
{
    return m->weights.share *
           tile_share(&m->weights, tile->out_channels, tile->rows, weights_row_taps(problem));
}

double weights_lanes_added(const machine *m, const weight_tile *tile)
{
    return m->weights.tile_end * (double)tile->vector_width;
}

weight_tile weights_choose_tile(const device_traits *traits, const clconv_problem *problem, const geometry *g)
{
    int64_t budget = traits->registers * 3 / 4, taps = weights_row_taps(problem);
    int64_t all_rows = weights_rows(problem, g->group_in);
    weight_tile best = {1, 1, traits_vector_width(traits, g->element_size), traits->local_size};
    double most = -1;
    for (int64_t o = 1; o <= min_i64(MAX_TILE, g->group_out); o++)
        for (int64_t r = 1; r <= min_i64(WEIGHT_TILE_ROWS, all_rows) && o * r * taps <= budget; r++) {
            double value = tile_share(&traits->machine->weights, o, r, taps) * weights_use(g->group_out, o) *
                           weights_use(all_rows, r);
            if (value < most || (value == most && o * r < best.out_channels * best.rows)) continue;
            most = value;
            best.out_channels = o;
            best.rows = r;
        }
    return best;
}

int64_t weights_channels_of_block(const clconv_problem *problem, const geometry *g, int64_t taps,
                                  int64_t tile_rows)
{
    int64_t rows = weights_rows(problem, 1), channels = min_i64(ceil_divide(taps, g->taps), g->group_in);
    for (int64_t c = channels; c < channels + tile_rows && c <= g->group_in; c++)
        if (c * rows % tile_rows == 0) return c;
    return channels;
}

double weights_filters(const clconv_problem *problem, const geometry *g, int64_t channels, int64_t tile_rows,
                       int64_t out_channels)
{
    return (double)out_channels * (double)(g->taps / problem->kernel[0]) /
           weights_use(weights_rows(problem, channels), tile_rows);
}

slice_plan weights_slices(const clconv_problem *problem, const geometry *g, const scratch_layout *layout,
                          int64_t channels, double filters)
{
    /* As long as a row's start and end. */
    enum { ROW_ELEMENTS = 16 };
    double planes = product_planes_summed(problem->kernel[0], problem->stride[0], problem->dilation[0],
                                          layout->clips_depth ? problem->pad_before[0] : 0,
                                          layout->padded_depth, g->output[0]);
    return (slice_plan){
        .volumes = problem->batch,
        .planes = g->output[0],
        .rows = g->output[1],
        .channels = channels,
        .stride_d = problem->stride[0],
        .halo_d = (problem->kernel[0] - 1) * problem->dilation[0] + 1 - problem->stride[0],
        .phases = layout->phases[1] * layout->phases[2],
        .halo_h = layout->rows - g->output[1],
        .pitch = layout->pitch,
        .tail = layout->phase_pitch - layout->rows * layout->pitch,
        .multiply_adds = filters * planes / (double)g->output[0],
        .pad = WEIGHT_PAD_WORK,
        .row = ROW_ELEMENTS,
    };
}

void weights_define(step *s, const weight_tile *tile, const clconv_problem *problem,
                    const scratch_layout *layout)
{
    int64_t taps = weights_row_taps(problem);
    kernel_define(s, "OUT_CHANNELS", tile->out_channels);
    kernel_define(s, "ROWS", tile->rows);
    kernel_define(s, "VECTOR_WIDTH", tile->vector_width);
    kernel_define(s, "LOCAL_SIZE", tile->local_size);
    kernel_define(s, "KERNEL_W", taps);
    kernel_define(s, "STRIDE_H", problem->stride[1]);
    kernel_define(s, "STRIDE_W", problem->stride[2]);
    kernel_define(s, "DILATION_W", taps > 1 ? problem->dilation[2] : 1);
    kernel_define(s, "PHASES_W", layout->phases[2]);
}

void weights_append_reduce(recipe *r, const clconv_problem *problem, const geometry *g, int64_t offset,
                           int64_t slices, const device_traits *traits)
{
    reduce_arguments a = {
        .blocks = ceil_divide(g->elements.weight, REDUCE_BLOCK),
        .count = g->elements.weight,
        .slices = slices,
    };
    step s = kernel_step("reduce", "any/reduce.cl", "reduce", problem->dtype);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, offset);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){1, a.blocks, 1}, (const int64_t[]){traits->local_size, 1, 1});
    step_moves(&s, (double)g->element_size * (double)(a.slices + 1) * (double)a.count);
    recipe_append_run(r, &s);
}

int64_t weights_levels(int64_t chunks)
{
    return partial_sums_levels(ceil_divide(chunks, SUM_PARTS));
}

static void append_totals(recipe *r, const clconv_problem *problem, const char *kernel, const weight_sums *w,
                          int64_t runs, const device_traits *traits)
{
    totals_arguments a = {
        .blocks = ceil_divide(w->count, REDUCE_BLOCK), .count = w->count, .levels = w->levels, .runs = runs};
    step s = kernel_step(kernel, "any/totals.cl", kernel, problem->dtype);
    kernel_add_buffer(&s, w->sums.role, w->sums.offset);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, w->totals);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){1, a.blocks, 1}, (const int64_t[]){traits->local_size, 1, 1});
    step_moves(&s, 4 * (double)s.element_size * (double)a.count);
    recipe_append_run(r, &s);
}

void weights_before_chunk(recipe *r, const clconv_problem *problem, const weight_sums *w, int64_t chunk,
                          const device_traits *traits)
{
    if (w->levels > 0 && chunk > 0 && chunk % SUM_PARTS == 0)
        append_totals(r, problem, "end_sums", w, chunk / SUM_PARTS - 1, traits);
}

void weights_after_chunks(recipe *r, const clconv_problem *problem, const weight_sums *w, int64_t chunks,
                          const device_traits *traits)
{
    if (w->levels > 0) append_totals(r, problem, "add_sums", w, (chunks - 1) / SUM_PARTS, traits);
}
