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
 * Every output is one sum in the fixed order kh, kw, kd; zeros before and after the depth may be left out.
 *   DEPTHS        1 to 8    output planes of a tile
 *   VECTORS, VECTOR_WIDTH, LOCAL_SIZE   as in direct.cl
 *   KERNEL_D, KERNEL_W      extents of the kernel, unrolled
 *   STRIDE_D, STRIDE_H, STRIDE_W, DILATION_W   1 and more
 *   LONG_SUMS               1 where a kernel has more taps than a run
 *
 * Index space: work-groups (slices of the workspace), each taking every so many units. Cost: 2 * K FLOPs an
 * output; reads the input once (and the planes that two blocks share twice), writes the output once.
 */
#include "arguments/depthwise.clh"
#define PADS_MUCH
#include "common/pad_rows.clh"
#include "common/partial_sums.clh"

#define TILE_ROWS DEPTHS
#include "common/phases.clh"
#include "common/tile.clh"

/* Planes under a tile, with dilation_d = 1; dilated taps are summed one by one instead. */
#define TILE_PLANES ((DEPTHS - 1) * STRIDE_D + KERNEL_D)

/* The last tile of a plane has fewer vectors: there is code for 1 and 2 of them, and for all. */
#define BODY(vectors) ((vectors) <= 2 ? min(vectors, VECTORS) : VECTORS)

/* What a tile sums, and where; the pointers are at its first plane and tap. */
typedef struct tap_range {
    global const real *x, *w;
    long plane_size, phase_pitch, pitch, kd_pitch;
    int kernel_h, dilation_h, dilation_d;
    int first_plane, last_plane; /* of those under the tile, that may be other than zero */
} tap_range;

/* acc += the taps of one kh, kw, when neighbouring kd are neighbouring planes. */
ALWAYS_INLINE void accumulate_dense(realv acc[DEPTHS][VECTORS], const int vectors, const tap_range *t,
                                    global const real *x, global const real *w)
{
    realv weight[KERNEL_D];
#pragma unroll
    for (int kd = 0; kd < KERNEL_D; kd++)
        weight[kd] = (realv)w[kd * t->kd_pitch];
#pragma unroll
    for (int z = 0; z < TILE_PLANES; z++) {
        if (z < t->first_plane || z >= t->last_plane) continue;
#pragma unroll
        for (int v = 0; v < VECTORS; v++) {
            if (v >= vectors) continue;
            const realv column = vector_load(x + z * t->plane_size + v * LOCAL_SIZE * VECTOR_WIDTH);
#pragma unroll
            for (int r = 0; r < DEPTHS; r++)
                if (z >= r * STRIDE_D && z < r * STRIDE_D + KERNEL_D)
                    acc[r][v] = weight[z - r * STRIDE_D] * column + acc[r][v];
        }
    }
}

ALWAYS_INLINE void accumulate_dilated(realv acc[DEPTHS][VECTORS], const int vectors, const tap_range *t,
                                      global const real *x, global const real *w)
{
#pragma unroll
    for (int kd = 0; kd < KERNEL_D; kd++) {
        const realv weight = (realv)w[kd * t->kd_pitch];
#pragma unroll
        for (int r = 0; r < DEPTHS; r++)
#pragma unroll
            for (int v = 0; v < VECTORS; v++)
                if (v < vectors)
                    acc[r][v] = weight * vector_load(x + (r * STRIDE_D + kd * t->dilation_d) * t->plane_size +
                                                     v * LOCAL_SIZE * VECTOR_WIDTH) +
                                acc[r][v];
    }
}

/* Rows of taps of a run. */
#define RUN_ROWS (SUM_RUN / (KERNEL_D * KERNEL_W))

ALWAYS_INLINE void sum_rows(realv acc[DEPTHS][VECTORS], const int vectors, const tap_range *t,
                            const int first, const int end)
{
    for (int kh = first; kh < end; kh++) {
        const int row = kh * t->dilation_h;
        global const real *row_x = t->x + ROW(row, t->phase_pitch, t->pitch);
#pragma unroll
        for (int kw = 0; kw < KERNEL_W; kw++) {
            global const real *x = row_x + COLUMN(kw, t->phase_pitch), *w = t->w + kh * KERNEL_W + kw;
            if (KERNEL_D == 1 || t->dilation_d == 1)
                accumulate_dense(acc, vectors, t, x, w);
            else
                accumulate_dilated(acc, vectors, t, x, w);
        }
    }
}

