/* Winograd convolution F(m x m, r x r) over H and W, all of it in one kernel: for few channels, whose
 * transformed planes would cost more to write and to read than to compute. winograd.cl draws the transforms.
 *
 *     A work-group goes through the depth of a block of rows of tiles, in a slice of its own that stays in
 * cache:
 *
 *         input plane -> padded rows -> parts -> frequencies of plane k ---+
 *                                                frequencies of plane k-1 -+-> product -> output plane
 *                                                frequencies of plane k-2 -+
 *                                                (a ring of KERNEL_D planes)
 *
 * so each input plane is transformed once for a block, and each output is one sum in the fixed order kd, c.
 * Rows of tiles of a dilated kernel interlace in sets of dilation_h; a block is some sets, or a part of one, of rows of
 * tiles or of parts of rows where a slice holds none.
 * Planes of a kernel that is dilated along the depth are independent unless they are dilation_d apart.
 *
 * With strides a kernel is a sum of dense ones, one for each phase of the input: row y * STRIDE_H + phase_h and
 * column x * STRIDE_W + phase_w meet taps of the same phase alone. Phases are then so many more channels, each of
 * which the filter of its own taps covers, r the larger half of kernel_size where the stride is 2.
 *
 *   OUTPUT_TILE, TAPS   m and r, as in common/winograd.clh
 *   STRIDE_H, STRIDE_W  1 and more; with any other than 1 no dilation on H and W
 *   OUT_CHANNELS        1 to 16   output channels of the product's register tile
 *   VECTORS             1 to 4    panels of the register tile at most
 *   VECTOR_WIDTH        2 to 16   tiles of a panel
 *   DILATION_W          1 and more; 0 if dilation_w says it
 *   KERNEL_D            1 and more: depth of the kernel
 *   CHANNELS_IN         0; or the input channels of a group times their phases: products are summed in registers,
 *                       weights are [o][kd][c][phase][frequency]
 *
 * Index space: work-groups of one work-item (slices), each taking every so many units. Cost: n^2 / m^2
 * * 2 * channels_in * KERNEL_D FLOPs an output and some 10 for each input and output; reads the input once for
 * each block of output channels' group, the rows that blocks share twice; writes the output once.
 */
#define LOCAL_SIZE 1
#ifndef CHANNELS_IN
#define CHANNELS_IN 0
#endif
#include "arguments/winograd_fused.clh"
#include "common/definition.clh"
#include "common/pad_rows.clh"
#include "common/winograd_inputs.clh"
#include "common/winograd_outputs.clh"

#define FREQUENCIES (INPUT_TILE * INPUT_TILE)
#define PHASES (STRIDE_H * STRIDE_W)
#include "common/winograd_sums.clh"

/* A block of a plane: `sets` sets from `first_set` on, of each the rows of tiles [first_phase, first_phase +
 * phases), and of each of those so many tiles. */
typedef struct tile_block {
    long first_set, sets, first_phase, phases, first_column, columns, tiles, panels;
} tile_block;

/* How a block's tiles lie in the output from its first column on. */
static inline tile_plane tiles_of(const tile_block *b, const long dilation_h, const long dilation_w,
                                  const long height, const long width, const bool streams)
{
    const tile_plane p = {.first_row = b->first_set * OUTPUT_TILE * dilation_h + b->first_phase,
                          .positions = b->tiles,
                          .columns = b->columns,
                          .phases = b->phases,
                          .dilation_h = dilation_h,
                          .dilation_w = dilation_w,
                          .height = height,
                          .width = width - b->first_column * OUTPUT_TILE,
                          .pitch = width,
                          .streams = streams};
    return p;
}

/* What is transformed, and where in a slice. */
typedef struct input_planes {
    global const real *input;
    long depth, height, width, pad_height, pad_width, mode;
    bool has_zeros; /* the padding of the padded rows is there */
    global real *padded, *parts;
    long pitch, part, dilation_h, dilation_w, frequency_step, panel_step;
} input_planes;

/* Pads the input rows under a block: its tiles then read rows `phases` apart. With strides each phase of the input
 * has its own. Zeros that are there already stay. */
