/* Convolution of patches, windows that neither overlap nor reach into padding: a product of matrices, whose rows
 * are channels and taps and whose columns are positions.
 *
 *     A work-group takes a block of positions, in a slice of its own that stays in cache:
 *
 *         input [c][D][H][W] -> panels [panel][c, kd, kh, kw][lane] -> register tiles -> output [o][position]
 *
 *              kernel_w                              positions
 *     q = 0  | a b c d ... |                 kw = 0 | a e i ... |      Taps that are neighbours are read at once,
 *     q = 1  | e f g h ... |       ->        kw = 1 | b f j ... |      for each position of a panel, and turned
 *     q = 2  | i j k l ... |                 kw = 2 | c g k ... |      into as many of its rows.
 *
 * Every output is one sum in the order of channels and taps.
 *   OUT_CHANNELS  1 to 16   output channels of a tile
 *   VECTORS       1 to 4    panels of a tile at most
 *   VECTOR_WIDTH  2 to 16   positions of a panel
 *   LONG_SUMS     1 where an output sums more products than a run has
 *
 * Index space: work-groups of one work-item (slices), each taking its share of the units. Cost: 2 * group_in
 * * taps FLOPs an output; reads the input once for each split of the output channels, writes the output once.
 */
#define LOCAL_SIZE 1
#include "arguments/patch.clh"
#include "common/panel_units.clh"
#include "common/transpose.clh"

#if VECTOR_WIDTH == 16
/* Up to 4 taps: a vector is the taps of 4 lanes, and every fourth of its elements one tap. The next panel's are
 * prefetched, as if it lay in the same row: a row is too short for a processor to foresee. */
ALWAYS_INLINE void turn_quads(global const real *row, const long from[VECTOR_WIDTH], const int count,
                              global real *to)
{
#define QUAD(lane) LOAD(real4, 4, row + from[lane])
#define QUADS(first) (realv)(QUAD(first), QUAD(first + 1), QUAD(first + 2), QUAD(first + 3))
    const realv a = QUADS(0), b = QUADS(4), c = QUADS(8), d = QUADS(12);
    const long ahead = from[VECTOR_WIDTH - 1] - from[0] + 4;
#pragma unroll
    for (int lane = 0; lane < VECTOR_WIDTH; lane += 4)
        vector_prefetch(row + from[lane] + ahead);
    const realv even_low = EVEN(a, b), odd_low = ODD(a, b), even_high = EVEN(c, d), odd_high = ODD(c, d);
    const realv taps[4] = {EVEN(even_low, even_high), EVEN(odd_low, odd_high), ODD(even_low, even_high),
                           ODD(odd_low, odd_high)};
#pragma unroll
    for (int i = 0; i < 4; i++)
        if (i < count) vector_store(taps[i], to + i * VECTOR_WIDTH);
}
#endif

/* Turns `count` taps from `row` + from[lane] on for each lane, the last lane furthest on; `end` is past the
 * last element that there is. */
static inline void turn_taps(global const real *row, const long from[VECTOR_WIDTH], const int count,
                             global const real *end, global real *to)
{
    realv v[VECTOR_WIDTH];
    if (row + from[VECTOR_WIDTH - 1] + VECTOR_WIDTH <= end) {
#if VECTOR_WIDTH == 16
        if (count <= 4) {
            turn_quads(row, from, count, to);
            return;
        }
#endif
#pragma unroll
        for (int lane = 0; lane < VECTOR_WIDTH; lane++)
            v[lane] = vector_load(row + from[lane]);
    } else {
        for (int lane = 0; lane < VECTOR_WIDTH; lane++) {
            real taps[VECTOR_WIDTH] = {0};
            for (int i = 0; i < count; i++)
                taps[i] = row[from[lane] + i];
            v[lane] = lanes_load(taps);
        }
    }
    transpose(v);
#pragma unroll
    for (int i = 0; i < VECTOR_WIDTH; i++)
        if (i < count) vector_store(v[i], to + i * VECTOR_WIDTH);
}

/* How a patch lies in a channel. */
typedef struct patch_shape {
    long kernel_d, kernel_h, kernel_w, plane_size, row_size;
} patch_shape;

/* A panel's rows of one channel, where the patch of each lane starts at channel + from[lane]. */
static inline void turn_patches(const patch_shape *s, global const real *channel,
                                const long from[VECTOR_WIDTH], global const real *end, global real *to)
{
    for (long kd = 0; kd < s->kernel_d; kd++)
        for (long kh = 0; kh < s->kernel_h; kh++, to += s->kernel_w * PANEL) {
            global const real *row = channel + kd * s->plane_size + kh * s->row_size;
            for (long kw = 0; kw < s->kernel_w; kw += VECTOR_WIDTH)
                turn_taps(row + kw, from, (int)min(s->kernel_w - kw, (long)VECTOR_WIDTH), end,
                          to + kw * PANEL);
        }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
patch(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias), TENSOR(real, output),
      TENSOR(real, slices) EPILOGUE_TENSOR PATCH_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *slice = TENSOR_START(slices) + get_group_id(0) * slice_size;
    const patch_shape shape = {.kernel_d = kernel_d,
                               .kernel_h = kernel_h,
                               .kernel_w = kernel_w,
                               .plane_size = plane_size,
                               .row_size = row_size};
    const long taps = kernel_d * kernel_h * kernel_w, rows = group_in * taps;
    const long last_unit = (get_group_id(0) + 1) * units / get_num_groups(0);
    for (long unit = get_group_id(0) * units / get_num_groups(0); unit < last_unit; unit++) {
        const long split = unit % splits, volume = unit / splits / position_blocks, group = volume % groups;
        const position_block b = block_at(unit / splits % position_blocks, position_blocks, positions);
        global const real *volume_start = TENSOR_START(input) + volume * group_in * channel_size;
        for (long p = 0; p < b.count; p += PANEL) {
            long from[VECTOR_WIDTH]; /* lanes past the last position repeat it */
            for (int lane = 0; lane < VECTOR_WIDTH; lane++) {
                const long q = b.first + min(p + lane, b.count - 1);
                const long z = q / out_plane, y = q % out_plane / out_width, x = q % out_width;
                from[lane] = z * stride_d * plane_size + y * stride_h * row_size + x * stride_w;
            }
            for (long c = 0; c < group_in; c++)
                turn_patches(&shape, volume_start + c * channel_size, from, TENSOR_START(input) + input_size,
                             slice + p * rows + c * taps * PANEL);
        }
        const long at = volume * group_out * positions + b.first;
        const panel_unit u = {
            PANEL_UNIT(split, group, b.count, rows, run_of_taps(taps), at),
        };
        multiply_unit(&u);
    }
}
