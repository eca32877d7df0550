/* Fills each channel of the output with its bias, or with zero: what a GEMM then adds to.
 *
 * Index space: (elements, planes). Cost: writes the output once; no arithmetic.
 */
#include "arguments/fill.clh"
#include "common/types.clh"

kernel void fill(TENSOR(const real, bias), TENSOR(real, output) FILL_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(1, plane, planes)
    {
        const real value = has_bias ? TENSOR_START(bias)[plane % channels] : 0;
        global real *out = TENSOR_START(output) + plane * elements;
        FOR_EACH(0, i, elements)
        out[i] = value;
    }
}
