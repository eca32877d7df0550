/* implicit_weight: the weight's gradient as a product of matrices without an unfolded input, by tiles in local memory
 * (cl/gpu/implicit_weight.cl). */
#include "arguments/implicit_weight.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/gemm_tile.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"
#include "steps/weights.h"

typedef struct implicit_weight_arguments {
    IMPLICIT_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} implicit_weight_arguments;

static const parameter_range ranges[] = {GEMM_TILE_RANGES, {NULL, 0, 0, false}};

/* Where the elements of a tile's filters are read lies in local memory. */
static gemm_tile_memory memory_of(const geometry *g)
{
    enum { ELEMENT = 32, WINDOW = 64 };
    return (gemm_tile_memory){.column = ELEMENT, .fixed = WINDOW, .element_size = g->element_size};
}

static void choose(const request *q, parameter_set *p)
{
    const geometry *g = q->geometry;
    const gemm_tile_memory memory = memory_of(g);
    int64_t columns = 0;
    if (!size_multiply(g->group_in, g->taps, &columns)) columns = 0;
    gemm_tile_choose(q->traits, g->group_out, columns, &memory, p->values);
    p->values[GEMM_GRID] = GEMM_TILE_GRID;
    p->values[GEMM_INDEX_BITS] = gemm_tile_is_short(q->problem, g, 1) ? 32 : 64;
}

static bool is_applicable(const request *q, const parameter_set *p, text *why)
{
    const gemm_tile_memory memory = memory_of(q->geometry);
    if (!gemm_tile_is_legal(q->traits, p->values, &memory, why)) return false;
    if (p->values[GEMM_INDEX_BITS] == 64 || gemm_tile_is_short(q->problem, q->geometry, 1)) return true;
    text_append(why, "index_bits is 32; a sample needs 64");
    return false;
}

/* Parts that are many enough for sums in memory to have few runs, and to fill a device. */
static void divide(const request *q, const int64_t *tile, int64_t tiles, implicit_weight_arguments *a)
{
    a->run = SUM_RUN / tile[SLAB];
    int64_t parts = gemm_tile_parts(q->geometry, tile, tiles, a->slabs, a->weights);
    parts = max_i64(parts, ceil_divide(a->slabs, SUM_PARTS * a->run));
    a->part_slabs = max_i64(ceil_divide(a->slabs, max_i64(parts, 1)), 1);
}

static bool describe(const request *q, const int64_t *tile, implicit_weight_arguments *a)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    int64_t tiles, filter, positions, bytes;
    *a = (implicit_weight_arguments){
        .out_tiles = ceil_divide(g->group_out, tile[TILE_CHANNELS]),
        .samples = p->batch,
        .weights = max_i64(g->elements.weight, 1),
        KERNEL_GROUPS(p, g),
        KERNEL_EXTENTS(p, g),
        KERNEL_STEPS(p),
    };
    if (!size_multiply(g->group_in, g->taps, &filter) ||
        !size_multiply(p->batch, g->output_plane, &positions) || positions > INT32_MAX / 2 ||
        g->taps > INT32_MAX)
        return false;
    a->slabs = ceil_divide(positions, tile[SLAB]);
    a->column_tiles = ceil_divide(filter, tile[TILE_POSITIONS]);
    if (!size_product((const int64_t[]){p->groups, a->out_tiles, a->column_tiles}, 3, &tiles)) return false;
    divide(q, tile, tiles, a);
    int64_t parts = ceil_divide(a->slabs, a->part_slabs);
    return size_multiply(tiles, parts, &a->units) &&
           (tile[GEMM_INDEX_BITS] == 64 || a->units <= INT32_MAX / 2) &&
           size_product((const int64_t[]){parts, a->weights, g->element_size}, 3, &bytes) &&
           bytes <= INT64_MAX / 64;
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const int64_t *tile = p->values;
    implicit_weight_arguments a;
    if (!is_applicable(q, p, why)) return;
    if (!describe(q, tile, &a)) {
        text_append(why, "its tiles would overflow");
        return;
    }
    int64_t parts = ceil_divide(a.slabs, a.part_slabs), offset = 0;
    if (parts > 1) offset = recipe_reserve(r, parts * a.weights * q->geometry->element_size);
    step s = kernel_step("implicit_weight", "gpu/implicit_weight.cl", "implicit_weight", q->problem->dtype);
    gemm_tile_define(&s, tile, q->problem->padding_mode);
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_GRAD_OUTPUT, 0);
    kernel_add_buffer(&s, parts > 1 ? BUFFER_WORKSPACE : BUFFER_OUTPUT, offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){a.units, 1, 1}, (const int64_t[]){gemm_tile_items(tile), 1, 1});
    gemm_tile_works(&s, q->traits, q->geometry, tile, a.units, a.part_slabs * tile[SLAB], true);
    recipe_append_run(r, &s);
    if (parts > 1) weights_append_reduce(r, q->problem, q->geometry, offset, parts, q->traits);
}

const algorithm algorithm_implicit_weight = {.name = "implicit_weight",
                                             .devices = FOR_GPU,
                                             .accumulates_directly = true,
                                             .ranges = ranges,
                                             .choose = choose,
                                             .emit = emit,
                                             .op = CLCONV_BACKWARD_WEIGHT};
