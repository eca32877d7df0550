/* Winograd convolution F(m x m, r x r) over H and W: the transforms around the product of panels.cl.
 *
 *     Y = A' [ sum over c, kd of (G w G') . (B' x B) ] A      . is elementwise; ' is the transpose
 *
 * A tile of m x m outputs needs n x n inputs x, n = m + r - 1, and as many products ("frequencies") a channel
 * and kd, where the definition needs m m r r: for r = 3 2.25 times fewer with m = 2, 4 times with m = 4; for
 * r = 5 2.8 times with m = 2. kd is one more term of the sum. winograd_weight.cl transforms the weights.
 *
 *     input -> slice [y % m][j][tile y][tile x]      the tile's inputs in column j as vectors over tiles
 *           -> panels [frequency][g][z][panel][c][lane] -> product [frequency][g][o][z][tile] -> output
 *
 *   OUTPUT_TILE, TAPS   m and r, as in common/winograd.clh
 *   VECTOR_WIDTH    1 to 16   tiles that a work-item transforms at once; 1 where a work-item is a lane
 *   LOCAL_SIZE      1 to 256  work-items side by side along tiles
 *   SLICE_CHANNELS  1 to 64   channels that a work-group transforms at once
 *   DILATION_W      1 and more; 0 if dilation_w says it
 *
 * Cost: 5 FLOPs an element of the transformed volumes or so; each is read and written once, n^2 / m^2 times
 * the size of the input or output. Outputs in doubt are stored as NaN, for definition.cl.
 */
#include "arguments/winograd.clh"
#include "common/epilogue.clh"
#include "common/pad_rows.clh"
#include "common/types.clh"
#include "common/winograd_inputs.clh"
#include "common/winograd_outputs.clh"

#define PANEL (LOCAL_SIZE * VECTOR_WIDTH)

/* A slice is shared by a work-group's lanes: between writing it and reading it all of them must come here. */
static inline void finish_slice(void)
{
#if LOCAL_SIZE > 1
    barrier(CLK_GLOBAL_MEM_FENCE);
#endif
}

/* Input -> panels. A work-group pads and splits a plane of SLICE_CHANNELS channels in its own slice, which
 * stays in cache, and transforms it. Index space: work-groups (slices), each taking every so many units. */
kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
winograd_input(TENSOR(const real, input), TENSOR(real, panels),
               TENSOR(real, slices) WINOGRAD_INPUT_ARGUMENTS(ARGUMENT))
{
    global real *padded = TENSOR_START(slices) + get_group_id(0) * slice_size, *parts = padded + padded_size;
    const long lane = get_local_id(0) * VECTOR_WIDTH,
               parts_size = (slice_size - padded_size) / SLICE_CHANNELS;
    const pad_shape plain = PAD_PLAIN(rows, pitch, pad_height, pad_width, height, width, mode);
    for (long unit = get_group_id(0); unit < units; unit += get_num_groups(0)) {
        const long z = unit / channel_blocks, first = unit % channel_blocks * SLICE_CHANNELS;
        const long last = min(first + SLICE_CHANNELS, channels);
        const long source = padding_source(mode, first_depth + z, depth);
        const bool is_inside = source >= 0 && source < depth;
        for (long c = first; c < last; c++) {
            finish_slice();
            pad_plane(&plain, TENSOR_START(input) + (c * depth + (is_inside ? source : 0)) * height * width,
                      padded, is_inside);
            finish_slice();
            transform_rows(padded, parts + (c - first) * parts_size, rows, part, columns, pitch, dilation_h,
                           dilation_w);
        }
        finish_slice();
        for (long p = 0; p < plane_panels; p++) {
            for (long c = first; c < last; c++) {
                global real *to = TENSOR_START(panels) + c / group_in * volume_size +
                                  ((z * plane_panels + p) * group_in + c % group_in) * PANEL + lane;
                transform_columns(parts + (c - first) * parts_size + p * PANEL + lane, part,
                                  columns * dilation_h, to, channels / group_in * volume_size);
            }
        }
    }
}

/* Product -> output. Where a work-item has a plane of its own it tells in doubts[plane of the output] whether some of it is
 * NaN and must be made by the definition. Index space: (lanes along tiles, planes). */
kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
winograd_output(TENSOR(const real, product), TENSOR(const real, bias), TENSOR(real, output),
                TENSOR(real, doubts) EPILOGUE_TENSOR WINOGRAD_OUTPUT_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    const tile_plane tiles = {
        .first_row = 0,
        .positions = positions,
        .columns = columns,
        .phases = dilation_h,
        .dilation_h = dilation_h,
        .dilation_w = dilation_w,
        .height = out_height,
        .width = out_width,
        .pitch = out_width,
        .streams = streams,
    };
    for (long plane = WORK_GROUP(1); plane < planes; plane += WORK_GROUPS(1)) {
        const long channel = plane / chunk_depth, z = first_depth + plane % chunk_depth;
        global const real *from = TENSOR_START(product) + plane * from_plane;
        const long at = (channel * out_depth + z) * out_height * out_width;
        tile_end end = {EPILOGUE_AT(at), has_bias ? TENSOR_START(bias)[channel] : 0, (realv)0};
        for (long q = WORK_ITEM(0) * VECTOR_WIDTH; q < positions;
             q += WORK_ITEMS(0) * VECTOR_WIDTH) {
            realv rows[OUTPUT_TILE][OUTPUT_TILE];
            transform_products(from + q, from_frequency, &end, rows);
            store_tiles(rows, TENSOR_START(output) + at, end.e, q, &tiles);
        }
        if (has_doubts) TENSOR_START(doubts)[channel * out_depth + z] = vector_sum(end.doubt);
    }
}
