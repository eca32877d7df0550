/* Winograd convolution F(m, r) along W whose vectors are of output channels, for images whose rows of tiles are no
 * whole vectors: direct_channels with m + r - 1 products for m outputs of a row, where the definition needs r m.
 *
 *     y = A' [ sum over c, kd, kh of (G w) . (B' x) ]      . is elementwise; ' is the transpose
 *
 *     A work-group takes a unit, some planes and rows of a group's outputs, and makes them in a slice of its own:
 *
 *         input rows -> padded cells -> frequency f [c][plane][row][tile]      once for a chunk of output channels
 *         frequencies x weight [f][c][kd][kh] -> sums [f][plane][row][tile]    vectors of channels; as many sums as
 *                                                                              there are frequencies
 *         sums -> outputs [plane][row][column] -> rows of the output
 *
 * The rows of tiles of a plane are one line of positions, along which the taps of kh lie a row apart. Rows and planes
 * of zeros around the volume are neither transformed nor multiplied. Each output is one sum in an order that its place
 * in the volume fixes: blocks of channels, rectangles of taps, channels, taps.
 *   OUTPUT_TILE, TAPS   m and r, as in common/winograd.clh
 *   OUT_CHANNELS        1 or 2 times VECTOR_WIDTH
 *   POSITIONS           1 to 14  positions of a frequency that are summed at once, at most
 *   VECTOR_WIDTH        2 to 16
 *   LONG_SUMS           1 where a frequency sums more products than a run has
 *
 * Index space: work-groups of one work-item (slices), each taking its share of the units. Cost: 2 (m + r - 1) / m
 * FLOPs for each row of taps inside the volume, and some 10 for each input and output; reads the input once for each
 * chunk of output channels, rows and planes that two units share twice; writes the output once.
 */
#include "arguments/winograd_channels.clh"
#include "common/winograd.clh"

#define LOCAL_SIZE 1
#define DILATION_W 1
#define STRIDE_W 1
#define TILE_ROWS 1
#define READS_AHEAD 0
#include "common/channel_sums.clh"
#include "common/channel_tiles.clh"
#include "common/definition.clh"
#include "common/padding.clh"
#include "common/winograd_inputs.clh"

/* Outputs of a unit: so many planes and rows from some on, in tiles of `tile_rows` rows of `columns` tiles; and the
 * output's extents. */
typedef struct output_block {
    long first_z, planes, first_y, rows, tile_rows, columns, depth, height, width;
} output_block;

/* What a unit transforms of the padded volume: planes [first_plane, first_plane + planes) and rows likewise, all of
 * which are there. `input` is the first channel of its group. */
typedef struct input_block {
    global const real *input;
    long before, after; /* elements of the tensor on either side of `input` */
    long first_plane, planes, first_row, rows, columns;
    long depth, height, width, pad_depth, pad_height, pad_width, mode, padded_width;
} input_block;

/* Sets the planes and rows that outputs read by a window, of those of a padded volume: zeros around the input are not
 * there. Then the window over those, whose rows of tiles are one line. */
static inline void find_input(input_block *in, const output_block *out, window *n)
{
    const bool clips = in->mode == PADDING_ZEROS;
    const long plane = out->first_z * n->stride_d,
               last_plane = plane + (out->planes - 1) * n->stride_d + (n->kernel_d - 1) * n->dilation_d + 1,
               last_row = out->first_y + out->rows + (n->kernel_w - 1) * n->dilation_w;
    in->first_plane = clips ? max(plane, in->pad_depth) : plane;
    in->first_row = clips ? max(out->first_y, in->pad_height) : out->first_y;
    in->planes = max((clips ? min(last_plane, in->pad_depth + in->depth) : last_plane) - in->first_plane, 0L);
    in->rows = max((clips ? min(last_row, in->pad_height + in->height) : last_row) - in->first_row, 0L);
    n->dilation_w *= out->columns;
    n->clip_depth = in->first_plane - plane;
    n->depth = in->planes;
    n->pad_width = (in->first_row - out->first_y) * out->columns;
    n->width = n->pitch = n->plane_size = in->rows * out->columns;
}

/* Where row `row` of plane `plane` of those is, in a channel. */
static inline long row_source(const input_block *in, const long plane, const long row)
{
    const long z = padding_source(in->mode, in->first_plane + plane - in->pad_depth, in->depth),
               y = padding_source(in->mode, in->first_row + row - in->pad_height, in->height);
    return (z * in->height + y) * in->width;
}

