/* Transforms weights for Winograd convolution over H and W (cl/winograd.cl): U = G w G' for each filter and
 * kd,
 *
 *     weight [g * group_out + o][c][kd][3][3] -> [frequency][g][block][kd][c][o % OUT_CHANNELS]
 *
 *   OUTPUT_TILE   2 or 4: m
 *   OUT_CHANNELS  1 to 16   output channels of the product's register tile
 *
 * Index space: (channels of a block, input channels, blocks). Cost: reads the weight, writes (m + 2)^2 / 9
 * times as much; some 8 FLOPs an element written.
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
                global const real *w = TENSOR_START(weight) + (filter * kernel_d + kd) * 9;
                real columns[3][INPUT_TILE];
                for (int x = 0; x < 3; x++) {
                    real column[3];
                    for (int y = 0; y < 3; y++)
                        column[y] = o < group_out ? w[y * 3 + x] : 0;
                    transform_weight(column, columns[x]);
                }
                global real *to = TENSOR_START(packed) +
                                  ((block * kernel_d + kd) * group_in + c) * OUT_CHANNELS + i % OUT_CHANNELS;
                for (int f = 0; f < INPUT_TILE; f++) {
                    const real row[3] = {columns[0][f], columns[1][f], columns[2][f]};
                    real u[INPUT_TILE];
                    transform_weight(row, u);
                    for (int h = 0; h < INPUT_TILE; h++)
                        to[(f * INPUT_TILE + h) * blocks * group_in * kernel_d * OUT_CHANNELS] = u[h];
                }
            }
        }
    }
}
