/* Pads the input into the scratch volume that the direct kernels read:
 *
 *     input [n][c][D][H][W]  ->  [n][c][D'][phase_h][phase_w][rows * pitch + tail]
 *
 * Padded row y * stride_h + phase_h, column x * stride_w + phase_w lies in row y, column x of its phase
 * plane, so that a kernel of any stride reads neighbouring positions from neighbouring addresses:
 *
 *     padded row     a b c d e f g        phase_w = 0:  a c e g
 *     (stride_w 2)                        phase_w = 1:  b d f
 *
 * Cells past the padded extent, which only unused lanes read, are zero. Zero padding on the right may be left
 * out (a smaller pitch): the row's end then reads the next row's zeros on the left; the tail serves the last
 * row.
 *
 * Index space: (lanes along a row, blocks of rows of all phases, planes). Cost: reads the input once, writes
 * padded elements once; no arithmetic.
 */
#include "arguments/pad.clh"
#include "common/pad_rows.clh"
#include "common/types.clh"

kernel void pad(TENSOR(const real, input), TENSOR(real, padded) PAD_ARGUMENTS(ARGUMENT))
{
    const long all_rows = stride_h * rows;
    FOR_EACH(2, plane, planes)
    {
        const long channel = plane / padded_depth;
        const long z = padding_source(mode, plane % padded_depth - pad_depth, depth);
        global real *out = TENSOR_START(padded) + plane * stride_h * stride_w * phase_pitch;
        FOR_EACH(1, block, (all_rows + rows_per_item - 1) / rows_per_item)
        {
            const long end = min((block + 1) * rows_per_item, all_rows);
            for (long r = block * rows_per_item; r < end; r++) {
                const long h =
                    z < 0 ? -1 : padding_source(mode, r % rows * stride_h + r / rows - pad_height, height);
                pad_phases(TENSOR_START(input) + (channel * depth + max(z, 0L)) * height * width, out, r, h,
                           stride_w, rows, pitch, phase_pitch, pad_width, height, width, mode);
            }
        }
    }
}
