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
#include "gpu/places.clh"

enum {
    CHUNK = WEIGHTS < 4 ? WEIGHTS : 4,    /* weights of a row that a work-item fetches at once */
    CHUNK_STEP = ITEMS * CHUNK,           /* weights from one of its chunks to the next */
    ELEMENT_STEP = ITEMS / TILE_POSITIONS /* rows from one element that a work-item fetches to the next */
};

typedef struct scalars {
    IMPLICIT_GEMM_ARGUMENTS(SCALAR_MEMBER)
} scalars;

/* What follows from them. */
typedef struct extents {
    int taps, channels, channel_slabs; /* that slabs run over */
    index channel_size, positions;     /* of a sample */
    index all_positions, input_sample, output_sample;
} extents;

/* Where a tile is: `first` is its first position. */
typedef struct tile {
    index part, volume, out_tile, first;
} tile;

/* What is needed once for a tile, in local memory: of the outputs, where the tile's first channel and position are, and how
 * positions become places in the input. Else compilers keep all of it, and the places of all outputs, in registers
 * throughout. */
typedef struct placement {
    index out, first;
    index out_height, out_width, stride_d, stride_h, stride_w, pad_depth, pad_height, pad_width;
} placement;

/* What a work-item fetches: of a column whose first tap lies at z, y, x, elements from `element` on, and weights from
 * `chunk` on. Of a tap there are so many rows left from there on; of elements none, if the tap reads a zero. */
typedef struct fetcher {
    global const real *input, *weight; /* of the volume and of the tile */
    index z, y, x, sample;
    bool exists;
    int kd, kh, kw, tap;
    global const real *element,
        *chunk; /* of the slab's first row if there may be no others, else of the work-item's */
    index row;  /* from there on to the work-item's */
    int elements_left, chunks_left;
} fetcher;

/* By a pointer, as locate_tile(), since Oclgrind knows nothing of what clang makes of structs that are returned. */
ALWAYS_INLINE void find_extents(extents *x, const scalars *s)
{
    extents e = {.taps = FLAT ? 1 : (int)(s->kernel_d * s->kernel_h * s->kernel_w),
                 .channels = FLAT ? FLAT : (int)s->group_in,
                 .channel_size = s->depth * s->height * s->width,
                 .positions = s->out_depth * s->out_height * s->out_width};
    e.channel_slabs = (e.channels + SLAB - 1) / SLAB;
    e.all_positions = BATCHED ? s->samples * e.positions : e.positions;
    e.input_sample = BATCHED ? s->groups * s->group_in * e.channel_size : 0;
    e.output_sample = BATCHED ? s->groups * s->group_out * e.positions : 0;
    *x = e;
}

ALWAYS_INLINE void place_windows(local placement *p, const scalars *s)
{
    if (get_local_id(0) != 0) return;
    p->out_height = s->out_height;
    p->out_width = s->out_width;
    p->stride_d = s->stride_d;
    p->stride_h = s->stride_h;
    p->stride_w = s->stride_w;
    p->pad_depth = s->pad_depth;
    p->pad_height = s->pad_height;
    p->pad_width = s->pad_width;
}

ALWAYS_INLINE void locate_tile(tile *t, const index unit, const scalars *s)
{
    t->part = unit / s->part_units;
    const index of_part = unit - t->part * s->part_units, row = of_part / s->tiles;
    t->first = (of_part - row * s->tiles) * TILE_POSITIONS;
    t->volume = row / s->out_tiles;
    t->out_tile = row - t->volume * s->out_tiles;
}

