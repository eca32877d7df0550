/* Gradients by the definition where kernels before cannot have made them so: they multiply zeros that are none of it, or
 * leave out some that are, which differs for what is not finite alone.
 *
 *   find_doubts      doubts[work-item] = NaN if one of its share of the values is not finite, else 0
 *   define_weights   a work-item looks through a filter's gradients of one input channel and makes all of them again if one
 *                    is not finite: what is not finite among the values reaches one of them at least, unless it may meet
 *                    padded zeros alone
 *   define_inputs    a work-item looks through a row of the input's gradient and makes again what is NaN in it
 *
 * The last two do nothing where doubt_count doubts hold none.
 *   VECTOR_WIDTH   1 to 16
 *
 * Index space: (items). Cost: reads the values once; in doubt the gradients, and 2 FLOPs for each product of the
 * definition of those that it makes.
 */
#include "arguments/gradient_definition.clh"
#include "common/gradient_sums.clh"

kernel void find_doubts(TENSOR(const real, values), TENSOR(real, doubts) FIND_DOUBTS_ARGUMENTS(ARGUMENT))
{
    const long item = get_global_id(0), items = get_global_size(0);
    const long vectors = count / VECTOR_WIDTH;
    global const real *from = TENSOR_START(values);
    realv doubt = (realv)0;
    for (long v = item * vectors / items; v < (item + 1) * vectors / items; v++)
        doubt += vector_load(from + v * VECTOR_WIDTH) * (real)0;
    for (long i = vectors * VECTOR_WIDTH + item; i < count; i += items)
        doubt += (realv)(from[i] * (real)0);
    if (count > 0) TENSOR_START(doubts)[item] = vector_sum(doubt);
}

static inline bool has_doubts(global const real *doubts, const long count)
{
    real sum = 0;
    for (long i = 0; i < count; i++)
        sum += doubts[i];
    return count == 0 || isnan(sum);
}

/* The sum of so many elements times zero: NaN if one is not finite. */
static inline real doubt_of(global const real *values, const long count)
{
    real doubt = 0;
    for (long i = 0; i < count; i++)
        doubt += values[i] * (real)0;
    return doubt;
}

kernel void define_weights(TENSOR(const real, input), TENSOR(const real, gradient), TENSOR(real, output),
                           TENSOR(const real, doubts) GRADIENT_DEFINITION_ARGUMENTS(ARGUMENT))
{
    if (items == 0 || !has_doubts(TENSOR_START(doubts), doubt_count)) return;
    const gradient_shape s = GRADIENT_SHAPE;
    const long taps = kernel_d * kernel_h * kernel_w;
    FOR_EACH(0, i, items)
    {
        global real *to = TENSOR_START(output) + i * taps;
        if (!meets_zeros_alone && !isnan(doubt_of(to, taps))) continue;
        const long o = i / group_in, channel = o / group_out * group_in + i % group_in;
        for (long tap = 0; tap < taps; tap++)
            to[tap] = weight_gradient(&s, TENSOR_START(input), TENSOR_START(gradient), channel, o,
                                      tap / kernel_w / kernel_h, tap / kernel_w % kernel_h, tap % kernel_w);
    }
}

kernel void define_inputs(TENSOR(const real, gradient), TENSOR(const real, weight), TENSOR(const real, bias),
                          TENSOR(real, output),
                          TENSOR(const real, doubts) GRADIENT_DEFINITION_ARGUMENTS(ARGUMENT))
{
    if (items == 0 || !has_doubts(TENSOR_START(doubts), doubt_count)) return;
    const gradient_shape s = GRADIENT_SHAPE;
    const long out_plane = out_depth * out_height * out_width, taps = kernel_d * kernel_h * kernel_w;
    FOR_EACH(0, row, items)
    {
        const long h = row % height, d = row / height % depth, plane = row / height / depth,
                   c = plane % group_in, group = plane / group_in % groups, n = plane / group_in / groups;
        global real *to = TENSOR_START(output) + row * width;
        global const real *g = TENSOR_START(gradient) + (n * groups + group) * group_out * out_plane;
        for (long w = 0; w < width; w++)
            if (isnan(to[w]))
                to[w] =
                    input_gradient(&s, g, TENSOR_START(weight) + (group * group_out * group_in + c) * taps, d,
                                   h, w) +
                    (has_bias ? TENSOR_START(bias)[plane % (groups * group_in)] : 0);
    }
}
