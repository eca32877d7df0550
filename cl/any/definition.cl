/* Makes outputs by the definition where kernels before have stored NaN, because what they transform cannot be trusted there:
 * common/definition.clh says how.
 *
 *     doubts[set][plane of the output] is NaN if some output of that plane is
 *
 *   VECTOR_WIDTH   1 to 16; 1 where a work-item is a lane
 *
 * Index space: work-groups of one work-item (columns), each taking every so many units, rows of a plane of all channels
 * of a group; or, for lanes, outputs. Cost: reads the doubts, and of planes in doubt the outputs; 2 * K FLOPs for each
 * output that is made.
 */
#include "arguments/definition.clh"
#include "common/definition.clh"

kernel void define_outputs(TENSOR(const real, input), TENSOR(const real, filters), TENSOR(const real, bias),
                           TENSOR(real, output), TENSOR(const real, doubts),
                           TENSOR(real, columns) EPILOGUE_TENSOR DEFINE_OUTPUTS_ARGUMENTS(ARGUMENT)
                               EPILOGUE_SCALAR)
{
    const definition d = {DEFINITION_EXTENTS,      .kernel_d = kernel_d, .kernel_h = kernel_h,
                          .kernel_w = kernel_w,    .stride_h = stride_h, .stride_w = stride_w,
                          .dilation_w = dilation_w};
    const long in_volume = group_in * depth * height * width,
               out_volume = group_out * out_depth * out_height * out_width, size = window_size(&d);
#if VECTOR_WIDTH == 1
    FOR_EACH(0, i, batch * groups * out_volume)
    {
        if (!isnan(TENSOR_START(output)[i])) continue;
        const long volume = i / out_volume, o = i % out_volume / (out_volume / group_out),
                   at = i % (out_volume / group_out), group = volume % groups;
        const definition_tensors t = {
            .input = TENSOR_START(input) + volume * in_volume,
            .weight = TENSOR_START(filters) + (group * group_out + o) * size,
            .bias = has_bias ? TENSOR_START(bias) + group * group_out : 0,
            .out = TENSOR_START(output) + volume * out_volume,
            .column = 0,
            .e = EPILOGUE_AT(volume * out_volume),
        };
        store_defined(&d, &t, o, at,
                      sum_of_window(&d, t.input, t.weight, at / out_width / out_height,
                                    at / out_width % out_height, at % out_width));
    }
#else
    for (long unit = get_global_id(0); unit < units; unit += get_global_size(0)) {
        const long block = unit % row_blocks, z = unit / row_blocks % out_depth,
                   volume = unit / row_blocks / out_depth, group = volume % groups;
        real doubt = 0;
        for (long set = 0; set < doubt_sets; set++)
            for (long o = 0; o < group_out; o++)
                doubt +=
                    TENSOR_START(doubts)[((set * batch * groups + volume) * group_out + o) * out_depth + z];
        if (!isnan(doubt)) continue;
        const definition_tensors t = {
            .input = TENSOR_START(input) + volume * in_volume,
            .weight = TENSOR_START(filters) + group * group_out * size,
            .bias = has_bias ? TENSOR_START(bias) + group * group_out : 0,
            .out = TENSOR_START(output) + volume * out_volume,
            .column = TENSOR_START(columns) + get_global_id(0) * DEFINITION_POSITIONS * size,
            .e = EPILOGUE_AT(volume * out_volume),
        };
        for (long y = block * out_height / row_blocks; y < (block + 1) * out_height / row_blocks; y++)
            define_row(&d, &t, z, y, 0, out_width);
    }
#endif
}
