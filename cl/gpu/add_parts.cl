/* Adds parts of sums that other work-groups made, in their order, and ends the outputs: the bias joins the totals.
 *
 * Index space: (positions of a plane, planes). Cost: reads the parts once, writes the output once.
 */
#include "arguments/add_parts.clh"
#include "common/epilogue.clh"
#include "common/partial_sums.clh"

kernel void add_parts(TENSOR(const real, partial), TENSOR(const real, bias),
                      TENSOR(real, output) EPILOGUE_TENSOR ADD_PARTS_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    FOR_EACH(1, plane, planes)
    {
        const epilogue e = EPILOGUE_AT(plane * plane_size);
        FOR_EACH(0, i, plane_size)
        {
            const long at = plane * plane_size + i;
            total_sum sum = {.runs = 0};
            if (has_bias) total_add(&sum, TENSOR_START(bias)[plane % channels]);
            for (long part = 0; part < parts; part++)
                total_add(&sum, TENSOR_START(partial)[part * planes * plane_size + at]);
            TENSOR_START(output)[at] = epilogue_late_one(epilogue_early_one(total_of(&sum), e), e, i);
        }
    }
}
