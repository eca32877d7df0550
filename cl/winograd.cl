/* Winograd convolution F(m x m, 3 x 3) over H and W: the transforms around the product of panels.cl.
 *
 *     Y = A' [ sum over c, kd of (G w G') . (B' x B) ] A      . is elementwise; ' is the transpose
 *
 * A tile of m x m outputs needs (m + 2) x (m + 2) inputs x and as many products ("frequencies") a channel and
 * kd, where the definition needs 9 m m: 2.25 times fewer for m = 2, 4 times for m = 4. kd is one more term of
 * the sum.
 *
 *     input -> slice [y % m][j][tile y][tile x]      the tile's inputs in column j as vectors over tiles
 *           -> panels [frequency][g][z][panel][c][lane] -> product [frequency][g][o][z][tile] -> output
 *
 *   OUTPUT_TILE     2 or 4: m
 *   OUT_CHANNELS    1 to 16   output channels of the product's register tile (weights only)
 *   VECTOR_WIDTH    1 to 16   tiles that a work-item transforms at once; 1 where a work-item is a lane
 *   LOCAL_SIZE      1 to 256  work-items side by side along tiles
 *   SLICE_CHANNELS  1 to 64   channels that a work-group transforms at once
 *   DILATION_W      1 and more
 *
 * Cost: 5 FLOPs an element of the transformed volumes or so; each is read and written once, (m + 2)^2 / m^2
 * times the size of the input or output.
 */
#include "arguments/winograd.clh"
#include "common/epilogue.clh"
#include "common/pad_rows.clh"
#include "common/types.clh"
#include "common/winograd.clh"

#define PANEL (LOCAL_SIZE * VECTOR_WIDTH)

#ifdef OUT_CHANNELS
/* weight [g * group_out + o][c][kd][3][3] -> [frequency][g][block][kd][c][o % OUT_CHANNELS].
 * Index space: (channels of a block, input channels, blocks). */
kernel void winograd_weight(TENSOR(const real, weight),
                            TENSOR(real, packed) WINOGRAD_WEIGHT_ARGUMENTS(ARGUMENT))
{
    FOR_EACH(2, block, blocks)
    {
        FOR_EACH(1, c, group_in)
        {
            FOR_EACH(0, i, kernel_d * OUT_CHANNELS)
            {
                const long o = block % group_blocks * OUT_CHANNELS + i % OUT_CHANNELS, kd = i / OUT_CHANNELS;
                const long filter = (block / group_blocks * group_out + o) * group_in + c;
                global const real *w = TENSOR_START(weight) + (filter * kernel_d + kd) * 9;
                real columns[3][INPUT_TILE];
                for (int x = 0; x < 3; x++) {
                    real column[3];
                    for (int y = 0; y < 3; y++)
                        column[y] = o < group_out ? w[y * 3 + x] : 0;
                    transform_weight(column, columns[x]);
                }
                global real *to = TENSOR_START(packed) +
                                  ((block * kernel_d + kd) * group_in + c) * OUT_CHANNELS + i % OUT_CHANNELS;
                for (int f = 0; f < INPUT_TILE; f++) {
                    const real row[3] = {columns[0][f], columns[1][f], columns[2][f]};
                    real u[INPUT_TILE];
                    transform_weight(row, u);
                    for (int h = 0; h < INPUT_TILE; h++)
                        to[(f * INPUT_TILE + h) * blocks * group_in * kernel_d * OUT_CHANNELS] = u[h];
                }
            }
        }
    }
}

#else

/* Sorts a padded plane by the column of the tile that reads it. Tiles of a dilated kernel interlace: the
 * tiles of a row are (tile x, phase), x * DILATION_W + p in all, and their input j is from[y][(x * m + j) *
 * DILATION_W + p]. The same holds for rows, so that, with y = yy * dilation_h + p,
 *
 *     to[yy % m][j][yy / m * dilation_h + p][tile] = from[y][column of the tile's input j]
 *
 * A vector of tiles may run past the end of a row, which the next row or the part's slack makes up for. */
static inline long slice_row(const long y, const long part, const long columns, const long dilation_h)
{
    const long yy = y / dilation_h;
    return yy % OUTPUT_TILE * INPUT_TILE * part + (yy / OUTPUT_TILE * dilation_h + y % dilation_h) * columns;
}

