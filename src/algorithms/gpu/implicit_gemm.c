/* implicit_gemm: a product of matrices without an unfolded input, by tiles in local memory (cl/gpu/implicit_gemm.cl). */
#include "arguments/implicit_gemm.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/epilogue.h"
#include "steps/kernel.h"
#include "steps/pack.h"
#include "steps/partial_sums.h"

#include <string.h>

typedef struct implicit_gemm_arguments {
    IMPLICIT_GEMM_ARGUMENTS(ARGUMENT_MEMBER)
} implicit_gemm_arguments;

enum { TILE_CHANNELS, TILE_POSITIONS, SLAB, OUT_CHANNELS, POSITIONS, INDEX_BITS, PARAMETERS };

static const parameter_range ranges[] = {
    [TILE_CHANNELS] = {"tile_channels", 16, 128, true},
    [TILE_POSITIONS] = {"tile_positions", 32, 128, true},
    [SLAB] = {"slab", 8, 16, true},
    [OUT_CHANNELS] = {"out_channels", 4, 8, true},
    [POSITIONS] = {"positions", 4, 8, true},
    [INDEX_BITS] = {"index_bits", 32, 64, true},
    {NULL, 0, 0, false},
};

/* Runs that are added to the output at most, which keeps the error's bound (docs/numerics.md). */
enum { MOST_RUNS = 64 };

static int64_t items_of(const int64_t *tile)
{
    return tile[TILE_CHANNELS] / tile[OUT_CHANNELS] * (tile[TILE_POSITIONS] / tile[POSITIONS]);
}

/* Bytes of local memory: a slab of both, and the tile's place. */
static int64_t local_bytes(const int64_t *tile, int64_t element_size)
{
    enum { PAD = 4, PLACE = 16 };
    return tile[SLAB] * (tile[TILE_CHANNELS] + tile[TILE_POSITIONS] + (int64_t)2 * PAD) * element_size +
           PLACE;
}

static bool device_takes(const device_traits *t, const int64_t *tile, int64_t element_size)
{
    return items_of(tile) <= t->work_group && local_bytes(tile, element_size) <= t->local_memory;
}

/* Multiply-adds by them and reads of local memory, a quad of which takes as long as one. */
static double tile_share(const int64_t *tile)
{
    double products = (double)(tile[OUT_CHANNELS] * tile[POSITIONS]);
    return products / (products + (double)(tile[OUT_CHANNELS] + tile[POSITIONS]));
}

/* Whether all places in a volume, and those of padding around it, are below 2^31. */
static bool places_are_short(const clconv_problem *p, const geometry *g)
{
    int64_t input, output, weight, most = INT32_MAX / 2;
    for (int axis = 0; axis < 3; axis++)
        if (g->padded[axis] > most) return false;
    return size_multiply(g->group_in, g->input_plane, &input) && input <= most &&
           size_multiply(round_up(g->group_out, 128), round_up(g->output_plane, 128), &output) &&
           output <= most && size_product((const int64_t[]){g->group_in, g->taps, 128}, 3, &weight) &&
           weight <= most && p->stride[0] <= most && p->stride[1] <= most && p->stride[2] <= most;
}

static void choose(const request *q, parameter_set *p)
{
    const geometry *g = q->geometry;
    const machine_gemm_tile *tiles = q->traits->gpu->tiles;
    double most = -1;
    for (int i = 0; i < MACHINE_GEMM_TILES && tiles[i].channels > 0; i++) {
        int64_t tile[PARAMETERS] = {tiles[i].channels, tiles[i].positions, tiles[i].slab,
                                    tiles[i].out_channels, tiles[i].out_positions};
        double value =
            tile_share(tile) * (double)g->group_out / (double)round_up(g->group_out, tile[TILE_CHANNELS]);
        bool is_first = i == 0; /* whatever else is wrong with it is told by is_applicable() */
        if (value <= most || (!is_first && !device_takes(q->traits, tile, g->element_size))) continue;
        most = device_takes(q->traits, tile, g->element_size) ? value : -1;
        memcpy(p->values, tile, sizeof tile);
    }
    p->values[INDEX_BITS] = places_are_short(q->problem, g) ? 32 : 64;
}