/* A vector of cells of each row of a channel and shift, from the input's column `first` on: zeros where that is outside.
 * A vector may run past the end of its row, where the next row's follows. */
static inline void put_vectors(const input_block *in, global const real *channel, const long first,
                               global real *cells, const long cells_size, const long row_cells)
{
    lanesv inside[SHIFTS];
#pragma unroll
    for (int shift = 0; shift < SHIFTS; shift++) {
        const long x = first + shift * OUTPUT_TILE;
        inside[shift] = lanes_numbered(-x, in->width - x);
    }
    for (long plane = 0; plane < in->planes; plane++)
        for (long row = 0; row < in->rows; row++, cells += row_cells) {
            global const real *from = channel + row_source(in, plane, row) + first;
#pragma unroll
            for (int shift = 0; shift < SHIFTS; shift++)
                vector_store(select((realv)0, vector_load(from + shift * OUTPUT_TILE), inside[shift]),
                             cells + shift * cells_size);
        }
}

/* The same an element at a time, for a channel beside which there is nothing to read. */
static inline void put_cells(const input_block *in, global const real *channel, const long first,
                             global real *cells, const long row_cells)
{
    for (long plane = 0; plane < in->planes; plane++)
        for (long row = 0; row < in->rows; row++, cells += row_cells)
            for (long i = 0; i < row_cells; i++) {
                const long x = first + i;
                cells[i] = x >= 0 && x < in->width ? channel[row_source(in, plane, row) + x] : 0;
            }
}

/* What a padding mode puts beside the rows. */
static inline void pad_rows(const input_block *in, global const real *channel, const long first,
                            global real *cells, const long row_cells)
{
    const long end = min(first + row_cells, in->padded_width - in->pad_width);
    for (long plane = 0; plane < in->planes; plane++)
        for (long row = 0; row < in->rows; row++, cells += row_cells) {
            global const real *from = channel + row_source(in, plane, row);
            for (long x = first; x < min(end, 0L); x++)
                cells[x - first] = from[padding_source(in->mode, x, in->width)];
            for (long x = max(first, in->width); x < end; x++)
                cells[x - first] = from[padding_source(in->mode, x, in->width)];
        }
}

/* The padded rows of a channel, SHIFTS times, each OUTPUT_TILE columns on: a vector of tiles then has its inputs in
 * whole vectors of cells, whatever rows they are of. */
static inline void put_rows(const input_block *in, const long number, global real *cells,
                            const long cells_size)
{
    const long row_cells = in->columns * OUTPUT_TILE, size = in->depth * in->height * in->width,
               at = number * size;
    global const real *channel = in->input + at;
    const bool has_neighbours =
        at - in->pad_width >= -in->before &&
        at - in->pad_width + size + SHIFTS * OUTPUT_TILE + row_cells + VECTOR_WIDTH <= in->after;
    if (has_neighbours)
        for (long i = 0; i < row_cells; i += VECTOR_WIDTH) {
            const long x = max(min(i, row_cells - VECTOR_WIDTH), 0L);
            put_vectors(in, channel, x - in->pad_width, cells + x, cells_size, row_cells);
        }
    for (int shift = 0; shift < SHIFTS; shift++, cells += cells_size) {
        const long first = shift * OUTPUT_TILE - in->pad_width;
        if (!has_neighbours) put_cells(in, channel, first, cells, row_cells);
        if (in->mode != PADDING_ZEROS) pad_rows(in, channel, first, cells, row_cells);
    }
}

/* The frequencies of a channel. The last vectors run past its end, where the next channel's follow. */
static inline void transform_channel(const input_block *in, const long channel, global real *cells,
                                     const long cells_size, global real *to, const long frequency_size)
{
    put_rows(in, channel, cells, cells_size);
    for (long q = 0; q < in->planes * in->rows * in->columns; q += VECTOR_WIDTH) {
        realv from[SHIFTS][OUTPUT_TILE];
#pragma unroll
        for (int i = 0; i < SHIFTS * OUTPUT_TILE; i++)
            from[i / OUTPUT_TILE][i % OUTPUT_TILE] = vector_load(
                cells + i / OUTPUT_TILE * cells_size + q * OUTPUT_TILE + i % OUTPUT_TILE * VECTOR_WIDTH);
        transform_row(from, to + q, frequency_size);
    }
}

