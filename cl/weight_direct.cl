/* The gradient of the weight, from the scratch volume of pad.cl and an output gradient that is padded to the
 * same pitch, zeros between its rows, so that a plane is one line of positions; or, where its rows are whole
 * vectors, read as it is, line by line:
 *
 *     grad_weight [o][r][kw] = sum over positions q of grad_output [o][q] * padded [r][q + column of kw]
 *
 * where a row r of taps is one (channel, kd, kh), which starts at a place of its own in the scratch volume. A
 * work-item holds a tile of OUT_CHANNELS x ROWS x KERNEL_W sums in registers, each a vector of partial sums
 * over positions:
 *
 *              kw=0        kw=1        kw=2
 *     o=0 |  acc[0][0] |  acc[0][1] |  acc[0][2] |     for each vector of positions:
 *     ... |     ...    |     ...    |     ...    |     ROWS * KERNEL_W loads of x, OUT_CHANNELS of g,
 *     o=7 |  acc[7][0] |  acc[7][1] |  acc[7][2] |     and their products
 *
 * all of one kd, whose planes outside the volume it leaves out, and adds the lanes of each in a fixed order
 * at the end of its slice of planes; reduce.cl adds the slices. So the shape of the sum depends on the
 * problem alone.
 *   OUT_CHANNELS  1 to 16
 *   ROWS          1 to 16
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  work-items of a work-group, side by side along positions; a power of two
 *   KERNEL_W      1 to 8    width of the kernel, or 1 where taps of a row are rows too
 *   STRIDE_H, STRIDE_W, DILATION_W   1 and more
 *   PHASES_W      1 to STRIDE_W: phases of columns that are stored
 *
 * Index space: work-groups (blocks of rows, blocks of output channels, slices). Cost: 2 FLOPs for each weight
 * and position, gutters and ragged blocks aside; reads the scratch volume once for each block of output
 * channels and the output gradient once for each block of rows that do not find them in cache.
 */
#include "arguments/weight_direct.clh"
#include "common/phases.clh"
#include "common/types.clh"

#define LANES (LOCAL_SIZE * VECTOR_WIDTH)

/* Where the taps of row (c, kh, kw) of a plane's kernel start, from the first channel of the group on. */
static inline long row_start(const long row, const long kernel_h, const long kernel_w, const long dilation_h,
                             const long dilation_w, const long channel_size, const long phase_pitch,
                             const long pitch)
{
    const long kw = row % kernel_w * dilation_w, kh = row / kernel_w % kernel_h * dilation_h;
    return row / kernel_w / kernel_h * channel_size + ROW(kh, phase_pitch, pitch) +
           kw % STRIDE_W * phase_pitch + kw / STRIDE_W;
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
                const long kd = row_block / plane_blocks, first_row = row_block % plane_blocks * ROWS;
                /* Planes of the slice whose plane under kd is stored; plane_of_first is under the first. */
                const long before = clip_depth - kd * dilation_d, after = padded_depth + before;
                const long first_plane =
                    max(slice * slice_planes, before > 0 ? (before + stride_d - 1) / stride_d : 0);
                const long last_plane = min(min((slice + 1) * slice_planes, planes),
                                            after > 0 ? (after + stride_d - 1) / stride_d : 0);
                const long plane_of_first = first_plane * stride_d - before;
                /* Rows and channels past the last do the last one's work again, which is not stored. */
                global const real *x[ROWS], *g[OUT_CHANNELS];
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    x[r] = TENSOR_START(padded) + group * group_in * channel_size +
                           row_start(min(first_row + r, rows - 1), kernel_h, kernel_w, dilation_h, dilation_w,
                                     channel_size, phase_pitch, pitch) +
                           plane_of_first * plane_size + lane;
#pragma unroll
                for (int o = 0; o < OUT_CHANNELS; o++)
                    g[o] = TENSOR_START(gradient) +
                           (group * group_out + min(first_out + o, group_out - 1)) * out_channel +
                           first_plane * out_plane + lane;
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
                    for (long line = 0; line < lines; line++)
                        for (long q = 0; q < line_size; q += LANES) {
                            const long q_x = at_x + line * line_pitch + q, q_g = at_g + line * line_size + q;
                            realv column[ROWS][KERNEL_W];
#pragma unroll
                            for (int r = 0; r < ROWS; r++)
#pragma unroll
                                for (int kw = 0; kw < KERNEL_W; kw++)
                                    column[r][kw] = vector_load(x[r] + q_x + COLUMN(kw, phase_pitch));
#pragma unroll
                            for (int o = 0; o < OUT_CHANNELS; o++) {
                                const realv gradient_o = vector_load(g[o] + q_g);
#pragma unroll
                                for (int r = 0; r < ROWS; r++)
#pragma unroll
                                    for (int kw = 0; kw < KERNEL_W; kw++)
                                        acc[o][r][kw] = gradient_o * column[r][kw] + acc[o][r][kw];
                            }
                        }
                }
                global real *to = TENSOR_START(sums) + slice * weights;
#pragma unroll
                for (int o = 0; o < OUT_CHANNELS; o++)
#pragma unroll
                    for (int r = 0; r < ROWS; r++)
#pragma unroll
                        for (int kw = 0; kw < KERNEL_W; kw++) {
                            real sum = vector_sum(acc[o][r][kw]);
#if LOCAL_SIZE > 1
                            shared[get_local_id(0)] = sum;
                            for (int span = LOCAL_SIZE / 2; span > 0; span /= 2) {
                                barrier(CLK_LOCAL_MEM_FENCE);
                                if ((int)get_local_id(0) < span)
                                    shared[get_local_id(0)] += shared[get_local_id(0) + span];
                            }
                            barrier(CLK_LOCAL_MEM_FENCE);
                            sum = shared[0];
                            barrier(CLK_LOCAL_MEM_FENCE);
#endif
                            const long row = first_row + r, plane_rows = kernel_h * kernel_w;
                            if (get_local_id(0) != 0 || first_out + o >= group_out || row >= rows) continue;
                            global real *at =
                                to +
                                (((group * group_out + first_out + o) * group_in + row / plane_rows) *
                                     kernel_d +
                                 kd) *
                                    plane_rows * KERNEL_W +
                                row % plane_rows * KERNEL_W + kw;
                            *at = accumulate ? *at + sum : sum;
                        }
            }
        }
    }
}