#if VECTOR_WIDTH == 1 || DILATION_W > 1
static inline void split_plane(global const real *from, global real *to, const long rows, const long part,
                               const long columns, const long pitch, const long dilation_h)
{
    for (int y = 0; y < (int)rows; y++) {
        global real *row = to + slice_row(y, part, columns, dilation_h);
#if VECTOR_WIDTH == 1
        for (long t = get_local_id(0); t < columns; t += get_local_size(0))
            for (int j = 0; j < INPUT_TILE; j++)
                row[j * part + t] =
                    from[y * pitch + (t / DILATION_W * OUTPUT_TILE + j) * DILATION_W + t % DILATION_W];
#else
        for (long x = 0; x < columns / DILATION_W; x++)
            for (int j = 0; j < INPUT_TILE; j++)
                for (int p = 0; p < DILATION_W; p += VECTOR_WIDTH)
                    vector_store(vector_load(from + y * pitch + (x * OUTPUT_TILE + j) * DILATION_W + p),
                                 row + j * part + x * DILATION_W + p);
#endif
    }
}
#else
#define EVEN(a, b) ((realv)((a).even, (b).even))
#define ODD(a, b) ((realv)((a).odd, (b).odd))

/* Every OUTPUT_TILE-th element from `from`, from + 1, ... on. */
static inline void split_vectors(global const real *from, realv phase[OUTPUT_TILE])
{
    const realv a = vector_load(from), b = vector_load(from + VECTOR_WIDTH);
#if OUTPUT_TILE == 2
    phase[0] = EVEN(a, b);
    phase[1] = ODD(a, b);
#else
    const realv c = vector_load(from + 2 * VECTOR_WIDTH), d = vector_load(from + 3 * VECTOR_WIDTH);
    const realv even_low = EVEN(a, b), odd_low = ODD(a, b), even_high = EVEN(c, d), odd_high = ODD(c, d);
    phase[0] = EVEN(even_low, even_high);
    phase[1] = EVEN(odd_low, odd_high);
    phase[2] = ODD(even_low, even_high);
    phase[3] = ODD(odd_low, odd_high);
#endif
}

static inline void split_plane(global const real *from, global real *to, const long rows, const long part,
                               const long columns, const long pitch, const long dilation_h)
{
    for (int y = 0; y < (int)rows; y++) {
        global real *row = to + slice_row(y, part, columns, dilation_h);
        for (long x = 0; x < columns; x += VECTOR_WIDTH) {
            realv phase[OUTPUT_TILE], next[OUTPUT_TILE];
            split_vectors(from + y * pitch + x * OUTPUT_TILE, phase);
            split_vectors(from + y * pitch + x * OUTPUT_TILE + OUTPUT_TILE, next);
#pragma unroll
            for (int j = 0; j < INPUT_TILE; j++)
                vector_store(j < OUTPUT_TILE ? phase[j % OUTPUT_TILE] : next[j % OUTPUT_TILE],
                             row + j * part + x);
        }
    }
}
#endif

/* B' x B for a vector of tiles; frequencies are to_frequency apart. */
static inline void transform_tiles(global const real *from, const long part, const long tile_row,
                                   global real *to, const long to_frequency)
{
    realv half_done[INPUT_TILE][INPUT_TILE];
#pragma unroll
    for (int j = 0; j < INPUT_TILE; j++) {
        realv x[INPUT_TILE], v[INPUT_TILE];
#pragma unroll
        for (int i = 0; i < INPUT_TILE; i++)
            x[i] = vector_load(from + (i % OUTPUT_TILE * INPUT_TILE + j) * part + i / OUTPUT_TILE * tile_row);
        transform_input(x, v);
#pragma unroll
        for (int i = 0; i < INPUT_TILE; i++)
            half_done[i][j] = v[i];
    }
#pragma unroll
    for (int i = 0; i < INPUT_TILE; i++) {
        realv v[INPUT_TILE];
        transform_input(half_done[i], v);
#pragma unroll
        for (int j = 0; j < INPUT_TILE; j++)
            vector_store(v[j], to + (i * INPUT_TILE + j) * to_frequency);
    }
}

