/* The weight's gradient of groups of few channels, on lanes: a work-group sums a row of taps of a filter over positions,
 * each work-item every so many of them, and adds its sums up in local memory, halves first.
 *   ITEMS      1 to 256   work-items, a power of two
 *   KERNEL_W   1 to 8     taps of a row, each a sum in a register
 *
 * Parts of the positions are work-groups of their own, for no accumulator to take more than a run, and are added in order
 * by cl/any/reduce.cl. Where a tap reads is found by index arithmetic in all padding modes.
 *
 * Index space: work-groups of units, stepping over what is left. Cost: 2 * positions FLOPs an element of the weight; a
 * position is KERNEL_W + 1 loads for KERNEL_W multiply-adds.
 */
#include "arguments/depthwise_weight.clh"
#include "common/padding.clh"
#include "common/types.clh"

/* A position by its place in the output, and a step from one to the next of a work-item. */
typedef struct place {
    long sample, z, y, x;
} place;

ALWAYS_INLINE place place_of(const long position, const long out_depth, const long out_height,
                             const long out_width)
{
    const long line = position / out_width, plane = line / out_height, sample = plane / out_depth;
    const place p = {sample, plane - sample * out_depth, line - plane * out_height,
                     position - line * out_width};
    return p;
}

ALWAYS_INLINE void advance(place *p, const place by, const long out_depth, const long out_height,
                           const long out_width)
{
    p->x += by.x;
    p->y += by.y;
    p->z += by.z;
    p->sample += by.sample;
    if (p->x >= out_width) {
        p->x -= out_width;
        p->y++;
    }
    if (p->y >= out_height) {
        p->y -= out_height;
        p->z++;
    }
    if (p->z >= out_depth) {
        p->z -= out_depth;
        p->sample++;
    }
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
depthwise_weight(TENSOR(const real, input), TENSOR(const real, gradient),
                 TENSOR(real, output) DEPTHWISE_WEIGHT_ARGUMENTS(ARGUMENT))
{
    local real sums[KERNEL_W][ITEMS];
    const int item = (int)get_local_id(0);
    const long in_size = depth * height * width, out_size = out_depth * out_height * out_width;
    for (long unit = get_group_id(0); unit < units; unit += get_num_groups(0)) {
        const long part = unit / rows, row = unit - part * rows, filter = row / (kernel_d * kernel_h),
                   kd = row / kernel_h % kernel_d, kh = row % kernel_h, out = filter / group_in,
                   in = out / group_out * group_in + filter % group_in;
        const long end = min(positions, (part + 1) * part_positions);
        const place by = place_of(ITEMS, out_depth, out_height, out_width);
        place p = place_of(part * part_positions + item, out_depth, out_height, out_width);
        real acc[KERNEL_W];
#pragma unroll
        for (int k = 0; k < KERNEL_W; k++)
            acc[k] = 0;
        for (long i = part * part_positions + item; i < end; i += ITEMS) {
            const long z = padding_source(mode, p.z * stride_d + kd * dilation_d - pad_depth, depth),
                       y = padding_source(mode, p.y * stride_h + kh * dilation_h - pad_height, height);
            const real g = TENSOR_START(gradient)[(p.sample * groups * group_out + out) * out_size +
                                                  (p.z * out_height + p.y) * out_width + p.x];
            global const real *line = TENSOR_START(input) + (p.sample * groups * group_in + in) * in_size +
                                      (z * height + y) * width;
#pragma unroll
            for (int k = 0; k < KERNEL_W; k++) {
                const long x = padding_source(mode, p.x * stride_w + k * dilation_w - pad_width, width);
                const real value = z >= 0 && y >= 0 && x >= 0 ? line[x] : 0;
                acc[k] = g * value + acc[k];
            }
            advance(&p, by, out_depth, out_height, out_width);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int k = 0; k < KERNEL_W; k++)
            sums[k][item] = acc[k];
        for (int distance = ITEMS / 2; distance > 0; distance /= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            if (item < distance)
                for (int k = 0; k < KERNEL_W; k++)
                    sums[k][item] += sums[k][item + distance];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = item; k < KERNEL_W; k += ITEMS)
            TENSOR_START(output)[(part * rows + row) * KERNEL_W + k] = sums[k][0];
    }
}