/* To the slab from `channel` on of the tap; past the last tap what is fetched is not used. */
ALWAYS_INLINE void find_source(fetcher *f, const scalars *s, const extents *e, const int channel)
{
    const int item = (int)get_local_id(0), left = f->tap < e->taps ? e->channels - channel : 0;
    f->chunk = f->weight + (left > 0 ? (f->tap * e->channels + channel) * TILE_CHANNELS : 0) +
               (TAIL ? 0 : item * CHUNK);
    f->chunks_left = left - item * CHUNK / TILE_CHANNELS;
#if FLAT
    f->elements_left = f->exists ? left - item / TILE_POSITIONS : 0;
#else
    const index z = padding_source(MODE, f->z + f->kd * s->dilation_d, s->depth),
                y = padding_source(MODE, f->y + f->kh * s->dilation_h, s->height),
                x = padding_source(MODE, f->x + f->kw * s->dilation_w, s->width);
    const bool exists = f->exists && left > 0 && z >= 0 && y >= 0 && x >= 0;
    const index place = f->sample + (z * s->height + y) * s->width + x + channel * e->channel_size;
    f->row = item / TILE_POSITIONS * e->channel_size;
    f->element = f->input + (exists ? place : 0) + (TAIL ? 0 : f->row);
    f->elements_left = exists ? left - item / TILE_POSITIONS : 0;
#endif
}

ALWAYS_INLINE void next_tap(fetcher *f, const scalars *s, const extents *e)
{
    f->tap++;
    if (++f->kw == s->kernel_w) {
        f->kw = 0;
        if (++f->kh == s->kernel_h) {
            f->kh = 0;
            f->kd++;
        }
    }
    find_source(f, s, e, 0);
}

/* To slab number `slab` of all, for a tile's column of this work-item. */
ALWAYS_INLINE void start(fetcher *f, const scalars *s, const extents *e, local const placement *t,
                         const int slab)
{
    const index p = t->first + (int)get_local_id(0) % TILE_POSITIONS, sample = BATCHED ? p / e->positions : 0,
                in_sample = p - sample * e->positions, line = in_sample / t->out_width,
                plane = line / t->out_height;
    const int tap = slab / e->channel_slabs, row = tap / (int)s->kernel_w;
    f->z = plane * t->stride_d - t->pad_depth;
    f->y = (line - plane * t->out_height) * t->stride_h - t->pad_height;
    f->x = (in_sample - line * t->out_width) * t->stride_w - t->pad_width;
    f->exists = p < e->all_positions;
    f->sample = sample * e->input_sample;
    f->tap = tap;
    f->kw = tap - row * (int)s->kernel_w;
    f->kd = row / (int)s->kernel_h;
    f->kh = row - f->kd * (int)s->kernel_h;
    find_source(f, s, e, (slab - tap * e->channel_slabs) * SLAB);
}

/* What is no element is read from where one is, and a zero selected: a branch for each would cost more. */
ALWAYS_INLINE real fetch_element(const fetcher *f, const scalars *s, const extents *e,
                                 local const element *filter, const int row)
{
#if FLAT
    const bool is_past = f->elements_left <= row;
    const element at = filter[is_past ? 0 : FLAT - f->elements_left + row];
    const index z = padding_source(MODE, f->z + at.z, s->depth),
                y = padding_source(MODE, f->y + at.y, s->height),
                x = padding_source(MODE, f->x + at.x, s->width);
    const bool is_zero = is_past || z < 0 || y < 0 || x < 0;
    const index place = f->sample + at.channel + (z * s->height + y) * s->width + x;
    const real value = f->input[is_zero ? 0 : place];
#else
    const bool is_zero = f->elements_left <= (TAIL ? row : 0);
    const index place = row * e->channel_size;
    const real value = f->element[!TAIL ? place : is_zero ? 0 : f->row + place];
#endif
    return is_zero ? 0 : value;
}

