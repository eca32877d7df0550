/* Direct convolution of the scratch volume of pad.cl with packed weights, one register tile a work-item.
 *
 *     positions q = y * pitch + x of an output plane, flattened with the pitch of the scratch volume, so that
 * vectors run over the ends of rows (lanes in the gutter compute nothing of use and are not stored):
 *
 *           |<------- VECTORS vectors of VECTOR_WIDTH positions ------->|
 *       o=0 |  acc[0][0]  |  acc[0][1]  |  acc[0][2]  |   += w[o] * x[v], for each channel, kd, kh, kw:
 *       ... |     ...     |     ...     |     ...     |      OUT_CHANNELS + VECTORS loads, OUT_CHANNELS *
 * VECTORS FMAs o=7 |  acc[7][0]  |  acc[7][1]  |  acc[7][2]  |
 *
 * The whole reduction stays in registers: every output is one sum in the fixed order channel, kd, kh, kw.
 *   OUT_CHANNELS  1 to 16   output channels of a tile
 *   VECTORS       1 to 16   vectors of a tile
 *   VECTOR_WIDTH  1 to 16   1 where a work-item is a lane
 *   LOCAL_SIZE    1 to 256  work-items of a work-group, side by side along positions
 *   KERNEL_W      0 to 16   width of the kernel; 0 takes it at run time
 *   STRIDE_H, STRIDE_W, DILATION_W   1 and more
 *
 * Index space: work-groups (blocks of output channels, tiles, planes); blocks run fastest, so that an input
 * tile stays in cache. Cost: 2 * K FLOPs an output, waste by ragged blocks and gutters aside; reads the
 * scratch volume once for each block that does not find it in cache, writes the output once.
 */
#include "arguments/direct.clh"

#define TILE_ROWS OUT_CHANNELS
#include "common/tile.clh"

/* Positions of a work-group's tile. */
#define WIDTH (LOCAL_SIZE * TILE)

#if KERNEL_W > 0
#define KERNEL_WIDTH KERNEL_W
#else
#define KERNEL_WIDTH ((int)kernel_w)
#endif

static inline void accumulate(realv acc[OUT_CHANNELS][VECTORS], global const real *x, global const real *w)
{
    realv column[VECTORS];
#pragma unroll
    for (int v = 0; v < VECTORS; v++)
        column[v] = vector_load(x + v * LOCAL_SIZE * VECTOR_WIDTH);
#pragma unroll
    for (int o = 0; o < OUT_CHANNELS; o++) {
        const realv weight = (realv)w[o];
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            acc[o][v] = weight * column[v] + acc[o][v];
    }
}

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
direct(TENSOR(const real, padded), TENSOR(const real, weight), TENSOR(const real, bias),
       TENSOR(real, output) EPILOGUE_TENSOR DIRECT_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    const long weight_plane = kernel_h * KERNEL_WIDTH * OUT_CHANNELS;
    for (long plane = get_group_id(2); plane < planes; plane += get_num_groups(2)) {
        const long z = plane % chunk_depth, volume = plane / chunk_depth; /* volume: a group of a sample */
        const long start = z * stride_d - clip_depth; /* plane of the scratch volume under kd = 0 */
        const long kd_first = start < 0 ? (-start + dilation_d - 1) / dilation_d : 0;
        const long kd_last = min(kernel_d, (padded_depth - start + dilation_d - 1) / dilation_d);
        for (long tile = get_group_id(1); tile < tiles; tile += get_num_groups(1)) {
            const long first =
                row_tiles == 0 ? tile * WIDTH : tile / row_tiles * pitch + tile % row_tiles * WIDTH;
            const long q = min(first, last_start);
            for (long block = get_group_id(0); block < blocks; block += get_num_groups(0)) {
                const long first_out = block * OUT_CHANNELS, group = volume % groups;
                const int channels = (int)min((long)OUT_CHANNELS, group_out - first_out);

                realv acc[OUT_CHANNELS][VECTORS];
#pragma unroll
                for (int o = 0; o < OUT_CHANNELS; o++) {
                    const real b =
                        has_bias && o < channels ? TENSOR_START(bias)[group * group_out + first_out + o] : 0;
#pragma unroll
                    for (int v = 0; v < VECTORS; v++)
                        acc[o][v] = (realv)b;
                }

                global const real *x = TENSOR_START(padded) + volume * group_in * channel_size +
                                       start * plane_size + q + VECTOR_START(0);
                global const real *w =
                    TENSOR_START(weight) + (group * blocks + block) * group_in * kernel_d * weight_plane;
                for (long c = 0; c < group_in; c++, x += channel_size, w += kernel_d * weight_plane) {
                    for (long kd = kd_first; kd < kd_last; kd++) {
                        global const real *plane_x = x + kd * dilation_d * plane_size;
                        global const real *tap = w + kd * weight_plane;
                        for (int kh = 0; kh < (int)kernel_h; kh++) {
                            const int row = kh * (int)dilation_h;
                            global const real *row_x =
                                plane_x + row % STRIDE_H * STRIDE_W * phase_pitch + row / STRIDE_H * pitch;
#if KERNEL_W > 0
#pragma unroll
#endif
                            for (int kw = 0; kw < KERNEL_WIDTH; kw++, tap += OUT_CHANNELS)
                                accumulate(acc, row_x + COLUMN(kw), tap);
                        }
                    }
                }
                const long at = ((volume * group_out + first_out) * out_depth + z) * out_plane;
                store_tile(acc, TENSOR_START(output) + at, EPILOGUE_AT(at), out_depth * out_plane, channels,
                           q, (int)(first - q), positions, store_pitch, store_width, streams);
            }
        }
    }
}
