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
 * Phases and planes that no tap reads are left out. Cells past the padded extent, which only unused lanes
 * read, are zero. Zero padding on the right may be left out (a smaller pitch): the row's end then reads the
 * next row's zeros on the left; the tail serves the last row.
 *
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *
 * Index space: (lanes along a row, blocks of rows of all phases, planes). Cost: reads the input once, writes
 * padded elements once; no arithmetic.
 */
#include "arguments/pad.clh"
#define PADS_MUCH
#include "common/pad_rows.clh"
#include "common/types.clh"

kernel void pad(TENSOR(const real, input), TENSOR(real, padded) PAD_ARGUMENTS(ARGUMENT))
{
    const pad_shape s = {
        .stride_h = (int)stride_h,
        .stride_w = (int)stride_w,
        .phases_h = (int)phases_h,
        .phases_w = (int)phases_w,
        .rows = (int)rows,
        .pitch = (int)pitch,
        .phase_pitch = (int)phase_pitch,
        .pad_height = pad_height,
        .pad_width = pad_width,
        .height = height,
        .width = width,
        .mode = mode,
        .ahead = AHEAD,
    };
    const long all_rows = phases_h * rows;
    FOR_EACH(2, plane, planes)
    {
        const long channel = plane / padded_depth, p = plane % padded_depth;
        const long z = padding_source(mode, p - pad_depth, depth);
        const bool is_inside = z >= 0 && z < depth;
        if ((p + first_depth) % stride_d >= phases_d) continue;
        FOR_EACH(1, block, (all_rows + rows_per_item - 1) / rows_per_item)
        {
            pad_rows(&s, TENSOR_START(input) + (channel * depth + (is_inside ? z : 0)) * height * width,
                     TENSOR_START(padded) + plane * phases_h * phases_w * phase_pitch, is_inside,
                     (int)(block * rows_per_item), (int)min((block + 1) * rows_per_item, all_rows));
        }
    }
}
