/* What surrounds the forward convolutions that make an input gradient (src/plan/adjoint.h).
 *
 * transpose_weight turns a weight [g][o][c][t] around: to [g][c][o][j], where tap j is tap last - j * step of
 * the weight, or to [g][(c, t)][o] if each tap scatters by itself.
 *
 * pack_adjoint does so for all residues at once, and packs them as pack_weight.cl does, residue after residue.
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
#include "common/adjoint.clh"

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

/* Taps of the residues before e on an axis. */
static inline long taps_before(const long kernel_size, const long step, const long e)
{
    return e * (kernel_size / step) + min(e, kernel_size % step);
}

kernel void pack_adjoint(TENSOR(const real, weight), TENSOR(real, packed) PACK_ADJOINT_ARGUMENTS(ARGUMENT))
{
    const long taps = kernel_d * kernel_h * kernel_w, filters = blocks * out_channels * group_in;
    FOR_EACH(2, block, blocks)
    {
        const long group = block / group_blocks, first = block % group_blocks * out_channels;
        FOR_EACH(1, o, group_in)
        {
            global const real *from =
                TENSOR_START(weight) + ((group * group_in + o) * group_out + first) * taps;
            FOR_EACH(0, tap, taps)
            {
                const long d = tap / kernel_w / kernel_h, h = tap / kernel_w % kernel_h, w = tap % kernel_w;
                const long ed = d % residues_d, eh = h % residues_h, ew = w % residues_w;
                const long taps_d = (kernel_d - 1 - ed) / residues_d + 1,
                           taps_h = (kernel_h - 1 - eh) / residues_h + 1,
                           taps_w = (kernel_w - 1 - ew) / residues_w + 1;
                const long before = taps_before(kernel_d, residues_d, ed) * kernel_h * kernel_w +
                                    taps_d * (taps_before(kernel_h, residues_h, eh) * kernel_w +
                                              taps_h * taps_before(kernel_w, residues_w, ew));
                const long turned =
                    ((taps_d - 1 - d / residues_d) * taps_h + taps_h - 1 - h / residues_h) * taps_w + taps_w -
                    1 - w / residues_w;
                const long row = (block * group_in + o) * taps_d * taps_h * taps_w + turned;
                global real *to = TENSOR_START(packed) + before * filters + row * out_channels;
                for (long c = 0; c < out_channels; c++)
                    to[c] = first + c < group_out ? from[c * taps + tap] : 0;
            }
        }
    }
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

/* Adds a row of the volumes, and what its borders read, to a row of the gradient: from[e * volume + y] for
 * each volume e of the last axis. */
static inline void add_row(global const real *from, const gradient_row *g, const volume_axis *a,
                           const long volume)
{
    add_border(from, g, a, volume, 0, g->before);
    for (long e = 0; e < a->residues; e++)
        add_cells(from + e * volume, g, a, e);
    add_border(from, g, a, volume, g->before + g->width, g->before + g->width + g->after);
}

kernel void pad_backward(TENSOR(const real, volumes), TENSOR(const real, bias),
                         TENSOR(real, gradient) PAD_BACKWARD_ARGUMENTS(ARGUMENT))
{
    const volume_axis axis_d = VOLUME_AXIS(d), axis_h = VOLUME_AXIS(h), axis_w = VOLUME_AXIS(w);
    const long end_d = before_d + depth + after_d, end_h = before_h + height + after_h;
    FOR_EACH(1, block, (rows + rows_per_item - 1) / rows_per_item)
    for (long row = block * rows_per_item; row < min((block + 1) * rows_per_item, rows); row++) {
        const long h = row % height, d = row / height % depth, plane = row / height / depth;
        const gradient_row g = {.to = TENSOR_START(gradient) + row * width,
                                .width = width,
                                .before = before_w,
                                .after = after_w,
                                .mode = mode,
                                .streams = streams != 0};
        const real start = has_bias ? TENSOR_START(bias)[plane % channels] : 0;
        bool is_stored = false;
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
                if (mode == PADDING_ZEROS) {
                    store_row(from, &g, &axis_w, volume, start);
                } else {
                    if (!is_stored) fill_row(&g, start);
                    add_row(from, &g, &axis_w, volume);
                }
                is_stored = true;
            }
        }
        if (!is_stored) fill_row(&g, start);
    }
}
