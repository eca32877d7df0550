/* Direct convolution whose vectors are of output channels, for images whose rows and planes are no whole vectors
 * of positions: the padded input, or the input where nothing is padded, is read an element at a time, each for
 * OUT_CHANNELS channels, so no lane is lost at the end of a row or a plane:
 *
 *              <- OUT_CHANNELS channels ->
 *     p = 0 |  acc[0][0]  |  acc[0][1]  |     for each channel and tap that some position of the tile reads:
 *       ... |     ...     |     ...     |     acc[p][v] += input [position p under the tap] * weight[v]
 *     p = 6 |  acc[6][0]  |  acc[6][1]  |
 *
 * A tile is a part of an output row, shared out evenly to tiles of at most POSITIONS, or two or three short
 * rows. Taps whose positions are all inside the volume are summed together; at its borders those that share a
 * rectangle of positions are, so that zeros around it are neither stored nor multiplied. A work-group takes a
 * block of output channels and a run of tiles; their sums stay in a slice of its own while it goes through the
 * input channels, block_in at a time, so that weights come from its cache; at the end they are turned into rows
 * of positions. Each output is one sum in an order that its place in the volume fixes: blocks of channels,
 * rectangles, channels, taps.
 *   OUT_CHANNELS  1 or 2 times VECTOR_WIDTH
 *   POSITIONS     1 to 14  of a tile at most
 *   VECTOR_WIDTH  2 to 16
 *   STRIDE_W      1 and more
 *   LONG_SUMS     1 where an output sums more products than a run has
 *
 * Index space: work-groups of one work-item (slices), each taking its share of the units. Cost: 2 FLOPs for
 * each product inside the volume; reads the volume once for each block of channels, where it is not in cache.
 */
#include "arguments/direct_channels.clh"
#define TILE_ROWS 3
#define READS_AHEAD 1
#include "common/channel_sums.clh"
#include "common/channel_tiles.clh"

/* Channels that take as long as the last-level cache needs. */
static inline long channels_ahead(const long taps)
{
    return max(32 / taps, 2L);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
direct_channels(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
                TENSOR(real, output),
                TENSOR(real, slices) EPILOGUE_TENSOR DIRECT_CHANNELS_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *slice = TENSOR_START(slices) + get_group_id(0) * slice_size;
    const window n = {WINDOW_ARGUMENTS};
    const long channel_size = depth * plane_size,
               weight_channel = kernel_d * kernel_h * kernel_w * OUT_CHANNELS;
    const long plane_tiles = row_blocks * row_tiles, out_plane = out_height * out_width;
    const long last_unit = (get_group_id(0) + 1) * units / get_num_groups(0);
    for (long unit = get_group_id(0) * units / get_num_groups(0); unit < last_unit; unit++) {
        const long shared = unit / inner_samples, run = shared % runs, block = shared / runs % blocks,
                   group = shared / runs / blocks % groups,
                   sample = unit % inner_samples + shared / runs / blocks / groups,
                   volume = sample * groups + group;
        const long first_tile = run * tiles / runs, last_tile = (run + 1) * tiles / runs;
        const position_range ahead =
            weights_read(&n, first_tile / plane_tiles, (last_tile - 1) / plane_tiles);
        const long first_out = block * OUT_CHANNELS,
                   channels = min((long)OUT_CHANNELS, group_out - first_out);
        real start[OUT_CHANNELS];
        for (int o = 0; o < OUT_CHANNELS; o++)
            start[o] = has_bias && o < channels ? TENSOR_START(bias)[group * group_out + first_out + o] : 0;
        long first_position = 0, last_position = 0, blocks_summed = 0;
        for (long first_in = 0; first_in < group_in; first_in += block_in, blocks_summed++) {
            if (levels > 0 && blocks_summed > 0 && blocks_summed % level_blocks == 0)
                end_run_of_sums(slice, slice + sums_size, (last_position - first_position) * OUT_CHANNELS,
                                sums_size, levels, blocks_summed / level_blocks - 1);
            tap_list taps;
            tile_sum t = {
                .weight =
                    TENSOR_START(weight) + ((group * blocks + block) * group_in + first_in) * weight_channel,
                .channels = min(block_in, group_in - first_in),
                .channel_size = channel_size,
                .input_ahead = channels_ahead(kernel_d * kernel_h * kernel_w) * channel_size,
                .weight_channel = weight_channel,
                .row_step = stride_h * pitch,
                .end_ahead = ahead.last,
                .step_ahead = (last_tile - first_tile) * VECTOR_WIDTH,
                .taps = &taps,
            };
            for (long tile = first_tile; tile < last_tile; tile++) {
                const long z = tile / plane_tiles, row_block = tile / row_tiles % row_blocks,
                           part = tile % row_tiles;
                const long y = row_block * tile_rows, rows = min(tile_rows, out_height - y);
                const long x = part * out_width / row_tiles, columns = (part + 1) * out_width / row_tiles - x;
                const long position = z * out_plane + y * out_width + x;
                if (tile == first_tile) first_position = position;
                last_position = position + rows * columns;
                global real *sums = slice + (position - first_position) * OUT_CHANNELS;
                if (first_in == 0)
                    for (long p = 0; p < rows * columns; p++)
                        for (int v = 0; v < VECTORS; v++)
                            vector_store(lanes_load(start + v * VECTOR_WIDTH),
                                         sums + p * OUT_CHANNELS + v * VECTOR_WIDTH);
                t.first_ahead = ahead.first + (tile - first_tile) * VECTOR_WIDTH;
                t.input = TENSOR_START(input) + (volume * group_in + first_in) * channel_size +
                          (y * stride_h - pad_height) * pitch + x * STRIDE_W - pad_width;
                t.sum_row = columns;
                sum_tile(sums, &n, &t, &taps, z, y, x, rows, columns);
            }
        }
        if (levels > 0)
            add_totals_of_sums(slice, slice + sums_size, (last_position - first_position) * OUT_CHANNELS,
                               sums_size, levels, (blocks_summed - 1) / level_blocks);
        const long at = (volume * group_out + first_out) * out_depth * out_plane + first_position;
        store_sums(slice, last_position - first_position, TENSOR_START(output) + at, EPILOGUE_AT(at),
                   out_depth * out_plane, channels);
    }
}
