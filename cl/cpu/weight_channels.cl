/* The gradient of the weight with vectors along output channels, where there are enough of them: a product of
 * matrices without an unfolded one. The output gradient is turned so that a position's channels are neighbours;
 * the input is read element by element, each for all lanes.
 *
 *     A work-group takes a group's share of blocks of output planes and rows, and a split of its output channels,
 *     in a slice of its own:
 *
 *         for each block:     output gradient under it -> turned [tile][position][lane]
 *           for block_in channels:     input under it -> padded
 *             for each box of at most 256 positions, tile of lanes and kd:
 *               for each tile of rows:     sums += products over the box
 *
 *     in registers, for each position q of the box:
 *
 *                          lanes 0 .. LANES - 1, VECTORS vectors of output channels
 *           x[row][kw + q] |  acc[row][kw][0]  |  acc[row][kw][1]  | ...      ROWS * KERNEL_W elements of x
 *
 * where a row of taps is one (channel, kd, kh), as in weight_direct.cl, which explains the other parameters. Nothing
 * depends on where vectors lie: rows of any width and stride are read as they come. A box is a run, which is added to the
 * share's sums in memory; add_parts adds the shares in their order and turns the sums into the weight's layout. So the
 * shape of a sum depends on the problem alone.
 *   ROWS          1 to 16
 *   VECTORS       1 to 4
 *   VECTOR_WIDTH  2 to 16
 *   KERNEL_W      1 to 8    width of the kernel, or 1 where taps of a row are rows too
 *   STRIDE_H, STRIDE_W, DILATION_W, PHASES_W   as in weight_direct.cl
 *
 * Index space: work-groups of one work-item (slices), each taking its part of the items; add_parts: (1, 1, panels of
 * output channels). Cost: 2 FLOPs for each weight and position, lanes past the last channel and ragged tiles aside;
 * reads the input once for each split, and what neighbouring blocks share twice.
 */
#define LOCAL_SIZE 1
#include "arguments/weight_channels.clh"
#include "common/pad_rows.clh"
#include "common/partial_sums.clh"
#include "common/tap_rows.clh"
#include "common/transpose.clh"

#define LANES (VECTORS * VECTOR_WIDTH)

/* VECTOR_WIDTH cells of each of as many channels, those from `channels` on zero; `count` cells exist. */
ALWAYS_INLINE void load_square(realv square[VECTOR_WIDTH], global const real *from, const long channels,
                               const long from_channel, const int count)
{
    for (int o = 0; o < VECTOR_WIDTH; o++) {
        global const real *cells = from + o * from_channel;
        square[o] = (realv)0;
        if (o >= channels) continue;
        if (count == VECTOR_WIDTH) {
            square[o] = vector_load(cells);
            continue;
        }
        real lanes[VECTOR_WIDTH];
        for (int i = 0; i < VECTOR_WIDTH; i++)
            lanes[i] = i < count ? cells[i] : 0;
        square[o] = lanes_load(lanes);
    }
}

/* The output gradient of a block, `channels` of them `from_channel` elements apart, each `planes` runs of `count`
 * positions, into [position][LANES]. The last vector of a run may overlap the one before. */
ALWAYS_INLINE void turn_gradient(global const real *from, global real *to, const long channels,
                                 const long from_channel, const long planes, const long from_plane,
                                 const long count)
{
    const int cells = (int)min((long)VECTOR_WIDTH, count);
    for (int first = 0; first < LANES; first += VECTOR_WIDTH)
        for (long z = 0; z < planes; z++)
            for (long done = 0; done < count; done += VECTOR_WIDTH) {
                const long q = min(done, count - cells);
                realv square[VECTOR_WIDTH];
                load_square(square, from + first * from_channel + z * from_plane + q, channels - first,
                            from_channel, cells);
                transpose(square);
                for (int i = 0; i < cells; i++)
                    vector_store(square[i], to + (z * count + q + i) * LANES + first);
            }
}

/* A row of taps of one kd: see tap_rows. */
typedef struct row_place {
    long channel, kh, kw;
} row_place;

