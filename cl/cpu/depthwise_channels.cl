/* Depthwise convolution whose vectors are of channels, for images whose rows are no whole vectors of positions.
 *
 *     A work-group turns a block of depth of VECTOR_WIDTH channels into its own slice, in which the channels of a
 * position are neighbours, and sums rows of output positions there; then it turns them back:
 *
 *         input [c][position] -> cells [plane][row][column][lane] -> sums [position][lane] -> output [c][position]
 *
 *         p = 0 | acc[0] |        for each kd, kh whose row is there: each column under the tile is loaded once,
 *           ... |   ...  |            acc[p] += column [p * STRIDE_W + kw * DILATION_W] * weight[kd][kh][kw]
 *         p = 7 | acc[7] |
 *
 * No lane is lost at the end of a row or a plane, and rows and planes of zeros around the input are neither stored
 * nor multiplied. Every output is one sum in the fixed order kd, kh, kw.
 *   KERNEL_W, STRIDE_W, DILATION_W   unrolled; at most 8, 2, and so that (KERNEL_W - 1) * DILATION_W is 16 at most
 *   POSITIONS     1 to 14   outputs of a tile at most: rows are shared out evenly
 *   VECTOR_WIDTH  2 to 16
 *
 * Index space: work-groups of one work-item (slices), each taking every so many units. Cost: 2 FLOPs for each
 * product of a row that is there; reads the input once (and the planes that two blocks share twice), writes the
 * output once.
 */
#define OUT_CHANNELS VECTOR_WIDTH
#include "arguments/depthwise_channels.clh"
#include "common/channel_sums.clh"
#include "common/padding.clh"
#include "common/partial_sums.clh"

/* What is turned: `channels` channels `step` elements apart, of a tensor of which `left` elements are left. */
typedef struct channel_rows {
    global const real *from;
    long step, channels, left;
} channel_rows;

/* Elements [at, at + VECTOR_WIDTH) of each channel, as vectors of channels; zeros for channels that there are not. */
ALWAYS_INLINE void turn(const channel_rows *r, const long at, realv turned[VECTOR_WIDTH])
{
#pragma unroll
    for (int c = 0; c < VECTOR_WIDTH; c++) {
        const long first = c * r->step + at;
        if (c >= r->channels) {
            turned[c] = (realv)0;
        } else if (first + VECTOR_WIDTH <= r->left) {
            turned[c] = vector_load(r->from + first);
        } else {
            real lanes[VECTOR_WIDTH];
            for (int l = 0; l < VECTOR_WIDTH; l++)
                lanes[l] = first + l < r->left ? r->from[first + l] : 0;
            turned[c] = lanes_load(lanes);
        }
    }
    transpose(turned);
}

/* The first `count` elements of each channel into rows of `width` cells, `pitch` cells apart. */
static inline void turn_rows(const channel_rows *r, const long count, global real *to, const long width,
                             const long pitch)
{
    long x = 0;
    for (long at = 0; at < count; at += VECTOR_WIDTH) {
        realv turned[VECTOR_WIDTH];
        turn(r, at, turned);
#pragma unroll
        for (int i = 0; i < VECTOR_WIDTH; i++) {
            if (at + i >= count) continue;
            vector_store(turned[i], to);
            to += VECTOR_WIDTH;
            if (++x == width) x = 0, to += (pitch - width) * VECTOR_WIDTH;
        }
    }
}

/* How an input plane lies in a slice: at row `top` and column `left` of rows x pitch cells. */
typedef struct plane_shape {
    long rows, pitch, top, left, height, width, mode;
} plane_shape;

/* The cells around the plane: columns beside it, then rows above and below, from cells that are there or zeros. */
static inline void pad_cells(const plane_shape *s, global real *plane)
{
    const long row_size = s->pitch * VECTOR_WIDTH;
    for (long y = 0; y < s->height; y++) {
        global real *row = plane + (s->top + y) * row_size;
        for (long x = 0; x < s->pitch; x++) {
            if (x == s->left) x += s->width;
            if (x >= s->pitch) break;
            const long source = padding_source(s->mode, x - s->left, s->width);
            vector_store(source < 0 ? (realv)0 : vector_load(row + (s->left + source) * VECTOR_WIDTH),
                         row + x * VECTOR_WIDTH);
        }
    }
    for (long y = 0; y < s->rows; y++) {
        if (y >= s->top && y < s->top + s->height) continue;
        const long source = padding_source(s->mode, y - s->top, s->height);
        global const real *from = plane + (s->top + source) * row_size;
        for (long i = 0; i < row_size; i += VECTOR_WIDTH)
            vector_store(source < 0 ? (realv)0 : vector_load(from + i), plane + y * row_size + i);
    }
}

