/* Winograd convolution F(m, 3) along depth, for kernels 3 x 1 x 1: the transforms around the product of
 * panels.cl.
 *
 *     y = A' [ sum over c of (G w) . (B' x) ]      . is elementwise; ' is the transpose
 *
 * A tile of m output planes needs m + 2 input planes x and as many products ("frequencies") a channel, where
 * the definition needs 3 m: 1.5 times fewer for m = 2, twice for m = 4.
 *
 *     input [c][z][position] -> panels [frequency][g][tile][panel][c][lane]
 *           -> product [frequency][g][o][tile][position] -> output [o][z][position]
 *
 *   OUTPUT_TILE   2 or 4: m
 *   TAPS          3
 *   OUT_CHANNELS  1 to 16   output channels of the product's register tile (weights only)
 *   VECTOR_WIDTH  1 to 16   positions that a work-item transforms at once; 1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  work-items side by side along positions
 *
 * Cost: 2 FLOPs an element of the transformed volumes or so; each is read and written once, (m + 2) / m times
 * the size of the input or output. Outputs in doubt are stored as NaN, for definition.cl.
 */
#include "arguments/winograd_depth.clh"
#include "common/types.clh"
#include "common/winograd_depth.clh"

#define PANEL (LOCAL_SIZE * VECTOR_WIDTH)

#ifdef OUT_CHANNELS
/* weight [g * group_out + o][c][3] -> [frequency][g][block][c][o % OUT_CHANNELS].
 * Index space: (channels of a block, input channels, blocks). */
kernel void winograd_depth_weight(TENSOR(const real, weight),
                                  TENSOR(real, packed) WINOGRAD_DEPTH_WEIGHT_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(2, block, blocks)
    {
        FOR_EACH(1, c, group_in)
        {
            FOR_EACH(0, i, OUT_CHANNELS)
            {
                const long o = block % group_blocks * OUT_CHANNELS + i;
                global const real *w =
                    TENSOR_START(weight) + ((block / group_blocks * group_out + o) * group_in + c) * 3;
                global real *to = TENSOR_START(packed) + (block * group_in + c) * OUT_CHANNELS + i;
                real column[3], u[INPUT_TILE];
                for (int kd = 0; kd < 3; kd++)
                    column[kd] = o < group_out ? w[kd] : 0;
                transform_weight(column, u);
                for (int f = 0; f < INPUT_TILE; f++)
                    to[f * blocks * group_in * OUT_CHANNELS] = u[f];
            }
        }
    }
}

#else

/* Input -> panels. Index space: work-groups (panels, blocks of channels, tiles along depth). */
kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
winograd_depth_input(TENSOR(const real, input), TENSOR(real, panels) WINOGRAD_DEPTH_INPUT_ARGUMENTS(ARGUMENT))
{
    const long lane = get_local_id(0) * VECTOR_WIDTH, to_frequency = channels / group_in * volume_size;
    for (long tile = WORK_GROUP(2); tile < tiles; tile += WORK_GROUPS(2)) {
        long source[INPUT_TILE];
        find_planes(tile, mode, pad_depth, depth, source);
        for (long block = WORK_GROUP(1); block < channel_blocks; block += WORK_GROUPS(1)) {
            const long first_channel = block * block_channels;
            const long last_channel = min(first_channel + block_channels, channels);
            for (long p = WORK_GROUP(0); p < plane_panels; p += WORK_GROUPS(0)) {
                const long count = positions - p * PANEL - lane;
                for (long c = first_channel; c < last_channel; c++) {
                    global const real *from =
                        TENSOR_START(input) + c * depth * plane + first + p * PANEL + lane;
                    global real *to = TENSOR_START(panels) + c / group_in * volume_size +
                                      ((tile * plane_panels + p) * group_in + c % group_in) * PANEL + lane;
                    transform_depth(from, plane, source, count, to, to_frequency);
                }
            }
        }
    }
}

/* Product -> output. Where a work-item has a tile's planes of its own it tells in doubts[plane of the output] whether some
 * of them is NaN and must be made by the definition. Index space: work-groups (panels, tiles along depth, channels). */
kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
winograd_depth_output(TENSOR(const real, product), TENSOR(const real, bias), TENSOR(real, output),
                      TENSOR(real, doubts) EPILOGUE_TENSOR WINOGRAD_DEPTH_OUTPUT_ARGUMENTS(ARGUMENT)
                          EPILOGUE_SCALAR)
{
    const long lane = get_local_id(0) * VECTOR_WIDTH;
    for (long channel = WORK_GROUP(2); channel < channels; channel += WORK_GROUPS(2)) {
        for (long tile = WORK_GROUP(1); tile < tiles; tile += WORK_GROUPS(1)) {
            global const real *from =
                TENSOR_START(product) + (channel * tiles + tile) * plane_panels * PANEL + lane;
            const long first_plane = channel * out_depth + tile * OUTPUT_TILE,
                       planes = min((long)OUTPUT_TILE, out_depth - tile * OUTPUT_TILE),
                       at = first_plane * plane + first + lane;
            depth_end end = {.out = TENSOR_START(output) + at,
                             .e = EPILOGUE_AT(at),
                             .bias = has_bias ? TENSOR_START(bias)[channel] : 0,
                             .plane = plane,
                             .planes = planes,
                             .streams = streams,
                             .doubt = (realv)0};
            for (long p = WORK_GROUP(0); p < plane_panels; p += WORK_GROUPS(0))
                store_depth(from + p * PANEL, from_frequency, &end, p * PANEL, positions - p * PANEL - lane);
            for (long i = 0; has_doubts && i < planes; i++)
                TENSOR_START(doubts)[first_plane + i] = vector_sum(end.doubt);
        }
    }
}
#endif