/* A slice is shared by a work-group's lanes: between writing it and reading it all of them must come here. */
static inline void finish_slice(void)
{
#if LOCAL_SIZE > 1
    barrier(CLK_GLOBAL_MEM_FENCE);
#endif
}

/* Input -> panels. A work-group pads and splits a plane of SLICE_CHANNELS channels in its own slice, which
 * stays in cache, and transforms it. Index space: work-groups (slices), each taking every so many units. */
kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
winograd_input(TENSOR(const real, input), TENSOR(real, panels),
               TENSOR(real, slices) WINOGRAD_INPUT_ARGUMENTS(ARGUMENT))
{
    global real *padded = TENSOR_START(slices) + get_group_id(0) * slice_size, *parts = padded + padded_size;
    const long lane = get_local_id(0) * VECTOR_WIDTH,
               parts_size = (slice_size - padded_size) / SLICE_CHANNELS;
    for (long unit = get_group_id(0); unit < units; unit += get_num_groups(0)) {
        const long z = unit / channel_blocks, first = unit % channel_blocks * SLICE_CHANNELS;
        const long last = min(first + SLICE_CHANNELS, channels);
        const long source = padding_source(mode, first_depth + z, depth);
        const bool is_inside = source >= 0 && source < depth;
        for (long c = first; c < last; c++) {
            finish_slice();
            pad_plane(TENSOR_START(input) + (c * depth + (is_inside ? source : 0)) * height * width, padded,
                      is_inside, 1, 1, rows, pitch, rows * pitch, pad_height, pad_width, height, width, mode);
            finish_slice();
            split_plane(padded, parts + (c - first) * parts_size, rows, part, columns, pitch, dilation_h);
        }
        finish_slice();
        for (long p = 0; p < plane_panels; p++) {
            for (long c = first; c < last; c++) {
                global real *to = TENSOR_START(panels) + c / group_in * volume_size +
                                  ((z * plane_panels + p) * group_in + c % group_in) * PANEL + lane;
                transform_tiles(parts + (c - first) * parts_size + p * PANEL + lane, part,
                                columns * dilation_h, to, channels / group_in * volume_size);
            }
        }
    }
}

/* Interleaves two vectors: (a0 b0 a1 b1 ...), its first and its second half. */
#if VECTOR_WIDTH == 2
#define LOW(a, b) (realv)(a.s0, b.s0)
#define HIGH(a, b) (realv)(a.s1, b.s1)
#elif VECTOR_WIDTH == 4
#define LOW(a, b) (realv)(a.s0, b.s0, a.s1, b.s1)
#define HIGH(a, b) (realv)(a.s2, b.s2, a.s3, b.s3)
#elif VECTOR_WIDTH == 8
#define LOW(a, b) (realv)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
#define HIGH(a, b) (realv)(a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#elif VECTOR_WIDTH == 16
#define LOW(a, b) \
    (realv)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define HIGH(a, b) \
    (realv)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf)
#endif

/* A row of outputs of VECTOR_WIDTH tiles: in the order of the output, or [j][tile] if tiles interlace. */
static inline void interleave(const realv y[OUTPUT_TILE], real row[OUTPUT_TILE * VECTOR_WIDTH])
{
#if VECTOR_WIDTH == 1 || DILATION_W > 1
    for (int j = 0; j < OUTPUT_TILE; j++)
        lanes_store(y[j], row + j * VECTOR_WIDTH);
#elif OUTPUT_TILE == 2
    lanes_store(LOW(y[0], y[1]), row);
    lanes_store(HIGH(y[0], y[1]), row + VECTOR_WIDTH);
#else
    const realv even_low = LOW(y[0], y[2]), even_high = HIGH(y[0], y[2]);
    const realv odd_low = LOW(y[1], y[3]), odd_high = HIGH(y[1], y[3]);
    lanes_store(LOW(even_low, odd_low), row);
    lanes_store(HIGH(even_low, odd_low), row + VECTOR_WIDTH);
    lanes_store(LOW(even_high, odd_high), row + 2 * VECTOR_WIDTH);
    lanes_store(HIGH(even_high, odd_high), row + 3 * VECTOR_WIDTH);
#endif
}

/* Stores `count` outputs from element `start` of the plane on. */
static inline void store_row(const real *from, global real *out, const epilogue e, const long start,
                             const int count, const bool streams)
{
    int i = 0;
#if VECTOR_WIDTH > 1
    for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH)
        vector_stream(epilogue_late(lanes_load(from + i), e, start + i), out + start + i, streams);
