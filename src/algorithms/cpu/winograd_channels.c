/* winograd_channels: Winograd's filtering along W with vectors of output channels (cl/cpu/winograd_channels.cl), for
 * images whose planes of tiles are no whole vectors. Each work-group transforms what a unit reads, sums its
 * frequencies and transforms them back in a slice of the workspace of its own. */
#include "arguments/winograd_channels.clh"
#include "algorithms/algorithm.h"
#include "arguments/channel_tiles.clh"
#include "base/arith.h"
#include "steps/channel_tiles.h"
#include "steps/definition.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"
#include "steps/product.h"
#include "steps/slices.h"
#include "steps/winograd.h"

#include <math.h>

typedef struct winograd_channels_arguments {
    WINOGRAD_CHANNELS_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_channels_arguments;

enum { VECTORS, POSITIONS, VECTOR_WIDTH, OUTPUT_TILE, SLICE_KIB, WEIGHT_KIB, SLICES };

static const parameter_range ranges[] = {
    [VECTORS] = {"vectors", 1, CHANNEL_TILE_VECTORS, false},
    [POSITIONS] = {"positions", 1, CHANNEL_TILE_POSITIONS, false},
    [VECTOR_WIDTH] = {"vector_width", 2, 16, true},
    [OUTPUT_TILE] = {"output_tile", 2, 4, true},
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false},   /* a slice's size, or little more */
    [WEIGHT_KIB] = {"weight_kib", 1, 1 << 20, false}, /* of a frequency's weights that are used at a time */
    [SLICES] = {"slices", 1, 65536, false},           /* at most; work-groups that run */
    {NULL, 0, 0, false},
};

static void choose(const request *q, parameter_set *p)
{
    channel_tile tile = channel_tile_choose(q->traits, q->geometry->element_size, q->geometry->group_out);
    p->values[VECTORS] = tile.vectors;
    p->values[POSITIONS] = tile.positions;
    p->values[VECTOR_WIDTH] = tile.vector_width;
    p->values[OUTPUT_TILE] = winograd_choose_row_tile(q->problem, q->geometry);
    p->values[SLICE_KIB] = 3 * q->traits->machine->core_cache / 4 >> 10;
    p->values[WEIGHT_KIB] = 32; /* decides the order of sums, so it is no machine's */
    p->values[SLICES] = 64;
}

static bool is_applicable(const request *q, const parameter_set *p, text *why)
{
    int64_t rows = q->problem->kernel[0] * q->problem->kernel[1];
    if (rows > MAX_TAPS)
        text_append(why, "a kernel has %lld rows; it needs at most %d", (long long)rows, MAX_TAPS);
    else
        return winograd_row_is_applicable(q->problem, q->geometry, p->values[OUTPUT_TILE], q->strict, why);
    return false;
}

static int64_t lanes_of(const parameter_set *p)
{
    return p->values[VECTORS] * p->values[VECTOR_WIDTH];
}

static int64_t frequencies_of(const request *q, const parameter_set *p)
{
    return winograd_input_tile(q->problem, p->values[OUTPUT_TILE]);
}

/* Whether zeros around the input are left out: rows and planes of them are neither transformed nor multiplied. */
static bool leaves_zeros_out(const request *q)
{
    return q->problem->padding_mode == CLCONV_PADDING_ZEROS;
}

/* Elements along an axis that `count` outputs side by side read, but for zeros around the input. */
static int64_t axis_read(const request *q, int axis, int64_t count)
{
    const clconv_problem *p = q->problem;
    int64_t read = (count - 1) * p->stride[axis] + (p->kernel[axis] - 1) * p->dilation[axis] + 1;
    return leaves_zeros_out(q) ? min_i64(read, p->input[axis]) : read;
}

