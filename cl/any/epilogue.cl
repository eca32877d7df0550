/* Adds the residual to the output and activates it, in place: the epilogue of algorithms whose outputs are
 * not stored by a kernel of ours, such as a GEMM's.
 *   VECTOR_WIDTH  1 to 16
 *
 * Index space: (vectors of a plane, planes). Cost: reads the output and the residual once, writes the output
 * once.
 */
#include "arguments/epilogue.clh"
#include "common/epilogue.clh"

kernel void apply_epilogue(TENSOR(real, output) EPILOGUE_TENSOR EPILOGUE_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    FOR_EACH(1, plane, planes)
    {
        global real *out = TENSOR_START(output) + plane * elements;
        const epilogue e = EPILOGUE_AT(plane * elements);
        FOR_EACH(0, v, (elements + VECTOR_WIDTH - 1) / VECTOR_WIDTH)
        {
            const long first = v * VECTOR_WIDTH;
            if (first + VECTOR_WIDTH <= elements) {
                const realv sum = vector_load(out + first);
                vector_store(epilogue_late(epilogue_early(sum, e), e, first), out + first);
                continue;
            }
            for (long i = first; i < elements; i++)
                out[i] = epilogue_late_one(epilogue_early_one(out[i], e), e, i);
        }
    }
}
