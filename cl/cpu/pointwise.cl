/* Pointwise convolution (1 x 1 x 1, without padding): a product of matrices, whose columns are positions.
 *
 *     A work-group takes a block of positions, in a slice of its own that stays in cache:
 *
 *         input [c][position] -> panels [panel][c][lane] -> register tiles -> output [o][position]
 *
 * Channels lie a volume apart, on few sets of a cache where its extents are powers of two; in a slice the rows
 * of a tile follow each other, and each is read from memory in one run as long as the block; the next block's
 * while this one is multiplied. With strides a block's positions are gathered row by row first.
 *
 * Every output is one sum in the order of the channels.
 *   OUT_CHANNELS  1 to 16   output channels of a tile
 *   VECTORS       1 to 4    panels of a tile at most
 *   VECTOR_WIDTH  2 to 16   positions of a panel
 *   LONG_SUMS     1 where an output sums more products than a run has
 *
 * Index space: work-groups of one work-item (slices), each taking its share of the units. Cost: 2 * group_in
 * FLOPs an output; reads the input once for each split of the output channels, writes the output once.
 */
#define LOCAL_SIZE 1
#include "arguments/pointwise.clh"
#include "common/pad_rows.clh"
#include "common/panel_units.clh"

/* Positions [first, first + count) of a channel, in a line. */
static inline void gather_line(global const real *channel, global real *line, const long first,
                               const long count, const long out_height, const long out_width,
                               const long stride_d, const long stride_h, const long stride_w,
                               const long plane_size, const long row_size)
{
    long row = first / out_width, x = first - row * out_width;
    for (long done = 0; done < count; row++, x = 0) {
        const int run = (int)min(count - done, out_width - x);
        const long z = row / out_height, y = row - z * out_height;
        copy_cells(channel + z * stride_d * plane_size + y * stride_h * row_size + x * stride_w, line + done,
                   run, (int)stride_w, 0);
        done += run;
    }
}

/* A line into row after row of panels; lanes past its end are zero. */
static inline void split_line(global const real *line, global real *to, const long count,
                              const long panel_size)
{
    long done = 0;
    for (; done + VECTOR_WIDTH <= count; done += VECTOR_WIDTH, to += panel_size)
        vector_store(vector_load(line + done), to);
    if (done == count) return;
    vector_store((realv)0, to);
    cells_copy(line + done, to, (int)(count - done));
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
pointwise(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
          TENSOR(real, output),
          TENSOR(real, slices) EPILOGUE_TENSOR POINTWISE_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *slice = TENSOR_START(slices) + get_group_id(0) * slice_size;
    global real *line = slice + slice_size - block;
    const bool is_row = positions == out_width && stride_w == 1;
    const long panel_size = group_in * PANEL, last_unit = (get_group_id(0) + 1) * units / get_num_groups(0);
    for (long unit = get_group_id(0) * units / get_num_groups(0); unit < last_unit; unit++) {
        const long split = unit % splits, volume = unit / splits / position_blocks, group = volume % groups;
        const position_block b = block_at(unit / splits % position_blocks, position_blocks, positions);
        for (long c = 0; c < group_in; c++) {
            global const real *channel = TENSOR_START(input) + (volume * group_in + c) * channel_size;
            if (!is_row)
                gather_line(channel, line, b.first, b.count, out_height, out_width, stride_d, stride_h,
                            stride_w, plane_size, row_size);
            split_line(is_row ? channel + b.first : line, slice + c * PANEL, b.count, panel_size);
        }
        const long next = (unit + 1) / splits, at = volume * group_out * positions + b.first;
        const bool has_next = is_row && unit + 1 < last_unit && next != unit / splits;
        const panel_unit u = {
            PANEL_UNIT(split, group, b.count, group_in, SUM_RUN, at),
            .next = {TENSOR_START(input) + next / position_blocks * group_in * channel_size +
                         block_at(next % position_blocks, position_blocks, positions).first,
                     has_next ? group_in : 0, channel_size, block},
        };
        multiply_unit(&u);
    }
}