/* A slab's elements to registers, and on to the next slab of the tap. */
ALWAYS_INLINE void fetch(fetcher *f, const scalars *s, const extents *e, local const element *filter,
                         real weights[WEIGHTS], real elements[ELEMENTS])
{
    const int first = TAIL ? (int)get_local_id(0) * CHUNK : 0;
#pragma unroll
    for (int i = 0; i < WEIGHTS / CHUNK; i++) {
        const bool is_zero = TAIL && f->chunks_left <= i * CHUNK_STEP / TILE_CHANNELS;
        global const real *at = f->chunk + (is_zero ? 0 : first + i * CHUNK_STEP);
#pragma unroll
        for (int j = 0; j < CHUNK; j++) {
            const real weight = at[j];
            weights[i * CHUNK + j] = is_zero ? 0 : weight;
        }
    }
#pragma unroll
    for (int i = 0; i < ELEMENTS; i++)
        elements[i] = fetch_element(f, s, e, filter, i * ELEMENT_STEP);
    f->chunk += SLAB * TILE_CHANNELS;
    f->element += SLAB * e->channel_size;
    if (FLAT + TAIL > 0) {
        f->chunks_left -= SLAB;
        f->elements_left -= SLAB;
    }
}

/* From registers to local memory, when all have done with what was there. */
ALWAYS_INLINE void put_slab(const real next_weights[WEIGHTS], const real next_elements[ELEMENTS],
                            local real (*weights)[CHANNEL_PITCH], local real (*elements)[POSITION_PITCH])
{
    const int item = (int)get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int i = 0; i < WEIGHTS / CHUNK; i++) {
        const int of = i * CHUNK_STEP + item * CHUNK;
        local real *to = &weights[of / TILE_CHANNELS][of % TILE_CHANNELS];
#pragma unroll
        for (int j = 0; j < CHUNK; j++)
            to[j] = next_weights[i * CHUNK + j];
    }
#pragma unroll
    for (int i = 0; i < ELEMENTS; i++)
        elements[item / TILE_POSITIONS + i * ELEMENT_STEP][item % TILE_POSITIONS] = next_elements[i];
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* A work-item's outputs of a tile. */
typedef struct tile_outputs {
    global real *out; /* of the volume */
    epilogue e;
    local const placement *place;
} tile_outputs;

/* Adds a run to what earlier ones left in the output, if there are any, and clears it; the last is stored as it should be. */
ALWAYS_INLINE void end_run(real acc[OUT_CHANNELS][POSITIONS], const tile_outputs *t, const scalars *s,
                           const extents *e, const bool is_first, const bool is_last)
{
    const int item = (int)get_local_id(0), first_out = (int)t->place->out + item / COLUMNS * 4;
    const index first = t->place->first + item % COLUMNS * 4;
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
            if (o < s->group_out && p < e->all_positions) {
                const real sum = is_first ? acc[i][j] : t->out[at] + acc[i][j];
                t->out[at] = is_last ? epilogue_late_one(epilogue_early_one(sum, t->e), t->e, at) : sum;
            }
            acc[i][j] = 0;
        }
    }
}

/* Starts a tile's sums: `bias` is that of the group, or nothing. */
ALWAYS_INLINE void start_sums(real acc[OUT_CHANNELS][POSITIONS], global const real *bias, const scalars *s,
                              const index out_tile)
{
    const int first_out = (int)out_tile * TILE_CHANNELS + (int)get_local_id(0) / COLUMNS * 4;
#pragma unroll
    for (int i = 0; i < OUT_CHANNELS; i++) {
        const int o = first_out + PLACE(0, i, ROW_QUADS, TILE_CHANNELS);
        const real first = s->has_bias && o < s->group_out ? bias[o] : 0;
#pragma unroll
        for (int j = 0; j < POSITIONS; j++)
            acc[i][j] = first;
    }
}

#if FLAT
/* Where the products of an output read. */
ALWAYS_INLINE void find_filter(local element *filter, const scalars *s, const extents *e)
{
    for (int k = (int)get_local_id(0); s->units > 0 && k < FLAT; k += ITEMS) {
        const int tap = k / (int)s->group_in, line = tap / (int)s->kernel_w, plane = line / (int)s->kernel_h;
        filter[k].channel = (k - tap * (int)s->group_in) * e->channel_size;
        filter[k].z = plane * s->dilation_d;
        filter[k].y = (line - plane * (int)s->kernel_h) * s->dilation_h;
        filter[k].x = (tap - line * (int)s->kernel_w) * s->dilation_w;
    }
}
#endif