static bool is_applicable(const request *q, const parameter_set *p, text *why)
{
    const int64_t *tile = p->values;
    int64_t items = items_of(tile), size = q->geometry->element_size;
    if (items % tile[TILE_POSITIONS] != 0 || tile[SLAB] * tile[TILE_CHANNELS] % items != 0 ||
        tile[SLAB] * tile[TILE_POSITIONS] % items != 0)
        text_append(why, "a work-group of %lld items cannot fetch its slabs evenly", (long long)items);
    else if (items > q->traits->work_group)
        text_append(why, "it needs work-groups of %lld; the device has at most %lld", (long long)items,
                    (long long)q->traits->work_group);
    else if (local_bytes(tile, size) > q->traits->local_memory)
        text_append(why, "it needs %lld bytes of local memory; the device has %lld",
                    (long long)local_bytes(tile, size), (long long)q->traits->local_memory);
    else if (tile[INDEX_BITS] == 32 && !places_are_short(q->problem, q->geometry))
        text_append(why, "index_bits is 32; a volume needs 64");
    else
        return true;
    return false;
}

/* Slabs that make a run, and whether the runs of a sum are few enough. */
static bool divide_sum(const geometry *g, int64_t slab, int64_t *run, text *why)
{
    int64_t slabs, products;
    if (!size_multiply(g->taps, ceil_divide(g->group_in, slab), &slabs) ||
        !size_multiply(slabs, slab, &products)) {
        text_append(why, "its sums would overflow");
        return false;
    }
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
    *a = (implicit_gemm_arguments){
        .out_tiles = ceil_divide(g->group_out, tile[TILE_CHANNELS]),
        .tiles = ceil_divide(g->output_plane, tile[TILE_POSITIONS]),
        KERNEL_GROUPS(p, g),
        KERNEL_EXTENTS(p, g),
        KERNEL_WINDOW(p),
        .has_bias = p->has_bias,
    };
    return g->group_in <= INT32_MAX && g->group_out <= INT32_MAX && g->taps <= INT32_MAX &&
           size_product((const int64_t[]){p->batch, p->groups, a->out_tiles, a->tiles}, 4, &a->units);
}

/* Tiles that do not fill the units leave some idle, whose share of the time goes with the rest. */
static void set_cost(const request *q, const int64_t *tile, const implicit_gemm_arguments *a, step *s)
{
    const geometry *g = q->geometry;
    const machine *m = q->traits->machine;
    double slabs = (double)g->taps * (double)ceil_divide(g->group_in, tile[SLAB]),
           outputs = (double)a->units * (double)(tile[TILE_CHANNELS] * tile[TILE_POSITIONS]),
           fill = (double)a->units / (double)round_up(a->units, max_i64(q->traits->compute_units, 1));
    double fetched =
        slabs * (double)tile[SLAB] * (double)a->units * (double)(tile[TILE_CHANNELS] + tile[TILE_POSITIONS]);
    step_computes(s, outputs * slabs * (double)tile[SLAB], m->plain.implicit_share * tile_share(tile) * fill);
    step_moves(s, (double)g->element_size *
                      ((double)g->elements.input + (double)g->elements.output + (double)g->elements.weight));
    /* What tiles fetch again comes from a cache. */
    enum { CACHE_RATE = 4 };
    s->work.traffic += (double)g->element_size * fetched / CACHE_RATE;
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const int64_t *tile = p->values;
    implicit_gemm_arguments a;
    int64_t run;
    if (!is_applicable(q, p, why) || !divide_sum(q->geometry, tile[SLAB], &run, why)) return;
    if (!describe(q, tile, &a)) {
        text_append(why, "its tiles would overflow");
        return;
    }
    if (!pack_append(r, q->problem, q->geometry, tile[TILE_CHANNELS], true, q->traits->local_size, why))
        return;
    a.run = run;
    step s = kernel_step("implicit_gemm", "gpu/implicit_gemm.cl", "implicit_gemm", q->problem->dtype);
    for (int i = 0; i < PARAMETERS; i++) {
        static const char *const names[] = {"TILE_CHANNELS", "TILE_POSITIONS", "SLAB",
                                            "OUT_CHANNELS",  "POSITIONS",      "INDEX_BITS"};
        kernel_define(&s, names[i], tile[i]);
    }
    partial_sums_define(&s, q->geometry->taps * round_up(q->geometry->group_in, tile[SLAB]));
    kernel_add_tensors(&s, q->problem, BUFFER_PACKED);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){a.units, 1, 1}, (const int64_t[]){items_of(tile), 1, 1});
    set_cost(q, tile, &a, &s);
    epilogue_fuse(&s, q->problem, 0);
    recipe_append_run(r, &s);
}

const algorithm algorithm_implicit_gemm = {.name = "implicit_gemm",
                                           .devices = FOR_GPU,
                                           .accumulates_directly = true,
                                           .ranges = ranges,
                                           .choose = choose,
                                           .emit = emit,
                                           .op = CLCONV_FORWARD};
