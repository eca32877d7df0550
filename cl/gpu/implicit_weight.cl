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
#include "gpu/places.clh"

enum { FETCH_STEP = ITEMS / SLAB }; /* rows or columns from one that a work-item fetches to the next */

typedef struct scalars {
    IMPLICIT_WEIGHT_ARGUMENTS(SCALAR_MEMBER)
} scalars;

/* What follows from them. */
typedef struct extents {
    index positions, filter; /* of a sample, and elements of a filter */
    long input_sample, gradient_sample;
} extents;

/* A position of the output by its sample and place, and a step from one to a later one. */
typedef struct position {
    index sample, z, y, x, at;
} position;

/* What is needed once for a tile, in local memory: else compilers keep it in registers throughout. */
typedef struct window {
    index taps, kernel_h, kernel_w, dilation_d, dilation_h, dilation_w, channel_size;
} window;

/* What a work-item fetches: of all the tile's rows and columns at a position of its own. */
typedef struct fetcher {
    global const real *input,
        *gradient; /* of the group and the tile's first channel, in the position's sample */
    position at, step;
    int rows, columns; /* that the tile has */
} fetcher;

/* By a pointer, as find_extents(), since Oclgrind knows nothing of what clang makes of structs that are returned. */
ALWAYS_INLINE void find_position(position *p, const index of_all, const scalars *s, const extents *e)
{
    p->sample = of_all / e->positions;
    p->at = of_all - p->sample * e->positions;
    const index line = p->at / s->out_width;
    p->z = line / s->out_height;
    p->y = line - p->z * s->out_height;
    p->x = p->at - line * s->out_width;
}

ALWAYS_INLINE void find_extents(extents *e, const scalars *s)
{
    e->positions = s->out_depth * s->out_height * s->out_width;
    e->filter = s->group_in * s->kernel_d * s->kernel_h * s->kernel_w;
    e->input_sample = (long)s->groups * (s->group_in * s->depth * s->height * s->width);
    e->gradient_sample = (long)s->groups * (s->group_out * e->positions);
}

/* Past the last position there is no sample, and nothing is read. */
ALWAYS_INLINE void advance(fetcher *f, const scalars *s, const extents *e)
{
    position *p = &f->at;
    p->x += f->step.x;
    const bool ends_line = p->x >= s->out_width;
    p->x -= ends_line ? s->out_width : 0;
    p->y += f->step.y + ends_line;
    const bool ends_plane = p->y >= s->out_height;
    p->y -= ends_plane ? s->out_height : 0;
    p->z += f->step.z + ends_plane;
    const bool ends_sample = p->z >= s->out_depth;
    p->z -= ends_sample ? s->out_depth : 0;
    p->at += f->step.at - (ends_sample ? e->positions : 0);
    const index samples = f->step.sample + ends_sample;
    p->sample += samples;
    f->input += samples * e->input_sample;
    f->gradient += samples * e->gradient_sample;
}

/* A slab's elements to registers, zeros past the last position: selected, as in implicit_gemm.cl. Rows and columns that the
 * tile has not are as its last: their sums are not stored. */
