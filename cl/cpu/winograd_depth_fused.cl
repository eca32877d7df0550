/* Winograd convolution F(m, 3) along depth, for kernels 3 x 1 x 1, all of it in one kernel. winograd_depth.cl
 * draws the transforms.
 *
 *     A work-group takes a block of panels of a tile along depth, in a slice of its own that stays in cache:
 *
 *         m + 2 input planes -> frequencies [f][panel][c][lane]
 *         for each OUT_CHANNELS output channels: -> product [f][o][panel][lane] -> m output planes
 *
 * No volume goes to memory, and no core reads what another has written. Each output is one sum in the fixed
 * order of c.
 *
 *   OUTPUT_TILE   2 or 4: m
 *   TAPS          3
 *   OUT_CHANNELS  1 to 16   output channels of the product's register tile
 *   VECTORS       1 to 4    panels of the register tile at most
 *   VECTOR_WIDTH  2 to 16   positions of a panel
 *   LONG_SUMS     1 where an output sums more products than a run has
 *
 * Index space: work-groups of one work-item (slices), each taking a run of units, so that the planes which tiles
 * share come from cache. Cost: (m + 2) / m * 2 *
 * group_in FLOPs an output and some 4 for each input and output; reads (m + 2) / m of the input, writes the
 * output once; reads all of a group's weights for each block.
 */
#define LOCAL_SIZE 1
#define KERNEL_D 1
#include "arguments/winograd_depth_fused.clh"
#include "common/definition.clh"
#include "common/winograd_depth.clh"

#define FREQUENCIES INPUT_TILE
#include "common/frequencies.clh"

/* The panels [first, last) of a tile, and where its outputs start in the first channel of its group. */
typedef struct panel_block {
    long first, last, planes, plane, channel_size;
    global real *out;
    global const real *bias; /* of the group; 0 for none */
    epilogue e;
} panel_block;

/* Transforms the input; what the next channel reads is prefetched. */
static inline void transform_block(global const real *input, const panel_block *b,
                                   const long source[INPUT_TILE], const long channels,
                                   const long channel_size, global real *to, const long frequency_size)
{
    for (long c = 0; c < channels; c++)
        for (long p = b->first; p < b->last; p++) {
            global const real *from = input + c * channel_size + p * PANEL;
            for (int i = 0; i < INPUT_TILE; i++)
                vector_prefetch(from + channel_size + max(source[i], 0L) * b->plane);
            transform_depth(from, b->plane, source, b->plane - p * PANEL,
                            to + ((p - b->first) * channels + c) * PANEL, frequency_size);
        }
}

/* Transforms the product of OUT_CHANNELS channels from the first of `block` on and stores it; what is in doubt. */
static inline realv store_block(const frequency_product *f, const panel_block *b, const long block,
                                const bool streams)
{
    realv doubt = (realv)0;
    const long panels = b->last - b->first, first = block * OUT_CHANNELS;
    for (long o = first; o < min(f->channels_out, first + OUT_CHANNELS); o++) {
        depth_end end = {.out = b->out + o * b->channel_size,
                         .e = epilogue_from(b->e, o * b->channel_size),
                         .bias = b->bias != 0 ? b->bias[o] : 0,
                         .plane = b->plane,
                         .planes = b->planes,
                         .streams = streams,
                         .doubt = doubt};
        for (long p = 0; p < panels; p++)
            store_depth(f->product + ((o - first) * panels + p) * PANEL, f->product_frequency, &end,
                        (b->first + p) * PANEL, b->plane - (b->first + p) * PANEL);
        doubt = end.doubt;
    }
    return doubt;
}

/* Makes those outputs of a block, from plane `z` on, by the definition that are NaN. */
static inline void define_block(const definition *d, const definition_tensors *t, const panel_block *b,
                                const long z)
{
    for (long i = 0; i < min((long)OUTPUT_TILE, b->planes); i++)
        define_row(d, t, z + i, 0, b->first * PANEL, min(b->last * PANEL, b->plane));
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd_depth_fused(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
                     TENSOR(real, output), TENSOR(const real, filters),
                     TENSOR(real, slices) EPILOGUE_TENSOR WINOGRAD_DEPTH_FUSED_ARGUMENTS(ARGUMENT)
                         EPILOGUE_SCALAR)
{
    global real *product = TENSOR_START(slices) + get_group_id(0) * slice_size,
                *frequencies = product + FREQUENCIES * product_size;
    const long matrix = group_blocks * group_in * OUT_CHANNELS;
    /* A plane is one row: kernels have one tap there. */
    const definition convolution = {.channels_in = group_in,
                                    .channels_out = group_out,
                                    .depth = depth,
                                    .height = 1,
                                    .width = plane,
                                    .out_depth = out_depth,
                                    .out_height = 1,
                                    .out_width = plane,
                                    .kernel_d = TAPS,
                                    .kernel_h = 1,
                                    .kernel_w = 1,
                                    .stride_d = 1,
                                    .stride_h = 1,
                                    .stride_w = 1,
                                    .dilation_d = 1,
                                    .dilation_h = 1,
                                    .dilation_w = 1,
                                    .pad_depth = pad_depth,
                                    .mode = mode};
    const long first_unit = get_group_id(0) * units / get_num_groups(0),
               last_unit = (get_group_id(0) + 1) * units / get_num_groups(0);
    for (long unit = first_unit; unit < last_unit; unit++) {
        const long tile = unit % tiles, panel_block_of = unit / tiles % panel_blocks,
                   volume = unit / tiles / panel_blocks, group = volume % groups;
        const long at = (volume * group_out * out_depth + tile * OUTPUT_TILE) * plane;
        const panel_block b = {
            .first = panel_block_of * panels / panel_blocks,
            .last = (panel_block_of + 1) * panels / panel_blocks,
            .planes = out_depth - tile * OUTPUT_TILE,
            .plane = plane,
            .channel_size = out_depth * plane,
            .out = TENSOR_START(output) + at,
            .bias = has_bias ? TENSOR_START(bias) + group * group_out : 0,
            .e = EPILOGUE_AT(at),
        };
        long source[INPUT_TILE];
        find_planes(tile, mode, pad_depth, depth, source);
        transform_block(TENSOR_START(input) + volume * group_in * depth * plane, &b, source, group_in,
                        depth * plane, frequencies, frequency_size);
        global const real *const planes[KERNEL_D] = {frequencies};
        const frequency_product f = {FREQUENCY_STEPS, .planes = planes,
                                     .weight = TENSOR_START(weight) + group * matrix,
                                     .channels_in = group_in};
        bool has_doubts = false;
        for (long block = 0; block < group_blocks; block++) {
            const product_chunk chunk = {0, b.last - b.first, block, 1};
            multiply_chunk(&f, &chunk);
            if (isnan(vector_sum(store_block(&f, &b, block, streams)))) has_doubts = true;
        }
        if (!has_doubts) continue;
        const long start = volume * group_out * out_depth * plane;
        const definition_tensors all = {
            .input = TENSOR_START(input) + volume * group_in * depth * plane,
            .weight = TENSOR_START(filters) + group * group_out * window_size(&convolution),
            .bias = b.bias,
            .out = TENSOR_START(output) + start,
            .column = product + slice_size - DEFINITION_POSITIONS * window_size(&convolution),
            .e = EPILOGUE_AT(start),
        };
        define_block(&convolution, &all, &b, tile * OUTPUT_TILE);
    }
}
