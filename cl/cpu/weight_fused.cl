/* The gradient of the weight with its padding inside, block by block: for positions whose padded volume would
 * cost more to write and to read again than the cache of a core does.
 *
 *     A work-group takes a group's share of blocks of output planes and rows, in a slice of its own:
 *
 *         for each block:     output gradient under it -> zeros between its rows (all channels of the group)
 *           for block_in channels:     input under it -> padded
 *             for each tile:     sums += products over the block's positions
 *
 * by the register tile of weight_direct.cl, which explains the parameters; LOCAL_SIZE is 1, VECTOR_WIDTH 2 to
 * 16. An output gradient whose rows are whole vectors is read where it is. A share's sums are its own and its
 * blocks come in their order; reduce.cl adds the shares: so the shape of a sum depends on the problem alone.
 *
 * Index space: work-groups of one work-item (slices), each taking its part of the groups' shares. Cost: as
 * weight_direct.cl; reads the input once, and what neighbouring blocks share twice.
 */
#include "arguments/weight_fused.clh"
#include "common/pad_rows.clh"
#include "common/weight_tile.clh"

/* The output gradient of a block, `channels` of `from_channel` elements: its rows `pitch` apart with zeros
 * between them, each plane `line` elements, whose end is zero. */
ALWAYS_INLINE void pad_gradient(global const real *from, global real *to, const long channels,
                                const long from_channel, const long to_channel, const long planes,
                                const long from_plane, const long line, const long rows, const long pitch,
                                const long width)
{
    const pad_shape shape = {
        .stride_h = 1,
        .stride_w = 1,
        .phases_h = 1,
        .phases_w = 1,
        .rows = (int)rows,
        .pitch = (int)pitch,
        .phase_pitch = (int)line,
        .pad_height = 0,
        .pad_width = 0,
        .height = rows,
        .width = width,
        .mode = PADDING_ZEROS,
        .ahead = AHEAD,
    };
    for (long o = 0; o < channels; o++)
        for (long z = 0; z < planes; z++)
            pad_plane(&shape, from + o * from_channel + z * from_plane, to + o * to_channel + z * line, true);
}

/* Adds the products of padded channels and the output gradient, `planes` planes of it, to the sums of all
 * output channels; `all` are a plane's positions, `first` is where the first channel's sums for kd = 0 go. */
