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
#include "gpu/places.clh"

typedef struct scalars {
    DEPTHWISE_WEIGHT_ARGUMENTS(SCALAR_MEMBER)
} scalars;

/* A position by its place in the output, and a step from one to the next of a work-item. */
typedef struct place {
    index sample, z, y, x;
} place;

/* By a pointer, since Oclgrind knows nothing of what clang makes of structs that are returned. */
ALWAYS_INLINE void find_place(place *p, const index position, const scalars *s)
{
    const index size = s->out_depth * s->out_height * s->out_width, sample = position / size,
                at = position - sample * size, line = at / s->out_width, plane = line / s->out_height;
    p->sample = sample;
    p->z = plane;
    p->y = line - plane * s->out_height;
    p->x = at - line * s->out_width;
}

ALWAYS_INLINE void advance(place *p, const place *by, const scalars *s)
{
    p->x += by->x;
    p->y += by->y;
    p->z += by->z;
    p->sample += by->sample;
    if (p->x >= s->out_width) {
        p->x -= s->out_width;
        p->y++;
    }
    if (p->y >= s->out_height) {
        p->y -= s->out_height;
        p->z++;
    }
    if (p->z >= s->out_depth) {
        p->z -= s->out_depth;
        p->sample++;
    }
}

/* What a work-item sums of a row of taps: every ITEMS-th of `count` positions from `first` on. */
ALWAYS_INLINE void sum_positions(real acc[KERNEL_W], global const real *inputs, global const real *gradients,
                                 const scalars *s, const index tap_z, const index tap_y, const index first,
                                 const index count)
{
    const long input_sample = (long)(s->groups * s->group_in) * (s->depth * s->height * s->width),
               gradient_sample =
                   (long)(s->groups * s->group_out) * (s->out_depth * s->out_height * s->out_width);
    const int item = (int)get_local_id(0);
    place by, p;
    find_place(&by, ITEMS, s);
    find_place(&p, first + item, s);
#pragma unroll
    for (int k = 0; k < KERNEL_W; k++)
        acc[k] = 0;
    for (index i = item; i < count; i += ITEMS) {
        const index z = padding_source(MODE, p.z * s->stride_d + tap_z, s->depth),
                    y = padding_source(MODE, p.y * s->stride_h + tap_y, s->height),
                    x = p.x * s->stride_w - s->pad_width;
        const bool is_zero = z < 0 || y < 0;
        global const real *line =
            inputs + p.sample * input_sample + (is_zero ? 0 : (z * s->height + y) * s->width);
        const real g =
            gradients[p.sample * gradient_sample + (p.z * s->out_height + p.y) * s->out_width + p.x];
#pragma unroll
        for (int k = 0; k < KERNEL_W; k++) {
            const index at = padding_source(MODE, x + k * s->dilation_w, s->width);
            const real read = line[at < 0 ? 0 : at], value = is_zero || at < 0 ? 0 : read;
            acc[k] = g * value + acc[k];
        }
        advance(&p, &by, s);
    }
}

/* Adds up the work-items' sums, halves first. */
ALWAYS_INLINE void add_items(const real acc[KERNEL_W], local real (*sums)[ITEMS])
{
    const int item = (int)get_local_id(0);
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
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
depthwise_weight(TENSOR(const real, input), TENSOR(const real, gradient),
                 TENSOR(real, output) DEPTHWISE_WEIGHT_ARGUMENTS(ARGUMENT))
{
    local real sums[KERNEL_W][ITEMS];
    const scalars s = {DEPTHWISE_WEIGHT_ARGUMENTS(SCALAR_VALUE)};
    for (index unit = (index)WORK_GROUP(0); unit < s.units; unit += (index)WORK_GROUPS(0)) {
        const index part = unit / s.rows, row = unit - part * s.rows, plane = row / s.kernel_h,
                    filter = plane / s.kernel_d, out = filter / s.group_in,
                    in = out / s.group_out * s.group_in + filter - out * s.group_in;
        const index tap_z = (plane - filter * s.kernel_d) * s.dilation_d - s.pad_depth,
                    tap_y = (row - plane * s.kernel_h) * s.dilation_h - s.pad_height,
                    first = part * s.part_positions;
        real acc[KERNEL_W];
        sum_positions(acc, TENSOR_START(input) + (long)in * (s.depth * s.height * s.width),
                      TENSOR_START(gradient) + (long)out * (s.out_depth * s.out_height * s.out_width), &s,
                      tap_z, tap_y, first, min(s.part_positions, s.positions - first));
        add_items(acc, sums);
        for (int k = (int)get_local_id(0); k < KERNEL_W; k += ITEMS)
            TENSOR_START(output)[((long)part * s.rows + row) * KERNEL_W + k] = sums[k][0];
    }
}
