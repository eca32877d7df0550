/* Packs weights so that a register tile reads the OUT_CHANNELS values of a tap from consecutive addresses:
 *
 *     weight [g * group_out + o][c][tap]  ->  packed [g][o / OUT_CHANNELS][c][tap][o % OUT_CHANNELS],
 *                                            or with taps_outside  [g][o / OUT_CHANNELS][tap][c][o %
 * OUT_CHANNELS]
 *
 * Channels past group_out are zero.
 *   OUT_CHANNELS  1 to 32
 * Index space: (taps, channels, blocks). Cost: reads the weight once, writes it once;
 * no arithmetic.
 */
#include "arguments/pack_weight.clh"
#include "common/types.clh"

kernel void pack_weight(TENSOR(const real, weight), TENSOR(real, packed) PACK_WEIGHT_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(2, block, blocks)
    {
        const long first = block % group_blocks * OUT_CHANNELS;
        const int count = (int)min((long)OUT_CHANNELS, group_out - first);
        global const real *from =
            TENSOR_START(weight) + (block / group_blocks * group_out + first) * group_in * taps;
        FOR_EACH(1, c, group_in)
        {
            global real *to = TENSOR_START(packed) + block * group_in * taps * OUT_CHANNELS;
            FOR_EACH(0, tap, taps)
            {
                const long row = taps_outside ? tap * group_in + c : c * taps + tap;
#pragma unroll
                for (int o = 0; o < OUT_CHANNELS; o++)
                    to[row * OUT_CHANNELS + o] = o < count ? from[(o * group_in + c) * taps + tap] : 0;
            }
        }
    }
}