static inline void pad_block(input_planes *in, const tile_block *b, const long plane, const long ahead)
{
    const long runs = b->sets * OUTPUT_TILE + TAPS - 1,
               first = b->first_set * OUTPUT_TILE * in->dilation_h + b->first_phase;
    const long count = b->phases == in->dilation_h ? runs : 1, rows = b->phases * count;
    pad_shape s = {
        .stride_h = STRIDE_H,
        .stride_w = STRIDE_W,
        .phases_h = STRIDE_H,
        .phases_w = STRIDE_W,
        .rows = (int)rows,
        .pitch = (int)in->pitch,
        .phase_pitch = (int)(rows * in->pitch),
        .pad_height = 0,
        .pad_width = in->pad_width - b->first_column * OUTPUT_TILE * STRIDE_W,
        .height = in->height,
        .width = in->width,
        .mode = in->mode,
        .ahead = AHEAD,
    };
    if (in->has_zeros) s.ahead = ahead;
    for (long run = 0; run < runs; run += count) {
        global real *to = in->padded + run * b->phases * in->pitch;
        s.pad_height = in->pad_height - (first + run * in->dilation_h) * STRIDE_H;
        if (in->has_zeros)
            refill_plane(&s, in->input + plane, to);
        else
            pad_plane(&s, in->input + plane, to, true);
    }
    in->has_zeros = in->mode == PADDING_ZEROS;
}

/* The frequencies of a block of so many channels, the first of which starts at `plane` of the input; the plane
 * `next` further on will be wanted after them. */
static inline void transform_channels(input_planes *in, const tile_block *b, long plane, const long channels,
                                      const long next, global real *to)
{
    const long plane_size = in->height * in->width, rows = (b->sets * OUTPUT_TILE + TAPS - 1) * b->phases;
    for (long c = 0; c < channels; c++, plane += in->depth * plane_size) {
        const long ahead = (c + 1 < channels ? in->depth : next - (channels - 1) * in->depth) * plane_size;
        pad_block(in, b, plane, ahead);
        for (long phase = 0; phase < PHASES; phase++) {
            transform_rows(in->padded + phase * rows * in->pitch, in->parts, rows, in->part, b->columns,
                           in->pitch, b->phases, in->dilation_w);
            for (long p = 0; p < b->panels; p++)
                transform_columns(in->parts + p * PANEL, in->part, b->columns * b->phases,
                                  to + p * in->panel_step + (c * PHASES + phase) * PANEL, in->frequency_step);
        }
    }
}

/* A plane of all output channels of a group, and the tiles of a block of it; the bias is 0 if there is none. */
typedef struct output_planes {
    global real *out;
    global const real *bias;
    epilogue e;
    long channel_size;
    tile_plane tiles;
} output_planes;

#if CHANNELS_IN > 0
/* Sums, transforms and stores a register tile, and adds what is in doubt. */
ALWAYS_INLINE void store_sums(const int channels, const int vectors, const frequency_product *f,
                              const output_planes *to, const long first_channel, const long first_panel,
                              realv *doubt)
{
    output_tile tiles[OUT_CHANNELS][VECTORS];
    sum_tiles(channels, vectors, f, first_panel * FREQUENCIES * CHANNELS_IN * PANEL,
              f->weight + first_channel * KERNEL_D * CHANNELS_IN * FREQUENCIES, tiles);
#pragma unroll
    for (int i = 0; i < OUT_CHANNELS * VECTORS; i++) {
        if (i / VECTORS >= channels || i % VECTORS >= vectors) continue;
        const long o = first_channel + i / VECTORS;
        const epilogue e = epilogue_from(to->e, o * to->channel_size);
        realv sums[OUTPUT_TILE][OUTPUT_TILE], rows[OUTPUT_TILE][OUTPUT_TILE];
#pragma unroll
        for (int at = 0; at < OUTPUT_TILE * OUTPUT_TILE; at++)
            sums[at / OUTPUT_TILE][at % OUTPUT_TILE] =
                tiles[i / VECTORS][i % VECTORS].columns[at % OUTPUT_TILE][at / OUTPUT_TILE];
        tile_end end = {e, to->bias != 0 ? to->bias[o] : 0, *doubt};
        finish_tiles(sums, &end, rows);
        *doubt = end.doubt;
        store_tiles(rows, to->out + o * to->channel_size, e, (first_panel + i % VECTORS) * PANEL, &to->tiles);
    }
}