#endif
    for (; i < count; i++)
        out[start + i] = epilogue_late_one(from[i], e, start + i);
}

/* A' m A for a vector of tiles, in the order of the output's rows. */
static inline void transform_products(global const real *from, const long from_frequency, const real bias,
                                      const epilogue e, real rows[OUTPUT_TILE][OUTPUT_TILE * VECTOR_WIDTH])
{
    realv half_done[OUTPUT_TILE][INPUT_TILE];
#pragma unroll
    for (int j = 0; j < INPUT_TILE; j++) {
        realv m[INPUT_TILE], y[OUTPUT_TILE];
#pragma unroll
        for (int i = 0; i < INPUT_TILE; i++)
            m[i] = vector_load(from + (i * INPUT_TILE + j) * from_frequency);
        transform_output(m, y);
#pragma unroll
        for (int i = 0; i < OUTPUT_TILE; i++)
            half_done[i][j] = y[i];
    }
#pragma unroll
    for (int i = 0; i < OUTPUT_TILE; i++) {
        realv y[OUTPUT_TILE];
        transform_output(half_done[i], y);
#pragma unroll
        for (int j = 0; j < OUTPUT_TILE; j++)
            y[j] = epilogue_early(y[j] + bias, e);
        interleave(y, rows[i]);
    }
}

/* Stores a row of `run` neighbouring tiles from `tile` on; the row starts at element `start` of the plane. */
static inline void store_run(const real *row, global real *out, const epilogue e, const long start,
                             const long tile, const int run, const long width, const bool streams)
{
#if DILATION_W == 1
    const long x = tile * OUTPUT_TILE;
    store_row(row, out, e, start + x, (int)min((long)run * OUTPUT_TILE, width - x), streams);
#else
    for (int l = 0; l < run; l++) {
        const long x = (tile + l) / DILATION_W * OUTPUT_TILE * DILATION_W + (tile + l) % DILATION_W;
        for (int j = 0; j < OUTPUT_TILE && x + j * DILATION_W < width; j++)
            out[start + x + j * DILATION_W] =
                epilogue_late_one(row[j * VECTOR_WIDTH + l], e, start + x + j * DILATION_W);
    }
#endif
}

/* Lanes to a row's next tile. */
#if DILATION_W == 1
#define LANE_STEP OUTPUT_TILE
#else
#define LANE_STEP 1
#endif

/* Product -> output. Index space: (lanes along tiles, planes). */
kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
winograd_output(TENSOR(const real, product), TENSOR(const real, bias),
                TENSOR(real, output) EPILOGUE_TENSOR WINOGRAD_OUTPUT_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    for (long plane = get_group_id(1); plane < planes; plane += get_num_groups(1)) {
        const long channel = plane / chunk_depth, z = first_depth + plane % chunk_depth;
        const real b = has_bias ? TENSOR_START(bias)[channel] : 0;
        global const real *from = TENSOR_START(product) + plane * from_plane;
        const long at = (channel * out_depth + z) * out_height * out_width;
        const epilogue e = EPILOGUE_AT(at);
        for (long q = get_global_id(0) * VECTOR_WIDTH; q < positions;
             q += get_global_size(0) * VECTOR_WIDTH) {
            real rows[OUTPUT_TILE][OUTPUT_TILE * VECTOR_WIDTH];
            transform_products(from + q, from_frequency, b, e, rows);
            /* Tiles run over the ends of rows of tiles: store what each holds. */
            const long end = min((long)VECTOR_WIDTH, positions - q);
            long tile_row = q / columns, tile = q % columns;
            for (long l = 0; l < end; tile_row++, tile = 0) {
                const int run = (int)min(end - l, columns - tile);
                const long first = tile_row / dilation_h * OUTPUT_TILE * dilation_h + tile_row % dilation_h;
                for (int i = 0; i < OUTPUT_TILE && first + i * dilation_h < out_height; i++)
                    store_run(&rows[i][l * LANE_STEP], TENSOR_START(output) + at, e,
                              (first + i * dilation_h) * out_width, tile, run, out_width, streams);
                l += run;
            }
        }
    }
}
#endif
