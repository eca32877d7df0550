/* Convolution as a product of matrices, output channels by positions, without an unfolded input: for devices whose
 * work-items are lanes that share local memory.
 *
 *     A work-group makes a tile of outputs, slab by slab: SLAB channels of one tap.
 *
 *                       TILE_POSITIONS columns
 *                     +------------------------+
 *                     | input [SLAB][position] |  local memory: each work-item gathers elements of one column
 *                     +------------------------+
 *     +-----------+   +------------------------+
 *     | weights   |   |  outputs: a work-item  |  registers: OUT_CHANNELS x POSITIONS sums, in quads that are as far
 *     | [SLAB][o] |   |  has quads of rows and |  apart as quads are for all work-items, so that those who read at
 *     |           |   |  columns               |  the same time read neighbours
 *     +-----------+   +------------------------+
 *     TILE_CHANNELS
 *
 * While a slab is multiplied, the next is on its way to registers. Positions of a volume run over the ends of rows and
 * planes: where one reads is found once for each tap, in all padding modes, and a zero is selected and never
 * multiplied with what lies there. Taps run outside, channels inside; a run of slabs is added to the output, which the
 * last run ends, so the shape of a sum depends on the problem alone. Where tiles are few, parts of the slabs are summed by
 * work-groups of their own, each to an output of its own, and cl/gpu/add_parts.cl adds them in order.
 *   TILE_CHANNELS    32 to 128   a power of two
 *   TILE_POSITIONS   32 to 128   a power of two
 *   SLAB             8 or 16     products of an output that are in local memory at a time
 *   OUT_CHANNELS     4 or 8      rows of a work-item, TILE_CHANNELS / OUT_CHANNELS * TILE_POSITIONS / POSITIONS of which
 *   POSITIONS        4 or 8      are a work-group: a multiple of TILE_POSITIONS, and a part of SLAB times either tile
 *   MODE         PADDING_*
 *   INDEX_BITS       32 or 64    of an element's place in a volume: 32 where all are below 2^31
 *   LONG_SUMS        1 where an output has several runs
 *   FLAT             0, or of few channels the number of products of an output, over all of which slabs then run: where each
 *                    reads is in local memory, and found anew for each position
 *   BATCHED          1: columns run over the ends of samples too, where these have few positions
 *
 * Index space: work-groups of units, a tile of a volume each, stepping over what is left.
 * Cost: 2 * group_in * taps FLOPs an output; a tile reads (TILE_CHANNELS + TILE_POSITIONS) elements from memory or a
 * cache for TILE_CHANNELS * TILE_POSITIONS multiply-adds, and a work-item (OUT_CHANNELS + POSITIONS) from local memory
 * for OUT_CHANNELS * POSITIONS.
 */
#include "arguments/implicit_gemm.clh"
#include "common/epilogue.clh"
#include "common/gemm_tile.clh"
#include "common/padding.clh"

enum {
    ELEMENT_STEP = ITEMS / TILE_POSITIONS
}; /* rows from one element that a work-item fetches to the next */

/* Extents of the problem that a work-item needs for each tap. */
typedef struct extents {
    index depth, height, width;
    index dilation_d, dilation_h, dilation_w;
    int kernel_h, kernel_w, channels, group_out;
    index channel_size, positions; /* of a sample */
    index all_positions, input_sample, output_sample;
} extents;

/* Where a product reads, from where its window starts. */
typedef struct element {
    index channel, z, y, x;
} element;

/* What a work-item fetches: channels from `channel` on of a tap, for a column whose first tap lies at z, y, x; `source` is
 * where the tap's element of the first channel is, or -1 for a zero. */
typedef struct fetcher {
    global const real *input, *weight; /* of the volume and of the tile */
    index z, y, x;
    bool exists;
    int kd, kh, kw, tap, channel;
    index source;
    index sample; /* where the column's sample starts */
} fetcher;

ALWAYS_INLINE void find_source(fetcher *f, const extents *e)
{
    const index z = padding_source(MODE, f->z + f->kd * e->dilation_d, e->depth),
                y = padding_source(MODE, f->y + f->kh * e->dilation_h, e->height),
                x = padding_source(MODE, f->x + f->kw * e->dilation_w, e->width);
    f->source = f->exists && z >= 0 && y >= 0 && x >= 0 ? f->sample + (z * e->height + y) * e->width + x : -1;
}

ALWAYS_INLINE void next_tap(fetcher *f, const extents *e)
{
    f->channel = 0;
    f->tap++;
    if (++f->kw == e->kernel_w) {
        f->kw = 0;
        if (++f->kh == e->kernel_h) {
            f->kh = 0;
            f->kd++;
        }
    }
    find_source(f, e);
}