ALWAYS_INLINE void sum_channels(global const real *x, const tap_rows *taps, const pad_planes *padded,
                                const long planes, global const real *g, const long g_channel,
                                const position_range *all, const sum_place *first, const long kernel_d,
                                const long kernel_plane, const long dilation_d)
{
    const long stride = padded->stride;
    for (long o = 0; o < first->channels; o += OUT_CHANNELS)
        for (long kd = 0; kd < kernel_d; kd++) {
            /* Planes whose plane under kd is stored. */
            const long at = kd * dilation_d, before = padded->before - at, end = padded->end - at;
            const long first_plane = before > 0 ? (before + stride - 1) / stride : 0;
            position_range positions = *all;
            positions.planes = min(planes, end > 0 ? (end + stride - 1) / stride : 0) - first_plane;
            sum_place place = *first;
            place.to += o * place.out_stride + kd * kernel_plane;
            place.channels -= o;
            for (long row = 0; row < taps->count; row += ROWS)
                sum_tile(x + (first_plane * stride + at) * padded->size, taps, row,
                         g + o * g_channel + first_plane * all->g_plane, g_channel, &positions, &place, 0);
        }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
weight_fused(TENSOR(const real, input), TENSOR(const real, gradient), TENSOR(real, slices),
             TENSOR(real, sums), TENSOR(real, totals) WEIGHT_FUSED_ARGUMENTS(ARGUMENT))
{
    global real *slice = TENSOR_START(slices) + get_group_id(0) * slice_size;
    const long kernel_plane = kernel_h * kernel_w * KERNEL_W, channel_weights = kernel_d * kernel_plane;
    const long last_item = (get_group_id(0) + 1) * items / get_num_groups(0);
    for (long item = get_group_id(0) * items / get_num_groups(0); item < last_item; item++) {
        const long group = item / parts, part = item % parts;
        const long first_unit = part * units / parts, last_unit = (part + 1) * units / parts;
        const long group_weights = group_out * group_in * channel_weights;
        global real *group_sums = TENSOR_START(sums) + part * weights + group * group_weights,
                    *group_totals = TENSOR_START(totals) + part * levels * weights + group * group_weights;
        for (long unit = first_unit; unit < last_unit; unit++) {
            const long done = unit - first_unit;
            if (levels > 0 && done > 0 && done % SUM_PARTS == 0)
                end_run_of_sums(group_sums, group_totals, group_weights, weights, levels,
                                done / SUM_PARTS - 1);
            const long sample = unit / row_blocks / depth_blocks;
            const long first_z = unit / row_blocks % depth_blocks * block_depth,
                       first_y = unit % row_blocks * block_rows;
            const long planes = min(block_depth, out_depth - first_z),
                       rows = min(block_rows, out_height - first_y);
            const long padded_rows = rows + halo_h, phase_pitch = padded_rows * pitch + tail;
            const long plane_size = phases_h * PHASES_W * phase_pitch;
            const pad_planes padded = planes_under(first_z * stride_d - pad_depth, planes * stride_d + halo_d,
                                                   stride_d, phases_d, depth, plane_size, clips_depth != 0);
            /* The output gradient: lines of positions. */
            const bool is_padded = gradient_size > 0;
            const long line =
                is_padded ? (rows * pitch - pitch + out_width + LANES - 1) / LANES * LANES : out_width;
            const long out_plane = out_height * out_width;
            const long first_out_channel = sample * groups * group_out + group * group_out;
            global const real *g_block = TENSOR_START(gradient) +
                                         (first_out_channel * out_depth + first_z) * out_plane +
                                         first_y * out_width;
            if (is_padded)
                pad_gradient(g_block, slice + gradient_start, group_out, out_depth * out_plane, gradient_size,
                             planes, out_plane, line, rows, pitch, out_width);
            global const real *g = is_padded ? slice + gradient_start : g_block;
            const long g_channel = is_padded ? gradient_size : out_depth * out_plane;
            const position_range positions = {
                .planes = 0,
                .x_plane = stride_d * plane_size,
                .g_plane = is_padded ? line : out_plane,
                .lines = is_padded ? 1 : rows,
                .line_size = line,
                .x_line = pitch,
            };
            pad_shape shape = {PAD_PHASES, .rows = (int)padded_rows,
                               .pad_height = pad_height - first_y * STRIDE_H, .ahead = 0};
            for (long first_in = 0; first_in < group_in; first_in += block_in) {
                const long channels = min(block_in, group_in - first_in);
                const long in_channel = (sample * groups + group) * group_in + first_in;
                /* Zeros stay where they are from channels to channels of a block. */
                pad_channels(&shape, &padded, TENSOR_START(input) + in_channel * depth * height * width,
                             slice, channels, channel_size,
                             first_in > 0 && mode == PADDING_ZEROS && clips_depth != 0);
                const tap_rows taps = {TAP_EXTENTS, .count = channels * kernel_h * kernel_w};
                const long filter = group * group_out * group_in + first_in;
                const sum_place place = {
                    .to = TENSOR_START(sums) + part * weights + filter * channel_weights,
                    .out_stride = group_in * channel_weights,
                    .channel_stride = channel_weights,
                    .channels = group_out,
                    .accumulate = unit > first_unit,
                };
                sum_channels(slice, &taps, &padded, planes, g, g_channel, &positions, &place, kernel_d,
                             kernel_plane, dilation_d);
            }
        }
        if (levels > 0)
            add_totals_of_sums(group_sums, group_totals, group_weights, weights, levels,
                               (last_unit - first_unit - 1) / SUM_PARTS);
    }
}
