/* Totals of sums in memory to which several launches add (common/partial_sums.clh).
 *
 *   end_sums   moves what has been summed to the totals, as one more run, and clears it
 *   add_sums   adds the totals to it
 *
 * Index space: (lanes along a block, blocks). Cost: reads and writes the sums and mostly one level of totals.
 */
#include "arguments/totals.clh"
#include "common/partial_sums.clh"

#define BLOCK 1024

kernel void end_sums(TENSOR(real, sums), TENSOR(real, totals) TOTALS_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(1, block, blocks)
    {
        const long last = min((block + 1) * BLOCK, count);
        for (long i = block * BLOCK + WORK_ITEM(0); i < last; i += WORK_ITEMS(0))
            end_run_of_sums(TENSOR_START(sums) + i, TENSOR_START(totals) + i, 1, count, levels, runs);
    }
}

kernel void add_sums(TENSOR(real, sums), TENSOR(real, totals) TOTALS_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(1, block, blocks)
    {
        const long last = min((block + 1) * BLOCK, count);
        for (long i = block * BLOCK + WORK_ITEM(0); i < last; i += WORK_ITEMS(0))
            add_totals_of_sums(TENSOR_START(sums) + i, TENSOR_START(totals) + i, 1, count, levels, runs);
    }
}
