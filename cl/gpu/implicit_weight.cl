/* The weight's gradient as a product of matrices, output channels by a filter's elements, summed over positions, without an
 * unfolded input: implicit_gemm.cl says how a tile is made. Here a slab is SLAB positions of all samples, and each work-item
 * fetches one of them: of the output's gradient for some channels, and where the taps of some of the filter's elements
 * read the input, in all padding modes.
 *   TILE_CHANNELS, TILE_POSITIONS, SLAB, OUT_CHANNELS, POSITIONS   common/gemm_tile.clh; columns are elements of a filter
 *   MODE         PADDING_*
 *   INDEX_BITS   32 or 64 of an element's place in a sample's group: 32 where all are below 2^31
 *
 * Parts of the slabs are summed apart, for their sums not to be long and for units not to be idle, and added in order by
 * cl/any/reduce.cl. In a part, runs are added in memory.
 *
 * Index space: work-groups of units, a tile of a part each, stepping over what is left. Cost: 2 * positions FLOPs an element
 * of the weight; a tile reads (TILE_CHANNELS + TILE_POSITIONS) elements for TILE_CHANNELS * TILE_POSITIONS multiply-adds.
 */
#include "arguments/implicit_weight.clh"
#include "common/gemm_tile.clh"
#include "common/padding.clh"

enum { FETCH_STEP = ITEMS / SLAB }; /* rows or columns from one that a work-item fetches to the next */

/* Extents that a work-item needs for each slab. */
typedef struct extents {
    index depth, height, width, positions, out_depth, out_height, out_width;
    index stride_d, stride_h, stride_w, pad_depth, pad_height, pad_width;
    int rows, columns; /* that the tile has */
    long input_sample, gradient_sample, samples;
} extents;

/* The position that a work-item fetches. */
typedef struct fetcher {
    global const real *input, *gradient; /* of the group and the tile's first channel */
    index z, y, x;
    long sample;
} fetcher;

/* Where an element of a filter reads, from where its window starts. */
typedef struct element {
    index channel, z, y, x;
} element;

ALWAYS_INLINE void carry(fetcher *f, const extents *e)
{
    while (f->x >= e->out_width) {
        f->x -= e->out_width;
        f->y++;
    }
    while (f->y >= e->out_height) {
        f->y -= e->out_height;
        f->z++;
    }
    while (f->z >= e->out_depth) {
        f->z -= e->out_depth;
        f->sample++;
    }
}

/* A slab's elements to registers, zeros past the last position, channel or element of a filter: selected, as in
 * implicit_gemm.cl. */
ALWAYS_INLINE void fetch(fetcher *f, const extents *e, local const element *filter, real rows[WEIGHTS],
                         real columns[ELEMENTS])
{
    const int first = (int)get_local_id(0) / SLAB;
    const bool exists = f->sample < e->samples;
    const long sample = exists ? f->sample : 0;
    global const real *input = f->input + sample * e->input_sample,
                      *gradient = f->gradient + sample * e->gradient_sample;
    const index position = (f->z * e->out_height + f->y) * e->out_width + f->x;
    const index z = f->z * e->stride_d - e->pad_depth, y = f->y * e->stride_h - e->pad_height,
                x = f->x * e->stride_w - e->pad_width;
#pragma unroll
    for (int i = 0; i < WEIGHTS; i++) {
        const int o = first + i * FETCH_STEP;
        const bool is_zero = !exists || o >= e->rows;
        const real value = gradient[is_zero ? 0 : o * e->positions + position];
        rows[i] = is_zero ? 0 : value;
    }
#pragma unroll
    for (int i = 0; i < ELEMENTS; i++) {
        const int c = first + i * FETCH_STEP;
        const element at = filter[c];
        const index plane = padding_source(MODE, z + at.z, e->depth),
                    line = padding_source(MODE, y + at.y, e->height),
                    column = padding_source(MODE, x + at.x, e->width);
        const bool is_zero = !exists || c >= e->columns || plane < 0 || line < 0 || column < 0;
        const index place = at.channel + (plane * e->height + line) * e->width + column;
        const real value = input[is_zero ? 0 : place];
        columns[i] = is_zero ? 0 : value;
    }
    f->x += SLAB;
    carry(f, e);
}

/* From registers to local memory, when all have done with what was there. */
ALWAYS_INLINE void put_slab(const real next_rows[WEIGHTS], const real next_columns[ELEMENTS],
                            local real (*rows)[CHANNEL_PITCH], local real (*columns)[POSITION_PITCH])
{
    const int k = (int)get_local_id(0) % SLAB, first = (int)get_local_id(0) / SLAB;
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int i = 0; i < WEIGHTS; i++)
        rows[k][first + i * FETCH_STEP] = next_rows[i];