static inline long row_start(const tap_rows *t, const row_place *p)
{
    const long kw = p->kw * t->dilation_w, kh = p->kh * t->dilation_h;
    return p->channel * t->channel_size + ROW(kh, t->phase_pitch, t->pitch) + kw % STRIDE_W * t->phase_pitch +
           kw / STRIDE_W;
}

static inline void next_row(const tap_rows *t, row_place *p)
{
    if (++p->kw < t->kernel_w) return;
    p->kw = 0;
    if (++p->kh < t->kernel_h) return;
    p->kh = 0;
    p->channel++;
}

/* Positions of a box, and how far their planes and rows are apart in the input and in the turned gradient. */
typedef struct box {
    long planes, rows, width;
    long x_plane, x_row, g_plane, g_row;
} box;

/* acc += the products of a box. */
ALWAYS_INLINE void sum_box(realv acc[ROWS][KERNEL_W][VECTORS], global const real *x[ROWS],
                           global const real *g, const box *b, const long phase_pitch)
{
    for (long z = 0; z < b->planes; z++)
        for (long y = 0; y < b->rows; y++) {
            const long at = z * b->x_plane + y * b->x_row;
            global const real *lanes = g + z * b->g_plane + y * b->g_row;
            for (long q = at; q < at + b->width; q++, lanes += LANES) {
                realv channels[VECTORS];
#pragma unroll
                for (int v = 0; v < VECTORS; v++)
                    channels[v] = vector_load(lanes + v * VECTOR_WIDTH);
#pragma unroll
                for (int r = 0; r < ROWS; r++)
#pragma unroll
                    for (int kw = 0; kw < KERNEL_W; kw++) {
                        const realv element = (realv)x[r][q + COLUMN(kw, phase_pitch)];
#pragma unroll
                        for (int v = 0; v < VECTORS; v++)
                            acc[r][kw][v] = element * channels[v] + acc[r][kw][v];
                    }
            }
        }
}

/* Vectors by value, too, let compilers use registers as wide as they are. */
static inline void add_to_sums(const realv sum, global real *at, const bool accumulate)
{
    vector_store(accumulate ? vector_load(at) + sum : sum, at);
}

/* The tile of rows from `place` on, which moves past them: its sums of a box go to `sums`, those of `rows` rows. */
ALWAYS_INLINE void sum_tile(global const real *x, const tap_rows *t, row_place *place, const long rows,
                            global const real *g, const box *b, global real *sums, const bool accumulate)
{
    global const real *row_x[ROWS];
    realv acc[ROWS][KERNEL_W][VECTORS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        row_x[r] = x + row_start(t, place);
        if (r + 1 < rows) next_row(t, place);
#pragma unroll
        for (int kw = 0; kw < KERNEL_W; kw++)
#pragma unroll
            for (int v = 0; v < VECTORS; v++)
                acc[r][kw][v] = (realv)0;
    }
    next_row(t, place);
    sum_box(acc, row_x, g, b, t->phase_pitch);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (r >= rows) continue;
#pragma unroll
        for (int kw = 0; kw < KERNEL_W; kw++)
#pragma unroll
            for (int v = 0; v < VECTORS; v++)
                add_to_sums(acc[r][kw][v], sums + (r * KERNEL_W + kw) * LANES + v * VECTOR_WIDTH, accumulate);
    }
}

/* What the boxes of a block read, and where their sums go: for the first tile, kd and row. */
typedef struct block_sums {
    long planes, rows, width;
    global const real *x, *g;
    global real *sums;
    long tiles, g_tile, sums_of_tile; /* and elements from tile to tile */
    long kernel_d, dilation_d, sums_of_kd;
} block_sums;

