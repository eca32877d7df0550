/* Packs weights so that a register tile reads the OUT_CHANNELS values of a tap from consecutive addresses:
 *
 *     weight [g * group_out + o][c][tap]  ->  packed [g][o / OUT_CHANNELS][c][tap][o % OUT_CHANNELS],
 *                                            or with taps_outside  [g][o / OUT_CHANNELS][tap][c][o %
 * OUT_CHANNELS]
 *
 * Channels past group_out are zero.
 *   OUT_CHANNELS  1 to 16
 * Index space: (elements of a channel's taps, channels, blocks). Cost: reads the weight once, writes it once;
 * no arithmetic.
 */
#include "arguments/pack_weight.clh"
#include "common/types.clh"

kernel void pack_weight(TENSOR(const real, weight), TENSOR(real, packed) PACK_WEIGHT_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(2, block, blocks)
    {
        const long first = block % group_blocks * OUT_CHANNELS;
        global const real *from =
            TENSOR_START(weight) + (block / group_blocks * group_out + first) * group_in * taps;
        FOR_EACH(1, c, group_in)
        {
            global real *to = TENSOR_START(packed) + block * group_in * taps * OUT_CHANNELS;
            FOR_EACH(0, i, taps * OUT_CHANNELS)
            {
                const long o = i % OUT_CHANNELS, tap = i / OUT_CHANNELS;
                const long row = taps_outside ? tap * group_in + c : c * taps + tap;
                to[row * OUT_CHANNELS + o] =
                    first + o < group_out ? from[(o * group_in + c) * taps + tap] : 0;
            }
        }
    }
}
