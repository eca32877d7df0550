/* The gradients without workspace: every tensor is read where it is, padding is resolved by index arithmetic.
 *
 *   input_indexed   a work-item makes a row of the input's gradient: for each padded row that reads it, each
 *                   tap and output channel it adds a row of the output's gradient, border columns where they
 *                   belong
 *   weight_indexed  a work-item makes one weight's gradient: sums of rows, which are summed over planes,
 *                   which are summed over samples, so that errors do not grow with the length of the sum
 *   bias_indexed    a work-item makes one channel's: sums of blocks of a plane, planes, samples
 *
 * Every element is one sum in a fixed order. Index space: (items). Cost: 2 FLOPs for each product of the
 * definition; reads the output's gradient once for each tap, from memory if caches do not hold it.
 */
#include "arguments/gradient_indexed.clh"
#include "common/gradient_sums.clh"

kernel void input_indexed(TENSOR(const real, gradient), TENSOR(const real, weight), TENSOR(const real, bias),
                          TENSOR(real, output) GRADIENT_INDEXED_ARGUMENTS(ARGUMENT))
{
    const long taps = kernel_d * kernel_h * kernel_w, out_plane = out_depth * out_height * out_width;
    FOR_EACH(0, row, items)
    {
        const long h = row % height, d = row / height % depth, plane = row / height / depth;
        const long c = plane % group_in, group = plane / group_in % groups, n = plane / group_in / groups;
        global real *to = TENSOR_START(output) + row * width;
        for (long w = 0; w < width; w++)
            to[w] = has_bias ? TENSOR_START(bias)[plane % (groups * group_in)] : 0;
        for (long xd = 0; xd < end_depth; xd++) {
            if (padding_source(mode, xd - pad_depth, depth) != d) continue;
            for (long xh = 0; xh < end_height; xh++) {
                if (padding_source(mode, xh - pad_height, height) != h) continue;
                for (long k = 0; k < kernel_d * kernel_h; k++) {
                    const long z = find_output(xd, k / kernel_h, stride_d, dilation_d, out_depth),
                               y = find_output(xh, k % kernel_h, stride_h, dilation_h, out_height);
                    if (z < 0 || y < 0) continue;
                    for (long o = 0; o < group_out; o++) {
                        const long channel = group * group_out + o;
                        global const real *g = TENSOR_START(gradient) +
                                               (n * groups * group_out + channel) * out_plane +
                                               (z * out_height + y) * out_width;
                        global const real *tap =
                            TENSOR_START(weight) + (channel * group_in + c) * taps + k * kernel_w;
                        for (long kw = 0; kw < kernel_w; kw++)
                            for (long x = 0; x < out_width; x++) {
                                const long w =
                                    padding_source(mode, x * stride_w + kw * dilation_w - pad_width, width);
                                if (w >= 0 && w < width) to[w] += tap[kw] * g[x];
                            }
                    }
                }
            }
        }
    }
}

kernel void weight_indexed(TENSOR(const real, input), TENSOR(const real, gradient),
                           TENSOR(real, output) GRADIENT_INDEXED_ARGUMENTS(ARGUMENT))
{
    const gradient_shape s = GRADIENT_SHAPE;
    FOR_EACH(0, i, items)
    {
        const long kw = i % kernel_w, kh = i / kernel_w % kernel_h, kd = i / kernel_w / kernel_h % kernel_d;
        const long filter = i / kernel_w / kernel_h / kernel_d, c = filter % group_in, o = filter / group_in;
        TENSOR_START(output)
        [i] = weight_gradient(&s, TENSOR_START(input), TENSOR_START(gradient), o / group_out * group_in + c,
                              o, kd, kh, kw);
    }
}

kernel void bias_indexed(TENSOR(const real, gradient),
                         TENSOR(real, output) GRADIENT_INDEXED_ARGUMENTS(ARGUMENT))
{
    enum { BLOCK = 4096 };
    const long out_plane = out_depth * out_height * out_width;
    FOR_EACH(0, o, items)
    {
        real sum = 0;
        for (long n = 0; n < batch; n++) {
            global const real *g = TENSOR_START(gradient) + (n * items + o) * out_plane;
            real sample = 0;
            for (long first = 0; first < out_plane; first += BLOCK) {
                const long last = min(first + BLOCK, out_plane);
                realv partial = (realv)0;
                long i = first;
                for (; i + VECTOR_WIDTH <= last; i += VECTOR_WIDTH)
                    partial += vector_load(g + i);
                real block = vector_sum(partial);
                for (; i < last; i++)
                    block += g[i];
                sample += block;
            }
            sum += sample;
        }
        TENSOR_START(output)[o] = sum;
    }
}
