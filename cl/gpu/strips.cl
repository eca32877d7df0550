/* Convolution of few channels on lanes: a work-item makes a strip of a row of outputs of one channel in registers, from the rows of
 * the input under it, each loaded once for all taps of a row of the kernel.
 *
 * Channels run outside. A run of them is added to the strip's sums, for no accumulator to take more than a run of products.
 * Where a row reads is found by index arithmetic in all padding modes; zeros are multiplied.
 *   STRIP                            1 to 16   outputs of a strip
 *   KERNEL_W, STRIDE_W, DILATION_W   unrolled
 *
 * Index space: (strips of a volume, planes of samples and channels), stepping over what is left. Cost: 2 * taps FLOPs an
 * output, and (STRIP - 1) * STRIDE_W + (KERNEL_W - 1) * DILATION_W + 1 loads for STRIP * KERNEL_W multiply-adds.
 */
#include "arguments/strips.clh"
#include "common/epilogue.clh"
#include "common/padding.clh"

enum { ROW = (STRIP - 1) * STRIDE_W + (KERNEL_W - 1) * DILATION_W + 1 };

/* The part of the padded row under a strip, from position x on; a row of zeros if `in` is NULL. */
ALWAYS_INLINE void load_row(real row[ROW], global const real *in, const long x, const long width,
                            const long mode)
{
    if (in != 0 && x >= 0 && x + ROW <= width) {
#pragma unroll
        for (int i = 0; i < ROW; i++)
            row[i] = in[x + i];
        return;
    }
#pragma unroll
    for (int i = 0; i < ROW; i++) {
        /* What lies past the last output's window may be past the padding too. */
        const long at = in != 0 ? padding_source(mode, x + i, width) : -1;
        row[i] = at >= 0 && at < width ? in[at] : 0;
    }
}

kernel void strips(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
                   TENSOR(real, output) EPILOGUE_TENSOR STRIPS_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    FOR_EACH(1, plane, planes)
    {
        const long channel = plane % channels, volume = plane / group_out * group_in,
                   rows = kernel_d * kernel_h;
        const long out_size = out_depth * out_height * out_width;
        const epilogue e = EPILOGUE_AT(plane * out_size);
        global const real *in = TENSOR_START(input) + volume * depth * height * width;
        global const real *taps = TENSOR_START(weight) + channel * group_in * rows * KERNEL_W;
        FOR_EACH(0, strip, strips)
        {
            const long line = strip / row_strips, first = (strip - line * row_strips) * STRIP,
                       z = line / out_height, y = line - z * out_height, x = first * STRIDE_W - pad_width;
            real sum[STRIP], acc[STRIP], row[ROW];
#pragma unroll
            for (int i = 0; i < STRIP; i++) {
                acc[i] = has_bias ? TENSOR_START(bias)[channel] : 0;
                sum[i] = 0;
            }
            for (long c = 0; c < group_in; c++) {
                global const real *from = in + c * depth * height * width,
                                  *w_channel = taps + c * rows * KERNEL_W;
                for (long kd = 0; kd < kernel_d; kd++) {
                    const long from_z =
                        padding_source(mode, z * stride_d + kd * dilation_d - pad_depth, depth);
                    for (long kh = 0; kh < kernel_h; kh++) {
                        const long from_y =
                            padding_source(mode, y * stride_h + kh * dilation_h - pad_height, height);
                        const bool is_zero = from_z < 0 || from_y < 0;
                        load_row(row, is_zero ? 0 : from + (from_z * height + from_y) * width, x, width,
                                 mode);
                        global const real *w = w_channel + (kd * kernel_h + kh) * KERNEL_W;
#pragma unroll
                        for (int k = 0; k < KERNEL_W; k++) {
                            const real tap = w[k];
#pragma unroll
                            for (int i = 0; i < STRIP; i++)
                                acc[i] = tap * row[i * STRIDE_W + k * DILATION_W] + acc[i];
                        }
                    }
                }
                if ((c + 1) % run_channels == 0 || c + 1 == group_in) {
#pragma unroll
                    for (int i = 0; i < STRIP; i++) {
                        sum[i] += acc[i];
                        acc[i] = 0;
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < STRIP; i++) {
                const long at = line * out_width + first + i;
                if (first + i < out_width) TENSOR_START(output)
                [plane * out_size + at] = epilogue_late_one(epilogue_early_one(sum[i], e), e, at);
            }
        }
    }
}