ALWAYS_INLINE void fetch(fetcher *f, const scalars *s, const extents *e, local const element *filter,
                         real rows[WEIGHTS], real columns[ELEMENTS])
{
    const int first = (int)get_local_id(0) / SLAB;
    const bool exists = f->at.sample < s->samples;
    const index z = f->at.z * s->stride_d - s->pad_depth, y = f->at.y * s->stride_h - s->pad_height,
                x = f->at.x * s->stride_w - s->pad_width;
#pragma unroll
    for (int i = 0; i < WEIGHTS; i++) {
        const int o = min(first + i * FETCH_STEP, f->rows - 1);
        const index place = exists ? o * e->positions + f->at.at : 0;
        rows[i] = exists ? f->gradient[place] : 0;
    }
#pragma unroll
    for (int i = 0; i < ELEMENTS; i++) {
        const element at = filter[first + i * FETCH_STEP];
        const index plane = padding_source(MODE, z + at.z, s->depth),
                    line = padding_source(MODE, y + at.y, s->height),
                    column = padding_source(MODE, x + at.x, s->width);
        const bool is_zero = !exists || plane < 0 || line < 0 || column < 0;
        const index place = is_zero ? 0 : at.channel + (plane * s->height + line) * s->width + column;
        columns[i] = is_zero ? 0 : f->input[place];
    }
    advance(f, s, e);
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
ALWAYS_INLINE void end_run(real acc[OUT_CHANNELS][POSITIONS], global real *out, const fetcher *f,
                           const index filter_size, const bool is_first)
{
    const int row = (int)get_local_id(0) / COLUMNS * 4, column = (int)get_local_id(0) % COLUMNS * 4;
#pragma unroll
    for (int i = 0; i < OUT_CHANNELS; i++) {
        const int o = row + PLACE(0, i, ROW_QUADS, TILE_CHANNELS);
#pragma unroll
        for (int j = 0; j < POSITIONS; j++) {
            const int c = column + PLACE(0, j, COLUMN_QUADS, TILE_POSITIONS);
            if (o < f->rows && c < f->columns) {
                const index at = o * filter_size + c;
                out[at] = is_first ? acc[i][j] : out[at] + acc[i][j];
            }
            acc[i][j] = 0;
        }
    }
}

ALWAYS_INLINE void place_window(local window *w, const scalars *s)
{
    if (get_local_id(0) != 0) return;
    w->taps = s->kernel_d * s->kernel_h * s->kernel_w;
    w->kernel_h = s->kernel_h;
    w->kernel_w = s->kernel_w;
    w->dilation_d = s->dilation_d;
    w->dilation_h = s->dilation_h;
    w->dilation_w = s->dilation_w;
    w->channel_size = s->depth * s->height * s->width;
}

/* Where the columns from one on read. */
ALWAYS_INLINE void find_filter(local element *filter, local const window *w, const extents *e,
                               const index first_column)
{
    for (int c = (int)get_local_id(0); c < TILE_POSITIONS; c += ITEMS) {
        const index at = min(first_column + c, e->filter - 1), channel = at / w->taps,
                    tap = at - channel * w->taps, line = tap / w->kernel_w, plane = line / w->kernel_h;
        filter[c].channel = channel * w->channel_size;
        filter[c].z = plane * w->dilation_d;
        filter[c].y = (line - plane * w->kernel_h) * w->dilation_h;
        filter[c].x = (tap - line * w->kernel_w) * w->dilation_w;
    }
}

/* The sums of so many slabs, a run at a time. */
ALWAYS_INLINE void sum_slabs(global real *out, fetcher *f, const scalars *s, const extents *e,
                             local const element *filter, local real (*rows)[CHANNEL_PITCH],
                             local real (*columns)[POSITION_PITCH], const int slabs)
{
    const int item = (int)get_local_id(0);
    real acc[OUT_CHANNELS][POSITIONS], next_rows[WEIGHTS], next_columns[ELEMENTS];
#pragma unroll
    for (int i = 0; i < OUT_CHANNELS; i++)
#pragma unroll
        for (int j = 0; j < POSITIONS; j++)
            acc[i][j] = 0;
    fetch(f, s, e, filter, next_rows, next_columns);
    for (int done = 0; done < slabs;) {
        const int stretch = min((int)s->run, slabs - done);
        for (int slab = 0; slab < stretch; slab++) {
            put_slab(next_rows, next_columns, rows, columns);
            fetch(f, s, e, filter, next_rows, next_columns);
            multiply_slab(acc, rows, columns, item / COLUMNS, item % COLUMNS);
        }
        end_run(acc, out, f, e->filter, done == 0);
        done += stretch;
    }
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
implicit_weight(TENSOR(const real, input), TENSOR(const real, gradient),
                TENSOR(real, output) IMPLICIT_WEIGHT_ARGUMENTS(ARGUMENT))
{
    local real rows[SLAB][CHANNEL_PITCH] __attribute__((aligned(QUAD_BYTES)));
    local real columns[SLAB][POSITION_PITCH] __attribute__((aligned(QUAD_BYTES)));
    local element filter[TILE_POSITIONS];
    local window window;
    const scalars s = {IMPLICIT_WEIGHT_ARGUMENTS(SCALAR_VALUE)};
    extents e;
    find_extents(&e, &s);
    place_window(&window, &s);
    for (index unit = (index)WORK_GROUP(0); unit < s.units; unit += (index)WORK_GROUPS(0)) {
        const index row = unit / s.column_tiles, part_group = row / s.out_tiles, part = part_group / s.groups,
                    group = part_group - part * s.groups, first_slab = part * s.part_slabs,
                    first_out = (row - part_group * s.out_tiles) * TILE_CHANNELS,
                    first_column = (unit - row * s.column_tiles) * TILE_POSITIONS;
        fetcher f = {.rows = (int)min((index)TILE_CHANNELS, s.group_out - first_out),
                     .columns = (int)min((index)TILE_POSITIONS, e.filter - first_column)};
        find_position(&f.step, SLAB, &s, &e);
        find_position(&f.at, first_slab * SLAB + (int)get_local_id(0) % SLAB, &s, &e);
        f.input = TENSOR_START(input) + (long)group * (s.group_in * s.depth * s.height * s.width) +
                  f.at.sample * e.input_sample;
        f.gradient = TENSOR_START(gradient) + (long)(group * s.group_out + first_out) * e.positions +
                     f.at.sample * e.gradient_sample;
        barrier(CLK_LOCAL_MEM_FENCE);
        find_filter(filter, &window, &e, first_column);
        barrier(CLK_LOCAL_MEM_FENCE);
        sum_slabs(TENSOR_START(output) + part * weights + (long)(group * s.group_out + first_out) * e.filter +
                      first_column,
                  &f, &s, &e, filter, rows, columns, (int)min(s.part_slabs, s.slabs - first_slab));
    }
}
