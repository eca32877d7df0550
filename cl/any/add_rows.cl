/* Adds rows that follow each other to rows that lie further apart: what the totals of a GEMM's runs are added to.
 *
 * Index space: (elements of a row, rows). Cost: reads both, writes one.
 */
#include "arguments/add_rows.clh"
#include "common/types.clh"

kernel void add_rows(TENSOR(const real, from), TENSOR(real, to) ADD_ROWS_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(1, row, rows)
    {
        FOR_EACH(0, i, count)
        TENSOR_START(to)[row * pitch + i] += TENSOR_START(from)[row * count + i];
    }
}
