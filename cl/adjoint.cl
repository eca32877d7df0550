/* What surrounds the forward convolutions that make an input gradient (src/plan/adjoint.h).
 *
 * transpose_weight turns a weight [g][o][c][t] around: to [g][c][o][j], where tap j is tap last - j * step of
 * the weight, or to [g][(c, t)][o] if each tap scatters by itself.
 *
 * pad_backward gathers the gradient of the padded input, whose positions of a remainder modulo the stride lie
 * in a volume of their own, and folds the padding back:
 *
 *     volume e of an axis holds positions x = (e * dilation) % stride + stride * (first + y), y = 0, 1, ...,
 *     the first of them `low` at least
 *
 *     padded        . . | a b c d | . .     gradient of b = position of b
 *     (reflect 2)   c b |         | c b                    + the position left of the border that reads b
 *                                                          + the one right of it
 *
 * A work-item makes some rows: it adds the rows that its own row's element is read from, in the order of
 * their positions, and within each the positions from left to right. So every element is one sum in a fixed
 * order, without atomics.
 *
 *   VECTOR_WIDTH  1 to 16, of pad_backward
 *
 * Index space: (1, channels of the input, filters), and (1, blocks of rows, 1). Cost: no arithmetic but the
 * additions of borders; reads and writes each element once.
 */
#include "arguments/adjoint.clh"
#include "common/padding.clh"
#include "common/types.clh"

kernel void transpose_weight(TENSOR(const real, weight),
                             TENSOR(real, transposed) TRANSPOSE_WEIGHT_ARGUMENTS(ARGUMENT))
{
    const long taps = kernel_d * kernel_h * kernel_w, taps_made = scatters ? taps : taps_d * taps_h * taps_w;
    FOR_EACH(2, filter, filters)
    {
        const long group = filter / group_in, c = filter % group_in;
        FOR_EACH(1, o, group_out)
        {
            global const real *from = TENSOR_START(weight) + ((group * group_out + o) * group_in + c) * taps;
            FOR_EACH(0, j, taps_made)
            {
                if (scatters) {
                    TENSOR_START(transposed)[(filter * taps + j) * group_out + o] = from[j];
                    continue;
                }
                const long d = last_d - j / taps_w / taps_h * step_d,
                           h = last_h - j / taps_w % taps_h * step_h, w = last_w - j % taps_w * step_w;
                TENSOR_START(transposed)
                [(filter * group_out + o) * taps_made + j] = from[(d * kernel_h + h) * kernel_w + w];
            }
        }
    }
}

/* An axis of the volumes: cell y of volume e is position residue + stride * (first + y), with residue = e *
 * dilation % stride and the first that is `low` at least. */
typedef struct volume_axis {
    long stride, dilation, residues, low, count;
} volume_axis;

static inline long first_position(const volume_axis *a, const long e)
{
    const long residue = e * a->dilation % a->stride;
    return residue + (a->low - residue + a->stride - 1) / a->stride * a->stride;
}

/* Where position x of a padded axis lies: its volume's number, or -1 if no tap reaches it, and *y its cell.
 */
static inline long find_cell(const long x, const volume_axis *a, long *y)
{
    for (long e = 0; e < a->residues; e++) {
        const long distance = x - first_position(a, e);
        *y = distance / a->stride;
        if (distance >= 0 && *y * a->stride == distance) return *y < a->count ? e : -1;
    }
    return -1;
}

/* A row of the gradient, and the padding of its axis. */
typedef struct gradient_row {
    global real *to;
    long width, before, after, mode;
} gradient_row;

static inline void fill_row(const gradient_row *g, const real value)
{
    for (long w = 0; w < g->width; w++)
        g->to[w] = value;
}

/* Adds what the border's positions [first, last) read. */
static inline void add_border(global const real *from, const gradient_row *g, const volume_axis *a,
                              const long volume, const long first, const long last)
{
    for (long x = first; x < last; x++) {
        long y;
        const long e = find_cell(x, a, &y);
        if (e >= 0) g->to[padding_source(g->mode, x - g->before, g->width)] += from[e * volume + y];
    }
}