/* Adds the products of a box to the sums of all tiles; planes outside of what is padded are left out. */
ALWAYS_INLINE void add_box(const block_sums *s, const tap_rows *taps, const pad_planes *padded, const long z,
                           const long y, const long column, const box *size, const bool accumulate)
{
    const long stride = padded->stride;
    for (long tile = 0; tile < s->tiles; tile++)
        for (long kd = 0; kd < s->kernel_d; kd++) {
            const long at = kd * s->dilation_d, before = padded->before - at, end = padded->end - at;
            const long first = max(z, before > 0 ? (before + stride - 1) / stride : 0);
            box b = *size;
            b.planes = min(z + size->planes, end > 0 ? (end + stride - 1) / stride : 0) - first;
            if (b.planes <= 0 && accumulate) continue;
            global const real *x = s->x + (first * stride + at) * padded->size + y * b.x_row + column,
                              *g = s->g + tile * s->g_tile + first * b.g_plane + y * b.g_row + column * LANES;
            global real *sums = s->sums + tile * s->sums_of_tile + kd * s->sums_of_kd;
            row_place place = {0, 0, 0};
            for (long row = 0; row < taps->count; row += ROWS)
                sum_tile(x, taps, &place, min((long)ROWS, taps->count - row), g, &b,
                         sums + row * KERNEL_W * LANES, accumulate);
        }
}

/* All boxes of a block: `size` is the first one's, the last along an axis may have less. */
ALWAYS_INLINE void add_boxes(const block_sums *s, const tap_rows *taps, const pad_planes *padded,
                             const box *size, bool accumulate)
{
    for (long z = 0; z < s->planes; z += size->planes)
        for (long y = 0; y < s->rows; y += size->rows)
            for (long column = 0; column < s->width; column += size->width) {
                box b = *size;
                b.planes = min(size->planes, s->planes - z);
                b.rows = min(size->rows, s->rows - y);
                b.width = min(size->width, s->width - column);
                add_box(s, taps, padded, z, y, column, &b, accumulate);
                accumulate = true;
            }
}

