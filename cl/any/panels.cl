/* The product of weight matrices with panels: PANEL positions by `rows` values, row after row.
 *
 *     panels [volume][plane][panel][row][lane]     weight [matrix][block][kd][row][o]
 *
 *                 | panel 0 | panel 1 | panel 2 |      an output plane z sums over kd the rows of input plane
 *             o=0 |   acc   |   acc   |   acc   |      z * stride_d + kd * dilation_d - clip_depth:
 *             ... |   ...   |   ...   |   ...   |      OUT_CHANNELS + VECTORS loads, each stream contiguous,
 *             o=7 |   acc   |   acc   |   acc   |      and OUT_CHANNELS * VECTORS FMAs a row
 *
 * A plane's panels are shared out evenly over its tiles, so a tile has VECTORS panels or fewer. The whole
 * reduction stays in registers: every output is one sum in the fixed order kd, row.
 *   OUT_CHANNELS  1 to 16   output channels of a tile
 *   VECTORS       1 to 4    panels of a tile at most
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  work-items of a work-group, side by side along a panel
 *   LONG_SUMS     1 where an output sums more products than a run has
 *
 * Index space: work-groups (blocks, tiles of all planes, volumes) or (tiles, blocks, volumes), where a
 * work-group may take several of what comes first. Cost: 2 * rows
 * * kernel_d FLOPs an output, ragged blocks and panels aside; reads the panels once for each block, and the
 * weights once for each tile, that does not find them in cache; writes the output once.
 */
#include "arguments/panels.clh"
#include "common/panel_tiles.clh"

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
panels(TENSOR(const real, panels), TENSOR(const real, weight), TENSOR(const real, bias),
       TENSOR(real, output) EPILOGUE_TENSOR PANELS_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    const long lane = get_local_id(0) * VECTOR_WIDTH, panel_size = rows * PANEL;
    const long tiles = plane_tiles * out_depth, matrix_size = kernel_d * rows * OUT_CHANNELS;
    const long fast_count = blocks_first ? blocks : tiles, slow_count = blocks_first ? tiles : blocks;
    for (long volume = WORK_GROUP(2); volume < volumes; volume += WORK_GROUPS(2)) {
        const long matrix = volume % weights;
        for (long slow = WORK_GROUP(1); slow < slow_count; slow += WORK_GROUPS(1)) {
            panel_tile t = {.panel_size = panel_size,
                            .plane_size = dilation_d * plane_panels * panel_size,
                            .rows = rows,
                            .run = run,
                            .out_channel = out_channel,
                            .has_bias = (int)has_bias,
                            .streams = (int)streams};
            long kd_first = 0, first_position = 0, first_output = 0, current = -1;
            int vectors = 0;
            for (long fast = WORK_GROUP(0); fast < fast_count; fast += WORK_GROUPS(0)) {
                const long block = blocks_first ? fast : slow, tile = blocks_first ? slow : fast;
                if (tile != current) {
                    current = tile;
                    const long z = tile / plane_tiles, i = tile - z * plane_tiles;
                    const long first = i * plane_panels / plane_tiles;
                    vectors = (int)((i + 1) * plane_panels / plane_tiles - first);
                    const long start = z * stride_d - clip_depth; /* input plane under kd = 0 */
                    kd_first = start < 0 ? (-start + dilation_d - 1) / dilation_d : 0;
                    t.kd_count =
                        kernel_d == 1
                            ? start >= 0 && start < depth
                            : min(kernel_d, (depth - start + dilation_d - 1) / dilation_d) - kd_first;
                    t.x = TENSOR_START(panels) + volume * volume_size +
                          ((start + kd_first * dilation_d) * plane_panels + first) * panel_size + lane;
                    t.count = positions - first * PANEL - lane;
                    first_position = first * PANEL + lane;
                    first_output = volume * out_volume + z * out_plane + first_position;
                }
                const long first_out = block * OUT_CHANNELS;
                t.w = TENSOR_START(weight) + (matrix * blocks + block) * matrix_size +
                      kd_first * rows * OUT_CHANNELS;
                t.bias =
                    TENSOR_START(bias) + (has_bias == 1 ? matrix * out_channels + first_out : first_position);
                t.out = TENSOR_START(output) + first_output + first_out * out_channel;
                t.e = EPILOGUE_AT(first_output + first_out * out_channel);
                t.channels = out_channels - first_out;
                multiply_tile(&t, vectors);
            }
        }
    }
}