/* The output of a block, sums in registers; what is in doubt. */
static inline realv store_block(const frequency_product *f, const tile_block *b, const output_planes *to)
{
    realv doubt = (realv)0;
    for (long p = 0; p < b->panels; p += VECTORS)
        for (long o = 0; o < f->channels_out; o += OUT_CHANNELS)
            if (p + VECTORS <= b->panels && o + OUT_CHANNELS <= f->channels_out)
                store_sums(OUT_CHANNELS, VECTORS, f, to, o, p, &doubt);
            else
                for (long i = 0; i < OUT_CHANNELS * VECTORS; i++)
                    if (o + i / VECTORS < f->channels_out && p + i % VECTORS < b->panels)
                        store_sums(1, 1, f, to, o + i / VECTORS, p + i % VECTORS, &doubt);
    return doubt;
}
#else
/* Transforms a chunk of a block's product and stores it; what is in doubt. While one channel is transformed, the lines of
 * the next are fetched, unless stores do without. */
static inline realv store_chunk(const frequency_product *f, const product_chunk *c, const output_planes *to)
{
    realv doubt = (realv)0;
    const long first = c->first_block * OUT_CHANNELS,
               last = min(f->channels_out, first + c->blocks * OUT_CHANNELS);
    for (long o = first; o < last; o++) {
        const epilogue e = epilogue_from(to->e, o * to->channel_size);
        tile_end end = {e, to->bias != 0 ? to->bias[o] : 0, doubt};
        for (long p = 0; p < c->panels; p++) {
            realv rows[OUTPUT_TILE][OUTPUT_TILE];
            const long q = (c->first_panel + p) * PANEL;
            if (o + 1 < last && !to->tiles.streams)
                prefetch_tiles(to->out + (o + 1) * to->channel_size, q, &to->tiles);
            transform_products(f->product + ((o - first) * c->panels + p) * PANEL, f->product_frequency, &end,
                               rows);
            store_tiles(rows, to->out + o * to->channel_size, e, q, &to->tiles);
        }
        doubt = end.doubt;
    }
    return doubt;
}

/* The output of a block, chunk by chunk of at most so many panels and blocks of output channels; whether some of it is
 * NaN and must be made by the definition. */
static inline bool store_chunks(const frequency_product *f, const tile_block *b, const output_planes *to,
                                const long chunk_panels, const long chunk_blocks, const long group_blocks)
{
    product_chunk c = {0, 0, 0, 0};
    bool has_doubts = false;
    for (; c.first_panel < b->panels; c.first_panel += chunk_panels) {
        c.panels = min(chunk_panels, b->panels - c.first_panel);
        for (c.first_block = 0; c.first_block < group_blocks; c.first_block += chunk_blocks) {
            c.blocks = min(chunk_blocks, group_blocks - c.first_block);
            multiply_chunk(f, &c);
            if (isnan(vector_sum(store_chunk(f, &c, to)))) has_doubts = true;
        }
    }
    return has_doubts;
}
#endif