static inline void clear_plane(const plane_shape *s, global real *plane)
{
    for (long i = 0; i < s->rows * s->pitch; i++)
        vector_store((realv)0, plane + i * VECTOR_WIDTH);
}

/* Taps [first, last) along an axis. */
typedef struct tap_range {
    long first, last;
} tap_range;

/* Those that read the input, of `size` elements, where tap 0 reads element `start`; all if none is left out. */
static inline tap_range taps_inside(const long start, const long taps, const long dilation, const long size,
                                    const bool clips)
{
    const long before = start < 0 ? (-start + dilation - 1) / dilation : 0,
               inside = start < size ? (size - start + dilation - 1) / dilation : 0;
    const tap_range all = {0, taps}, cut = {min(before, taps), min(inside, taps)};
    return clips ? cut : all;
}

/* What a tile reads: `x` is the cell under its first position and tap 0, inside the slice or not. */
typedef struct row_taps {
    global const real *x, *w;
    long plane_step, row_step; /* elements from a tap to the next along D and H */
    long kernel_h;
    tap_range d, h;
} row_taps;

/* Starts from the bias, or adds to the sums that are there. */
ALWAYS_INLINE void sum_row(global real *sums, const int count, const row_taps *t, const realv bias,
                           const bool adds)
{
    realv acc[POSITIONS];
#pragma unroll
    for (int p = 0; p < POSITIONS; p++)
        acc[p] = adds ? (realv)0 : bias;
    for (long kd = t->d.first; kd < t->d.last; kd++)
        for (long kh = t->h.first; kh < t->h.last; kh++) {
            global const real *x = t->x + kd * t->plane_step + kh * t->row_step,
                              *w = t->w + (kd * t->kernel_h + kh) * KERNEL_W * VECTOR_WIDTH;
            realv weight[KERNEL_W];
#pragma unroll
            for (int kw = 0; kw < KERNEL_W; kw++)
                weight[kw] = vector_load(w + kw * VECTOR_WIDTH);
#pragma unroll
            for (int i = 0; i < (POSITIONS - 1) * STRIDE_W + (KERNEL_W - 1) * DILATION_W + 1; i++)
#pragma unroll
                for (int kw = 0; kw < KERNEL_W; kw++) {
                    const int ahead = i - kw * DILATION_W;
                    if (ahead >= 0 && ahead % STRIDE_W == 0 && ahead / STRIDE_W < count)
                        acc[ahead / STRIDE_W] =
                            weight[kw] * vector_load(x + i * VECTOR_WIDTH) + acc[ahead / STRIDE_W];
                }
        }
#pragma unroll
    for (int p = 0; p < POSITIONS; p++)
        if (p < count)
            vector_store(adds ? vector_load(sums + p * VECTOR_WIDTH) + acc[p] : acc[p],
                         sums + p * VECTOR_WIDTH);
}

/* There is code for each count of positions. */
#define CASE(count)                          \
    case count:                              \
        sum_row(sums, count, t, bias, adds); \
        break;
static inline void sum_tile(global real *sums, const int count, const row_taps *t, const realv bias,
                            const bool adds)
{
    switch (count) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
#if POSITIONS > 6
        CASE(7)
        CASE(8)
#endif
#if POSITIONS > 8
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
#endif
    }
}

/* A row of a tile whose taps are several runs: parts of planes of the kernel, or some planes. */
static inline void sum_long_tile(global real *sums, const int count, const row_taps *t, const realv bias)
{
    const long rows = items_of_run(max(t->h.last - t->h.first, 1L), KERNEL_W, SUM_RUN),
               planes = items_of_run(max(t->d.last - t->d.first, 1L), rows * KERNEL_W, SUM_RUN);
    row_taps run = *t;
    bool adds = false;
    for (long kd = t->d.first; kd < t->d.last || !adds; kd += planes)
        for (long kh = t->h.first; kh < t->h.last || !adds; kh += rows) {
            run.d.first = kd, run.d.last = min(kd + planes, t->d.last);
            run.h.first = kh, run.h.last = min(kh + rows, t->h.last);
            sum_tile(sums, count, &run, bias, adds);
            adds = true;
        }
}