/* To slab number `slab` of all. */
ALWAYS_INLINE void start_slab(fetcher *f, const extents *e, const int slab, const int channel_slabs)
{
    const int row = (f->tap = slab / channel_slabs) / e->kernel_w;
    f->channel = slab % channel_slabs * SLAB;
    f->kw = f->tap - row * e->kernel_w;
    f->kd = row / e->kernel_h;
    f->kh = row - f->kd * e->kernel_h;
    find_source(f, e);
}

/* A slab's elements to registers, zeros past the last channel. What is no element is read from where one is, and a zero
 * selected: a branch for each would cost more. */
ALWAYS_INLINE void fetch(fetcher *f, const extents *e, local const element *filter, real weights[WEIGHTS],
                         real elements[ELEMENTS])
{
    const int item = (int)get_local_id(0), first = f->channel + item / TILE_POSITIONS;
#pragma unroll
    for (int i = 0; i < WEIGHTS; i++) {
        const int of = i * ITEMS + item, c = f->channel + of / TILE_CHANNELS;
        const index at = ((index)f->tap * e->channels + c) * TILE_CHANNELS + of % TILE_CHANNELS;
        const real weight = f->weight[c < e->channels ? at : 0];
        weights[i] = c < e->channels ? weight : 0;
    }
#pragma unroll
    for (int i = 0; i < ELEMENTS; i++) {
        const int c = first + i * ELEMENT_STEP;
#if FLAT
        const element at = filter[min(c, FLAT - 1)];
        const index z = padding_source(MODE, f->z + at.z, e->depth),
                    y = padding_source(MODE, f->y + at.y, e->height),
                    x = padding_source(MODE, f->x + at.x, e->width);
        const bool is_zero = !f->exists || c >= FLAT || z < 0 || y < 0 || x < 0;
        const index place = f->sample + at.channel + (z * e->height + y) * e->width + x;
        const real value = f->input[is_zero ? 0 : place];
        elements[i] = is_zero ? 0 : value;
#else
        const bool is_zero = f->source < 0 || c >= e->channels;
        const real value = f->input[is_zero ? 0 : f->source + c * e->channel_size];
        elements[i] = is_zero ? 0 : value;
#endif
    }
    f->channel += SLAB;
}

/* From registers to local memory, when all have done with what was there. */
ALWAYS_INLINE void put_slab(const real next_weights[WEIGHTS], const real next_elements[ELEMENTS],
                            local real (*weights)[CHANNEL_PITCH], local real (*elements)[POSITION_PITCH])
{
    const int item = (int)get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int i = 0; i < WEIGHTS; i++)
        weights[(i * ITEMS + item) / TILE_CHANNELS][(i * ITEMS + item) % TILE_CHANNELS] = next_weights[i];
#pragma unroll
    for (int i = 0; i < ELEMENTS; i++)
        elements[item / TILE_POSITIONS + i * ELEMENT_STEP][item % TILE_POSITIONS] = next_elements[i];
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* A work-item's outputs of a tile. Where the tile is comes from local memory when they are stored: else compilers keep the
 * places of all of them in registers throughout. */
typedef struct tile_outputs {
    global real *out; /* of the volume */
    epilogue e;
    int row, column;
    local const index *place; /* the first channel and position */
} tile_outputs;