#pragma unroll
    for (int i = 0; i < ELEMENTS; i++)
        columns[k][first + i * FETCH_STEP] = next_columns[i];
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* Adds a run to what earlier ones left, if there are any, and clears it. `out` is the tile's first sum. */
ALWAYS_INLINE void end_run(real acc[OUT_CHANNELS][POSITIONS], global real *out, const extents *e,
                           const index filter_size, const bool is_first)
{
    const int row = (int)get_local_id(0) / COLUMNS * 4, column = (int)get_local_id(0) % COLUMNS * 4;
#pragma unroll
    for (int i = 0; i < OUT_CHANNELS; i++) {
        const int o = row + PLACE(0, i, ROW_QUADS, TILE_CHANNELS);
#pragma unroll
        for (int j = 0; j < POSITIONS; j++) {
            const int c = column + PLACE(0, j, COLUMN_QUADS, TILE_POSITIONS);
            if (o < e->rows && c < e->columns) {
                const index at = o * filter_size + c;
                out[at] = is_first ? acc[i][j] : out[at] + acc[i][j];
            }
            acc[i][j] = 0;
        }
    }
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
implicit_weight(TENSOR(const real, input), TENSOR(const real, gradient),
                TENSOR(real, output) IMPLICIT_WEIGHT_ARGUMENTS(ARGUMENT))
{
    local real rows[SLAB][CHANNEL_PITCH] __attribute__((aligned(16)));
    local real columns[SLAB][POSITION_PITCH] __attribute__((aligned(16)));
    local element filter[TILE_POSITIONS];
    const int item = (int)get_local_id(0), taps = (int)(kernel_d * kernel_h * kernel_w);
    const index channel_size = (index)depth * (index)height * (index)width,
                filter_size = (index)group_in * taps;
    extents e = {
        .depth = (index)depth,
        .height = (index)height,
        .width = (index)width,
        .positions = (index)out_depth * (index)out_height * (index)out_width,
        .out_depth = (index)out_depth,
        .out_height = (index)out_height,
        .out_width = (index)out_width,
        .stride_d = (index)stride_d,
        .stride_h = (index)stride_h,
        .stride_w = (index)stride_w,
        .pad_depth = (index)pad_depth,
        .pad_height = (index)pad_height,
        .pad_width = (index)pad_width,
        .samples = samples,
        .input_sample = groups * group_in * channel_size,
    };
    e.gradient_sample = groups * group_out * e.positions;
    for (long unit = WORK_GROUP(0); unit < units; unit += WORK_GROUPS(0)) {
        const long row = unit / column_tiles, part_group = row / out_tiles, part = part_group / groups,
                   group = part_group - part * groups, first_slab = part * part_slabs,
                   position = first_slab * SLAB + item % SLAB, sample = position / e.positions;
        const int first_out = (int)(row % out_tiles) * TILE_CHANNELS,
                  count = (int)min(part_slabs, slabs - first_slab);
        const index first_column = (index)(unit - row * column_tiles) * TILE_POSITIONS;
        e.rows = (int)min((long)TILE_CHANNELS, group_out - first_out);
        e.columns = (int)min((long)TILE_POSITIONS, (long)(filter_size - first_column));
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int c = item; c < TILE_POSITIONS; c += ITEMS) {
            const index at = first_column + c, channel = at / taps;
            const int tap = (int)(at - channel * taps), line = tap / (int)kernel_w,
                      plane = line / (int)kernel_h;
            filter[c].channel = channel * channel_size;
            filter[c].z = plane * (index)dilation_d;
            filter[c].y = (line - plane * (int)kernel_h) * (index)dilation_h;
            filter[c].x = (tap - line * (int)kernel_w) * (index)dilation_w;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        const index in_sample = (index)(position - sample * e.positions), line = in_sample / e.out_width;
        fetcher f = {
            .input = TENSOR_START(input) + group * group_in * channel_size,
            .gradient = TENSOR_START(gradient) + (group * group_out + first_out) * e.positions,
            .x = in_sample - line * e.out_width,
            .z = line / e.out_height,
            .sample = sample,
        };
        f.y = line - f.z * e.out_height;
        global real *out = TENSOR_START(output) + part * weights +
                           (group * group_out + first_out) * filter_size + first_column;
        real acc[OUT_CHANNELS][POSITIONS], next_rows[WEIGHTS], next_columns[ELEMENTS];
#pragma unroll
        for (int i = 0; i < OUT_CHANNELS; i++)
#pragma unroll
            for (int j = 0; j < POSITIONS; j++)
                acc[i][j] = 0;
        fetch(&f, &e, filter, next_rows, next_columns);
        for (int slab = 1; slab <= count; slab++) {
            put_slab(next_rows, next_columns, rows, columns);
            if (slab < count) fetch(&f, &e, filter, next_rows, next_columns);
            multiply_slab(acc, rows, columns, item / COLUMNS, item % COLUMNS);
            if (slab % (int)run == 0 || slab == count) end_run(acc, out, &e, filter_size, slab <= (int)run);
        }
    }
}