/* A row of outputs, shared out evenly; t.x is under its first. */
static inline void sum_tiles(global real *sums, const long width, const long tiles, row_taps t,
                             const realv bias)
{
    global const real *row = t.x;
    const bool is_long = (t.d.last - t.d.first) * (t.h.last - t.h.first) * KERNEL_W > SUM_RUN;
    for (long i = 0; i < tiles; i++) {
        const long x = i * width / tiles, count = (i + 1) * width / tiles - x;
        t.x = row + x * STRIDE_W * VECTOR_WIDTH;
        if (is_long)
            sum_long_tile(sums + x * VECTOR_WIDTH, (int)count, &t, bias);
        else
            sum_tile(sums + x * VECTOR_WIDTH, (int)count, &t, bias, false);
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void depthwise_channels(
    TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias), TENSOR(real, output),
    TENSOR(real, slices) EPILOGUE_TENSOR DEPTHWISE_CHANNELS_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *cells = TENSOR_START(slices) + get_group_id(0) * slice_size, *filters = cells + volume_size,
                *sums = filters + filter_size;
    const long in_plane = height * width, out_plane = out_height * out_width;
    const long row_size = pitch * VECTOR_WIDTH, plane_size = rows * row_size;
    const long taps = kernel_d * kernel_h * KERNEL_W;
    const plane_shape shape = {
        .rows = rows,
        .pitch = pitch,
        .top = clips ? 0 : pad_height,
        .left = pad_width,
        .height = height,
        .width = width,
        .mode = mode,
    };
    /* Columns of zeros stay; nothing else is written there. */
    for (long s = 0; s < slice_depth && clips; s++)
        pad_cells(&shape, cells + s * plane_size);
    for (long unit = get_group_id(0); unit < units; unit += get_num_groups(0)) {
        const long first_z = unit % depth_blocks * block_depth,
                   last_z = min(first_z + block_depth, out_depth);
        const long block = unit / depth_blocks % blocks, sample = unit / depth_blocks / blocks;
        const long first_channel = block * VECTOR_WIDTH, first = sample * channels + first_channel,
                   present = min((long)VECTOR_WIDTH, channels - first_channel);
        /* Planes of the slice; those before `origin` are not there. */
        const long origin = first_z * stride_d - pad_depth;
        const long planes = (last_z - 1 - first_z) * stride_d + (kernel_d - 1) * dilation_d + 1;
        for (long s = 0; s < planes; s++) {
            global real *plane = cells + s * plane_size;
            const long source = padding_source(mode, origin + s, depth);
            if (source < 0) {
                if (!clips) clear_plane(&shape, plane);
                continue;
            }
            const long at = (first * depth + source) * in_plane;
            const channel_rows from = {TENSOR_START(input) + at, depth * in_plane, present, input_size - at};
            turn_rows(&from, in_plane, plane + (shape.top * pitch + pad_width) * VECTOR_WIDTH, width, pitch);
            if (!clips) pad_cells(&shape, plane);
        }
        for (long m = 0; m < multiplier; m++) {
            const long filter = first_channel * multiplier + m;
            const channel_rows weights = {TENSOR_START(weight) + filter * taps, multiplier * taps, present,
                                          weight_size - filter * taps};
            turn_rows(&weights, taps, filters, taps, taps);
            real start[VECTOR_WIDTH];
            for (int l = 0; l < VECTOR_WIDTH; l++)
                start[l] = has_bias && l < present ? TENSOR_START(bias)[filter + l * multiplier] : 0;
            for (long z = first_z; z < last_z; z++) {
                const long start_d = z * stride_d - pad_depth;
                row_taps t = {.w = filters,
                              .plane_step = dilation_d * plane_size,
                              .row_step = dilation_h * row_size,
                              .kernel_h = kernel_h,
                              .d = taps_inside(start_d, kernel_d, dilation_d, depth, clips != 0)};
                for (long y = 0; y < out_height; y++) {
                    const long start_h = y * stride_h - pad_height;
                    t.h = taps_inside(start_h, kernel_h, dilation_h, height, clips != 0);
                    t.x = cells + (start_d - origin) * plane_size + (start_h + shape.top) * row_size;
                    sum_tiles(sums + y * out_width * VECTOR_WIDTH, out_width, row_tiles, t,
                              lanes_load(start));
                }
                const long at = ((first * multiplier + m) * out_depth + z) * out_plane;
                store_sums(sums, out_plane, TENSOR_START(output) + at, EPILOGUE_AT(at),
                           multiplier * out_depth * out_plane, present);
            }
        }
    }
}
