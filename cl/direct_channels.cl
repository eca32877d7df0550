/* Direct convolution whose vectors are of output channels, for images whose rows and planes are no whole vectors
 * of positions: the padded input, or the input where nothing is padded, is read an element at a time, each for
 * OUT_CHANNELS channels, so no lane is lost at the end of a row or a plane:
 *
 *              <- OUT_CHANNELS channels ->
 *     p = 0 |  acc[0][0]  |  acc[0][1]  |     for each channel and tap that some position of the tile reads:
 *       ... |     ...     |     ...     |     acc[p][v] += input [position p under the tap] * weight[v]
 *     p = 6 |  acc[6][0]  |  acc[6][1]  |
 *
 * A tile is a part of an output row, shared out evenly to tiles of at most POSITIONS, or two or three short
 * rows. Taps whose positions are all inside the volume are summed together; at its borders those that share a
 * rectangle of positions are, so that zeros around it are neither stored nor multiplied. A work-group takes a
 * block of output channels and a run of tiles; their sums stay in a slice of its own while it goes through the
 * input channels, block_in at a time, so that weights come from its cache; at the end they are turned into rows
 * of positions. Each output is one sum in an order that its place in the volume fixes: blocks of channels,
 * rectangles, channels, taps.
 *   OUT_CHANNELS  1 or 2 times VECTOR_WIDTH
 *   POSITIONS     1 to 14  of a tile at most
 *   VECTOR_WIDTH  2 to 16
 *   STRIDE_W      1 and more
 *
 * Index space: work-groups of one work-item (slices), each taking its share of the units. Cost: 2 FLOPs for
 * each product inside the volume; reads the volume once for each block of channels, where it is not in cache.
 */
#include "arguments/direct_channels.clh"
#include "common/channel_sums.clh"
#include "common/padding.clh"

#define VECTORS (OUT_CHANNELS / VECTOR_WIDTH)

/* How far ahead a tap's elements are prefetched, which lie in lines that no processor foresees. */
#define CHANNELS_AHEAD 2

/* The taps of a tile, in their order: where they read, from the tile's first element in the first plane of a
 * channel on, and where a channel's weights for them are. */
typedef struct tap_list {
    int count;
    int x[MAX_TAPS], w[MAX_TAPS];
} tap_list;

/* What a tile sums: input channels [0, channels) from `input` on, by the weights from `weight` on. */
typedef struct tile_sum {
    global const real *input, *weight;
    long channels, channel_size, weight_channel;
    long row_step, sum_row; /* from a row of the tile to the next: elements of the input, sums */
    /* Vectors of the weights after these to prefetch with each channel: from first_ahead on, every step_ahead. */
    long first_ahead, step_ahead;
    const tap_list *taps;
} tile_sum;

#define SUM_AT(p) (((p) / columns * t->sum_row + (p) % columns) * OUT_CHANNELS)

