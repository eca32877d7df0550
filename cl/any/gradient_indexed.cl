/* The gradients without workspace: every tensor is read where it is, padding is resolved by index arithmetic.
 *
 *   input_indexed   a work-item makes VECTOR_WIDTH columns of a row of the input's gradient: for each padded
 *                   position that reads them and each tap it adds the products of all output channels
 *   weight_indexed  a work-item makes one weight's gradient, the sum over positions of all samples
 *   bias_indexed    a work-item makes one channel's: sums of blocks of a plane
 *
 * Every element is one sum in a fixed order, by runs (common/partial_sums.clh). Index space: (items). Cost: 2 FLOPs for each product of the
 * definition; reads the output's gradient once for each tap, from memory if caches do not hold it.
 */
#include "arguments/gradient_indexed.clh"
#include "common/gradient_sums.clh"

/* Sums of VECTOR_WIDTH columns of a row of the input's gradient, in runs. */
typedef struct column_sums {
    real run[VECTOR_WIDTH];
    int products;
    total_sum totals[VECTOR_WIDTH];
} column_sums;

static inline void end_columns(column_sums *s)
{
    for (int l = 0; l < VECTOR_WIDTH; l++) {
        total_add(&s->totals[l], s->run[l]);
        s->run[l] = 0;
    }
    s->products = 0;
}

/* Adds, of each output channel, the product of a tap with what the lanes read: element from[l] of a row, nothing
 * where that is -1. */
static inline void add_tap(column_sums *s, const long from[VECTOR_WIDTH], global const real *g,
                           const long g_channel, global const real *tap, const long tap_channel,
                           const long channels)
{
    for (long o = 0; o < channels; o++, g += g_channel, tap += tap_channel) {
        if (s->products++ == SUM_RUN) end_columns(s), s->products = 1;
        for (int l = 0; l < VECTOR_WIDTH; l++)
            if (from[l] >= 0) s->run[l] += *tap * g[from[l]];
    }
}

kernel void input_indexed(TENSOR(const real, gradient), TENSOR(const real, weight), TENSOR(const real, bias),
                          TENSOR(real, output) GRADIENT_INDEXED_ARGUMENTS(ARGUMENT))
{
    const long taps = kernel_d * kernel_h * kernel_w, out_plane = out_depth * out_height * out_width;
    FOR_EACH(0, item, items)
    {
        const long row = item / column_blocks, first = item % column_blocks * VECTOR_WIDTH;
        const long h = row % height, d = row / height % depth, plane = row / height / depth;
        const long c = plane % group_in, group = plane / group_in % groups, n = plane / group_in / groups;
        const int lanes = (int)min((long)VECTOR_WIDTH, width - first);
        column_sums sums;
        sums.products = 0;
        for (int l = 0; l < VECTOR_WIDTH; l++)
            sums.run[l] = 0, sums.totals[l].runs = 0;
        global const real *g = TENSOR_START(gradient) + (n * groups + group) * group_out * out_plane,
                          *filter = TENSOR_START(weight) + (group * group_out * group_in + c) * taps;
        for (long xd = next_position(-1, d, pad_depth, depth, end_depth, mode); xd < end_depth;
             xd = next_position(xd, d, pad_depth, depth, end_depth, mode))
            for (long xh = next_position(-1, h, pad_height, height, end_height, mode); xh < end_height;
                 xh = next_position(xh, h, pad_height, height, end_height, mode)) {
                long xw[VECTOR_WIDTH], from[VECTOR_WIDTH];
                for (int l = 0; l < VECTOR_WIDTH; l++)
                    xw[l] = l < lanes ? next_position(-1, first + l, pad_width, width, end_width, mode)
                                      : end_width;
                for (bool is_there = true; is_there;) {
                    for (long k = 0; k < taps; k++) {
                        const long z = find_output(xd, k / kernel_w / kernel_h, stride_d, dilation_d,
                                                   out_depth),
                                   y = find_output(xh, k / kernel_w % kernel_h, stride_h, dilation_h,
                                                   out_height);
                        if (z < 0 || y < 0) continue;
                        for (int l = 0; l < VECTOR_WIDTH; l++)
                            from[l] = xw[l] < end_width
                                          ? find_output(xw[l], k % kernel_w, stride_w, dilation_w, out_width)
                                          : -1;
                        add_tap(&sums, from, g + (z * out_height + y) * out_width, out_plane, filter + k,
                                group_in * taps, group_out);
                    }
                    is_there = false;
                    for (int l = 0; l < lanes; l++) {
                        if (xw[l] < end_width)
                            xw[l] = next_position(xw[l], first + l, pad_width, width, end_width, mode);
                        is_there = is_there || xw[l] < end_width;
                    }
                }
            }
        end_columns(&sums);
        const real start = has_bias ? TENSOR_START(bias)[plane % (groups * group_in)] : 0;
        for (int l = 0; l < lanes; l++)
            TENSOR_START(output)[row * width + first + l] = start + total_of(&sums.totals[l]);
    }
}

kernel void weight_indexed(TENSOR(const real, input), TENSOR(const real, gradient),
                           TENSOR(real, output) GRADIENT_INDEXED_ARGUMENTS(ARGUMENT))
{
    const gradient_shape s = GRADIENT_SHAPE;
    FOR_EACH(0, i, items)
    {
        const long kw = i % kernel_w, kh = i / kernel_w % kernel_h, kd = i / kernel_w / kernel_h % kernel_d;
        const long filter = i / kernel_w / kernel_h / kernel_d, c = filter % group_in, o = filter / group_in;
        TENSOR_START(output)
        [i] = weight_gradient(&s, TENSOR_START(input), TENSOR_START(gradient), o / group_out * group_in + c,
                              o, kd, kh, kw);
    }
}

/* The sum of `count` elements, at most SUM_RUN vectors. */
static inline real sum_of_block(global const real *from, const long count)
{
    realv partial = (realv)0;
    long i = 0;
    for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH)
        partial += vector_load(from + i);
    real block = vector_sum(partial);
    for (; i < count; i++)
        block += from[i];
    return block;
}

kernel void bias_indexed(TENSOR(const real, gradient),
                         TENSOR(real, output) GRADIENT_INDEXED_ARGUMENTS(ARGUMENT))
{
    enum { BLOCK = SUM_RUN * VECTOR_WIDTH };
    const long out_plane = out_depth * out_height * out_width;
    FOR_EACH(0, o, items)
    {
        total_sum sum = {.runs = 0};
        real few = 0; /* blocks, which may be short */
        int count = 0;
        for (long n = 0; n < batch; n++)
            for (long first = 0; first < out_plane; first += BLOCK) {
                few += sum_of_block(TENSOR_START(gradient) + (n * items + o) * out_plane + first,
                                    min((long)BLOCK, out_plane - first));
                if (++count < SUM_FAN) continue;
                total_add(&sum, few);
                few = 0;
                count = 0;
            }
        total_add(&sum, few);
        TENSOR_START(output)[o] = total_of(&sum);
    }
}