/* A row whose columns are the cells of two volumes, in turn, and no others: `start` plus each cell. */
static inline void store_pairs(global const real *from, const gradient_row *g, const volume_axis *a,
                               const long volume, const real start)
{
    const long first = first_position(a, 0) < first_position(a, 1) ? 0 : volume;
    global const real *even = from + first, *odd = from + (volume - first);
    long y = 0;
#if VECTOR_WIDTH > 1
    for (; y + VECTOR_WIDTH <= a->count; y += VECTOR_WIDTH) {
        const realv v = vector_load(even + y) + start, w = vector_load(odd + y) + start;
        realv low, high;
        low.even = v.lo, low.odd = w.lo, high.even = v.hi, high.odd = w.hi;
        vector_store(low, g->to + 2 * y);
        vector_store(high, g->to + 2 * y + VECTOR_WIDTH);
    }
#endif
    for (; y < a->count; y++) {
        g->to[2 * y] = start + even[y];
        g->to[2 * y + 1] = start + odd[y];
    }
}

/* Adds the cells of volume e that are columns of the row. */
static inline void add_cells(global const real *from, const gradient_row *g, const volume_axis *a,
                             const long e)
{
    const long stride = a->stride, start = first_position(a, e) - g->before;
    const long y_first = start < 0 ? (-start + stride - 1) / stride : 0;
    const long y_last = min(a->count, start < g->width ? (g->width - start + stride - 1) / stride : 0);
    if (stride == 1)
        for (long y = y_first; y < y_last; y++)
            g->to[start + y] += from[y];
    else
        for (long y = y_first; y < y_last; y++)
            g->to[start + y * stride] += from[y];
}

/* Adds a row of the volumes to a row of the gradient: from[e * volume + y] for each volume e of the last
 * axis. */
static inline void add_row(global const real *from, const gradient_row *g, const volume_axis *a,
                           const long volume)
{
    const bool is_cropped = g->mode == PADDING_ZEROS;
    if (!is_cropped) add_border(from, g, a, volume, 0, g->before);
    for (long e = 0; e < a->residues; e++)
        add_cells(from + e * volume, g, a, e);
    if (!is_cropped) add_border(from, g, a, volume, g->before + g->width, g->before + g->width + g->after);
}

/* The position on a padded axis after x that reads element i; `end` if there is none. */
static inline long next_position(const long x, const long i, const long before, const long size,
                                 const long end, const long mode)
{
    if (mode == PADDING_ZEROS) return x < i + before ? i + before : end;
    for (long p = x + 1; p < end; p++)
        if (padding_source(mode, p - before, size) == i) return p;
    return end;
}

kernel void pad_backward(TENSOR(const real, volumes), TENSOR(const real, bias),
                         TENSOR(real, gradient) PAD_BACKWARD_ARGUMENTS(ARGUMENT))
{
    const volume_axis axis_d = {stride_d, dilation_d, residues_d, low_d, count_d},
                      axis_h = {stride_h, dilation_h, residues_h, low_h, count_h},
                      axis_w = {stride_w, dilation_w, residues_w, low_w, count_w};
    const long end_d = before_d + depth + after_d, end_h = before_h + height + after_h;
    const bool pairs = VECTOR_WIDTH > 1 && mode == PADDING_ZEROS && stride_w == 2 && residues_w == 2 &&
                       low_w == before_w && 2 * count_w == width;
    FOR_EACH(1, block, (rows + rows_per_item - 1) / rows_per_item)
    for (long row = block * rows_per_item; row < min((block + 1) * rows_per_item, rows); row++) {
        const long h = row % height, d = row / height % depth, plane = row / height / depth;
        const gradient_row g = {TENSOR_START(gradient) + row * width, width, before_w, after_w, mode};
        const real start = has_bias ? TENSOR_START(bias)[plane % channels] : 0;
        bool is_stored = false;
        if (!pairs) fill_row(&g, start);
        for (long xd = next_position(-1, d, before_d, depth, end_d, mode); xd < end_d;
             xd = next_position(xd, d, before_d, depth, end_d, mode)) {
            long yd, yh;
            const long ed = find_cell(xd, &axis_d, &yd);
            if (ed < 0) continue;
            for (long xh = next_position(-1, h, before_h, height, end_h, mode); xh < end_h;
                 xh = next_position(xh, h, before_h, height, end_h, mode)) {
                const long eh = find_cell(xh, &axis_h, &yh);
                if (eh < 0) continue;
                global const real *from = TENSOR_START(volumes) +
                                          (ed * residues_h + eh) * residues_w * volume + plane * channel +
                                          (yd * count_h + yh) * pitch;
                if (pairs)
                    store_pairs(from, &g, &axis_w, volume, start);
                else
                    add_row(from, &g, &axis_w, volume);
                is_stored = true;
            }
        }
        if (pairs && !is_stored) fill_row(&g, start);
    }
}