/* Sums a tile, and stores it or, if it is cut by the end of a row, keeps it: false. */
ALWAYS_INLINE bool convolve(const int vectors, const tap_range *t, const real bias, const tile_place *p,
                            realv kept[DEPTHS][VECTORS])
{
    realv acc[DEPTHS][VECTORS];
#pragma unroll
    for (int r = 0; r < DEPTHS; r++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            acc[r][v] = (realv)bias;
#if LONG_SUMS
    enum { COUNT = DEPTHS * VECTORS };
    realv totals[SUM_LEVELS][COUNT];
    start_totals(acc[0], totals[0], COUNT, VECTORS, vectors);
    for (int kh = 0; kh < t->kernel_h; kh += RUN_ROWS) {
        if (kh > 0) end_run(acc[0], totals[0], COUNT, VECTORS, vectors, kh / RUN_ROWS - 1);
        sum_rows(acc, vectors, t, kh, min(kh + RUN_ROWS, t->kernel_h));
    }
    add_totals(acc[0], totals[0], COUNT, VECTORS, vectors, (t->kernel_h - 1) / RUN_ROWS);
#else
    sum_rows(acc, vectors, t, 0, t->kernel_h);
#endif
    return end_tile(acc, vectors, p, kept);
}

ALWAYS_INLINE void convolve_tile(const int vectors, const tap_range *t, const real bias, const tile_place *p)
{
    realv kept[DEPTHS][VECTORS];
    bool is_stored;
    if (BODY(vectors) == 1) is_stored = convolve(1, t, bias, p, kept);
#if VECTORS > 2
    else if (BODY(vectors) == 2)
        is_stored = convolve(2, t, bias, p, kept);
#endif
#if VECTORS > 1
    else
        is_stored = convolve(VECTORS, t, bias, p, kept);
#endif
    if (!is_stored) store_kept(kept, BODY(vectors), p);
}

kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
depthwise(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
          TENSOR(real, output),
          TENSOR(real, slices) EPILOGUE_TENSOR DEPTHWISE_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *slice = TENSOR_START(slices) + get_group_id(0) * slice_size;
    const long kd_pitch = kernel_h * KERNEL_W;
    pad_shape shape = {PAD_PHASES, .rows = (int)rows, .pad_height = pad_height, .ahead = AHEAD};
    /* Planes of zeros that are left out leave only borders to be zero, which they stay. */
    const bool is_dense = KERNEL_D == 1 || dilation_d == 1;
    const bool keeps_zeros = clips_depth != 0 && is_dense;
    bool has_zeros = false;
    for (long unit = get_group_id(0); unit < units; unit += get_num_groups(0)) {
        const long channel = unit / depth_blocks, first = unit % depth_blocks * block_depth;
#if LOCAL_SIZE > 1
        barrier(CLK_GLOBAL_MEM_FENCE); /* the slice is still read for the unit before */
#endif
        for (long s = 0; s < slice_depth; s++) {
            const long z = padding_source(mode, first * STRIDE_D + s - pad_depth, depth);
            const bool is_inside = z >= 0 && z < depth;
            global const real *plane =
                TENSOR_START(input) + (channel * depth + (is_inside ? z : 0)) * height * width;
#if VECTOR_WIDTH > 1
            if (has_zeros) {
                if (is_inside) refill_plane(&shape, plane, slice + s * plane_size);
                continue;
            }
#endif
            pad_plane(&shape, plane, slice + s * plane_size, is_inside);
        }
        has_zeros = keeps_zeros;
        shape.ahead = has_zeros ? height * width : AHEAD;
#if LOCAL_SIZE > 1
        barrier(CLK_GLOBAL_MEM_FENCE);
#endif
        const long last = min(first + block_depth, out_depth);
        for (long m = 0; m < multiplier; m++) {
            const long out_channel = channel * multiplier + m;
            const long filter = channel % channels * multiplier + m;
            for (long z = first; z < last; z += DEPTHS) {
                const long at = (out_channel * out_depth + z) * out_plane, under = z * STRIDE_D - pad_depth;
                tap_range taps = {
                    .w = TENSOR_START(weight) + filter * KERNEL_D * kd_pitch,
                    .plane_size = plane_size,
                    .phase_pitch = phase_pitch,
                    .pitch = pitch,
                    .kd_pitch = kd_pitch,
                    .kernel_h = (int)kernel_h,
                    .dilation_h = (int)dilation_h,
                    .dilation_d = (int)dilation_d,
                    .first_plane = clips_depth ? (int)clamp(-under, 0L, (long)TILE_PLANES) : 0,
                    .last_plane =
                        clips_depth ? (int)clamp(depth - under, 0L, (long)TILE_PLANES) : TILE_PLANES,
                };
                tile_place place = {
                    .out = TENSOR_START(output) + at,
                    .e = EPILOGUE_AT(at),
                    .out_stride = out_plane,
                    .positions = positions,
                    .pitch = store_pitch,
                    .width = store_width,
                    .rows = (int)min((long)DEPTHS, last - z),
                    .streams = streams != 0,
                };
                global const real *tile_x = slice + (z - first) * STRIDE_D * plane_size + VECTOR_START(0);
                for (long q = 0; q < positions; q += LOCAL_SIZE * TILE) {
                    const int vectors =
                        (int)min((long)VECTORS, (positions - q + LOCAL_SIZE * VECTOR_WIDTH - 1) /
                                                    (LOCAL_SIZE * VECTOR_WIDTH));
                    taps.x = tile_x + q;
                    place.q = q;
                    convolve_tile(vectors, &taps, has_bias ? TENSOR_START(bias)[filter] : 0, &place);
                }
            }
        }
    }
}
