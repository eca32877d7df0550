/* Winograd convolution F(m x m, 3 x 3) over H and W: the transforms around the product of direct.cl.
 *
 *     Y = A' [ sum over c, kd of (G w G') * (B' x B) ] A      (* elementwise; ' is the transpose)
 *
 * A tile of m x m outputs needs (m + 2) x (m + 2) inputs x and as many products ("frequencies") a channel and
 * kd, where the definition needs 9 m m: 2.25 times fewer for m = 2, 4 times for m = 4. kd is one more term of
 * the sum.
 *
 *     scratch [c][z][phase_h][phase_w][tile y][tile x]   phases of m: the tile's inputs are unit-stride
 * vectors over tiles
 *       -> transformed [frequency][c][z][tile]  -> product [frequency][o][z][tile]  -> output [o][z][y][x]
 *
 * Interpolation points 0, 1, -1, inf for m = 2 and 0, 3/4, -3/4, 3/2, -3/2, inf for m = 4, which halve the
 * error of the usual 0, 1, -1, 2, -2, inf (docs/numerics.md has the table). References: Lavin and Gray, "Fast
 * algorithms for convolutional neural networks", 2015; Barabasz et al., "Error analysis and improving the
 * accuracy of Winograd convolution", 2020. OUTPUT_TILE   2 or 4 OUT_CHANNELS  1 to 16   (weights) output
 * channels of the product's register tile VECTOR_WIDTH  1 to 16   tiles that a work-item transforms at once
 *   LOCAL_SIZE    1 to 256  work-items side by side along tiles
 */
#include "arguments/winograd.clh"
#include "common/epilogue.clh"
#include "common/types.clh"

#define INPUT_TILE (OUTPUT_TILE + 2)
#define FREQUENCIES (INPUT_TILE * INPUT_TILE)

#define SQUARE(p) ((p) * (p))
#define POINT_A ((real)0.75f)
#define POINT_B ((real)1.5f)

