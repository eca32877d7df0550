/* Adds slices of partial sums, slice by slice into totals: output [i] = sum over s of partial [s][i].
 *
 * Index space: (lanes along a block, blocks). Cost: reads the slices once, writes the output once.
 */
#include "arguments/reduce.clh"
#include "common/partial_sums.clh"

#define BLOCK 1024

kernel void reduce(TENSOR(const real, partial), TENSOR(real, output) REDUCE_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(1, block, blocks)
    {
        const long last = min((block + 1) * BLOCK, count);
        for (long i = block * BLOCK + WORK_ITEM(0); i < last; i += WORK_ITEMS(0)) {
            total_sum sum = {.runs = 0};
            for (long s = 0; s < slices; s++)
                total_add(&sum, TENSOR_START(partial)[s * count + i]);
            TENSOR_START(output)[i] = total_of(&sum);
        }
    }
}
