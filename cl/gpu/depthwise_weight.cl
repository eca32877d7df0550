/* The weight's gradient of groups of few channels, on lanes: a work-group sums a row of taps of a filter over positions,
 * each work-item every so many of them, and adds its sums up in local memory, halves first.
 *   ITEMS      1 to 256   work-items, a power of two
 *   MODE       PADDING_*
 *   INDEX_BITS 32 or 64 of a place in a sample's group: 32 where all are below 2^31
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
    long sample;
    index z, y, x;
} place;

/* By a pointer, since Oclgrind knows nothing of what clang makes of structs that are returned. */
ALWAYS_INLINE void place_of(place *p, const long position, const index out_d, const index out_h,
                            const index out_w)
{
    const long size = (long)out_d * out_h * out_w, sample = position / size;
    const index at = (index)(position - sample * size), line = at / out_w, plane = line / out_h;
    p->sample = sample;
    p->z = plane;
    p->y = line - plane * out_h;
    p->x = at - line * out_w;
}

ALWAYS_INLINE void advance(place *p, const place by, const long out_d, const long out_h, const long out_w)
{
    p->x += by.x;
    p->y += by.y;
    p->z += by.z;
    p->sample += by.sample;
    if (p->x >= out_w) {
        p->x -= out_w;
        p->y++;
    }
    if (p->y >= out_h) {
        p->y -= out_h;
        p->z++;
    }
    if (p->z >= out_d) {
        p->z -= out_d;
        p->sample++;
    }
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
depthwise_weight(TENSOR(const real, input), TENSOR(const real, gradient),
                 TENSOR(real, output) DEPTHWISE_WEIGHT_ARGUMENTS(ARGUMENT))
{
    local real sums[KERNEL_W][ITEMS];
    const int item = (int)get_local_id(0);
    const index d = (index)depth, h = (index)height, w = (index)width, out_d = (index)out_depth,
                out_h = (index)out_height, out_w = (index)out_width, in_size = d * h * w,
                out_size = out_d * out_h * out_w;
    for (long unit = WORK_GROUP(0); unit < units; unit += WORK_GROUPS(0)) {
        const long part = unit / rows, row = unit - part * rows, filter = row / (kernel_d * kernel_h),
                   out = filter / group_in, in = out / group_out * group_in + filter % group_in;
        const index tap_z = (index)(row / kernel_h % kernel_d * dilation_d - pad_depth),
                    tap_y = (index)(row % kernel_h * dilation_h - pad_height);
        const long first = part * part_positions;
        const int count = (int)min(part_positions, positions - first);
        global const real *gradients = TENSOR_START(gradient) + out * out_size,
                          *inputs = TENSOR_START(input) + in * in_size;
        place by, p;
        place_of(&by, ITEMS, out_d, out_h, out_w);
        place_of(&p, first + item, out_d, out_h, out_w);
        real acc[KERNEL_W];
#pragma unroll
        for (int k = 0; k < KERNEL_W; k++)
            acc[k] = 0;
        for (int i = item; i < count; i += ITEMS) {
            const index z = padding_source(MODE, p.z * (index)stride_d + tap_z, d),
                        y = padding_source(MODE, p.y * (index)stride_h + tap_y, h),
                        x = p.x * (index)stride_w - (index)pad_width;
            const real g =
                gradients[p.sample * groups * group_out * out_size + (p.z * out_h + p.y) * out_w + p.x];
            const bool is_zero = z < 0 || y < 0;
            global const real *line =
                inputs + p.sample * groups * group_in * in_size + (is_zero ? 0 : (z * h + y) * w);
#pragma unroll
            for (int k = 0; k < KERNEL_W; k++) {
                const index at = padding_source(MODE, x + k * (index)dilation_w, w);
                const real read = line[at < 0 ? 0 : at], value = is_zero || at < 0 ? 0 : read;
                acc[k] = g * value + acc[k];
            }
            advance(&p, by, out_d, out_h, out_w);
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