/* Continues a frequency's sums of a block of output channels; `t` holds what all tiles share. While it goes through
 * them, the weights that follow are fetched, each tile's part of them. */
static inline void sum_frequency(global real *sums, const output_block *out, const window *n, tile_sum t,
                                 global const real *frequency)
{
    tap_list taps;
    t.taps = &taps;
    const long tiles = (out->rows + out->tile_rows - 1) / out->tile_rows, first_ahead = t.first_ahead;
    t.step_ahead = out->planes * tiles * VECTOR_WIDTH;
    for (long z = 0; z < out->planes; z++)
        for (long tile = 0; tile < tiles; tile++) {
            const long y = tile * out->tile_rows, line = min(out->tile_rows, out->rows - y) * out->columns,
                       parts = (line + POSITIONS - 1) / POSITIONS;
            t.first_ahead = first_ahead + (z * tiles + tile) * VECTOR_WIDTH;
            for (long part = 0; part < parts; part++) {
                const long first = part * line / parts, count = (part + 1) * line / parts - first,
                           x = y * out->columns + first;
                t.input = frequency + x - n->pad_width;
                sum_tile(sums + (z * out->rows * out->columns + x) * OUT_CHANNELS, n, &t, &taps, z, 0, x, 1,
                         count);
            }
        }
}

/* A' m of a block's sums, those of a frequency `sum_size` elements long, with the bias of its channels; in doubt
 * where one is NaN. */
static inline realv transform_sums(global const real *sums, const long sum_size, const output_block *out,
                                   const real bias[OUT_CHANNELS], global real *to)
{
    realv doubt = (realv)0;
    for (long row = 0; row < out->planes * out->rows; row++)
        for (long tile = 0; tile < out->columns; tile++, sums += OUT_CHANNELS)
            for (int v = 0; v < VECTORS; v++) {
                realv m[INPUT_TILE], y[OUTPUT_TILE];
#pragma unroll
                for (int f = 0; f < INPUT_TILE; f++)
                    m[f] = vector_load(sums + f * sum_size + v * VECTOR_WIDTH);
                transform_output(m, y);
                doubt += DOUBT(y[0]);
#pragma unroll
                for (int j = 0; j < OUTPUT_TILE; j++) {
                    const long x = tile * OUTPUT_TILE + j;
                    if (x < out->width)
                        vector_store(y[j] + lanes_load(bias + v * VECTOR_WIDTH),
                                     to + (row * out->width + x) * OUT_CHANNELS + v * VECTOR_WIDTH);
                }
            }
    return doubt;
}

/* Makes those outputs of a unit by the definition that are NaN. */
static inline void define_block(const definition *d, const definition_tensors *t, const output_block *out)
{
    for (long z = out->first_z; z < out->first_z + out->planes; z++)
        for (long y = out->first_y; y < out->first_y + out->rows; y++)
            define_row(d, t, z, y, 0, out->width);
}

