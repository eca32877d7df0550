/* The input gradient of a strided convolution, all of it in one kernel (src/steps/adjoint.h explains cells and
 * residues).
 *
 * A work-group takes a block of cells of a sample, in a slice of its own that stays in cache:
 *
 *     gradient of the output -> padded block --+-- residue 0 -> cells  a c e g   -+
 *     (all channels of a group)                +-- residue 1 -> cells  b d f h   -+-> rows  a b c d e f g h
 *                                              +-- ...          (OUT_CHANNELS     |   of the gradient
 *                                                               channels)        -+
 *
 * Each cell is one sum in the fixed order channel, kd, kh, kw, by the register tile of direct.cl. Padding must
 * be zeros: then every element of the gradient is one cell.
 *   OUT_CHANNELS, VECTORS, VECTOR_WIDTH   as in direct.cl
 *   LONG_SUMS     1 where an element of the gradient sums more products than a run has
 *   KERNEL_W      taps of each residue on W; 0 where they differ
 *   DILATION_W    of the taps of a residue
 *
 * Index space: work-groups of one work-item (slices), each taking its share of the units. Cost: 2 FLOPs for
 * each tap that reads an output; reads the output's gradient once, and what neighbouring blocks share twice;
 * writes the gradient once.
 */
#define LOCAL_SIZE 1
#define STRIDE_H 1
#define STRIDE_W 1
#define PHASES_W 1
#include "arguments/input_fused.clh"
#include "common/adjoint.clh"
#include "common/direct.clh"
#include "common/pad_rows.clh"

/* An axis of a block: cells [first, first + cells), and the output that its slice starts with. */
typedef struct block_axis {
    volume_axis cells_of;
    long taps, first, cells, origin;
} block_axis;

/* The taps of residue e, and where in the slice the block's first cell finds the first of them. */
typedef struct residue_taps {
    long count, dilation, start;
} residue_taps;

/* The dilation of a single tap does not matter, but divides. */
static inline residue_taps taps_of(const block_axis *b, const long e)
{
    const volume_axis *a = &b->cells_of;
    const long shift = e * a->dilation, residue = shift % a->stride;
    residue_taps t = {.count = (b->taps - 1 - e) / a->residues + 1,
                      .dilation = max(a->residues * a->dilation / a->stride, 1L)};
    t.start = first_position(a, e) / a->stride + b->first - (shift - residue) / a->stride -
              (t.count - 1) * t.dilation - b->origin;
    return t;
}

/* A block's cells of one residue, for OUT_CHANNELS channels: [channel][plane][row_size]. */
typedef struct residue_product {
    global const real *padded, *weight;
    long group_in, channel_size, plane_size, pitch;
    long outputs_before, outputs_end; /* planes of the slice that exist: [outputs_before, outputs_end) */
    long row_size;
    int channels;
} residue_product;

static inline void convolve_residue(const residue_product *p, const block_axis *d, const block_axis *h,
                                    const residue_taps *td, const residue_taps *th, const residue_taps *tw,
                                    global real *to)
{
    const long weight_plane = th->count * tw->count * OUT_CHANNELS, positions = h->cells * p->pitch;
    for (long z = 0; z < d->cells; z++) {
        const long start = z + td->start;
        const long before = p->outputs_before - start, inside = p->outputs_end - start;
        const long kd_first = before > 0 ? (before + td->dilation - 1) / td->dilation : 0;
        const long kd_last = min(td->count, inside > 0 ? (inside + td->dilation - 1) / td->dilation : 0);
        tap_range taps = {
            .w = p->weight + kd_first * weight_plane,
            .channels = p->group_in,
            .channel_size = p->channel_size,
            .weight_channel = td->count * weight_plane,
            .kd_count = (int)(kd_last - kd_first),
            .kernel_h = (int)th->count,
            .kernel_w = (int)tw->count,
            .row_step = (int)th->dilation,
            .kd_size = td->dilation * p->plane_size,
            .weight_plane = weight_plane,
            .pitch = p->pitch,
            .ahead = p->channel_size,
        };
        tile_place place = {
            .e = {0, 0},
            .out_stride = d->cells * p->row_size,
            .positions = positions,
            .pitch = LONG_MAX,
            .width = LONG_MAX,
            .rows = p->channels,
        };
        global const real *x =
            p->padded + (start + kd_first * td->dilation) * p->plane_size + th->start * p->pitch + tw->start;
        for (long q = 0; q < positions; q += WIDTH) {
            taps.x = x + q;
            place.out = to + z * p->row_size + q;
            convolve_tile(BODY((int)min((long)VECTORS, (positions - q + LANES - 1) / LANES)), &taps, 0,
                          &place);
        }
    }
}

