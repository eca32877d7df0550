/* What surrounds the forward convolutions that make an input gradient (src/plan/adjoint.h).
 *
 * transpose_weight turns a weight [g][o][c][t] around: to [g][c][o][j], where tap j is tap last - j * step of
 * the weight, or to [g][(c, t)][o] if each tap scatters by itself.
 *
 * pad_backward gathers the gradient of the padded input, whose positions of a remainder modulo the stride lie
 * in a volume of their own, and folds the padding back:
 *
 *     volume e of an axis holds positions x = (e * dilation) % stride + stride * (first + y), y = 0, 1, ...
 *
 *     padded        . . | a b c d | . .          gradient of b = position of b + (reflect) the position left
 * of the (reflect 2)   c b |         | c b          border that reads b + the one right of it
 *
 * A work-item makes a row: it adds the rows that its own row's element is read from, in the order of their
 * positions, and within each the positions from left to right. So every element is one sum in a fixed order,
 * without atomics.
 *
 * Index space: (1, channels of the input, filters), and (1, rows, 1). Cost: no arithmetic but the additions
 * of borders; reads and writes each element once.
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

/* Where position x of a padded axis lies: its volume's number, or -1 if no tap reaches it, and *y its cell.
 */
static inline long find_cell(const long x, const long stride, const long dilation, const long residues,
                             const long first, const long count, long *y)
{
    for (long e = 0; e < residues; e++) {
        const long residue = e * dilation % stride;
        if (x < residue || (x - residue) % stride != 0) continue;
        *y = (x - residue) / stride - first;
        return *y >= 0 && *y < count ? e : -1;
    }
    return -1;
}

/* Adds a row of the volumes to a row of the gradient: from[e * volume + y] for each volume e of the last
 * axis. */
static inline void add_row(global const real *from, global real *to, const long volume, const long width,
                           const long before, const long after, const long mode, const long stride,
                           const long dilation, const long residues, const long first, const long count)
{
    if (mode != PADDING_ZEROS)
        for (long x = 0; x < before; x++) {
            long y;
            const long e = find_cell(x, stride, dilation, residues, first, count, &y);
            if (e >= 0) to[padding_source(mode, x - before, width)] += from[e * volume + y];
        }
    for (long e = 0; e < residues; e++) {
        /* Cell y is column start + stride * y. */
        const long start = e * dilation % stride + stride * first - before;
        const long y_first = start < 0 ? (-start + stride - 1) / stride : 0;
        const long y_last = min(count, start < width ? (width - start + stride - 1) / stride : 0);
        global const real *row = from + e * volume;
        if (stride == 1)
            for (long y = y_first; y < y_last; y++)
                to[start + y] += row[y];
        else
            for (long y = y_first; y < y_last; y++)
                to[start + y * stride] += row[y];
    }
    if (mode != PADDING_ZEROS)
        for (long x = before + width; x < before + width + after; x++) {
            long y;
            const long e = find_cell(x, stride, dilation, residues, first, count, &y);
            if (e >= 0) to[padding_source(mode, x - before, width)] += from[e * volume + y];
        }
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
    const long end_d = before_d + depth + after_d, end_h = before_h + height + after_h;
    FOR_EACH(1, row, rows)
    {
        if (get_global_id(0) != 0) continue;
        const long h = row % height, d = row / height % depth, plane = row / height / depth;
        global real *to = TENSOR_START(gradient) + row * width;
        const real start = has_bias ? TENSOR_START(bias)[plane % channels] : 0;
        for (long w = 0; w < width; w++)
            to[w] = start;
        for (long xd = next_position(-1, d, before_d, depth, end_d, mode); xd < end_d;
             xd = next_position(xd, d, before_d, depth, end_d, mode)) {
            long yd, yh;
            const long ed = find_cell(xd, stride_d, dilation_d, residues_d, first_d, count_d, &yd);
            if (ed < 0) continue;
            for (long xh = next_position(-1, h, before_h, height, end_h, mode); xh < end_h;
                 xh = next_position(xh, h, before_h, height, end_h, mode)) {
                const long eh = find_cell(xh, stride_h, dilation_h, residues_h, first_h, count_h, &yh);
                if (eh < 0) continue;
                add_row(TENSOR_START(volumes) + (ed * residues_h + eh) * residues_w * volume +
                            plane * channel + (yd * count_h + yh) * count_w,
                        to, volume, width, before_w, after_w, mode, stride_w, dilation_w, residues_w, first_w,
                        count_w);
            }
        }
    }
}