/* Continues the sums of a rectangle of the tile, `rows` rows of `columns` positions. */
ALWAYS_INLINE void add_to_sums(global real *sums, const int rows, const int columns, const tile_sum *t)
{
    const int count = rows * columns;
    realv acc[POSITIONS][VECTORS];
#pragma unroll
    for (int p = 0; p < POSITIONS; p++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            if (p < count) acc[p][v] = vector_load(sums + SUM_AT(p) + v * VECTOR_WIDTH);
    for (long c = 0; c < t->channels; c++) {
        global const real *input = t->input + c * t->channel_size,
                          *weights = t->weight + c * t->weight_channel;
        for (long i = t->first_ahead; i < t->weight_channel; i += t->step_ahead)
            vector_prefetch(weights + t->channels * t->weight_channel + i);
        for (int i = 0; i < t->taps->count; i++) {
            global const real *x = input + t->taps->x[i], *w = weights + t->taps->w[i];
            vector_prefetch(x + CHANNELS_AHEAD * t->channel_size);
            realv weight[VECTORS];
#pragma unroll
            for (int v = 0; v < VECTORS; v++)
                weight[v] = vector_load(w + v * VECTOR_WIDTH);
#pragma unroll
            for (int p = 0; p < POSITIONS; p++)
                if (p < count)
#pragma unroll
                    for (int v = 0; v < VECTORS; v++)
                        acc[p][v] = (realv)x[p / columns * t->row_step + p % columns * STRIDE_W] * weight[v] +
                                    acc[p][v];
        }
    }
#pragma unroll
    for (int p = 0; p < POSITIONS; p++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            if (p < count) vector_store(acc[p][v], sums + SUM_AT(p) + v * VECTOR_WIDTH);
}

/* There is code for each shape of a rectangle. */
#define SHAPE(rows, columns) ((rows)*16 + (columns))
#define CASE(rows, columns)                  \
    case SHAPE(rows, columns):               \
        add_to_sums(sums, rows, columns, t); \
        break;
static inline void sum_rectangle(global real *sums, const int rows, const int columns, const tile_sum *t)
{
    switch (SHAPE(rows, columns)) {
        CASE(1, 1)
        CASE(1, 2)
        CASE(1, 3)
        CASE(1, 4)
        CASE(1, 5)
        CASE(1, 6)
        CASE(2, 1)
        CASE(2, 2)
        CASE(3, 1)
        CASE(3, 2)
        CASE(2, 3)
#if POSITIONS > 6
        CASE(1, 7)
        CASE(1, 8)
        CASE(1, 9)
        CASE(1, 10)
        CASE(1, 11)
        CASE(1, 12)
        CASE(1, 13)
        CASE(1, 14)
        CASE(2, 4)
        CASE(2, 5)
        CASE(2, 6)
        CASE(2, 7)
        CASE(3, 3)
        CASE(3, 4)
#endif
    }
}

/* The window of a convolution over a volume with zeros around it, whose first plane is plane clip_depth of the
 * padded input. */
typedef struct window {
    long kernel_d, kernel_h, kernel_w, stride_d, stride_h, dilation_d, dilation_h, dilation_w;
    long clip_depth, depth, pad_height, height, pad_width, width;
    long plane_size, pitch;
} window;

/* Of positions [first, first + count) along an axis those that read inside the volume, `distance` elements of
 * zeros before it under the first: [first, last), counted from the first. */
typedef struct position_range {
    long first, last;
} position_range;

static inline position_range positions_inside(const long first, const long count, const long stride,
                                              const long distance, const long size)
{
    const long begin = distance > 0 ? (distance + stride - 1) / stride : 0,
               end = distance + size > 0 ? (distance + size + stride - 1) / stride : 0;
    const position_range r = {clamp(begin - first, 0L, count), clamp(end - first, 0L, count)};
    return r;
}

static inline position_range rows_inside(const window *n, const long kh, const long y, const long rows)
{
    return positions_inside(y, rows, n->stride_h, n->pad_height - kh * n->dilation_h, n->height);
}

static inline position_range columns_inside(const window *n, const long kw, const long x, const long columns)
{
    return positions_inside(x, columns, STRIDE_W, n->pad_width - kw * n->dilation_w, n->width);
}

/* Lists the taps [first_h, last_h) x [first_w, last_w) of the planes under output plane `z`. */
static inline void list_taps(tap_list *list, const window *n, const long z, const long first_h,
                             const long last_h, const long first_w, const long last_w)
{
    int count = 0;
    for (long kd = 0; kd < n->kernel_d; kd++) {
        const long plane = z * n->stride_d + kd * n->dilation_d - n->clip_depth;
        if (plane < 0 || plane >= n->depth) continue;
        for (long kh = first_h; kh < last_h; kh++) {
            const long start = plane * n->plane_size + kh * n->dilation_h * n->pitch;
            const long tap = (kd * n->kernel_h + kh) * n->kernel_w;
            for (long kw = first_w; kw < last_w; kw++, count++) {
                list->x[count] = (int)(start + kw * n->dilation_w);
                list->w[count] = (int)(tap + kw) * OUT_CHANNELS;
            }
        }
    }
    list->count = count;
}

/* Continues the sums of the tile of `rows` rows and `columns` columns from row y and column x of plane z on, a
 * rectangle at a time. t->input is its first position under the kernel's first tap, inside the volume or not. */
static inline void sum_tile(global real *sums, const window *n, tile_sum *t, tap_list *taps, const long z,
                            const long y, const long x, const long rows, const long columns)
{
    global const real *origin = t->input;
    for (long kh = 0, next_h; kh < n->kernel_h; kh = next_h) {
        const position_range r = rows_inside(n, kh, y, rows);
        for (next_h = kh + 1; next_h < n->kernel_h; next_h++) {
            const position_range next = rows_inside(n, next_h, y, rows);
            if (next.first != r.first || next.last != r.last) break;
        }
        for (long kw = 0, next_w; kw < n->kernel_w && r.first < r.last; kw = next_w) {
            const position_range c = columns_inside(n, kw, x, columns);
            for (next_w = kw + 1; next_w < n->kernel_w; next_w++) {
                const position_range next = columns_inside(n, next_w, x, columns);
                if (next.first != c.first || next.last != c.last) break;
            }
            if (c.first >= c.last) continue;
            list_taps(taps, n, z, kh, next_h, kw, next_w);
            t->input = origin + r.first * t->row_step + c.first * STRIDE_W;
            sum_rectangle(sums + (r.first * columns + c.first) * OUT_CHANNELS, (int)(r.last - r.first),
                          (int)(c.last - c.first), t);
            t->first_ahead = t->weight_channel;
        }
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
direct_channels(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
                TENSOR(real, output),
                TENSOR(real, slices) EPILOGUE_TENSOR DIRECT_CHANNELS_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *slice = TENSOR_START(slices) + get_group_id(0) * slice_size;
    const window n = {kernel_d,   kernel_h,   kernel_w,   stride_d, stride_h,   dilation_d,
                      dilation_h, dilation_w, clip_depth, depth,    pad_height, height,
                      pad_width,  width,      plane_size, pitch};
    const long channel_size = depth * plane_size,
               weight_channel = kernel_d * kernel_h * kernel_w * OUT_CHANNELS;
    const long plane_tiles = row_blocks * row_tiles, out_plane = out_height * out_width;
    const long last_unit = (get_group_id(0) + 1) * units / get_num_groups(0);
    for (long unit = get_group_id(0) * units / get_num_groups(0); unit < last_unit; unit++) {
        const long run = unit % runs, block = unit / runs % blocks, volume = unit / runs / blocks,
                   group = volume % groups;
        const long first_tile = run * tiles / runs, last_tile = (run + 1) * tiles / runs;
        const long first_out = block * OUT_CHANNELS,
                   channels = min((long)OUT_CHANNELS, group_out - first_out);
        real start[OUT_CHANNELS];
        for (int o = 0; o < OUT_CHANNELS; o++)
            start[o] = has_bias && o < channels ? TENSOR_START(bias)[group * group_out + first_out + o] : 0;
        long first_position = 0, last_position = 0;
        for (long first_in = 0; first_in < group_in; first_in += block_in) {
            tap_list taps;
            tile_sum t = {
                .weight =
                    TENSOR_START(weight) + ((group * blocks + block) * group_in + first_in) * weight_channel,
                .channels = min(block_in, group_in - first_in),
                .channel_size = channel_size,
                .weight_channel = weight_channel,
                .row_step = stride_h * pitch,
                .step_ahead = (last_tile - first_tile) * VECTOR_WIDTH,
                .taps = &taps,
            };
            for (long tile = first_tile; tile < last_tile; tile++) {
                const long z = tile / plane_tiles, row_block = tile / row_tiles % row_blocks,
                           part = tile % row_tiles;
                const long y = row_block * tile_rows, rows = min(tile_rows, out_height - y);
                const long x = part * out_width / row_tiles, columns = (part + 1) * out_width / row_tiles - x;
                const long position = z * out_plane + y * out_width + x;
                if (tile == first_tile) first_position = position;
                last_position = position + rows * columns;
                global real *sums = slice + (position - first_position) * OUT_CHANNELS;
                if (first_in == 0)
                    for (long p = 0; p < rows * columns; p++)
                        for (int v = 0; v < VECTORS; v++)
                            vector_store(lanes_load(start + v * VECTOR_WIDTH),
                                         sums + p * OUT_CHANNELS + v * VECTOR_WIDTH);
                t.first_ahead = (tile - first_tile) * VECTOR_WIDTH;
                t.input = TENSOR_START(input) + (volume * group_in + first_in) * channel_size +
                          (y * stride_h - pad_height) * pitch + x * STRIDE_W - pad_width;
                t.sum_row = columns;
                sum_tile(sums, &n, &t, &taps, z, y, x, rows, columns);
            }
        }
        const long at = (volume * group_out + first_out) * out_depth * out_plane + first_position;
        store_sums(slice, last_position - first_position, TENSOR_START(output) + at, EPILOGUE_AT(at),
                   out_depth * out_plane, channels);
    }
}
