/* Direct convolution of the scratch volume of pad.cl with packed weights, one register tile a work-item.
 *
 *     positions q = y * pitch + x of an output plane, flattened with the pitch of the scratch volume, so that
 *     vectors run over the ends of rows (lanes in the gutter compute nothing of use and are not stored):
 *
 *           |<------- VECTORS vectors of VECTOR_WIDTH positions ------->|
 *       o=0 |  acc[0][0]  |  acc[0][1]  |  acc[0][2]  |   += w[o] * x[v], for each channel, kd, kh, kw:
 *       ... |     ...     |     ...     |     ...     |      OUT_CHANNELS + VECTORS loads,
 *       o=7 |  acc[7][0]  |  acc[7][1]  |  acc[7][2]  |      OUT_CHANNELS * VECTORS FMAs
 *
 * The whole reduction stays in registers: every output is one sum in the fixed order channel, kd, kh, kw.
 *   OUT_CHANNELS  1 to 16   output channels of a tile
 *   VECTORS       1 to 16   vectors of a tile
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  work-items of a work-group, side by side along positions
 *   LONG_SUMS     1 where an output sums more products than a run has
 *   KERNEL_W      0 to 16   width of the kernel; 0 takes it at run time
 *   STRIDE_H, STRIDE_W, DILATION_W   1 and more
 *   PHASES_W      1 to STRIDE_W: phases of columns that are stored
 *
 * Index space: work-groups (blocks of output channels, tiles, planes), so that an input tile stays in cache,
 * or (tiles, planes, blocks), so that a block of weights does. The next channel's rows are prefetched, since
 * they are too short and too many for a processor to foresee. Cost: 2 * K FLOPs an output, waste by ragged
 * blocks and gutters aside; reads the scratch volume once for each block that does not find it in cache,
 * writes the output once.
 */
#include "arguments/direct.clh"

#include "common/direct.clh"

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
direct(TENSOR(const real, padded), TENSOR(const real, weight), TENSOR(const real, bias),
       TENSOR(real, output) EPILOGUE_TENSOR DIRECT_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    const long weight_plane = kernel_h * KERNEL_WIDTH * OUT_CHANNELS;
    const long counts[3] = {blocks_first ? blocks : tiles, blocks_first ? tiles : planes,
                            blocks_first ? planes : blocks};
    for (long k = WORK_GROUP(2); k < counts[2]; k += WORK_GROUPS(2)) {
        for (long j = WORK_GROUP(1); j < counts[1]; j += WORK_GROUPS(1)) {
            for (long i = WORK_GROUP(0); i < counts[0]; i += WORK_GROUPS(0)) {
                const long block = blocks_first ? i : k, tile = blocks_first ? j : i,
                           plane = blocks_first ? k : j;
                const long volume = plane / chunk_depth,
                           z = plane - volume * chunk_depth;  /* a group of a sample */
                const long start = z * stride_d - clip_depth; /* plane of the scratch volume under kd = 0 */
                const long kd_first = start < 0 ? (-start + dilation_d - 1) / dilation_d : 0;
                const long kd_last = min(kernel_d, (padded_depth - start + dilation_d - 1) / dilation_d);
                const tile_span span = span_of_tile(tile, row_tiles, positions, pitch, store_width);
                const int body = BODY(span.vectors);
                const long q = min(span.first, ends_there ? positions - body * LANES : span.first);
                const long group = volume % groups, first_out = block * OUT_CHANNELS;
                const long at = ((volume * group_out + first_out) * out_depth + z) * out_plane;
                const tap_range taps = {
                    .x = TENSOR_START(padded) + volume * group_in * channel_size +
                         (start + kd_first * dilation_d) * plane_size + q + VECTOR_START(0),
                    .w = TENSOR_START(weight) +
                         ((group * blocks + block) * group_in * kernel_d + kd_first) * weight_plane,
                    .channels = group_in,
                    .channel_size = channel_size,
                    .weight_channel = kernel_d * weight_plane,
                    .kd_count = (int)(kd_last - kd_first),
                    .kernel_h = (int)kernel_h,
                    .kernel_w = (int)kernel_w,
                    .row_step = (int)dilation_h,
                    .kd_size = dilation_d * plane_size,
                    .weight_plane = weight_plane,
                    .phase_pitch = phase_pitch,
                    .pitch = pitch,
                    .ahead = kernel_d * kernel_h * KERNEL_WIDTH > 1 ? channel_size : WIDTH,
                };
                const tile_place place = {
                    .out = TENSOR_START(output) + at,
                    .e = EPILOGUE_AT(at),
                    .out_stride = out_depth * out_plane,
                    .q = q,
                    .positions = span.last,
                    .pitch = store_pitch,
                    .width = store_width,
                    .rows = (int)min((long)OUT_CHANNELS, group_out - first_out),
                    .skip = (int)(span.first - q),
                    .streams = streams != 0,
                };
                convolve_tile(body, &taps, has_bias ? TENSOR_START(bias) + group * group_out + first_out : 0,
                              &place);
            }
        }
    }
}
