/* winograd_fused: Winograd's filtering over H and W in one kernel, for few channels or for strides
 * (cl/cpu/winograd_fused.cl). Each work-group goes through the depth of a block of tiles in a slice of the
 * workspace of its own, which stays in cache. */
#include "arguments/winograd_fused.clh"
#include "algorithms/tile.h"
#include "base/arith.h"
#include "steps/definition.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/panels.h"
#include "steps/partial_sums.h"
#include "steps/slices.h"
#include "steps/winograd.h"

typedef struct winograd_fused_arguments {
    WINOGRAD_FUSED_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_fused_arguments;

enum { OUTPUT_TILE = TILE_PARAMETERS, SLICE_KIB, SLICES, IN_REGISTERS };

static const parameter_range ranges[] = {
    VECTOR_TILE_RANGES(PANEL_VECTORS),
    [OUTPUT_TILE] = {"output_tile", 2, 4, true},
    [SLICE_KIB] = {"slice_kib", 1, 1 << 20, false}, /* a slice's size, unless a larger one has fewer panels */
    [SLICES] = {"slices", 1, 65536, false},         /* at most; work-groups that run */
    [IN_REGISTERS] = {"in_registers", 0, 1, false}, /* whether products are summed and transformed there */
    {NULL, 0, 0, false},
};

enum { MAX_KERNEL_D = 16, LINE_ELEMENTS = 16, FEW_UNITS = 4 };

/* Inputs along an axis of the only scheme that is summed in registers by default. */
enum { SMALL_TILE = 4 };

/* Sums in registers load a vector of the input for a product or two, which costs less than storing the products of a
 * frequency where these are 15 or fewer. Two channels at a time take more than 16 registers. */
enum { MAX_SHORT_SUM = 15, MAX_SUM_IN_REGISTERS = 32, REGISTERS_OF_TWO = 32 };

/* Channels whose products a frequency of a plane sums. */
static int64_t channels_in(const request *q)
{
    return q->geometry->group_in * winograd_phases(q->problem);
}

static int64_t summed_planes(const request *q)
{
    return channels_in(q) * q->problem->kernel[0];
}

static void choose(const request *q, parameter_set *p)
{
    const geometry *g = q->geometry;
    product_tile tile = panels_choose_tile(q->traits, g->element_size, g->group_out);
    int64_t m = winograd_choose_output_tile(q->problem, g, panel_width(&tile));
    p->values[IN_REGISTERS] =
        winograd_input_tile(q->problem, m) == SMALL_TILE && summed_planes(q) <= MAX_SHORT_SUM;
    if (p->values[IN_REGISTERS]) {
        tile.out_channels = q->traits->registers >= REGISTERS_OF_TWO ? 2 : 1;
        tile.vectors = 1;
    }
    tile_to_parameters(tile, p);
    p->values[OUTPUT_TILE] = m;
    p->values[SLICE_KIB] = 3 * q->traits->machine->core_cache / 4 >> 10;
    p->values[SLICES] = q->traits->slices;
}

static bool is_applicable(const request *q, int64_t m, bool in_registers, text *why)
{
    const clconv_problem *p = q->problem;
    if (p->kernel[0] > MAX_KERNEL_D) {
        text_append(why, "on D kernel_size is %lld; it needs at most %d", (long long)p->kernel[0],
                    MAX_KERNEL_D);
        return false;
    }
    if (!winograd_combines_strides(p, why)) return false;
    if (in_registers && summed_planes(q) > MAX_SUM_IN_REGISTERS) {
        text_append(why, "in_registers is 1 and a frequency sums %lld planes; it needs at most %d",
                    (long long)summed_planes(q), MAX_SUM_IN_REGISTERS);
        return false;
    }
    return winograd_is_applicable(p, q->geometry, m, q->strict, why);
}

/* A chunk of the product: within a quarter of a core's cache as many panels as a register tile has or more, and if these are
 * all of the block's, more blocks of output channels. False if its size overflows. */
static bool choose_chunk(const request *q, int64_t frequencies, const product_tile *tile,
                         winograd_fused_arguments *a)
{
    int64_t panel_size = tile->out_channels * panel_width(tile), size;
    int64_t most =
        q->traits->machine->core_cache / 4 / (frequencies * panel_size * q->geometry->element_size);
    a->chunk_panels = min_i64(max_i64(most, tile->vectors), a->block_panels);
    a->chunk_blocks = min_i64(max_i64(most / a->block_panels, 1), a->group_blocks);
    if (!size_product((const int64_t[]){a->chunk_panels, a->chunk_blocks, panel_size}, 3, &size))
        return false;
    a->product_size = size + LINE_ELEMENTS;
    return true;
}

/* Sizes of a slice for blocks of so many sets, phases (rows of tiles) and tiles of a row; false if they overflow. */
static bool lay_out_slice(const request *q, const parameter_set *p, const product_tile *tile, int64_t sets,
                          int64_t phases, int64_t columns, winograd_fused_arguments *a)
{
    int64_t width = panel_width(tile), kernel_d = q->problem->kernel[0], m = p->values[OUTPUT_TILE];
    int64_t n = winograd_input_tile(q->problem, m), taps_after = n - m;
    int64_t tiles, frequency, rows, cells;
    a->block_sets = sets;
    a->block_phases = phases;
    a->block_columns = columns;
    a->set_blocks = ceil_divide(a->sets, sets);
    a->phase_blocks = ceil_divide(a->dilation_h, phases);
    a->column_blocks = ceil_divide(a->columns, columns);
    a->pitch = columns * m + taps_after * q->problem->dilation[2];
    if (!size_product((const int64_t[]){sets, phases, columns}, 3, &tiles) || tiles > INT32_MAX / 64)
        return false;
    a->block_panels = ceil_divide(tiles, width);
    rows = (sets * m + taps_after) * phases;
    /* Kernels count the cells of all phases in 32 bits. */
    if (!size_product((const int64_t[]){winograd_phases(q->problem), rows, a->pitch}, 3, &cells) ||
        cells > INT32_MAX)
        return false;
    /* Lines between them, so that frequencies do not fall on one cache set. */
    if (!size_product((const int64_t[]){a->block_panels, width, channels_in(q)}, 3, &frequency) ||
        (!p->values[IN_REGISTERS] && !choose_chunk(q, n * n, tile, a)))
        return false;
    a->frequency_size = frequency + LINE_ELEMENTS;
    a->part = ceil_divide(sets * m + taps_after, m) * phases * columns + width;
    a->padded_size = round_up(cells + (m + 1) * width, LINE_ELEMENTS);
    a->parts_size = round_up(m * n * a->part + width, LINE_ELEMENTS);
    int64_t volumes;
    if (!size_product((const int64_t[]){n * n, kernel_d + 1, max_i64(a->frequency_size, a->product_size)}, 3,
                      &volumes) ||
        volumes > INT64_MAX / 64)
        return false;
    a->slice_size = a->padded_size + a->parts_size + n * n * (kernel_d * a->frequency_size + a->product_size);
    return true;
}

/* Planes that `count` output planes read. */
static int64_t planes_read(const request *q, int64_t count)
{
    int64_t kernel_d = q->problem->kernel[0];
    return (count - 1) * min_i64(q->problem->stride[0], kernel_d) + kernel_d;
}

/* Splits the depth so that units can be shared out evenly, whatever shares them, though each chunk transforms the
 * planes before it again. */
static void split_depth(const request *q, winograd_fused_arguments *a)
{
    enum { WORKERS = 8, MAX_CHUNKS = 64 };
    int64_t planes = ceil_divide(a->out_depth, a->dilation_d), kernel_d = q->problem->kernel[0];
    int64_t blocks = a->set_blocks * a->phase_blocks * a->column_blocks,
            units = q->problem->batch * a->groups * blocks * a->dilation_d;
    double rows = (double)channels_in(q), least = -1;
    const machine_winograd *m = &q->traits->machine->winograd;
    double in = m->in / m->fused_share * rows;
    double out = (double)a->group_out * (m->in / m->fused_share + rows * (double)kernel_d / m->product_share);
    for (int64_t count = 1; count <= min_i64(planes, MAX_CHUNKS); count++) {
        int64_t depth = ceil_divide(planes, count), chunks = ceil_divide(planes, depth);
        double work = in * (double)planes_read(q, depth) + out * (double)depth;
        work *= (double)round_up(units * chunks, WORKERS);
        if (least >= 0 && work >= least) continue;
        least = work;
        a->chunk_depth = depth;
        a->depth_chunks = chunks;
    }
    a->units = units * a->depth_chunks;
}

/* A slice's size, as a share of what is planned for it. */
static double slice_share(const request *q, const parameter_set *p, const winograd_fused_arguments *a)
{
    return (double)(a->slice_size * q->geometry->element_size) / (double)(p->values[SLICE_KIB] << 10);
}

/* What the blocks that *a has cost: their panels; a slice that is larger than planned, which the
 * next cache holds; and where rows are cut the inputs that neighbours share. */
static double block_cost(const request *q, const parameter_set *p, const product_tile *tile, bool cuts_rows,
                         const winograd_fused_arguments *a)
{
    const machine_winograd *cost = &q->traits->machine->winograd;
    int64_t m = p->values[OUTPUT_TILE], after = winograd_input_tile(q->problem, m) - m;
    double blocks = (double)(a->set_blocks * a->phase_blocks * a->column_blocks);
    double panels = blocks * (double)a->block_panels, over = slice_share(q, p, a);
    double cells = blocks * (double)((a->block_sets * m + after) * a->block_phases * a->pitch);
    if (over > 1) panels *= 1 + (over - 1) * cost->over_slice;
    return cuts_rows ? panels + cost->cut_rows * cells / (double)(m * m * panel_width(tile)) : panels;
}

/* Chooses among blocks with rows of `columns` tiles, shared out evenly: some sets, else a part of one, at least a row.
 * Counts up to twice the fewest blocks that a slice holds are tried, each one while they are few; *best is replaced by
 * what costs less than *least, which is negative at first. False if sizes overflow. */
static bool choose_rows(const request *q, const parameter_set *p, const product_tile *tile, bool cuts_rows,
                        int64_t columns, winograd_fused_arguments *best, double *least)
{
    enum { MOST_OVER = 5, MANY = 1024 };
    winograd_fused_arguments a = *best;
    int64_t dilation = a.dilation_h, last = INT64_MAX;
    for (int64_t count = 1; count <= last; count += max_i64(count / MANY, 1)) {
        int64_t sets = max_i64(ceil_divide(a.sets, count), 1);
        int64_t phases = count <= a.sets ? dilation : ceil_divide(dilation, count - a.sets + 1);
        bool is_least = sets == 1 && phases == 1;
        if (!lay_out_slice(q, p, tile, sets, phases, columns, &a)) return false;
        double over = slice_share(q, p, &a);
        double cost = over <= MOST_OVER || is_least ? block_cost(q, p, tile, cuts_rows, &a) : -1;
        if (cost >= 0 && (*least < 0 || cost < *least)) {
            *least = cost;
            *best = a;
        }
        if (over <= 1) last = min_i64(last, 2 * count);
        if (is_least) break;
    }
    return true;
}

/* Blocks of tiles of a plane. Rows of tiles are cut only where one alone is far larger than a slice, into parts of whole
 * sets of tiles that interlace, and of whole panels where that is possible. */
static bool choose_block(const request *q, const parameter_set *p, const product_tile *tile,
                         winograd_fused_arguments *a)
{
    enum { FAR_LARGER = 2 };
    double least = -1;
    int64_t dilation = q->problem->dilation[2], width = panel_width(tile);
    int64_t unit = width % dilation == 0 ? width : dilation;
    if (!lay_out_slice(q, p, tile, 1, 1, a->columns, a)) return false;
    bool cuts_rows = slice_share(q, p, a) > FAR_LARGER;
    int64_t parts = cuts_rows ? ceil_divide(a->columns, unit) : 1;
    for (int64_t count = 1; count <= parts; count += max_i64(count / 4, 1)) {
        int64_t columns = min_i64(round_up(ceil_divide(a->columns, count), unit), a->columns);
        if (!choose_rows(q, p, tile, cuts_rows, columns, a, &least)) return false;
    }
    return true;
}

/* Tiles of a row of tiles, with some more where that costs few panels: a vector then begins with a row, and
 * stores nothing that lies across two vectors. Those that interlace in no groups of lanes are stored
 * otherwise. */
static int64_t choose_columns(const request *q, const product_tile *tile, int64_t m)
{
    enum { MOST_MORE = 10 }; /* a part in so many */
    int64_t columns = winograd_tiles(q->problem, q->geometry, 2, m), even = 1, width = panel_width(tile);
    int64_t rows = winograd_tiles(q->problem, q->geometry, 1, m);
    while (even < columns && even < width)
        even *= 2;
    if (!winograd_has_groups(q->problem->dilation[2], tile->vector_width) || even < columns) return columns;
    int64_t panels = ceil_divide(rows * columns, width), more = ceil_divide(rows * even, width) - panels;
    return more <= panels / MOST_MORE ? even : columns;
}

/* Whether vectors of outputs are whole cache lines, of which parts cannot go past the caches. */
static bool stores_lines(const request *q, const product_tile *tile)
{
    enum { LINE_BYTES = 64 };
    int64_t dilation = q->problem->dilation[2];
    int64_t run = winograd_has_groups(dilation, tile->vector_width) ? q->geometry->output[2] : dilation;
    return run * q->geometry->element_size % LINE_BYTES == 0;
}

static bool describe(const request *q, const parameter_set *p, const product_tile *tile,
                     winograd_fused_arguments *a)
{
    const clconv_problem *problem = q->problem;
    const geometry *g = q->geometry;
    int64_t m = p->values[OUTPUT_TILE];
    *a = (winograd_fused_arguments){
        .sets = ceil_divide(g->output[1], m * problem->dilation[1]),
        KERNEL_GROUPS(problem, g),
        .group_blocks = ceil_divide(g->group_out, tile->out_channels),
        KERNEL_EXTENTS(problem, g),
        KERNEL_PADDING(problem),
        .kernel_h = problem->kernel[1],
        .kernel_w = problem->kernel[2],
        .stride_d = problem->stride[0],
        AXES(dilation, problem->dilation),
        .columns = choose_columns(q, tile, m),
        .streams = kernel_output_streams(q->traits->machine, g->elements.output * g->element_size) &&
                   stores_lines(q, tile),
        .has_bias = problem->has_bias,
    };
    if (!choose_block(q, p, tile, a)) return false;
    split_depth(q, a);
    return true;
}

static step program(const request *q, const parameter_set *p, const product_tile *tile)
{
    step s = kernel_step("winograd_fused", "cpu/winograd_fused.cl", "winograd_fused", q->problem->dtype);
    kernel_define(&s, "OUTPUT_TILE", p->values[OUTPUT_TILE]);
    kernel_define(&s, "TAPS", winograd_taps(q->problem, 2));
    kernel_define(&s, "STRIDE_H", q->problem->stride[1]);
    kernel_define(&s, "STRIDE_W", q->problem->stride[2]);
    kernel_define(&s, "OUT_CHANNELS", tile->out_channels);
    kernel_define(&s, "VECTORS", tile->vectors);
    kernel_define(&s, "VECTOR_WIDTH", tile->vector_width);
    partial_sums_define(&s, channels_in(q) * q->problem->kernel[0]);
    kernel_define(&s, "DILATION_W", winograd_fixed_dilation(q->problem->dilation[2], tile->vector_width));
    kernel_define(&s, "KERNEL_D", q->problem->kernel[0]);
    if (p->values[IN_REGISTERS]) kernel_define(&s, "CHANNELS_IN", channels_in(q));
    return s;
}

/* Of a frequency of an output's tile: tiles of 5 x 5 kernels have fewer outputs for as many frequencies, those whose
 * vectors lie in one row are stored as they are, and those that interlace in no groups of lanes in pieces as long as the
 * dilation. */
static double output_work(const machine_winograd *cost, const product_tile *tile, int64_t m, int64_t n,
                          bool in_registers, int64_t columns, int64_t dilation_w)
{
    if (!winograd_has_groups(dilation_w, tile->vector_width))
        return dilation_w < 8 ? cost->out_pieces / (double)dilation_w : cost->out_piece;
    if (n - m > 2) return cost->out_wide;
    bool is_narrow = columns < panel_width(tile);
    if (in_registers) return is_narrow ? cost->out_narrow_sum : cost->out_sum;
    return m > 2 || is_narrow ? cost->out_quad : cost->out_pair;
}

/* A slice that is larger than a core's cache runs at the speed of the next, and weights that none holds from one plane to
 * the next at that of memory. */
static void estimate(const request *q, const parameter_set *p, const product_tile *tile,
                     const winograd_fused_arguments *a, step *s)
{
    const geometry *g = q->geometry;
    const clconv_problem *problem = q->problem;
    int64_t kernel_d = problem->kernel[0], planes_in = planes_read(q, a->chunk_depth);
    double planes_summed = (double)kernel_d;
    if (problem->padding_mode == CLCONV_PADDING_ZEROS) { /* those outside are left out */
        planes_in = min_i64(planes_in, ceil_divide(problem->input[0], problem->dilation[0]));
        planes_summed = product_planes_summed(kernel_d, problem->stride[0], problem->dilation[0],
                                              problem->pad_before[0], problem->input[0], g->output[0]) /
                        (double)g->output[0];
    }
    int64_t m = p->values[OUTPUT_TILE], n = winograd_input_tile(problem, m);
    bool in_registers = p->values[IN_REGISTERS];
    double frequencies = (double)(n * n);
    double lanes = (double)a->units * (double)(a->block_panels * panel_width(tile));
    double in_planes = lanes * (double)planes_in * (double)channels_in(q);
    double out_planes = lanes * (double)a->chunk_depth * (double)(a->group_blocks * tile->out_channels);
    const machine *of = q->traits->machine;
    const machine_winograd *cost = &of->winograd;
    double input_work = n - m > 2 ? cost->in_wide : in_registers ? cost->in_registers : cost->in;
    double transforms =
        frequencies *
        (input_work * in_planes +
         output_work(cost, tile, m, n, in_registers, a->block_columns, problem->dilation[2]) * out_planes);
    double tile_share = in_registers ? 1 : machine_tile_share(of, tile->out_channels, tile->vectors);
    step_computes(s, frequencies * out_planes * (double)channels_in(q) * planes_summed,
                  cost->product_share * tile_share);
    s->work.flops += WINOGRAD_TRANSFORM_FLOPS * frequencies * (in_planes + out_planes);
    s->work.busy += transforms / cost->fused_share;
    if (a->units < FEW_UNITS) s->work.busy *= FEW_UNITS / (double)a->units;
    step_moves(s, (double)g->element_size * ((double)g->elements.input + (double)g->elements.output));
    double slices =
        (double)g->element_size * frequencies * (in_planes * (double)(kernel_d + 1) + 2 * out_planes);
    if (a->slice_size * g->element_size > of->core_cache) s->work.traffic += slices / cost->far_slices;
    double weights = (double)g->element_size * frequencies * (double)channels_in(q) * (double)kernel_d *
                     (double)(a->group_blocks * tile->out_channels);
    if (weights * (double)a->groups > (double)of->shared_cache)
        s->work.traffic += weights * (double)(a->units * a->chunk_depth);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    int64_t m = p->values[OUTPUT_TILE];
    bool in_registers = p->values[IN_REGISTERS];
    product_tile tile;
    winograd_fused_arguments a;
    step_buffer filters;
    if (!tile_from_parameters(p, &tile, why) || !is_applicable(q, m, in_registers, why)) return;
    if (!describe(q, p, &tile, &a)) {
        text_append(why, "its slices would overflow");
        return;
    }
    if (!winograd_append_weight(r, q->problem, q->geometry, m, in_registers ? 1 : tile.out_channels,
                                in_registers, q->traits) ||
        !definition_append_filters(r, q->geometry, lacks_weight(q), &filters)) {
        text_append(why, "the transformed weight is too large");
        return;
    }
    step s = program(q, p, &tile);
    kernel_add_tensors(&s, q->problem, BUFFER_PACKED);
    kernel_add_buffer(&s, filters.role, filters.offset);
    a.slice_size += definition_window(q->geometry);
    if (!slices_bind(a.units, p->values[SLICES], workspace_room(q, r), a.slice_size, r, &s, why)) return;
    kernel_set_scalars(&s, &a, sizeof a);
    epilogue_fuse(&s, q->problem, 0);
    estimate(q, p, &tile, &a, &s);
    recipe_append_run(r, &s);
}

const algorithm algorithm_winograd_fused = {.name = "winograd_fused",
                                            .devices = FOR_CPU,
                                            .accumulates_directly = false,
                                            .ranges = ranges,
                                            .choose = choose,
                                            .emit = emit,
                                            .op = CLCONV_FORWARD};
