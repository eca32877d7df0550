/* Convolution of few channels on lanes: a work-item makes a strip of a row of outputs of one channel in registers, from the rows of
 * the input under it, each loaded once for all taps of a row of the kernel.
 *
 * Channels run outside. A run of them is added to the strip's sums, for no accumulator to take more than a run of products.
 * Where a row reads is found by index arithmetic in all padding modes; zeros are multiplied.
 *   STRIP                            1 to 16   outputs of a strip
 *   KERNEL_W, STRIDE_W, DILATION_W   unrolled
 *   MODE                             PADDING_*
 *   INDEX_BITS                       32 or 64 of a place in a group's volume: 32 where all are below 2^31
 *
 * Index space: (strips of a volume, planes of samples and channels), stepping over what is left. Cost: 2 * taps FLOPs an
 * output, and (STRIP - 1) * STRIDE_W + (KERNEL_W - 1) * DILATION_W + 1 loads for STRIP * KERNEL_W multiply-adds.
 */
#include "arguments/strips.clh"
#include "common/epilogue.clh"
#include "common/padding.clh"

enum { ROW = (STRIP - 1) * STRIDE_W + (KERNEL_W - 1) * DILATION_W + 1 };

/* The part of the padded row under a strip, from position x on; a row of zeros if `in` is NULL. */
ALWAYS_INLINE void load_row(real row[ROW], global const real *in, const index x, const index width)
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
        const index at = in != 0 ? padding_source(MODE, x + i, width) : -1;
        row[i] = at >= 0 && at < width ? in[at] : 0;
    }
}

kernel void strips(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
                   TENSOR(real, output) EPILOGUE_TENSOR STRIPS_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    const index d = (index)depth, h = (index)height, w = (index)width, rows = (index)(kernel_d * kernel_h),
                out_h = (index)out_height, out_w = (index)out_width,
                out_size = (index)out_depth * out_h * out_w, in_size = d * h * w,
                row_count = (index)row_strips;
    const int channels_in = (int)group_in, run = (int)run_channels;
    for (index plane = (index)get_global_id(1); plane < (index)planes; plane += (index)get_global_size(1)) {
        const index channel = plane % (index)channels;
        const long first = (long)plane * out_size;
        const epilogue e = EPILOGUE_AT(first);
        global const real *in =
            TENSOR_START(input) + (long)(plane / (index)group_out) * channels_in * in_size;
        global const real *taps = TENSOR_START(weight) + (long)channel * channels_in * rows * KERNEL_W;
        global real *out = TENSOR_START(output) + first;
        for (index strip = (index)get_global_id(0); strip < (index)strips;
             strip += (index)get_global_size(0)) {
            const index line = strip / row_count, first = (strip - line * row_count) * STRIP,
                        plane_z = line / out_h, z = plane_z * (index)stride_d - (index)pad_depth,
                        y = (line - plane_z * out_h) * (index)stride_h - (index)pad_height,
                        x = first * STRIDE_W - (index)pad_width;
            real sum[STRIP], acc[STRIP], row[ROW];
#pragma unroll
            for (int i = 0; i < STRIP; i++) {
                acc[i] = has_bias ? TENSOR_START(bias)[channel] : 0;
                sum[i] = 0;
            }
            global const real *from = in, *tap_row = taps;
            for (int c = 1; c <= channels_in; c++, from += in_size) {
                for (index kd = 0; kd < (index)kernel_d; kd++) {
                    const index from_z = padding_source(MODE, z + kd * (index)dilation_d, d);
                    for (index kh = 0; kh < (index)kernel_h; kh++, tap_row += KERNEL_W) {
                        const index from_y = padding_source(MODE, y + kh * (index)dilation_h, h);
                        const bool is_zero = from_z < 0 || from_y < 0;
                        load_row(row, is_zero ? 0 : from + (from_z * h + from_y) * w, x, w);
#pragma unroll
                        for (int k = 0; k < KERNEL_W; k++) {
                            const real tap = tap_row[k];
#pragma unroll
                            for (int i = 0; i < STRIP; i++)
                                acc[i] = tap * row[i * STRIDE_W + k * DILATION_W] + acc[i];
                        }
                    }
                }
                if (c % run == 0 || c == channels_in) {
#pragma unroll
                    for (int i = 0; i < STRIP; i++) {
                        sum[i] += acc[i];
                        acc[i] = 0;
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < STRIP; i++) {
                const index at = line * out_w + first + i;
                if (first + i < out_w) out[at] = epilogue_late_one(epilogue_early_one(sum[i], e), e, at);
            }
        }
    }
}
