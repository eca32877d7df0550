/* Tiles in local memory: see gemm_tile.h. */
#include "steps/gemm_tile.h"

#include "base/arith.h"
#include "steps/kernel.h"

#include <string.h>

int64_t gemm_tile_items(const int64_t *tile)
{
    return tile[TILE_CHANNELS] / tile[OUT_CHANNELS] * (tile[TILE_POSITIONS] / tile[POSITIONS]);
}

/* Bytes of a slab of both matrices, and what else is there. */
static int64_t local_bytes(const int64_t *tile, const gemm_tile_memory *memory)
{
    enum { PAD = 4 };
    return tile[SLAB] * (tile[TILE_CHANNELS] + tile[TILE_POSITIONS] + (int64_t)2 * PAD) *
               memory->element_size +
           tile[TILE_POSITIONS] * memory->column + memory->fixed;
}

/* Multiply-adds by them and reads of local memory, a quad of which takes as long as one. */
static double tile_share(const int64_t *tile)
{
    double products = (double)(tile[OUT_CHANNELS] * tile[POSITIONS]);
    return products / (products + (double)(tile[OUT_CHANNELS] + tile[POSITIONS]));
}

static double use(int64_t count, int64_t block)
{
    return count > 0 ? (double)count / (double)round_up(count, block) : 1;
}

void gemm_tile_choose(const device_traits *traits, int64_t rows, int64_t columns,
                      const gemm_tile_memory *memory, int64_t *tile)
{
    const machine_gemm_tile *tiles = traits->gpu->tiles;
    double most = -1;
    for (int i = 0; i < MACHINE_GEMM_TILES && tiles[i].channels > 0; i++) {
        const int64_t tried[GEMM_TILE] = {tiles[i].channels, tiles[i].positions, tiles[i].slab,
                                          tiles[i].out_channels, tiles[i].out_positions};
        double value =
            tile_share(tried) * use(rows, tried[TILE_CHANNELS]) * use(columns, tried[TILE_POSITIONS]);
        bool is_legal = gemm_tile_items(tried) <= traits->work_group &&
                        local_bytes(tried, memory) <= traits->local_memory;
        if (i > 0 && (value <= most || !is_legal))
            continue; /* the first stands if none is legal, and says why */
        most = is_legal ? value : -1;
        memcpy(tile, tried, sizeof tried);
    }
}

bool gemm_tile_is_legal(const device_traits *traits, const int64_t *tile, const gemm_tile_memory *memory,
                        text *why)
{
    int64_t items = gemm_tile_items(tile), bytes = local_bytes(tile, memory);
    if (items % tile[TILE_POSITIONS] != 0 || items % tile[SLAB] != 0 ||
        tile[SLAB] * tile[TILE_CHANNELS] % items != 0 || tile[SLAB] * tile[TILE_POSITIONS] % items != 0)
        text_append(why, "a work-group of %lld items cannot fetch its slabs evenly", (long long)items);
    else if (items > traits->work_group)
        text_append(why, "it needs work-groups of %lld; the device has at most %lld", (long long)items,
                    (long long)traits->work_group);
    else if (bytes > traits->local_memory)
        text_append(why, "it needs %lld bytes of local memory; the device has %lld", (long long)bytes,
                    (long long)traits->local_memory);
    else
        return true;
    return false;
}

bool gemm_tile_is_short(const clconv_problem *problem, const geometry *g, int64_t volumes)
{
    enum { LARGEST_TILE = 128, LARGEST_SLAB = 16 };
    int64_t input, output, weight, positions, planes, most = INT32_MAX / 2;
    for (int axis = 0; axis < 3; axis++)
        if (g->padded[axis] > most || problem->stride[axis] > most) return false;
    const int64_t inputs[] = {volumes, round_up(g->group_in, LARGEST_SLAB), g->input_plane},
                  weights[] = {g->group_in, g->taps, LARGEST_TILE},
                  outputs[] = {volumes, round_up(g->group_out, LARGEST_TILE),
                               round_up(g->output_plane, LARGEST_TILE)};
    return size_multiply(problem->batch, g->output_plane, &positions) && positions <= most &&
           size_multiply(problem->batch, problem->out_channels, &planes) && planes <= most &&
           size_product(inputs, 3, &input) && input <= most && size_product(outputs, 3, &output) &&
           output <= most && size_product(weights, 3, &weight) && weight <= most;
}

int64_t gemm_tile_parts(const geometry *g, const int64_t *tile, int64_t tiles, int64_t slabs, int64_t outputs)
{
    enum { LEAST_PART = 4, MOST_SPACE = 3 };
    const clconv_tensor_sizes *n = &g->elements;
    int64_t tensors = n->input + n->output + n->weight;
    int64_t parts = min_i64(ceil_divide(tile[GEMM_GRID], max_i64(tiles, 1)), slabs / LEAST_PART);
    return min_i64(parts, MOST_SPACE * tensors / outputs);
}

void gemm_tile_works(step *s, const device_traits *traits, const geometry *g, const int64_t *tile,
                     int64_t units, int64_t products, bool finds_places)
{
    /* As long as so many multiply-adds. */
    enum { PLACE_WORK = 20 };
    const clconv_tensor_sizes *n = &g->elements;
    double all = (double)(units * products), element = (double)g->element_size;
    double rows = (double)tile[TILE_CHANNELS], columns = (double)tile[TILE_POSITIONS];
    double fill = (double)units / (double)round_up(units, max_i64(traits->compute_units, 1));
    double share = traits->machine->plain.implicit_share * tile_share(tile) * fill;
    step_computes(s, all * rows * columns, share);
    if (finds_places) s->work.busy += all * PLACE_WORK * columns / share;
    step_moves(s, element * ((double)n->input + (double)n->output + (double)n->weight));
    step_rereads(s, element * all * (rows + columns));
}

void gemm_tile_define(step *s, const int64_t *tile, clconv_padding_mode mode)
{
    static const char *const names[GEMM_TILE] = {"TILE_CHANNELS", "TILE_POSITIONS", "SLAB", "OUT_CHANNELS",
                                                 "POSITIONS"};
    for (int i = 0; i < GEMM_TILE; i++)
        kernel_define(s, names[i], tile[i]);
    kernel_define(s, "INDEX_BITS", tile[GEMM_INDEX_BITS]);
    kernel_define(s, "MODE", mode);
}
