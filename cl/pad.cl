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
#include "common/padding.clh"
#include "common/types.clh"

/* Columns [first, last) of a phase whose source lies inside the row. */
static inline long first_inside(const long pad, const long phase, const long stride)
{
    const long distance = pad - phase;
    return distance <= 0 ? 0 : (distance + stride - 1) / stride;
}

static inline void pad_row(global const real *row, global real *out, const long cells, const long phase,
                           const long stride, const long pad, const long width, const long mode)
{
    const long first = min(first_inside(pad, phase, stride), cells);
    const long last = clamp(first_inside(pad + width, phase, stride), first, cells);
    const long lane = get_local_id(0), lanes = get_local_size(0);
    global const real *source = row + phase - pad;
    for (long i = lane; i < first; i += lanes) {
        const long x = padding_source(mode, i * stride + phase - pad, width);
        out[i] = x < 0 ? 0 : row[x];
    }
    if (stride == 1)
        for (long i = first + lane; i < last; i += lanes)
            out[i] = source[i];
    else
        for (long i = first + lane; i < last; i += lanes)
            out[i] = source[i * stride];
    for (long i = last + lane; i < cells; i += lanes) {
        const long x = padding_source(mode, i * stride + phase - pad, width);
        out[i] = x < 0 || x >= width ? 0 : row[x];
    }
}

static inline void zero_row(global real *out, const long cells)
{
    for (long i = get_local_id(0); i < cells; i += get_local_size(0))
        out[i] = 0;
}

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
                const long phase_h = r / rows, y = r % rows;
                const long h = z < 0 ? -1 : padding_source(mode, y * stride_h + phase_h - pad_height, height);
                const long cells = y == rows - 1 ? phase_pitch - y * pitch : pitch;
                for (long phase_w = 0; phase_w < stride_w; phase_w++) {
                    global real *to = out + (phase_h * stride_w + phase_w) * phase_pitch + y * pitch;
                    if (h < 0 || h >= height)
                        zero_row(to, cells);
                    else
                        pad_row(TENSOR_START(input) + ((channel * depth + z) * height + h) * width, to, cells,
                                phase_w, stride_w, pad_width, width, mode);
                }
            }
        }
    }
}
