/* What the gradient of the weight multiplies as a product of matrices: with few positions and many channels
 * sums over positions are too short for vectors, so vectors run along the filter instead.
 *
 *     grad_weight [o][f] = sum over positions p of all samples of grad_output [o][p] * unfolded [p][f]
 *
 *     unfold_filter: input       ->  panels [group][f / PANEL][p][f % PANEL]
 *     pack_gradient: grad_output ->  packed [group][o / OUT_CHANNELS][p][o % OUT_CHANNELS]
 *
 * where f is (channel, kd, kh, kw); panels.cl multiplies them. Elements past the filter or the last channel
 * are zero. Both are transpositions, which vectors make a square at a time.
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  with VECTOR_WIDTH: the lanes of a panel
 *   OUT_CHANNELS  1 to 16   of pack_gradient alone
 *
 * Index space: (lanes of a panel, rows of positions, panels), or (1, blocks of positions, blocks). Cost:
 * reads the input once for each tap, writes panels; no arithmetic.
 */
#include "arguments/weight_unfold.clh"
#include "common/padding.clh"
#include "common/transpose.clh"

#define PANEL (LOCAL_SIZE * VECTOR_WIDTH)

#ifndef OUT_CHANNELS
/* Where a lane reads: its channel's plane, and its tap in elements of the input. */
typedef struct lane_tap {
    long channel, d, h, w;
} lane_tap;

/* What a lane reads at VECTOR_WIDTH output columns, of which `count` exist: elements of the row that starts at
 * `row`, from its column `w` on; zeros if there is none. A vector that runs over the row's ends is cut, as long
 * as it stays inside the tensor of `elements`. */
#if VECTOR_WIDTH > 1
ALWAYS_INLINE realv lane_columns(global const real *input, const long elements, const long row, const long w,
                                 const int count, const long stride_w, const long width, const long mode)
{
    if (row < 0) return (realv)0;
    const bool is_inside = w >= 0 && w + VECTOR_WIDTH <= width;
    if (stride_w == 1 && is_inside) return vector_load(input + row + w);
    if (stride_w == 1 && mode == PADDING_ZEROS && row + w >= 0 && row + w + VECTOR_WIDTH <= elements)
        return lanes_between(vector_load(input + row + w), -w, width - w);
    real lanes[VECTOR_WIDTH];
    for (int i = 0; i < VECTOR_WIDTH; i++) {
        const long at = i < count ? padding_source(mode, w + i * stride_w, width) : -1;
        lanes[i] = at < 0 ? 0 : input[row + at];
    }
    return lanes_load(lanes);
}
#endif

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
unfold_filter(TENSOR(const real, input), TENSOR(real, panel) UNFOLD_FILTER_ARGUMENTS(ARGUMENT))
{
    const long rows = batch * out_depth * out_height, plane = height * width;
    global const real *source = TENSOR_START(input);
    for (long p = WORK_GROUP(2); p < panels; p += WORK_GROUPS(2)) {
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
        for (long row = WORK_GROUP(1); row < rows; row += WORK_GROUPS(1)) {
            const long y = row % out_height, z = row / out_height % out_depth,
                       n = row / out_height / out_depth;
            /* Where a lane's row starts; -1 where the row is a padded zero, or past the filter. */
            long from[VECTOR_WIDTH];
            for (int l = 0; l < VECTOR_WIDTH; l++) {
                const long d = padding_source(mode, z * stride_d + tap[l].d, depth),
                           h = padding_source(mode, y * stride_h + tap[l].h, height);
                from[l] = d < 0 || h < 0 || first + l >= filter
                              ? -1
                              : ((n * channels + tap[l].channel) * depth + d) * plane + h * width;
            }
            global real *to = TENSOR_START(panel) + group * volume_size +
                              p % group_panels * rows * out_width * PANEL + row * out_width * PANEL +
                              get_local_id(0) * VECTOR_WIDTH;
#if VECTOR_WIDTH == 1
            for (long x = 0; x < out_width; x++) {
                const long w = from[0] < 0 ? -1 : padding_source(mode, x * stride_w + tap[0].w, width);
                to[x * PANEL] = w < 0 ? 0 : source[from[0] + w];
            }
#else
            for (long x = 0; x < out_width; x += VECTOR_WIDTH) {
                const int count = (int)min((long)VECTOR_WIDTH, out_width - x);
                realv square[VECTOR_WIDTH];
                for (int l = 0; l < VECTOR_WIDTH; l++)
                    square[l] = lane_columns(source, batch * channels * depth * plane, from[l],
                                             x * stride_w + tap[l].w, count, stride_w, width, mode);
                transpose(square);
                for (int i = 0; i < count; i++)
                    vector_store(square[i], to + (x + i) * PANEL);
            }
#endif
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
            global real *to = TENSOR_START(packed) + (block * rows + n * positions) * OUT_CHANNELS;
            long done = 0;
#if VECTOR_WIDTH > 1 && OUT_CHANNELS <= VECTOR_WIDTH
            for (; done + VECTOR_WIDTH <= positions; done += VECTOR_WIDTH) {
                realv square[VECTOR_WIDTH];
#pragma unroll
                for (int o = 0; o < VECTOR_WIDTH; o++)
                    square[o] = o < count ? vector_load(from + o * positions + done) : (realv)0;
                transpose(square);
#pragma unroll
                for (int i = 0; i < VECTOR_WIDTH; i++) {
                    real lanes[VECTOR_WIDTH];
                    lanes_store(square[i], lanes);
                    lanes_copy(lanes, to + (done + i) * OUT_CHANNELS, OUT_CHANNELS);
                }
            }
#endif
            for (long p = done + WORK_ITEM(0); p < positions; p += WORK_ITEMS(0))
                for (int o = 0; o < OUT_CHANNELS; o++)
                    to[p * OUT_CHANNELS + o] = o < count ? from[o * positions + p] : 0;
        }
    }
}
#endif