/* Sizes of a slice for the units of *a; false if they overflow or are too large for 32 bits. */
static bool lay_out_slice(const request *q, const parameter_set *p, winograd_channels_arguments *a)
{
    int64_t m = p->values[OUTPUT_TILE], width = p->values[VECTOR_WIDTH];
    int64_t n = frequencies_of(q, p), shifts = ceil_divide(n, m);
    int64_t planes = axis_read(q, 0, a->block_depth), rows = axis_read(q, 1, a->block_rows);
    int64_t tiles, frequency, sums, outputs;
    if (!size_product((const int64_t[]){planes, rows, a->columns}, 3, &tiles) || tiles > INT32_MAX / 64 ||
        !size_product((const int64_t[]){tiles, a->block_in}, 2, &frequency) ||
        !size_product(
            (const int64_t[]){n, a->chunk_blocks, a->block_depth, a->block_rows, a->columns, lanes_of(p)}, 6,
            &sums) ||
        !size_product((const int64_t[]){a->block_depth, a->block_rows, a->out_width, lanes_of(p)}, 4,
                      &outputs) ||
        frequency > INT64_MAX / 64 || sums > INT64_MAX / 64 || outputs > INT64_MAX / 64)
        return false;
    a->cells_size = round_up((tiles + width) * m, width);
    a->frequency_size = round_up(frequency + width, width);
    a->sums_size = sums;
    a->slice_size = shifts * a->cells_size + n * a->frequency_size + sums + outputs + width * lanes_of(p);
    return true;
}

/* Vectors of work for the inputs of all units. */
static double input_work(const request *q, const parameter_set *p, const winograd_channels_arguments *a)
{
    const machine_winograd_channels *cost = &q->traits->machine->winograd_channels;
    int64_t m = p->values[OUTPUT_TILE], n = frequencies_of(q, p);
    int64_t planes = axis_read(q, 0, a->block_depth), rows = planes * axis_read(q, 1, a->block_rows);
    int64_t cells = ceil_divide(n, m) * ceil_divide(a->columns * m, p->values[VECTOR_WIDTH]);
    double vectors = (double)(n * ceil_divide(rows * a->columns, p->values[VECTOR_WIDTH]));
    return (double)a->units * (double)a->group_in *
           ((cost->row + cost->cells * (double)cells) * (double)rows + cost->in * vectors);
}

/* The same for the products of all frequencies. */
static double product_work(const request *q, const parameter_set *p, const winograd_channels_arguments *a)
{
    const geometry *g = q->geometry;
    bool clips = leaves_zeros_out(q);
    double n = (double)frequencies_of(q, p);
    double volumes = (double)q->problem->batch * (double)(a->groups * a->blocks);
    double taps = product_axis_summed(q->problem, g, 0, clips) * product_axis_summed(q->problem, g, 1, clips);
    return n * volumes * (double)p->values[VECTORS] * taps * (double)a->columns * (double)g->group_in;
}

/* The same for reading the weights of all units, where caches do not hold a group's. */
static double weight_work(const request *q, const parameter_set *p, const winograd_channels_arguments *a)
{
    const machine *m = q->traits->machine;
    double vectors = (double)(a->blocks * p->values[VECTORS] * a->kernel_d * a->kernel_h) *
                     (double)a->group_in * (double)frequencies_of(q, p);
    double bytes = vectors * (double)(p->values[VECTOR_WIDTH] * q->geometry->element_size);
    if (bytes <= (double)m->shared_cache / 2) return 0;
    return m->winograd_channels.weight * vectors * (double)a->units / (double)a->chunks;
}

/* Of the numbers of parts that are tried the one after `count`, up to so many things; 0 after the last. */
static int64_t next_count(int64_t count, int64_t things)
{
    return count >= things ? 0 : min_i64(count + max_i64(count / 2, 1), things);
}

/* The unit of the least work, where a slice beyond its limit counts as so much more: so many units that they can be
 * shared out evenly, whatever shares them. Tiles and blocks of input channels, and with them each output's order of
 * summation, do not depend on it. False if sizes overflow. */
