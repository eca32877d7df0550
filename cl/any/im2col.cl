/* Unfolds a chunk of output positions of one sample and group into a matrix, so that the convolution is a
 * product:
 *
 *                       positions first .. first + count - 1
 *     row (c, kd, kh, kw) [ the input element that this tap reads at each position ]
 *
 * Index space: (items along positions, rows). Cost: writes K * count elements; no arithmetic.
 */
#include "arguments/im2col.clh"
#include "common/padding.clh"
#include "common/types.clh"

kernel void im2col(TENSOR(const real, input), TENSOR(real, columns) IM2COL_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(1, row, rows)
    {
        const long kw = row % kernel_w, kh = row / kernel_w % kernel_h,
                   kd = row / kernel_w / kernel_h % kernel_d;
        const long c = row / (kernel_d * kernel_h * kernel_w);
        global const real *volume = TENSOR_START(input) + (channel_start + c) * depth * height * width;
        global real *out = TENSOR_START(columns) + row * count;
        FOR_EACH(0, item, items)
        {
            const long end = min((item + 1) * item_size, count);
            for (long i = item * item_size; i < end;) {
                const long position = first + i, line = position / out_width;
                const long z =
                    padding_source(mode, line / out_height * stride_d + kd * dilation_d - pad_depth, depth);
                const long y =
                    padding_source(mode, line % out_height * stride_h + kh * dilation_h - pad_height, height);
                const bool is_zero = z < 0 || y < 0;
                global const real *from = volume + (is_zero ? 0 : (z * height + y) * width);
                const long stop = min(end, i + out_width - position % out_width);
                long p = position % out_width * stride_w + kw * dilation_w - pad_width;
                for (; i < stop; i++, p += stride_w) {
                    const long x = is_zero ? -1 : padding_source(mode, p, width);
                    out[i] = x < 0 ? 0 : from[x];
                }
            }
        }
    }
}