static inline long boxes_along(const long extent, const long of_box)
{
    return (extent + of_box - 1) / of_box;
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
weight_channels(TENSOR(const real, input), TENSOR(const real, gradient), TENSOR(real, slices),
                TENSOR(real, sums), TENSOR(real, totals) WEIGHT_CHANNELS_ARGUMENTS(ARGUMENT))
{
    global real *slice = TENSOR_START(slices) + get_group_id(0) * slice_size,
                *turned = slice + gradient_start;
    const long plane_rows = kernel_h * kernel_w, out_plane = out_height * out_width;
    const long last_item = (get_group_id(0) + 1) * items / get_num_groups(0);
    for (long item = get_group_id(0) * items / get_num_groups(0); item < last_item; item++) {
        const long part = item % parts, split = item / parts % splits, group = item / parts / splits;
        const long first_tile = split * tiles / splits,
                   tile_count = (split + 1) * tiles / splits - first_tile;
        const long first_unit = part * units / parts, last_unit = (part + 1) * units / parts;
        const long first_sum = (group * tiles + first_tile) * sums_of_tile,
                   sum_count = tile_count * sums_of_tile;
        global real *item_sums = TENSOR_START(sums) + part * sums_of_part + first_sum,
                    *item_totals = TENSOR_START(totals) + part * levels * sums_of_part + first_sum;
        long added = 0, ended = 0; /* boxes since the last run was ended, and runs */
        for (long unit = first_unit; unit < last_unit; unit++) {
            const long sample = unit / row_blocks / depth_blocks;
            const long first_z = unit / row_blocks % depth_blocks * block_depth,
                       first_y = unit % row_blocks * block_rows;
            const long planes = min(block_depth, out_depth - first_z),
                       rows = min(block_rows, out_height - first_y);
            const long boxes = boxes_along(planes, box_depth) * boxes_along(rows, box_rows) *
                               boxes_along(out_width, box_width);
            if (added + boxes > SUM_PARTS) {
                end_run_of_sums(item_sums, item_totals, sum_count, sums_of_part, levels, ended++);
                added = 0;
            }
            const long padded_rows = rows + halo_h, phase_pitch = padded_rows * pitch + tail;
            const long plane_size = phases_h * PHASES_W * phase_pitch;
            const pad_planes padded = planes_under(first_z * stride_d - pad_depth, planes * stride_d + halo_d,
                                                   stride_d, phases_d, depth, plane_size, clips_depth != 0);
            const long positions = planes * rows * out_width;
            for (long tile = 0; tile < tile_count; tile++) {
                const long first_out = (first_tile + tile) * LANES;
                const long out_channel = (sample * groups + group) * group_out + first_out;
                turn_gradient(TENSOR_START(gradient) + (out_channel * out_depth + first_z) * out_plane +
                                  first_y * out_width,
                              turned + tile * positions * LANES, group_out - first_out, out_depth * out_plane,
                              planes, out_plane, rows * out_width);
            }
            pad_shape shape = {PAD_PHASES, .rows = (int)padded_rows,
                               .pad_height = pad_height - first_y * STRIDE_H, .ahead = 0};
            for (long first_in = 0; first_in < group_in; first_in += block_in) {
                const long channels = min(block_in, group_in - first_in);
                const long in_channel = (sample * groups + group) * group_in + first_in;
                /* Zeros stay where they are from channels to channels of a block. */
                pad_channels(&shape, &padded, TENSOR_START(input) + in_channel * depth * height * width,
                             slice, channels, channel_size,
                             first_in > 0 && mode == PADDING_ZEROS && clips_depth != 0);
                const tap_rows taps = {TAP_EXTENTS, .count = channels * plane_rows};
                const block_sums s = {
                    .planes = planes,
                    .rows = rows,
                    .width = out_width,
                    .x = slice,
                    .g = turned,
                    .sums = item_sums + first_in * plane_rows * KERNEL_W * LANES,
                    .tiles = tile_count,
                    .g_tile = positions * LANES,
                    .sums_of_tile = sums_of_tile,
                    .kernel_d = kernel_d,
                    .dilation_d = dilation_d,
                    .sums_of_kd = group_in * plane_rows * KERNEL_W * LANES,
                };
                const box size = {
                    .planes = box_depth,
                    .rows = box_rows,
                    .width = box_width,
                    .x_plane = stride_d * plane_size,
                    .x_row = pitch,
                    .g_plane = rows * out_width * LANES,
                    .g_row = out_width * LANES,
                };
                add_boxes(&s, &taps, &padded, &size, added + ended > 0);
            }
            added += boxes;
        }
        if (ended > 0) add_totals_of_sums(item_sums, item_totals, sum_count, sums_of_part, levels, ended);
    }
}

/* Where the sums of a weight are: weight f of a filter is (channel, kd, kh, kw). */
static inline long sums_of_weight(const long f, const long group_in, const long kernel_d,
                                  const long kernel_plane)
{
    const long tap = f % kernel_plane, kd = f / kernel_plane % kernel_d,
               channel = f / kernel_plane / kernel_d;
    return ((kd * group_in + channel) * kernel_plane + tap) * LANES;
}

/* grad_weight [o][f] = the sum over parts of sums [tile][f][lane], a square of weights and output channels at a time. */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
add_parts(TENSOR(const real, sums), TENSOR(real, output) ADD_PARTS_ARGUMENTS(ARGUMENT))
{
    const long filter = group_in * kernel_d * kernel_plane;
    FOR_EACH(2, panel, panels)
    {
        const long group = panel / (tiles * VECTORS), first_out = panel % (tiles * VECTORS) * VECTOR_WIDTH;
        const long tile = first_out / LANES, channels = min((long)VECTOR_WIDTH, group_out - first_out);
        global const real *from =
            TENSOR_START(sums) + (group * tiles + tile) * sums_of_tile + first_out % LANES;
        global real *to = TENSOR_START(output) + (group * group_out + first_out) * filter;
        if (channels <= 0) continue;
        for (long f = 0; f < filter; f += VECTOR_WIDTH) {
            const int count = (int)min((long)VECTOR_WIDTH, filter - f);
            realv square[VECTOR_WIDTH];
            for (int i = 0; i < VECTOR_WIDTH; i++) {
                global const real *at =
                    from + sums_of_weight(min(f + i, filter - 1), group_in, kernel_d, kernel_plane);
                square[i] = vector_load(at);
                for (long part = 1; part < parts; part++)
                    square[i] += vector_load(at + part * sums_of_part);
            }
            transpose(square);
            for (int o = 0; o < channels; o++)
                if (count == VECTOR_WIDTH)
                    vector_store(square[o], to + o * filter + f);
                else
                    vector_store_lanes(square[o], to + o * filter + f, 0, count);
        }
    }
}
