/* Depthwise convolution: each input channel makes `multiplier` output channels of its own.
 *
 * A work-group pads a block of depth of one channel into its own slice of the workspace, which stays in
 * cache, then convolves it with a register tile over depth, so that a loaded vector serves every kd:
 *
 *     z=0 |  acc[0][0]  |  acc[0][1]  |        for each kh, kw: for each plane of the slice that the tile
 * needs:
 *     ... |     ...     |     ...     |            VECTORS loads, then VECTORS FMAs for each kd that joins
 * the z=3 |  acc[3][0]  |  acc[3][1]  |            plane to an output plane
 *
 * Every output is one sum in the fixed order kh, kw, kd.
 *   DEPTHS        1 to 8    output planes of a tile
 *   VECTORS, VECTOR_WIDTH, LOCAL_SIZE   as in direct.cl
 *   KERNEL_D, KERNEL_W      extents of the kernel, unrolled
 *   STRIDE_D, STRIDE_H, STRIDE_W, DILATION_W   1 and more
 *
 * Index space: work-groups (slices of the workspace), each taking every so many units. Cost: 2 * K FLOPs an
 * output; reads the input once (and the planes that two blocks share twice), writes the output once.
 */
#include "arguments/depthwise.clh"
#include "common/pad_rows.clh"

#define TILE_ROWS DEPTHS
#include "common/phases.clh"
#include "common/tile.clh"

/* Planes under a tile, with dilation_d = 1; dilated taps are summed one by one instead. */
#define TILE_PLANES ((DEPTHS - 1) * STRIDE_D + KERNEL_D)

/* acc += the taps of one kh, kw, when neighbouring kd are neighbouring planes. */
static inline void accumulate_dense(realv acc[DEPTHS][VECTORS], global const real *x, const long plane_size,
                                    global const real *w, const long kd_pitch)
{
    realv weight[KERNEL_D];
#pragma unroll
    for (int kd = 0; kd < KERNEL_D; kd++)
        weight[kd] = (realv)w[kd * kd_pitch];
#pragma unroll
    for (int z = 0; z < TILE_PLANES; z++) {
#pragma unroll
        for (int v = 0; v < VECTORS; v++) {
            const realv column = vector_load(x + z * plane_size + v * LOCAL_SIZE * VECTOR_WIDTH);
#pragma unroll
            for (int r = 0; r < DEPTHS; r++)
                if (z >= r * STRIDE_D && z < r * STRIDE_D + KERNEL_D)
                    acc[r][v] = weight[z - r * STRIDE_D] * column + acc[r][v];
        }
    }
}

static inline void accumulate_dilated(realv acc[DEPTHS][VECTORS], global const real *x, const long plane_size,
                                      const long dilation_d, global const real *w, const long kd_pitch)
{
#pragma unroll
    for (int kd = 0; kd < KERNEL_D; kd++) {
        const realv weight = (realv)w[kd * kd_pitch];
#pragma unroll
        for (int r = 0; r < DEPTHS; r++)
#pragma unroll
            for (int v = 0; v < VECTORS; v++)
                acc[r][v] = weight * vector_load(x + (r * STRIDE_D + kd * dilation_d) * plane_size +
                                                 v * LOCAL_SIZE * VECTOR_WIDTH) +
                            acc[r][v];
    }
}

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
depthwise(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
          TENSOR(real, output),
          TENSOR(real, slices) EPILOGUE_TENSOR DEPTHWISE_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *slice = TENSOR_START(slices) + get_group_id(0) * slice_size;
    const long kd_pitch = kernel_h * KERNEL_W;
    const pad_shape shape = {
        STRIDE_H,   STRIDE_W,  (int)phases_h, PHASES_W, (int)rows, (int)pitch, (int)phase_pitch,
        pad_height, pad_width, height,        width,    mode,      AHEAD};
    for (long unit = get_group_id(0); unit < units; unit += get_num_groups(0)) {
        const long channel = unit / depth_blocks, first = unit % depth_blocks * block_depth;
#if LOCAL_SIZE > 1
        barrier(CLK_GLOBAL_MEM_FENCE); /* the slice is still read for the unit before */
#endif
        for (long s = 0; s < slice_depth; s++) {
            const long z = padding_source(mode, first * STRIDE_D + s - pad_depth, depth);
            const bool is_inside = z >= 0 && z < depth;
            pad_plane(&shape, TENSOR_START(input) + (channel * depth + (is_inside ? z : 0)) * height * width,
                      slice + s * plane_size, is_inside);
        }
#if LOCAL_SIZE > 1
        barrier(CLK_GLOBAL_MEM_FENCE);
#endif
        const long last = min(first + block_depth, out_depth);
        for (long m = 0; m < multiplier; m++) {
            const long out_channel = channel * multiplier + m;
            const long filter = channel % channels * multiplier + m;
            const real b = has_bias ? TENSOR_START(bias)[filter] : 0;
            global const real *w = TENSOR_START(weight) + filter * KERNEL_D * kd_pitch;
            for (long z = first; z < last; z += DEPTHS) {
                for (long q = 0; q < positions; q += LOCAL_SIZE * TILE) {
                    realv acc[DEPTHS][VECTORS];
#pragma unroll
                    for (int r = 0; r < DEPTHS; r++)
#pragma unroll
                        for (int v = 0; v < VECTORS; v++)
                            acc[r][v] = (realv)b;
                    global const real *x = slice + (z - first) * STRIDE_D * plane_size + q + VECTOR_START(0);
                    for (int kh = 0; kh < (int)kernel_h; kh++) {
                        const int row = kh * (int)dilation_h;
                        global const real *row_x = x + ROW(row, phase_pitch, pitch);
#pragma unroll
                        for (int kw = 0; kw < KERNEL_W; kw++) {
                            if (KERNEL_D == 1 || dilation_d == 1)
                                accumulate_dense(acc, row_x + COLUMN(kw, phase_pitch), plane_size,
                                                 w + kh * KERNEL_W + kw, kd_pitch);
                            else
                                accumulate_dilated(acc, row_x + COLUMN(kw, phase_pitch), plane_size,
                                                   dilation_d, w + kh * KERNEL_W + kw, kd_pitch);
                        }
                    }
                    const long at = (out_channel * out_depth + z) * out_plane;
                    store_tile(acc, VECTORS, TENSOR_START(output) + at, EPILOGUE_AT(at), out_plane,
                               (int)min((long)DEPTHS, last - z), q, 0, positions, store_pitch, store_width,
                               false);
                }
            }
        }
    }
}
