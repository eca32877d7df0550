/* Transforms weights for Winograd convolution over H and W (cl/winograd.cl): U = G w G' for each filter and
 * kd,
 *
 *     weight [g * group_out + o][c][kd][r][r] -> [frequency][g][block][kd][c][o % OUT_CHANNELS]
 *                                             or [g][o][kd][c][frequency]
 *
 *   OUTPUT_TILE   2 or 4: m
 *   TAPS          3, or 5 with m = 2: r
 *   OUT_CHANNELS  1 to 16   output channels of the product's register tile
 *
 * Index space: (channels of a block, input channels, blocks). Cost: reads the weight, writes
 * (m + r - 1)^2 / r^2 times as much; some 8 FLOPs an element written.
 */
#include "arguments/winograd_weight.clh"
#include "common/winograd.clh"

kernel void winograd_weight(TENSOR(const real, weight),
                            TENSOR(real, packed) WINOGRAD_WEIGHT_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(2, block, blocks)
    {
        FOR_EACH(1, c, group_in)
        {
            FOR_EACH(0, i, kernel_d * OUT_CHANNELS)
            {
                const long o = block % group_blocks * OUT_CHANNELS + i % OUT_CHANNELS, kd = i / OUT_CHANNELS;
                const long filter = (block / group_blocks * group_out + o) * group_in + c;
                global const real *w = TENSOR_START(weight) + (filter * kernel_d + kd) * TAPS * TAPS;
                real columns[TAPS][INPUT_TILE];
                for (int x = 0; x < TAPS; x++) {
                    real column[TAPS];
                    for (int y = 0; y < TAPS; y++)
                        column[y] = o < group_out ? w[y * TAPS + x] : 0;
                    transform_weight(column, columns[x]);
                }
                global real *to = TENSOR_START(packed) + ((block * kernel_d + kd) * group_in + c) * row_step +
                                  i % OUT_CHANNELS;
                for (int f = 0; f < INPUT_TILE; f++) {
                    real row[TAPS], u[INPUT_TILE];
                    for (int x = 0; x < TAPS; x++)
                        row[x] = columns[x][f];
                    transform_weight(row, u);
                    for (int h = 0; h < INPUT_TILE; h++)
                        to[(f * INPUT_TILE + h) * frequency_step] = u[h];
                }
            }
        }
    }
}
