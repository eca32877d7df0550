/* implicit_gemm: a product of matrices without an unfolded input, by tiles in local memory (cl/gpu/implicit_gemm.cl). */
#include "arguments/implicit_gemm.clh"
#include "algorithms/algorithm.h"
#include "arguments/add_parts.clh"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/gemm_tile.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/partial_sums.h"

typedef struct implicit_gemm_arguments {
    IMPLICIT_GEMM_ARGUMENTS(ARGUMENT_MEMBER)
} implicit_gemm_arguments;

typedef struct add_parts_arguments {
    ADD_PARTS_ARGUMENTS(ARGUMENT_MEMBER)
} add_parts_arguments;

static const parameter_range ranges[] = {GEMM_TILE_RANGES, {NULL, 0, 0, false}};

/* Runs that are added to the output at most, which keeps the error's bound (docs/numerics.md). */
enum { MOST_RUNS = 64 };

/* Products of an output over which slabs run without regard to taps, where channels are so few that slabs of their own
 * would be mostly zeros: 0, or how many. */
static int64_t flat_products(const geometry *g, int64_t slab)
{
    enum { MOST_FLAT = 1152 };
    int64_t products = g->group_in * g->taps;
    bool is_flat = g->group_in < slab && g->taps <= MOST_FLAT && products <= MOST_FLAT && g->taps > 1;
    return is_flat ? products : 0;
}

/* Whether columns run over the ends of samples: where a tile would be mostly empty else. */
static bool is_batched(const clconv_problem *p, const geometry *g)
{
    enum { FEW_POSITIONS = 128 };
    return p->batch > 1 && g->output_plane < FEW_POSITIONS;
}

static int64_t slabs_of(const geometry *g, const int64_t *tile)
{
    int64_t flat = flat_products(g, tile[SLAB]);
    return flat > 0 ? ceil_divide(flat, tile[SLAB]) : g->taps * ceil_divide(g->group_in, tile[SLAB]);
}

/* Products of a tap that slabs run over, or of an output if they run over all. */
static int64_t products_of_run(const geometry *g, int64_t slab)
{
    int64_t flat = flat_products(g, slab);
    return flat > 0 ? flat : g->group_in;
}

/* Places, and the smallest tiles with the parts of their sums, are counted by 32 bits. */
static bool places_are_short(const clconv_problem *p, const geometry *g)
{
    enum { LEAST_CHANNELS = 16, LEAST_POSITIONS = 32, MOST_TILES = INT32_MAX / 4 };
    const int64_t counts[] = {p->batch, p->groups, ceil_divide(g->group_out, LEAST_CHANNELS),
                              g->output_plane / LEAST_POSITIONS + 1};
    int64_t tiles;
    return size_product(counts, 4, &tiles) && tiles <= MOST_TILES &&
           gemm_tile_is_short(p, g, is_batched(p, g) ? p->batch * p->groups : 1);
}

/* The tile's place, and where products read if slabs run over taps, are in local memory too. */
static gemm_tile_memory memory_of(const request *q)
{
    enum { PLACE = 80, ELEMENT = 16, LARGEST_SLAB = 16 };
    const geometry *g = q->geometry;
    int64_t element = places_are_short(q->problem, g) ? ELEMENT : 2 * ELEMENT;
    return (gemm_tile_memory){.fixed = PLACE + flat_products(g, LARGEST_SLAB) * element,
                              .element_size = g->element_size};
}

static void choose(const request *q, parameter_set *p)
{
    const gemm_tile_memory memory = memory_of(q);
    gemm_tile_choose(q->traits, q->geometry->group_out, 0, &memory, p->values);
    p->values[GEMM_GRID] = GEMM_TILE_GRID;
    p->values[GEMM_INDEX_BITS] = places_are_short(q->problem, q->geometry) ? 32 : 64;
}

static bool is_applicable(const request *q, const parameter_set *p, text *why)
{
    const gemm_tile_memory memory = memory_of(q);
    if (!gemm_tile_is_legal(q->traits, p->values, &memory, why)) return false;
    if (p->values[GEMM_INDEX_BITS] == 64 || places_are_short(q->problem, q->geometry)) return true;
    text_append(why, "index_bits is 32; a volume needs 64");
    return false;
}

/* Slabs that make a run, and whether the runs of a sum are few enough. */
static bool divide_sum(const geometry *g, const int64_t *tile, int64_t *run, text *why)
{
    int64_t slabs, products;
    int64_t slab = tile[SLAB];
    if (!size_multiply(g->taps, g->group_in, &products) || products > INT64_MAX / 64) {
        text_append(why, "its sums would overflow");
        return false;
    }
    slabs = slabs_of(g, tile);
    products = slabs * slab;
    *run = max_i64(partial_sums_are_long(products) ? partial_sums_run(g->taps) / slab : slabs, 1);
    if (ceil_divide(slabs, *run) <= MOST_RUNS && slabs <= INT32_MAX) return true;
    text_append(why, "an output sums %lld products; it needs at most %lld", (long long)products,
                (long long)(MOST_RUNS * *run * slab));
    return false;
}