static bool choose_unit(const request *q, const parameter_set *p, winograd_channels_arguments *a)
{
    enum { WORKERS = 8 };
    winograd_channels_arguments best = *a;
    double least = -1, products = product_work(q, p, a), most = (double)(p->values[SLICE_KIB] << 10);
    int64_t row_tiles = ceil_divide(a->out_height, a->tile_rows), volumes = q->problem->batch * a->groups;
    for (int64_t d = 1; d > 0; d = next_count(d, a->out_depth))
        for (int64_t h = 1; h > 0; h = next_count(h, row_tiles))
            for (int64_t c = 1; c > 0; c = next_count(c, a->blocks)) {
                a->block_depth = ceil_divide(a->out_depth, d);
                a->block_rows = ceil_divide(row_tiles, h) * a->tile_rows;
                a->chunk_blocks = ceil_divide(a->blocks, c);
                a->depth_blocks = ceil_divide(a->out_depth, a->block_depth);
                a->row_blocks = ceil_divide(a->out_height, a->block_rows);
                a->chunks = ceil_divide(a->blocks, a->chunk_blocks);
                const int64_t counts[] = {volumes, a->depth_blocks, a->row_blocks, a->chunks};
                if (!size_product(counts, 4, &a->units) || !lay_out_slice(q, p, a)) continue;
                double work = (products + input_work(q, p, a) + weight_work(q, p, a)) *
                              (double)round_up(a->units, WORKERS) / (double)max_i64(a->units, 1);
                double over = (double)a->slice_size * (double)q->geometry->element_size / most;
                if (over > 1) work *= over;
                if (least >= 0 && work >= least) continue;
                least = work;
                best = *a;
            }
    *a = best;
    return least >= 0;
}

/* Of a channel's rows of taps those that some output reads. */
static int64_t rows_read(const request *q)
{
    bool clips = leaves_zeros_out(q);
    return product_taps_read(q->problem, q->geometry, 0, clips) *
           product_taps_read(q->problem, q->geometry, 1, clips);
}

static bool describe(const request *q, const parameter_set *p, winograd_channels_arguments *a)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t m = p->values[OUTPUT_TILE];
    *a = (winograd_channels_arguments){
        .blocks = ceil_divide(g->group_out, lanes_of(p)),
        KERNEL_GROUPS(problem, g),
        KERNEL_EXTENTS(problem, g),
        KERNEL_PADDING(problem),
        .kernel_d = problem->kernel[0],
        .kernel_h = problem->kernel[1],
        .stride_d = problem->stride[0],
        .dilation_d = problem->dilation[0],
        .dilation_h = problem->dilation[1],
        .columns = ceil_divide(g->output[2], m),
        .input_size = g->elements.input,
        .has_bias = problem->has_bias,
    };
    int64_t most_rows = max_i64(p->values[POSITIONS] / a->columns, 1);
    a->tile_rows = ceil_divide(g->output[1], ceil_divide(g->output[1], most_rows));
    int64_t weight_bytes = max_i64(rows_read(q), 1) * lanes_of(p) * g->element_size;
    a->block_in = min_i64(max_i64((p->values[WEIGHT_KIB] << 10) / weight_bytes, 1), g->group_in);
    return choose_unit(q, p, a);
}

static step program(const request *q, const parameter_set *p)
{
    step s =
        kernel_step("winograd_channels", "cpu/winograd_channels.cl", "winograd_channels", q->problem->dtype);
    kernel_define(&s, "OUTPUT_TILE", p->values[OUTPUT_TILE]);
    kernel_define(&s, "TAPS", q->problem->kernel[2]);
    kernel_define(&s, "OUT_CHANNELS", lanes_of(p));
    kernel_define(&s, "POSITIONS", p->values[POSITIONS]);
    kernel_define(&s, "VECTOR_WIDTH", p->values[VECTOR_WIDTH]);
    partial_sums_define(&s, q->geometry->reduction / q->problem->kernel[2]);
    return s;
}

/* The same for the sums of all tiles, from zeros to rows of outputs. */
static double sum_work(const request *q, const parameter_set *p, const winograd_channels_arguments *a,
                       double positions)
{
    const geometry *g = q->geometry;
    const machine *m = q->traits->machine;
    const machine_winograd_channels *cost = &m->winograd_channels;
    double n = (double)frequencies_of(q, p);
    double volumes = (double)q->problem->batch * (double)(a->groups * a->blocks);
    double rows = volumes * (double)p->values[VECTORS] * (double)(g->output[0] * g->output[1]);
    int64_t row_tiles = ceil_divide(g->output[1], a->tile_rows);
    double tiles = volumes * (double)(g->output[0] * row_tiles * a->tile_rows * a->columns) / positions;
    double ranges = channel_tile_ranges(q->problem, g, 1, row_tiles),
           blocks_in = (double)ceil_divide(a->group_in, a->block_in);
    double turn = g->elements.output * g->element_size > m->shared_cache / 4 ? cost->far_turn : cost->turn;
    return rows * (double)a->columns * n * (cost->sum * ranges * blocks_in + cost->out) +
           rows * turn * (double)a->out_width + cost->loop * ranges * n * tiles * (double)a->group_in;
}

