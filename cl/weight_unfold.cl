/* What the gradient of the weight multiplies as a product of matrices: with few positions and many channels
 * sums over positions are too short for vectors, so vectors run along the filter instead.
 *
 *     grad_weight [o][f] = sum over positions p of all samples of grad_output [o][p] * unfolded [p][f]
 *
 *     unfold_filter: input       ->  panels [group][f / PANEL][p][f % PANEL]
 *     pack_gradient: grad_output ->  packed [group][o / OUT_CHANNELS][p][o % OUT_CHANNELS]
 *
 * where f is (channel, kd, kh, kw); panels.cl multiplies them. Elements past the filter or the last channel
 * are zero. VECTOR_WIDTH  1 to 16   1 where a work-item is a lane LOCAL_SIZE    1 to 256  with VECTOR_WIDTH:
 * the lanes of a panel OUT_CHANNELS  1 to 16
 *
 * Index space: (lanes of a panel, rows of positions, panels), or (1, blocks of positions, blocks). Cost:
 * reads the input once for each tap, writes panels; no arithmetic.
 */
#include "arguments/weight_unfold.clh"
#include "common/padding.clh"
#include "common/types.clh"

#define PANEL (LOCAL_SIZE * VECTOR_WIDTH)

#ifndef OUT_CHANNELS
/* Where a lane reads: its channel's plane, and its tap in elements of the input. */
typedef struct lane_tap {
    long channel, d, h, w;
} lane_tap;

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
unfold_filter(TENSOR(const real, input), TENSOR(real, panel) UNFOLD_FILTER_ARGUMENTS(ARGUMENT))
{
    const long rows = batch * out_depth * out_height, plane = height * width;
    for (long p = get_group_id(2); p < panels; p += get_num_groups(2)) {
        const long group = p / group_panels,
                   first = p % group_panels * PANEL + get_local_id(0) * VECTOR_WIDTH;
        lane_tap tap[VECTOR_WIDTH];
        for (int l = 0; l < VECTOR_WIDTH; l++) {
            const long f = min(first + l, filter - 1);
            tap[l].w = f % kernel_w * dilation_w - pad_width;
            tap[l].h = f / kernel_w % kernel_h * dilation_h - pad_height;
            tap[l].d = f / kernel_w / kernel_h % kernel_d * dilation_d - pad_depth;
            tap[l].channel = group * group_in + f / kernel_w / kernel_h / kernel_d;
        }
        for (long row = get_group_id(1); row < rows; row += get_num_groups(1)) {
            const long y = row % out_height, z = row / out_height % out_depth,
                       n = row / out_height / out_depth;
            /* A lane's row of the input; none where the row is a padded zero, or past the filter. */
            global const real *from[VECTOR_WIDTH];
            for (int l = 0; l < VECTOR_WIDTH; l++) {
                const long d = padding_source(mode, z * stride_d + tap[l].d, depth),
                           h = padding_source(mode, y * stride_h + tap[l].h, height);
                from[l] = d < 0 || h < 0 || first + l >= filter
                              ? 0
                              : TENSOR_START(input) + (n * channels + tap[l].channel) * depth * plane +
                                    d * plane + h * width;
            }
            global real *to = TENSOR_START(panel) + group * volume_size +
                              p % group_panels * rows * out_width * PANEL + row * out_width * PANEL +
                              get_local_id(0) * VECTOR_WIDTH;
            for (long x = 0; x < out_width; x++)
                for (int l = 0; l < VECTOR_WIDTH; l++) {
                    const long w = from[l] == 0 ? -1 : padding_source(mode, x * stride_w + tap[l].w, width);
                    to[x * PANEL + l] = w < 0 ? 0 : from[l][w];
                }
        }
    }
}

#else
kernel void pack_gradient(TENSOR(const real, gradient),
                          TENSOR(real, packed) PACK_GRADIENT_ARGUMENTS(ARGUMENT))
{
    const long rows = batch * positions;
    FOR_EACH(2, block, blocks)
    {
        const long first = block % group_blocks * OUT_CHANNELS, group = block / group_blocks;
        const int count = (int)min((long)OUT_CHANNELS, group_out - first);
        FOR_EACH(1, n, batch)
        {
            global const real *from =
                TENSOR_START(gradient) + (n * channels + group * group_out + first) * positions;
            FOR_EACH(0, p, positions)
            {
                global real *to = TENSOR_START(packed) + (block * rows + n * positions + p) * OUT_CHANNELS;
                for (int o = 0; o < OUT_CHANNELS; o++)
                    to[o] = o < count ? from[o * positions + p] : 0;
            }
        }
    }
}
#endif