static bool describe(const request *q, const int64_t *tile, implicit_gemm_arguments *a)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    const int64_t samples = is_batched(p, g) ? p->batch : 1;
    *a = (implicit_gemm_arguments){
        .out_tiles = ceil_divide(g->group_out, tile[TILE_CHANNELS]),
        .tiles = ceil_divide(g->output_plane * samples, tile[TILE_POSITIONS]),
        .samples = samples,
        KERNEL_GROUPS(p, g),
        KERNEL_EXTENTS(p, g),
        KERNEL_STEPS(p),
    };
    return g->group_in <= INT32_MAX && g->group_out <= INT32_MAX && g->taps <= INT32_MAX &&
           size_product((const int64_t[]){p->batch / samples, p->groups, a->out_tiles, a->tiles}, 4,
                        &a->units);
}

/* Few tiles leave units idle, unless parts of their sums are tiles too. */
static void divide_slabs(const request *q, const int64_t *tile, const recipe *r, implicit_gemm_arguments *a)
{
    const geometry *g = q->geometry;
    int64_t slabs = slabs_of(g, tile), outputs = max_i64(g->elements.output, 1);
    int64_t parts = gemm_tile_parts(g, tile, a->units, slabs, outputs);
    parts = max_i64(min_i64(parts, workspace_room(q, r) / g->element_size / outputs), 1);
    a->part_slabs = max_i64(ceil_divide(slabs, parts), 1);
    a->part_units = a->units;
    a->outputs = outputs;
    a->units *= ceil_divide(slabs, a->part_slabs);
}

/* The step that adds the parts, which lie in the workspace from `offset` on. */
static void append_sum(const request *q, int64_t parts, int64_t offset, recipe *r)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    const int64_t local = q->traits->local_size;
    const add_parts_arguments a = {.planes = p->batch * p->out_channels,
                                   .channels = p->out_channels,
                                   .plane_size = g->output_plane,
                                   .parts = parts,
                                   .has_bias = p->has_bias};
    step s = kernel_step("add_parts", "gpu/add_parts.cl", "add_parts", p->dtype);
    kernel_add_buffer(&s, BUFFER_WORKSPACE, offset);
    kernel_add_buffer(&s, p->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, BUFFER_OUTPUT, 0);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){ceil_divide(a.plane_size, local), a.planes, 1},
                     (const int64_t[]){local, 1, 1});
    step_moves(&s, (double)g->element_size * (double)(parts + 1) * (double)g->elements.output);
    epilogue_fuse(&s, p, 0);
    recipe_append_run(r, &s);
}

static void append_product(const request *q, const int64_t *tile, implicit_gemm_arguments *a, recipe *r)
{
    int64_t parts = a->units / a->part_units;
    bool is_divided = parts > 1;
    step s = kernel_step("implicit_gemm", "gpu/implicit_gemm.cl", "implicit_gemm", q->problem->dtype);
    gemm_tile_define(&s, tile, q->problem->padding_mode);
    kernel_define(&s, "FLAT", flat_products(q->geometry, tile[SLAB]));
    kernel_define(&s, "TAIL", products_of_run(q->geometry, tile[SLAB]) % tile[SLAB] != 0);
    kernel_define(&s, "BATCHED", is_batched(q->problem, q->geometry));
    partial_sums_define(&s, slabs_of(q->geometry, tile) * tile[SLAB]);
    int64_t offset = is_divided ? recipe_reserve(r, parts * a->outputs * q->geometry->element_size) : 0;
    a->has_bias = !is_divided && q->problem->has_bias;
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    kernel_add_buffer(&s, a->has_bias ? BUFFER_BIAS : BUFFER_NONE, 0);
    kernel_add_buffer(&s, is_divided ? BUFFER_WORKSPACE : BUFFER_OUTPUT, offset);
    kernel_set_scalars(&s, a, sizeof *a);
    kernel_set_range(&s, (const int64_t[]){a->units, 1, 1}, (const int64_t[]){gemm_tile_items(tile), 1, 1});
    gemm_tile_works(&s, q->traits, q->geometry, tile, a->units, a->part_slabs * tile[SLAB],
                    flat_products(q->geometry, tile[SLAB]) > 0);
    if (!is_divided) epilogue_fuse(&s, q->problem, 0);
    recipe_append_run(r, &s);
    if (is_divided) append_sum(q, parts, offset, r);
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const int64_t *tile = p->values;
    implicit_gemm_arguments a;
    int64_t run;
    if (!is_applicable(q, p, why) || !divide_sum(q->geometry, tile, &run, why)) return;
    if (!describe(q, tile, &a)) {
        text_append(why, "its tiles would overflow");
        return;
    }
    if (!pack_append(r, q->problem, q->geometry, tile[TILE_CHANNELS], true, q->traits->local_size, why))
        return;
    a.run = run;
    divide_slabs(q, tile, r, &a);
    append_product(q, tile, &a, r);
}

const algorithm algorithm_implicit_gemm = {.name = "implicit_gemm",
                                           .devices = FOR_GPU,
                                           .accumulates_directly = true,
                                           .ranges = ranges,
                                           .choose = choose,
                                           .emit = emit,
                                           .op = CLCONV_FORWARD};