/* Makes those outputs of a block of plane z by the definition that are NaN. */
static inline void define_block(const definition *d, const definition_tensors *t, const tile_block *b,
                                const long z)
{
    const long first = b->first_column * OUTPUT_TILE,
               last = min(first + b->columns * OUTPUT_TILE, d->out_width);
    for (long tile_row = 0; tile_row < b->sets * b->phases; tile_row++)
        for (int i = 0; i < OUTPUT_TILE; i++) {
            const long set = b->first_set + tile_row / b->phases, phase = tile_row % b->phases,
                       y = (set * OUTPUT_TILE + i) * d->dilation_h + b->first_phase + phase;
            if (y < d->out_height) define_row(d, t, z, y, first, last);
        }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd_fused(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
               TENSOR(real, output), TENSOR(const real, filters),
               TENSOR(real, slices) EPILOGUE_TENSOR WINOGRAD_FUSED_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *padded = TENSOR_START(slices) + get_group_id(0) * slice_size, *parts = padded + padded_size,
                *product = parts + parts_size, *frequencies = product + FREQUENCIES * product_size;
    const long channels_in = group_in * PHASES;
    input_planes in = {
        .input = TENSOR_START(input),
        .depth = depth,
        .height = height,
        .width = width,
        .pad_height = pad_height,
        .pad_width = pad_width,
        .mode = mode,
        .padded = padded,
        .parts = parts,
        .pitch = pitch,
        .part = part,
        .dilation_h = dilation_h,
        .dilation_w = dilation_w,
    };
    in.frequency_step = CHANNELS_IN > 0 ? CHANNELS_IN * PANEL : frequency_size;
    in.panel_step = CHANNELS_IN > 0 ? FREQUENCIES * in.frequency_step : channels_in * PANEL;
    const long plane_size = FREQUENCIES * frequency_size,
               matrix = group_blocks * KERNEL_D * channels_in * OUT_CHANNELS,
               group_weight = CHANNELS_IN > 0 ? FREQUENCIES * group_out * KERNEL_D * channels_in : matrix;
    const definition convolution = {DEFINITION_EXTENTS,      .kernel_d = KERNEL_D, .kernel_h = kernel_h,
                                    .kernel_w = kernel_w,    .stride_h = STRIDE_H, .stride_w = STRIDE_W,
                                    .dilation_w = dilation_w};
    for (long unit = get_group_id(0); unit < units; unit += get_num_groups(0)) {
        long rest = unit;
        const long phase_block = rest % phase_blocks;
        rest /= phase_blocks;
        const long column_block = rest % column_blocks;
        rest /= column_blocks;
        const long set_block = rest % set_blocks;
        rest /= set_blocks;
        const long residue = rest % dilation_d;
        rest /= dilation_d;
        const long first_k = rest % depth_chunks * chunk_depth, volume = rest / depth_chunks;
        const long group = volume % groups;
        tile_block b = {.first_set = set_block * block_sets,
                        .first_phase = phase_block * block_phases,
                        .first_column = column_block * block_columns};
        b.sets = min(block_sets, sets - b.first_set);
        b.phases = min(block_phases, dilation_h - b.first_phase);
        b.columns = min(block_columns, columns - b.first_column);
        b.tiles = b.sets * b.phases * b.columns;
        b.panels = (b.tiles + PANEL - 1) / PANEL;
        const tile_plane tiles = tiles_of(&b, dilation_h, dilation_w, out_height, out_width, streams);
        const long planes = (out_depth - residue + dilation_d - 1) / dilation_d;
        const long last_k = min(first_k + chunk_depth, planes);
        global const real *ring[KERNEL_D];
        in.has_zeros = false;
        for (long k = first_k * stride_d; k < (last_k - 1) * stride_d + KERNEL_D && first_k < last_k; k++) {
            if (k % stride_d >= KERNEL_D) continue;
            /* Plane k of the residue joins the ring. */
            const long source = padding_source(mode, residue + k * dilation_d - pad_depth, depth);
            const bool is_inside = source >= 0 && source < depth;
            global real *to = frequencies + k % KERNEL_D * plane_size;
            for (long kd = 1; kd < KERNEL_D; kd++)
                ring[kd - 1] = ring[kd];
            ring[KERNEL_D - 1] = is_inside ? to : 0;
            if (is_inside)
                transform_channels(&in, &b, (volume * group_in * depth + source) * height * width, group_in,
                                   dilation_d, to);
            const long first_read = k - KERNEL_D + 1;
            if (first_read < first_k * stride_d || first_read % stride_d != 0) continue;
            const long z = residue + first_read / stride_d * dilation_d;
            const long at =
                (volume * group_out * out_depth + z) * out_height * out_width + b.first_column * OUTPUT_TILE;
            const frequency_product product_of = {FREQUENCY_STEPS, .planes = ring,
                                                  .weight = TENSOR_START(weight) + group * group_weight,
                                                  .channels_in = channels_in};
            const output_planes outputs = {
                .out = TENSOR_START(output) + at,
                .bias = has_bias ? TENSOR_START(bias) + group * group_out : 0,
                .e = EPILOGUE_AT(at),
                .channel_size = out_depth * out_height * out_width,
                .tiles = tiles,
            };
#if CHANNELS_IN > 0
            const bool has_doubts = isnan(vector_sum(store_block(&product_of, &b, &outputs)));
#else
            const bool has_doubts =
                store_chunks(&product_of, &b, &outputs, chunk_panels, chunk_blocks, group_blocks);
#endif
            if (!has_doubts) continue;
            const long out_start = volume * group_out * out_depth * out_height * out_width;
            const definition_tensors all = {
                .input = TENSOR_START(input) + volume * group_in * depth * height * width,
                .weight = TENSOR_START(filters) + group * group_out * window_size(&convolution),
                .bias = outputs.bias,
                .out = TENSOR_START(output) + out_start,
                .column = padded + slice_size - DEFINITION_POSITIONS * window_size(&convolution),
                .e = EPILOGUE_AT(out_start),
            };
            define_block(&convolution, &all, &b, z);
        }
    }
}
