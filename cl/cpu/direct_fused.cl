/* Direct convolution that pads its input block by block: for few channels, or strides, whose padded volume
 * would cost more to write and to read again than the cache of a core does.
 *
 *     A work-group takes a block of output planes and rows, in a slice of its own that stays in cache:
 *
 *         input under the block -> padded block (all channels of a group) -> register tiles -> output
 *
 * Each output is one sum in the fixed order channel, kd, kh, kw, by the register tile of direct.cl, which
 * explains the parameters; LOCAL_SIZE is 1, VECTOR_WIDTH 2 to 16.
 *
 * Index space: work-groups of one work-item (slices), each taking its share of the units. Cost: as direct.cl;
 * reads the input once, and what neighbouring blocks share twice; writes the output once.
 */
#include "arguments/direct_fused.clh"
#include "common/direct.clh"
#include "common/pad_rows.clh"

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
direct_fused(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
             TENSOR(real, output),
             TENSOR(real, slices) EPILOGUE_TENSOR DIRECT_FUSED_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *slice = TENSOR_START(slices) + get_group_id(0) * slice_size;
    const long weight_plane = kernel_h * KERNEL_WIDTH * OUT_CHANNELS;
    const long last_unit = (get_group_id(0) + 1) * units / get_num_groups(0);
    /* Where units are whole volumes, zeros stay where they are from one to the next. */
    const bool keeps_zeros =
        mode == PADDING_ZEROS && clips_depth != 0 && row_blocks == 1 && depth_blocks == 1;
    bool has_zeros = false;
    for (long unit = get_group_id(0) * units / get_num_groups(0); unit < last_unit; unit++) {
        const long volume = unit / row_blocks / depth_blocks, group = volume % groups;
        const long first_z = unit / row_blocks % depth_blocks * block_depth,
                   first_y = unit % row_blocks * block_rows;
        const long planes = min(block_depth, out_depth - first_z),
                   rows = min(block_rows, out_height - first_y);
        const long padded_rows = rows + halo_h, phase_pitch = padded_rows * pitch + tail;
        const long plane_size = phases_h * PHASES_W * phase_pitch;
        pad_shape shape = {PAD_PHASES, .rows = (int)padded_rows,
                           .pad_height = pad_height - first_y * STRIDE_H, .ahead = 0};
        const pad_planes padded = planes_under(first_z * stride_d - pad_depth, planes * stride_d + halo_d,
                                               stride_d, phases_d, depth, plane_size, clips_depth != 0);
        pad_channels(&shape, &padded, TENSOR_START(input) + volume * group_in * depth * height * width, slice,
                     group_in, channel_size, has_zeros);
        has_zeros = keeps_zeros;
        const long positions = (rows - 1) * pitch + out_width;
        const long tiles = row_tiles > 0 ? rows * row_tiles : (positions + WIDTH - 1) / WIDTH;
        const long runs = blocks_first ? tiles : blocks, steps = blocks_first ? blocks : tiles;
        for (long run = 0; run < runs * planes; run++) {
            const long z = run / runs, start = z * stride_d;
            const long kd_first =
                start < padded.before ? (padded.before - start + dilation_d - 1) / dilation_d : 0;
            const long kd_last = min(kernel_d, (padded.end - start + dilation_d - 1) / dilation_d);
            for (long i = 0; i < steps; i++) {
                const long block = blocks_first ? i : run % runs, tile = blocks_first ? run % runs : i;
                const tile_span span = span_of_tile(tile, row_tiles, positions, pitch, out_width);
                const long first_out = block * OUT_CHANNELS;
                const long at =
                    ((volume * group_out + first_out) * out_depth + first_z + z) * out_height * out_width +
                    first_y * out_width;
                const tap_range taps = {
                    .x = slice + (start + kd_first * dilation_d) * plane_size + span.first,
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
                    .out_stride = out_depth * out_height * out_width,
                    .q = span.first,
                    .positions = span.last,
                    .pitch = pitch == out_width ? positions : pitch,
                    .width = pitch == out_width ? positions : out_width,
                    .rows = (int)min((long)OUT_CHANNELS, group_out - first_out),
                    .streams = streams != 0,
                };
                convolve_tile(BODY(span.vectors), &taps,
                              has_bias ? TENSOR_START(bias) + group * group_out + first_out : 0, &place);
            }
        }
    }
}