/* Stores a unit's outputs of a block of channels; `to` is where the first of these starts. */
static inline void store_block(global const real *from, const output_block *out, global real *to,
                               const epilogue e, const long channels)
{
    /* Rows of several planes are neighbours if the planes are whole. */
    const bool is_whole = out->rows == out->height;
    const long runs = is_whole ? 1 : out->planes, count = out->planes / runs * out->rows * out->width;
    for (long run = 0; run < runs; run++) {
        const long at = ((out->first_z + run) * out->height + out->first_y) * out->width;
        store_sums(from + run * count * OUT_CHANNELS, count, to + at, epilogue_from(e, at),
                   out->depth * out->height * out->width, channels);
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd_channels(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
                  TENSOR(real, output), TENSOR(const real, filters),
                  TENSOR(real, slices) EPILOGUE_TENSOR WINOGRAD_CHANNELS_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    global real *cells = TENSOR_START(slices) + get_group_id(0) * slice_size,
                *frequencies = cells + SHIFTS * cells_size, *sums = frequencies + INPUT_TILE * frequency_size,
                *outputs = sums + sums_size;
    const long weight_channel = kernel_d * kernel_h * OUT_CHANNELS;
    const definition convolution = {DEFINITION_EXTENTS, .kernel_d = kernel_d, .kernel_h = kernel_h,
                                    .kernel_w = TAPS,   .stride_h = 1,        .stride_w = 1,
                                    .dilation_w = 1};
    const long last_unit = (get_group_id(0) + 1) * units / get_num_groups(0);
    for (long unit = get_group_id(0) * units / get_num_groups(0); unit < last_unit; unit++) {
        const long chunk = unit % chunks, y = unit / chunks % row_blocks * block_rows,
                   z = unit / chunks / row_blocks % depth_blocks * block_depth,
                   volume = unit / chunks / row_blocks / depth_blocks, group = volume % groups;
        const long first_block = chunk * chunk_blocks, count = min(chunk_blocks, blocks - first_block);
        const output_block out = {.first_z = z,
                                  .planes = min(block_depth, out_depth - z),
                                  .first_y = y,
                                  .rows = min(block_rows, out_height - y),
                                  .tile_rows = tile_rows,
                                  .columns = columns,
                                  .depth = out_depth,
                                  .height = out_height,
                                  .width = out_width};
        const long at = volume * group_in * depth * height * width;
        input_block in = {.input = TENSOR_START(input) + at,
                          .before = at,
                          .after = input_size - at,
                          .columns = columns,
                          .depth = depth,
                          .height = height,
                          .width = width,
                          .pad_depth = pad_depth,
                          .pad_height = pad_height,
                          .pad_width = pad_width,
                          .mode = mode,
                          .padded_width = out_width + TAPS - 1};
        /* kh moves along a line, as kw does elsewhere. */
        window n = {.kernel_d = kernel_d,
                    .kernel_h = 1,
                    .kernel_w = kernel_h,
                    .stride_d = stride_d,
                    .stride_h = 1,
                    .dilation_d = dilation_d,
                    .dilation_h = 1,
                    .dilation_w = dilation_h,
                    .height = 1};
        find_input(&in, &out, &n);
        const position_range ahead = weights_read(&n, 0, out.planes - 1);
        const long sum_size = out.planes * out.rows * columns * OUT_CHANNELS;
        for (long i = 0; i < count * INPUT_TILE * sum_size; i += VECTOR_WIDTH)
            vector_store((realv)0, sums + i);
        for (long first_in = 0; first_in < group_in; first_in += block_in) {
            tile_sum t = {.channels = min(block_in, group_in - first_in),
                          .channel_size = in.planes * in.rows * columns,
                          .weight_channel = weight_channel,
                          .first_ahead = ahead.first,
                          .end_ahead = ahead.last};
            for (long c = 0; c < t.channels; c++)
                transform_channel(&in, first_in + c, cells, cells_size, frequencies + c * t.channel_size,
                                  frequency_size);
            for (long i = 0; i < count * INPUT_TILE; i++) {
                const long block = group * blocks + first_block + i / INPUT_TILE;
                t.weight = TENSOR_START(weight) +
                           ((block * group_in + first_in) * INPUT_TILE + i % INPUT_TILE * t.channels) *
                               weight_channel;
                sum_frequency(sums + i * sum_size, &out, &n, t,
                              frequencies + i % INPUT_TILE * frequency_size);
            }
        }
        bool has_doubts = false;
        for (long b = 0; b < count; b++) {
            const long first_out = (first_block + b) * OUT_CHANNELS,
                       channels = min((long)OUT_CHANNELS, group_out - first_out),
                       to = (volume * group_out + first_out) * out_depth * out_height * out_width;
            real start[OUT_CHANNELS];
            for (int o = 0; o < OUT_CHANNELS; o++)
                start[o] =
                    has_bias && o < channels ? TENSOR_START(bias)[group * group_out + first_out + o] : 0;
            const realv doubt =
                transform_sums(sums + b * INPUT_TILE * sum_size, sum_size, &out, start, outputs);
            if (isnan(vector_sum(doubt))) has_doubts = true;
            store_block(outputs, &out, TENSOR_START(output) + to, EPILOGUE_AT(to), channels);
        }
        if (!has_doubts) continue;
        const long first_out = first_block * OUT_CHANNELS,
                   to = (volume * group_out + first_out) * out_depth * out_height * out_width;
        definition own = convolution;
        own.channels_out = min(count * OUT_CHANNELS, group_out - first_out);
        const definition_tensors all = {
            .input = in.input,
            .weight = TENSOR_START(filters) + (group * group_out + first_out) * window_size(&convolution),
            .bias = has_bias ? TENSOR_START(bias) + group * group_out + first_out : 0,
            .out = TENSOR_START(output) + to,
            .column = cells + slice_size - DEFINITION_POSITIONS * window_size(&convolution),
            .e = EPILOGUE_AT(to),
        };
        define_block(&own, &all, &out);
    }
}
