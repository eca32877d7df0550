/* The gradient of the weight, from the scratch volume of pad.cl and an output gradient that is padded to the same
 * pitch, zeros between its rows:
 *
 *     grad_weight [o][r][kw] = sum over positions q of grad_output [o][q] * padded [r][q + column of kw]
 *
 * where a row r of taps is one (channel, kd, kh), which starts at a place of its own in the scratch volume. A
 * work-item holds a tile of OUT_CHANNELS x ROWS x KERNEL_W sums in registers, each a vector of partial sums over
 * positions:
 *
 *              kw=0        kw=1        kw=2
 *     o=0 |  acc[0][0] |  acc[0][1] |  acc[0][2] |     for each vector of positions: ROWS * KERNEL_W loads of x,
 *     ... |     ...    |     ...    |     ...    |     OUT_CHANNELS of g, and their products
 *     o=7 |  acc[7][0] |  acc[7][1] |  acc[7][2] |
 *
 * and adds the lanes of each in a fixed order at the end of its slice of planes; reduce.cl adds the slices. So the
 * shape of the sum depends on the problem alone.
 *   OUT_CHANNELS  1 to 16
 *   ROWS          1 to 16
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  work-items of a work-group, side by side along positions; a power of two
 *   KERNEL_W      1 to 8    width of the kernel, or 1 where taps of a row are rows too
 *   STRIDE_H, STRIDE_W, DILATION_W   1 and more
 *   PHASES_W      1 to STRIDE_W: phases of columns that are stored
 *
 * Index space: work-groups (blocks of rows, blocks of output channels, slices). Cost: 2 FLOPs for each weight and
 * position, gutters and ragged blocks aside; reads the scratch volume once for each block of output channels and
 * the output gradient once for each block of rows that do not find them in cache.
 */
#include "arguments/weight_direct.clh"
#include "common/types.clh"

#define LANES (LOCAL_SIZE * VECTOR_WIDTH)
#define COLUMN(kw) ((kw)*DILATION_W % STRIDE_W * phase_pitch + (kw)*DILATION_W / STRIDE_W)

/* The sum of a vector's lanes, halves first. */
static inline real add_lanes(const realv v)
{
#if VECTOR_WIDTH == 1
    return v;
#else
    real lane[VECTOR_WIDTH];
    lanes_store(v, lane);
#pragma unroll
    for (int half = VECTOR_WIDTH / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
#endif
}

/* Where a row's taps start in the padded input, from the group's first channel on. */
static inline long row_start(const long row, const long kernel_d, const long kernel_h, const long kernel_w,
                             const long dilation_d, const long dilation_h, const long dilation_w,
                             const long channel_size, const long plane_size, const long phase_pitch,
                             const long pitch)
{
    const long kw = row % kernel_w * dilation_w, kh = row / kernel_w % kernel_h * dilation_h;
    const long kd = row / kernel_w / kernel_h % kernel_d, c = row / kernel_w / kernel_h / kernel_d;
    return c * channel_size + kd * dilation_d * plane_size + kh % STRIDE_H * PHASES_W * phase_pitch +
           kh / STRIDE_H * pitch + kw % STRIDE_W * phase_pitch + kw / STRIDE_W;
}

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
weight_direct(TENSOR(const real, padded), TENSOR(const real, gradient),
              TENSOR(real, sums) WEIGHT_DIRECT_ARGUMENTS(ARGUMENT))
{
#if LOCAL_SIZE > 1
    local real shared[LOCAL_SIZE];
#endif
    const long lane = get_local_id(0) * VECTOR_WIDTH;
    for (long slice = get_group_id(2); slice < slices; slice += get_num_groups(2)) {
        for (long block = get_group_id(1); block < out_blocks; block += get_num_groups(1)) {
            const long group = block / group_blocks, first_out = block % group_blocks * OUT_CHANNELS;
            for (long row_block = get_group_id(0); row_block < row_blocks; row_block += get_num_groups(0)) {
                const long first_plane = slice * slice_planes,
                           last_plane = min(first_plane + slice_planes, planes);
                const long first_row = row_block * ROWS;
                /* Rows and channels past the last do the last one's work again, which is not stored. */
                global const real *x[ROWS], *g[OUT_CHANNELS];
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    x[r] = TENSOR_START(padded) + group * group_in * channel_size +
                           row_start(min(first_row + r, rows - 1), kernel_d, kernel_h, kernel_w, dilation_d,
                                     dilation_h, dilation_w, channel_size, plane_size, phase_pitch, pitch) +
                           first_plane * stride_d * plane_size + lane;
#pragma unroll
                for (int o = 0; o < OUT_CHANNELS; o++)
                    g[o] = TENSOR_START(gradient) +
                           ((group * group_out + min(first_out + o, group_out - 1)) * planes + first_plane) *
                               out_plane +
                           lane;
                realv acc[OUT_CHANNELS][ROWS][KERNEL_W];
#pragma unroll
                for (int o = 0; o < OUT_CHANNELS; o++)
#pragma unroll
                    for (int r = 0; r < ROWS; r++)
#pragma unroll
                        for (int kw = 0; kw < KERNEL_W; kw++)
                            acc[o][r][kw] = (realv)0;
                for (long z = first_plane; z < last_plane; z++) {
                    const long at_x = (z - first_plane) * stride_d * plane_size,
                               at_g = (z - first_plane) * out_plane;
                    for (long q = 0; q < out_plane; q += LANES) {
                        realv column[ROWS][KERNEL_W];
#pragma unroll
                        for (int r = 0; r < ROWS; r++)
#pragma unroll
                            for (int kw = 0; kw < KERNEL_W; kw++)
                                column[r][kw] = vector_load(x[r] + at_x + q + COLUMN(kw));
#pragma unroll
                        for (int o = 0; o < OUT_CHANNELS; o++) {
                            const realv gradient_o = vector_load(g[o] + at_g + q);
#pragma unroll
                            for (int r = 0; r < ROWS; r++)
#pragma unroll
                                for (int kw = 0; kw < KERNEL_W; kw++)
                                    acc[o][r][kw] = gradient_o * column[r][kw] + acc[o][r][kw];
                        }
                    }
                }
                global real *to = TENSOR_START(sums) + slice * weights +
                                  ((group * group_out + first_out) * rows + first_row) * KERNEL_W;
#pragma unroll
                for (int o = 0; o < OUT_CHANNELS; o++)
#pragma unroll
                    for (int r = 0; r < ROWS; r++)
#pragma unroll
                        for (int kw = 0; kw < KERNEL_W; kw++) {
                            real sum = add_lanes(acc[o][r][kw]);
#if LOCAL_SIZE > 1
                            shared[get_local_id(0)] = sum;
                            for (int half = LOCAL_SIZE / 2; half > 0; half /= 2) {
                                barrier(CLK_LOCAL_MEM_FENCE);
                                if ((int)get_local_id(0) < half)
                                    shared[get_local_id(0)] += shared[get_local_id(0) + half];
                            }
                            barrier(CLK_LOCAL_MEM_FENCE);
                            sum = shared[0];
                            barrier(CLK_LOCAL_MEM_FENCE);
#endif
                            if (get_local_id(0) != 0 || first_out + o >= group_out || first_row + r >= rows)
                                continue;
                            global real *at = to + ((long)o * rows + r) * KERNEL_W + kw;
                            *at = accumulate ? *at + sum : sum;
                        }
            }
        }
    }
}