/* The products of so many slabs from one on: stretches of slabs of which the next ones are fetched from one tap, and that
 * belong to one run. A slab more than there are is fetched, and not used. */
ALWAYS_INLINE void sum_slabs(real acc[OUT_CHANNELS][POSITIONS], fetcher *f, const tile_outputs *t,
                             const scalars *s, const extents *e, local const element *filter,
                             local real (*weights)[CHANNEL_PITCH], local real (*elements)[POSITION_PITCH],
                             const int first, const int slabs)
{
    const int item = (int)get_local_id(0);
    real next_weights[WEIGHTS], next_elements[ELEMENTS];
    int ended = 0, tap_left = e->channel_slabs - first % e->channel_slabs - 1, run_left = (int)s->run;
    fetch(f, s, e, filter, next_weights, next_elements);
    for (int left = slabs; left > 0;) {
        if (tap_left == 0) {
            next_tap(f, s, e);
            tap_left = e->channel_slabs;
        }
        const int stretch = min(min(tap_left, run_left), left);
        for (int slab = 0; slab < stretch; slab++) {
            put_slab(next_weights, next_elements, weights, elements);
            fetch(f, s, e, filter, next_weights, next_elements);
            multiply_slab(acc, weights, elements, item / COLUMNS, item % COLUMNS);
        }
        tap_left -= stretch;
        run_left -= stretch;
        left -= stretch;
        if ((left == 0) | (LONG_SUMS & (run_left == 0))) end_run(acc, t, s, e, ended++ == 0, left == 0);
        if (run_left == 0) run_left = (int)s->run;
    }
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
implicit_gemm(TENSOR(const real, input), TENSOR(const real, weight), TENSOR(const real, bias),
              TENSOR(real, output) EPILOGUE_TENSOR IMPLICIT_GEMM_ARGUMENTS(ARGUMENT) EPILOGUE_SCALAR)
{
    local real weights[SLAB][CHANNEL_PITCH] __attribute__((aligned(QUAD_BYTES)));
    local real elements[SLAB][POSITION_PITCH] __attribute__((aligned(QUAD_BYTES)));
    local placement place;
    const scalars s = {IMPLICIT_GEMM_ARGUMENTS(SCALAR_VALUE)};
    extents e;
    find_extents(&e, &s);
    place_windows(&place, &s);
#if FLAT
    local element filter[FLAT];
    find_filter(filter, &s, &e);
#else
    local const element *filter = 0;
#endif
    for (index unit = (index)WORK_GROUP(0); unit < s.units; unit += (index)WORK_GROUPS(0)) {
        tile at;
        locate_tile(&at, unit, &s);
        const index group = at.volume % s.groups;
        const long first_input = (long)at.volume * (s.group_in * e.channel_size),
                   first_output = (long)at.volume * (s.group_out * e.positions),
                   first_weight =
                       (long)(group * s.out_tiles + at.out_tile) * (e.taps * e.channels * TILE_CHANNELS);
        const int first_slab = (int)(at.part * s.part_slabs),
                  slabs = min((int)s.part_slabs, e.taps * e.channel_slabs - first_slab);
        const tile_outputs t = {.out = TENSOR_START(output) + at.part * outputs + first_output,
                                .e = EPILOGUE_AT(first_output),
                                .place = &place};
        fetcher f = {.input = TENSOR_START(input) + first_input,
                     .weight = TENSOR_START(weight) + first_weight};
        real acc[OUT_CHANNELS][POSITIONS];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (get_local_id(0) == 0) {
            place.out = at.out_tile * TILE_CHANNELS;
            place.first = at.first;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        start_sums(acc, TENSOR_START(bias) + group * group_out, &s, at.out_tile);
        start(&f, &s, &e, &place, first_slab);
        sum_slabs(acc, &f, &t, &s, &e, filter, weights, elements, first_slab, slabs);
    }
}
