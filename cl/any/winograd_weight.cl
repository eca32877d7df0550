/* Transforms weights for Winograd convolution over H and W (cl/any/winograd.cl): U = G w G' for each filter and
 * kd,
 *
 *     weight [g * group_out + o][c][kd][kh][kw] -> [frequency][g][block][kd][c][phase][o % OUT_CHANNELS]
 *                                               or [g][o][kd][c][phase][frequency]
 *
 * With strides each phase of the kernel, every stride-th element from one on, is a filter of its own; those that
 * are shorter than r x r end in zeros.
 *   OUTPUT_TILE, TAPS    m and r, as in common/winograd.clh
 *   OUT_CHANNELS         1 to 16   output channels of the product's register tile
 *   STRIDE_H, STRIDE_W   1 and more
 *
 * Index space: (channels of a block, input channels and phases, blocks). Cost: reads the weight, writes
 * (m + r - 1)^2 / r^2 times as much; some 8 FLOPs an element written.
 */
#include "arguments/winograd_weight.clh"
#include "common/winograd.clh"

kernel void winograd_weight(TENSOR(const real, weight),
                            TENSOR(real, packed) WINOGRAD_WEIGHT_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(2, block, blocks)
    {
        FOR_EACH(1, row, group_in * STRIDE_H * STRIDE_W)
        {
            FOR_EACH(0, i, kernel_d * OUT_CHANNELS)
            {
                const long o = block % group_blocks * OUT_CHANNELS + i % OUT_CHANNELS, kd = i / OUT_CHANNELS;
                const long c = row / (STRIDE_H * STRIDE_W);
                const long filter = (block / group_blocks * group_out + o) * group_in + c;
                global const real *w = TENSOR_START(weight) + (filter * kernel_d + kd) * kernel_h * kernel_w;
                real columns[TAPS][INPUT_TILE];
                for (int x = 0; x < TAPS; x++) {
                    real column[TAPS];
                    for (int y = 0; y < TAPS; y++) {
                        const long kh = row / STRIDE_W % STRIDE_H + y * STRIDE_H;
                        const long kw = row % STRIDE_W + x * STRIDE_W;
                        const bool is_inside = o < group_out && kh < kernel_h && kw < kernel_w;
                        column[y] = is_inside ? w[kh * kernel_w + kw] : 0;
                    }
                    transform_weight(column, columns[x]);
                }
                global real *to =
                    TENSOR_START(packed) +
                    ((block * kernel_d + kd) * group_in * STRIDE_H * STRIDE_W + row) * row_step +
                    i % OUT_CHANNELS;
                for (int f = 0; f < INPUT_TILE; f++) {
                    real across[TAPS], u[INPUT_TILE];
                    for (int x = 0; x < TAPS; x++)
                        across[x] = columns[x][f];
                    transform_weight(across, u);
                    for (int h = 0; h < INPUT_TILE; h++)
                        to[(f * INPUT_TILE + h) * frequency_step] = u[h];
                }
            }
        }
    }
}
