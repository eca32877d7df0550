/* Weights transformed along W alone, for winograd_channels.cl: the frequencies of a block of output channels lie side by side
 * as they are multiplied.
 *
 *     weight [g * group_out + o][c][kd][kh][r]
 *         -> [g][block][c / block_in][frequency][c % block_in][kd][kh][o % OUT_CHANNELS]      zeros for o >= group_out
 *
 *   OUTPUT_TILE, TAPS   m and r, as in common/winograd.clh
 *   OUT_CHANNELS        1 to 32, as in winograd_channels.cl
 *
 * Index space: (rows of the kernel by channels of a block, input channels, blocks). Cost: reads the weight once, writes
 * (m + r - 1) / r times as much; some 2 (m + r - 1) r FLOPs for each row of taps.
 */
#include "arguments/winograd_row_weight.clh"
#include "common/winograd.clh"

kernel void winograd_row_weight(TENSOR(const real, weight),
                                TENSOR(real, packed) WINOGRAD_ROW_WEIGHT_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(2, block, blocks)
    {
        FOR_EACH(1, c, group_in)
        {
            const long first_in = c / block_in * block_in, channels = min(block_in, group_in - first_in);
            FOR_EACH(0, i, rows * OUT_CHANNELS)
            {
                const long o = block % group_blocks * OUT_CHANNELS + i % OUT_CHANNELS, row = i / OUT_CHANNELS;
                const long filter = (block / group_blocks * group_out + o) * group_in + c;
                real w[TAPS], u[INPUT_TILE];
                for (int t = 0; t < TAPS; t++)
                    w[t] = o < group_out ? TENSOR_START(weight)[(filter * rows + row) * TAPS + t] : 0;
                transform_weight(w, u);
                global real *to =
                    TENSOR_START(packed) +
                    ((block * group_in + first_in) * INPUT_TILE + c - first_in) * rows * OUT_CHANNELS + i;
                for (int f = 0; f < INPUT_TILE; f++)
                    to[f * channels * rows * OUT_CHANNELS] = u[f];
            }
        }
    }
}