/* Rows of the gradient from the cells of a block, of one channel; `gradient` is the channel's. */
static inline void store_block(global const real *cells, const long volume, const long row_size,
                               const long pitch, const block_axis *d, const block_axis *h,
                               const volume_axis *w, global real *gradient, const long depth,
                               const long height, const long width, const real start, const bool streams)
{
    const volume_axis *axis_d = &d->cells_of, *axis_h = &h->cells_of;
    for (long z = d->first * axis_d->stride; z < min((d->first + d->cells) * axis_d->stride, depth); z++) {
        for (long y = h->first * axis_h->stride; y < min((h->first + h->cells) * axis_h->stride, height);
             y++) {
            long yd, yh;
            const long ed = find_cell(z + axis_d->low, axis_d, &yd),
                       eh = find_cell(y + axis_h->low, axis_h, &yh);
            const gradient_row g = {
                .to = gradient + (z * height + y) * width,
                .width = width,
                .before = w->low,
                .after = 0,
                .mode = PADDING_ZEROS,
                .streams = streams,
            };
            if (ed < 0 || eh < 0)
                fill_row(&g, start);
            else
                store_row(cells + (ed * axis_h->residues + eh) * w->residues * volume +
                              (yd - d->first) * row_size + (yh - h->first) * pitch,
                          &g, w, volume, start);
        }
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
input_fused(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
            TENSOR(real, output), TENSOR(real, slices) INPUT_FUSED_ARGUMENTS(ARGUMENT))
{
    global real *padded = TENSOR_START(slices) + get_group_id(0) * slice_size, *cells = padded + padded_size;
    const long filters = groups * blocks * OUT_CHANNELS * group_in;
    block_axis d = {.cells_of = VOLUME_AXIS(d), .taps = kernel_d},
               h = {.cells_of = VOLUME_AXIS(h), .taps = kernel_h},
               w = {.cells_of = VOLUME_AXIS(w), .taps = kernel_w, .cells = count_w, .origin = origin_w};
    const long last = (get_group_id(0) + 1) * units / get_num_groups(0);
    for (long unit = get_group_id(0) * units / get_num_groups(0); unit < last; unit++) {
        const long volume = unit / row_blocks / depth_blocks, group = volume % groups;
        h.first = unit % row_blocks * block_rows;
        h.cells = min(block_rows, count_h - h.first);
        h.origin = h.first + origin_h;
        d.first = unit / row_blocks % depth_blocks * block_depth;
        d.cells = min(block_depth, count_d - d.first);
        d.origin = d.first + origin_d;
        const long planes = d.cells + halo_d, rows = h.cells + halo_h;
        pad_shape shape = PAD_PLAIN(rows, pitch, -h.origin, -origin_w, in_height, in_width, PADDING_ZEROS);
        residue_product p = {
            .padded = padded,
            .group_in = group_in,
            .channel_size = channel_size,
            .plane_size = rows * pitch,
            .pitch = pitch,
            .outputs_before = max(-d.origin, 0L),
            .outputs_end = min(in_depth - d.origin, planes),
            .row_size = row_size,
        };
        for (long c = 0; c < group_in; c++)
            for (long z = p.outputs_before; z < p.outputs_end; z++) {
                shape.ahead =
                    (z + 1 < p.outputs_end ? 1 : in_depth - (p.outputs_end - p.outputs_before - 1)) *
                    in_height * in_width;
                pad_plane(&shape,
                          TENSOR_START(input) +
                              ((volume * group_in + c) * in_depth + d.origin + z) * in_height * in_width,
                          padded + c * channel_size + z * p.plane_size, true);
            }
        for (long block = 0; block < blocks; block++) {
            const long first_channel = block * OUT_CHANNELS, residue_size = OUT_CHANNELS * d.cells * row_size;
            global real *to = cells;
            long taps_before = 0;
            p.channels = (int)min((long)OUT_CHANNELS, group_out - first_channel);
            for (long ed = 0; ed < residues_d; ed++)
                for (long eh = 0; eh < residues_h; eh++)
                    for (long ew = 0; ew < residues_w; ew++) {
                        const residue_taps td = taps_of(&d, ed), th = taps_of(&h, eh), tw = taps_of(&w, ew);
                        const long taps = td.count * th.count * tw.count;
                        p.weight = TENSOR_START(weight) + taps_before * filters +
                                   (group * blocks + block) * group_in * taps * OUT_CHANNELS;
                        convolve_residue(&p, &d, &h, &td, &th, &tw, to);
                        taps_before += taps;
                        to += residue_size;
                    }
            for (long c = 0; c < p.channels; c++) {
                const long channel = volume * group_out + first_channel + c;
                const real start = has_bias ? TENSOR_START(bias)[group * group_out + first_channel + c] : 0;
                store_block(cells + c * d.cells * row_size, residue_size, row_size, pitch, &d, &h,
                            &w.cells_of, TENSOR_START(output) + channel * depth * height * width, depth,
                            height, width, start, streams != 0);
            }
        }
    }
}