/* Bytes of weights that must move: those that no cache holds for sure come anew for all units, and those that none
 * does more slowly than tensors. */
static double weight_bytes(const request *q, const parameter_set *p, const winograd_channels_arguments *a)
{
    enum { FAR_SLOWNESS = 2 };
    const geometry *g = q->geometry;
    double cache = (double)q->traits->machine->shared_cache;
    double n = (double)frequencies_of(q, p);
    double bytes = (double)g->element_size * n / (double)q->problem->kernel[2] * (double)g->elements.weight;
    bytes *= (double)rows_read(q) / (double)(a->kernel_d * a->kernel_h);
    double times = bytes > cache ? (double)a->units / (double)(a->groups * a->chunks) : 1;
    return bytes * times * (bytes > 2 * cache ? FAR_SLOWNESS : 1);
}

static void estimate(const request *q, const parameter_set *p, const winograd_channels_arguments *a, step *s)
{
    const geometry *g = q->geometry;
    double line = (double)(a->tile_rows * a->columns);
    double positions = line / (double)ceil_divide((int64_t)line, p->values[POSITIONS]);
    double fmas = positions * (double)p->values[VECTORS], loads = positions + (double)p->values[VECTORS];
    const machine_winograd_channels *cost = &q->traits->machine->winograd_channels;
    double products = product_work(q, p, a), busy = products * (fmax(fmas, loads) + cost->tap) / fmas;
    /* Shorter vectors multiply as many elements in a time, but take as long for each of the rest. */
    double most = (double)traits_vector_width(q->traits, g->element_size),
           rest = input_work(q, p, a) + weight_work(q, p, a) + sum_work(q, p, a, positions);
    s->work.flops = 2 * (double)p->values[VECTOR_WIDTH] * products;
    s->work.busy = ((double)p->values[VECTOR_WIDTH] * busy + most * rest) / cost->share;
    step_moves(s, (double)g->element_size * (double)(g->elements.input + g->elements.output) +
                      weight_bytes(q, p, a));
}

/* Slices at most: two for each compute unit, and more where the last-level cache holds them, since a worker that wakes
 * late leaves less to wait for then. */
static int64_t most_slices(const request *q, const parameter_set *p, const winograd_channels_arguments *a)
{
    int64_t cached =
        q->traits->machine->shared_cache / 4 / max_i64(a->slice_size * q->geometry->element_size, 1);
    return min_i64(p->values[SLICES], max_i64(cached, q->traits->slices));
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    winograd_channels_arguments a;
    step_buffer filters;
    if (!is_applicable(q, p, why)) return;
    if (!describe(q, p, &a)) {
        text_append(why, "its slices would overflow");
        return;
    }
    if (!winograd_append_row_weight(r, q->problem, q->geometry, p->values[OUTPUT_TILE], lanes_of(p),
                                    a.block_in, q->traits) ||
        !definition_append_filters(r, q->geometry, lacks_weight(q), &filters)) {
        text_append(why, "the transformed weight is too large");
        return;
    }
    step s = program(q, p);
    kernel_add_tensors(&s, q->problem, BUFFER_PACKED);
    kernel_add_buffer(&s, filters.role, filters.offset);
    int64_t most = most_slices(q, p, &a);
    a.slice_size += definition_window(q->geometry);
    if (!slices_bind(a.units, most, workspace_room(q, r), a.slice_size, r, &s, why)) return;
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, q->problem, 0);
    estimate(q, p, &a, &s);
    recipe_append_run(r, &s);
}

const algorithm algorithm_winograd_channels = {.name = "winograd_channels",
                                               .devices = FOR_CPU,
                                               .accumulates_directly = false,
                                               .ranges = ranges,
                                               .choose = choose,
                                               .emit = emit,
                                               .op = CLCONV_FORWARD};