/* G: a row of weights to frequencies. */
static inline void transform_weight(const real w[3], real u[INPUT_TILE])
{
#if OUTPUT_TILE == 2
    const real even = (w[0] + w[2]) / 2, odd = w[1] / 2;
    u[0] = w[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = w[2];
#else
    const real a2 = SQUARE(POINT_A), b2 = SQUARE(POINT_B);
    const real even_a = (w[0] + a2 * w[2]) / (2 * a2 * (a2 - b2)), odd_a = w[1] / (2 * POINT_A * (a2 - b2));
    const real even_b = (w[0] + b2 * w[2]) / (2 * b2 * (b2 - a2)), odd_b = w[1] / (2 * POINT_B * (b2 - a2));
    u[0] = w[0] / (a2 * b2);
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = w[2];
#endif
}

/* B': a row of inputs to frequencies. */
static inline void transform_input(const realv x[INPUT_TILE], realv v[INPUT_TILE])
{
#if OUTPUT_TILE == 2
    v[0] = x[2] - x[0];
    v[1] = x[2] + x[1];
    v[2] = x[2] - x[1];
    v[3] = x[3] - x[1];
#else
    const real a2 = SQUARE(POINT_A), b2 = SQUARE(POINT_B);
    const realv even_a = x[4] - b2 * x[2], odd_a = POINT_A * (x[3] - b2 * x[1]);
    const realv even_b = x[4] - a2 * x[2], odd_b = POINT_B * (x[3] - a2 * x[1]);
    v[0] = (x[4] - (a2 + b2) * x[2]) + a2 * b2 * x[0];
    v[1] = even_a + odd_a;
    v[2] = even_a - odd_a;
    v[3] = even_b + odd_b;
    v[4] = even_b - odd_b;
    v[5] = (x[5] - (a2 + b2) * x[3]) + a2 * b2 * x[1];
#endif
}

/* A': a row of frequencies to outputs. */
static inline void transform_output(const realv m[INPUT_TILE], realv y[OUTPUT_TILE])
{
#if OUTPUT_TILE == 2
    y[0] = m[1] + m[2] - m[0];
    y[1] = m[1] - m[2] + m[3];
#else
    const realv sum_a = m[1] + m[2], difference_a = m[1] - m[2];
    const realv sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = m[0] + sum_a + sum_b;
    y[1] = POINT_A * difference_a + POINT_B * difference_b;
    y[2] = SQUARE(POINT_A) * sum_a + SQUARE(POINT_B) * sum_b;
    y[3] = POINT_A * SQUARE(POINT_A) * difference_a + POINT_B * SQUARE(POINT_B) * difference_b + m[5];
#endif
}

#ifdef OUT_CHANNELS
/* weight [g * group_out + o][c][kd][3][3] -> [frequency][g][block][c][kd][o % OUT_CHANNELS].
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
                global real *to = TENSOR_START(packed) + (block * group_in + c) * kernel_d * OUT_CHANNELS + i;
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

/* Scratch volume -> transformed volume. Index space: (lanes along tiles, planes). */
kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1))) void
winograd_input(TENSOR(const real, padded), TENSOR(real, transformed) WINOGRAD_INPUT_ARGUMENTS(ARGUMENT))
{
    for (long plane = get_group_id(1); plane < planes; plane += get_num_groups(1)) {
        global const real *from = TENSOR_START(padded) + plane * OUTPUT_TILE * OUTPUT_TILE * phase_pitch;
        global real *to = TENSOR_START(transformed) + plane * to_plane;
        for (long q = get_global_id(0) * VECTOR_WIDTH; q < positions;
             q += get_global_size(0) * VECTOR_WIDTH) {
            realv half_done[INPUT_TILE][INPUT_TILE];
#pragma unroll
            for (int j = 0; j < INPUT_TILE; j++) {
                realv x[INPUT_TILE], v[INPUT_TILE];
#pragma unroll
                for (int i = 0; i < INPUT_TILE; i++)
                    x[i] = vector_load(from + q +
                                       (i % OUTPUT_TILE * OUTPUT_TILE + j % OUTPUT_TILE) * phase_pitch +
                                       i / OUTPUT_TILE * pitch + j / OUTPUT_TILE);
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
                    vector_store(v[j], to + q + (i * INPUT_TILE + j) * to_frequency);
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

/* A row of outputs of VECTOR_WIDTH tiles in the order of the output. */
static inline void interleave(const realv y[OUTPUT_TILE], real row[OUTPUT_TILE * VECTOR_WIDTH])
{
#if VECTOR_WIDTH == 1
    for (int j = 0; j < OUTPUT_TILE; j++)
        row[j] = y[j];
#elif OUTPUT_TILE == 2
    vector_store(LOW(y[0], y[1]), row);
    vector_store(HIGH(y[0], y[1]), row + VECTOR_WIDTH);
#else
    const realv even_low = LOW(y[0], y[2]), even_high = HIGH(y[0], y[2]);
    const realv odd_low = LOW(y[1], y[3]), odd_high = HIGH(y[1], y[3]);
    vector_store(LOW(even_low, odd_low), row);
    vector_store(HIGH(even_low, odd_low), row + VECTOR_WIDTH);
    vector_store(LOW(even_high, odd_high), row + 2 * VECTOR_WIDTH);
    vector_store(HIGH(even_high, odd_high), row + 3 * VECTOR_WIDTH);
#endif
}

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
        global real *out = TENSOR_START(output) + at;
        const epilogue e = EPILOGUE_AT(at);
        for (long q = get_global_id(0) * VECTOR_WIDTH; q < positions;
             q += get_global_size(0) * VECTOR_WIDTH) {
            realv half_done[OUTPUT_TILE][INPUT_TILE];
#pragma unroll
            for (int j = 0; j < INPUT_TILE; j++) {
                realv m[INPUT_TILE], y[OUTPUT_TILE];
#pragma unroll
                for (int i = 0; i < INPUT_TILE; i++)
                    m[i] = vector_load(from + q + (i * INPUT_TILE + j) * from_frequency);
                transform_output(m, y);
#pragma unroll
                for (int i = 0; i < OUTPUT_TILE; i++)
                    half_done[i][j] = y[i];
            }
            real rows[OUTPUT_TILE][OUTPUT_TILE * VECTOR_WIDTH];
#pragma unroll
            for (int i = 0; i < OUTPUT_TILE; i++) {
                realv y[OUTPUT_TILE];
                transform_output(half_done[i], y);
#pragma unroll
                for (int j = 0; j < OUTPUT_TILE; j++)
                    y[j] = epilogue_early(y[j] + b, e);
                interleave(y, rows[i]);
            }
            /* Tiles run over the ends of tile rows: copy what each row holds. */
            for (int l = 0; l < VECTOR_WIDTH;) {
                const long ty = (q + l) / pitch, tx = (q + l) % pitch;
                const int run = (int)min((long)(VECTOR_WIDTH - l), pitch - tx);
                const int count = (int)min(run * (long)OUTPUT_TILE, out_width - tx * OUTPUT_TILE);
                for (int i = 0; i < OUTPUT_TILE && ty * OUTPUT_TILE + i < out_height; i++) {
                    const long start = (ty * OUTPUT_TILE + i) * out_width + tx * OUTPUT_TILE;
                    for (int x = 0; x < count; x++)
                        out[start + x] = epilogue_late_one(rows[i][l * OUTPUT_TILE + x], e, start + x);
                }
                l += run;
            }
        }
    }
}
#endif
