/* The gradient of the weight, from the scratch volume of pad.cl and an output gradient that is padded to the
 * same pitch, zeros between its rows, so that a plane is one line of positions; or, where its rows are whole
 * vectors, read as it is, line by line:
 *
 *     grad_weight [o][r][kw] = sum over positions q of grad_output [o][q] * padded [r][q + column of kw]
 *
 * where a row r of taps is one (channel, kd, kh), which starts at a place of its own in the scratch volume. A
 * work-item holds a tile of OUT_CHANNELS x ROWS x KERNEL_W sums in registers, each a vector of partial sums
 * over positions:
 *
 *              kw=0        kw=1        kw=2
 *     o=0 |  acc[0][0] |  acc[0][1] |  acc[0][2] |     for each vector of positions:
 *     ... |     ...    |     ...    |     ...    |     ROWS * KERNEL_W loads of x, OUT_CHANNELS of g,
 *     o=7 |  acc[7][0] |  acc[7][1] |  acc[7][2] |     and their products
 *
 * all of one kd, whose planes outside the volume it leaves out, and adds the lanes of each in a fixed order
 * at the end of its slice of planes; reduce.cl adds the slices. So the shape of the sum depends on the
 * problem alone.
 *   OUT_CHANNELS  1 to 16
 *   ROWS          1 to 16
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  work-items of a work-group, side by side along positions; a power of two
 *   KERNEL_W      1 to 8    width of the kernel, or 1 where taps of a row are rows too
 *   STRIDE_H, STRIDE_W, DILATION_W   1 and more
 *   PHASES_W      1 to STRIDE_W: phases of columns that are stored
 *
 * Index space: work-groups (blocks of rows, blocks of output channels, slices). Cost: 2 FLOPs for each weight
 * and position, gutters and ragged blocks aside; reads the scratch volume once for each block of output
 * channels and the output gradient once for each block of rows that do not find them in cache.
 */
#include "arguments/weight_direct.clh"
#include "common/weight_tile.clh"

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
weight_direct(TENSOR(const real, padded), TENSOR(const real, gradient),
              TENSOR(real, sums) WEIGHT_DIRECT_ARGUMENTS(ARGUMENT))
{
#if LOCAL_SIZE > 1
    local real shared[LOCAL_SIZE];
#else
    local real *shared = 0;
#endif
    const tap_rows taps = {TAP_EXTENTS, .count = rows};
    const long channel_weights = kernel_d * kernel_h * kernel_w * KERNEL_W;
    for (long slice = WORK_GROUP(2); slice < slices; slice += WORK_GROUPS(2)) {
        for (long block = WORK_GROUP(1); block < out_blocks; block += WORK_GROUPS(1)) {
            const long group = block / group_blocks, first_out = block % group_blocks * OUT_CHANNELS;
            const long channel = group * group_out + first_out;
            for (long row_block = WORK_GROUP(0); row_block < row_blocks; row_block += WORK_GROUPS(0)) {
                const long kd = row_block / plane_blocks, first_row = row_block % plane_blocks * ROWS;
                /* Planes of the slice whose plane under kd is stored. */
                const long before = clip_depth - kd * dilation_d, after = padded_depth + before;
                const long first_plane =
                    max(slice * slice_planes, before > 0 ? (before + stride_d - 1) / stride_d : 0);
                const long last_plane = min(min((slice + 1) * slice_planes, planes),
                                            after > 0 ? (after + stride_d - 1) / stride_d : 0);
                const position_range positions = {
                    .planes = last_plane - first_plane,
                    .x_plane = stride_d * plane_size,
                    .g_plane = out_plane,
                    .lines = lines,
                    .line_size = line_size,
                    .x_line = line_pitch,
                };
                const sum_place place = {
                    .to = TENSOR_START(sums) + slice * weights + channel * group_in * channel_weights +
                          kd * kernel_h * kernel_w * KERNEL_W,
                    .out_stride = group_in * channel_weights,
                    .channel_stride = channel_weights,
                    .channels = group_out - first_out,
                    .accumulate = accumulate != 0,
                };
                sum_tile(TENSOR_START(padded) + group * group_in * channel_size +
                             (first_plane * stride_d - before) * plane_size,
                         &taps, first_row,
                         TENSOR_START(gradient) + channel * out_channel + first_plane * out_plane,
                         out_channel, &positions, &place, shared);
            }
        }
    }
}