/* Adds a run to what earlier ones left in the output, if there are any, and clears it; the last is stored as it should be. */
ALWAYS_INLINE void end_run(real acc[OUT_CHANNELS][POSITIONS], const tile_outputs *t, const extents *e,
                           const bool is_first, const bool is_last)
{
    const index first = t->place[1] + t->column * 4;
    const int first_out = (int)t->place[0] + t->row * 4;
#pragma unroll
    for (int i = 0; i < OUT_CHANNELS; i++) {
        const int o = first_out + PLACE(0, i, ROW_QUADS, TILE_CHANNELS);
#pragma unroll
        for (int j = 0; j < POSITIONS; j++) {
            const index p = first + PLACE(0, j, COLUMN_QUADS, TILE_POSITIONS);
#if BATCHED
            const index sample = p / e->positions,
                        at = sample * e->output_sample + o * e->positions + p - sample * e->positions;
#else
            const index at = o * e->positions + p;
#endif
            if (o < e->group_out && p < e->all_positions) {
                const real sum = is_first ? acc[i][j] : t->out[at] + acc[i][j];
                t->out[at] = is_last ? epilogue_late_one(epilogue_early_one(sum, t->e), t->e, at) : sum;
            }
            acc[i][j] = 0;
        }
    }
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
implicit_gemm(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
              TENSOR(real, output) EPILOGUE_TENSOR IMPLICIT_GEMM_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    local real weights[SLAB][CHANNEL_PITCH] __attribute__((aligned(16)));
    local real elements[SLAB][POSITION_PITCH] __attribute__((aligned(16)));
    local index place[2];
#if FLAT
    local element filter[FLAT];
#else
    local const element *filter = 0;
#endif
    const int item = (int)get_local_id(0), all_taps = (int)(kernel_d * kernel_h * kernel_w),
              taps = FLAT ? 1 : all_taps, channels = FLAT ? FLAT : (int)group_in;
    const int channel_slabs = (channels + SLAB - 1) / SLAB, all_slabs = taps * channel_slabs;
    extents x = {
        .depth = (index)depth,
        .height = (index)height,
        .width = (index)width,
        .dilation_d = (index)dilation_d,
        .dilation_h = (index)dilation_h,
        .dilation_w = (index)dilation_w,
        .kernel_h = (int)kernel_h,
        .kernel_w = (int)kernel_w,
        .channels = channels,
        .group_out = (int)group_out,
        .channel_size = (index)depth * (index)height * (index)width,
        .positions = (index)out_depth * (index)out_height * (index)out_width,
    };
    x.all_positions = BATCHED ? (index)samples * x.positions : x.positions;
    x.input_sample = BATCHED ? (index)(groups * group_in) * x.channel_size : 0;
    x.output_sample = BATCHED ? (index)(groups * group_out) * x.positions : 0;
#if FLAT
    if (units > 0)
        for (int k = item; k < FLAT; k += ITEMS) {
            const int tap = k / (int)group_in, line = tap / (int)kernel_w, plane = line / (int)kernel_h;
            filter[k].channel = (k - tap * (int)group_in) * x.channel_size;
            filter[k].z = plane * x.dilation_d;
            filter[k].y = (line - plane * (int)kernel_h) * x.dilation_h;
            filter[k].x = (tap - line * (int)kernel_w) * x.dilation_w;
        }
#endif
    for (long unit = WORK_GROUP(0); unit < units; unit += WORK_GROUPS(0)) {
        const long part = unit / part_units, volume = (unit - part * part_units) / tiles / out_tiles,
                   group = volume % groups, at = volume * group_out * x.positions;
        const int first_slab = (int)(part * part_slabs), slabs = min((int)part_slabs, all_slabs - first_slab);
        const int out_tile = (int)(unit / tiles % out_tiles);
        const index first = (index)(unit % tiles) * TILE_POSITIONS, p = first + item % TILE_POSITIONS,
                    sample = BATCHED ? p / x.positions : 0, in_sample = p - sample * x.positions,
                    line = in_sample / (index)out_width, plane = line / (index)out_height;
        fetcher f = {
            .input = TENSOR_START(input) + volume * group_in * x.channel_size,
            .weight =
                TENSOR_START(weight) + (group * out_tiles + out_tile) * all_taps * group_in * TILE_CHANNELS,
            .z = plane * (index)stride_d - (index)pad_depth,
            .y = (line - plane * (index)out_height) * (index)stride_h - (index)pad_height,
            .x = (in_sample - line * (index)out_width) * (index)stride_w - (index)pad_width,
            .exists = p < x.all_positions,
            .sample = sample * x.input_sample,
        };
        const tile_outputs t = {
            .out = TENSOR_START(output) + part * outputs + at,
            .e = EPILOGUE_AT(at),
            .row = item / COLUMNS,
            .column = item % COLUMNS,
            .place = place,
        };
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item == 0) {
            place[0] = (index)out_tile * TILE_CHANNELS;
            place[1] = first;
        }
        real acc[OUT_CHANNELS][POSITIONS], next_weights[WEIGHTS], next_elements[ELEMENTS];
#pragma unroll
        for (int i = 0; i < OUT_CHANNELS; i++) {
            const int o = out_tile * TILE_CHANNELS + PLACE(t.row, i, ROW_QUADS, TILE_CHANNELS);
            const real start = has_bias && o < x.group_out ? TENSOR_START(bias)[group * group_out + o] : 0;
#pragma unroll
            for (int j = 0; j < POSITIONS; j++)
                acc[i][j] = start;
        }
        start_slab(&f, &x, first_slab, channel_slabs);
        fetch(&f, &x, filter, next_weights, next_elements);
        /* Stretches of slabs that are fetched from one tap and belong to one run. */
        int ended = 0, tap_left = channel_slabs - first_slab % channel_slabs - 1, run_left = (int)run;
        for (int left = slabs - 1; left > 0;) {
            if (tap_left == 0) {
                next_tap(&f, &x);
                tap_left = channel_slabs;
            }
            const int stretch = min(min(tap_left, run_left), left);
            for (int slab = 0; slab < stretch; slab++) {
                put_slab(next_weights, next_elements, weights, elements);
                fetch(&f, &x, filter, next_weights, next_elements);
                multiply_slab(acc, weights, elements, t.row, t.column);
            }
            tap_left -= stretch;
            run_left -= stretch;
            left -= stretch;
#if LONG_SUMS
            if (run_left == 0) end_run(acc, &t, &x, ended++ == 0, false);
#endif
            if (run_left == 0) run_left = (int)run;
        }
        put_slab(next_weights, next_elements, weights, elements);
        multiply_slab(acc, weights, elements, t.row, t.column);
        end_run(acc, &t, &x, ended == 0, true);
    }
}
