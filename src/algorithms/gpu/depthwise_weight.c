/* depthwise_weight: the weight's gradient of groups of few channels, on lanes (cl/gpu/depthwise_weight.cl). */
#include "arguments/depthwise_weight.clh"
#include "algorithms/algorithm.h"
#include "base/arith.h"
#include "steps/gemm_tile.h"
#include "steps/kernel.h"
#include "steps/partial_sums.h"
#include "steps/weights.h"

typedef struct depthwise_weight_arguments {
    DEPTHWISE_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} depthwise_weight_arguments;

enum { ITEMS, INDEX_BITS };

static const parameter_range ranges[] = {
    [ITEMS] = {"items", 1, 256, true},
    [INDEX_BITS] = {"index_bits", 32, 64, true},
    {NULL, 0, 0, false},
};

/* Taps of a row at most; what a position takes beside its products and loads, as long as so many. */
enum { MOST_TAPS = 8, PLACE_WORK = 12 };

static void choose(const request *q, parameter_set *p)
{
    p->values[ITEMS] = q->traits->work_group >= 256 ? 256 : q->traits->local_size;
    p->values[INDEX_BITS] = gemm_tile_is_short(q->problem, q->geometry, 1) ? 32 : 64;
}

static bool is_applicable(const request *q, const parameter_set *p, text *why)
{
    const geometry *g = q->geometry;
    const int64_t bytes = p->values[ITEMS] * q->problem->kernel[2] * g->element_size;
    if (q->problem->kernel[2] > MOST_TAPS)
        text_append(why, "kernel_size is %lld on W; it unrolls %d at most", (long long)q->problem->kernel[2],
                    MOST_TAPS);
    else if (p->values[ITEMS] > q->traits->work_group || bytes > q->traits->local_memory)
        text_append(
            why, "it needs work-groups of %lld and %lld bytes of local memory; the device has %lld and %lld",
            (long long)p->values[ITEMS], (long long)bytes, (long long)q->traits->work_group,
            (long long)q->traits->local_memory);
    else if (p->values[INDEX_BITS] == 32 && !gemm_tile_is_short(q->problem, g, 1))
        text_append(why, "index_bits is 32; a volume needs 64");
    else
        return true;
    return false;
}

/* Parts short enough for a run of each work-item, and enough to fill a device. */
static bool describe(const request *q, int64_t items, int64_t index_bits, depthwise_weight_arguments *a)
{
    const clconv_problem *p = q->problem;
    const geometry *g = q->geometry;
    int64_t bytes;
    *a = (depthwise_weight_arguments){
        KERNEL_GROUPS(p, g),
        KERNEL_EXTENTS(p, g),
        KERNEL_STEPS(p),
    };
    if (!size_product((const int64_t[]){p->out_channels, g->group_in, p->kernel[0], p->kernel[1]}, 4,
                      &a->rows) ||
        !size_multiply(p->batch, g->output_plane, &a->positions))
        return false;
    int64_t parts =
        max_i64(ceil_divide(a->positions, items * SUM_RUN),
                min_i64(ceil_divide(GEMM_TILE_GRID, max_i64(a->rows, 1)), a->positions / (4 * items)));
    a->part_positions = max_i64(ceil_divide(a->positions, max_i64(parts, 1)), 1);
    parts = ceil_divide(a->positions, a->part_positions);
    return size_multiply(parts, a->rows, &a->units) && (index_bits == 64 || a->units <= INT32_MAX / 2) &&
           size_product((const int64_t[]){parts, g->elements.weight, g->element_size}, 3, &bytes) &&
           bytes <= INT64_MAX / 64;
}

static void emit(const request *q, const parameter_set *p, recipe *r, text *why)
{
    const geometry *g = q->geometry;
    const int64_t items = p->values[ITEMS];
    depthwise_weight_arguments a;
    if (!is_applicable(q, p, why)) return;
    if (!describe(q, items, p->values[INDEX_BITS], &a)) {
        text_append(why, "its sums would overflow");
        return;
    }
    int64_t parts = ceil_divide(a.positions, a.part_positions), offset = 0;
    if (parts > 1) offset = recipe_reserve(r, parts * g->elements.weight * g->element_size);
    step s =
        kernel_step("depthwise_weight", "gpu/depthwise_weight.cl", "depthwise_weight", q->problem->dtype);
    kernel_define(&s, "ITEMS", items);
    kernel_define(&s, "INDEX_BITS", p->values[INDEX_BITS]);
    kernel_define(&s, "MODE", q->problem->padding_mode);
    kernel_define(&s, "KERNEL_W", a.kernel_w);
    kernel_add_buffer(&s, BUFFER_INPUT, 0);
    kernel_add_buffer(&s, BUFFER_GRAD_OUTPUT, 0);
    kernel_add_buffer(&s, parts > 1 ? BUFFER_WORKSPACE : BUFFER_OUTPUT, offset);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){a.units, 1, 1}, (const int64_t[]){items, 1, 1});
    double taps = (double)a.kernel_w;
    step_computes(&s, (double)a.rows * taps * (double)a.positions,
                  q->traits->machine->plain.implicit_share * taps / (2 * taps + 1 + PLACE_WORK));
    step_moves(&s, (double)g->element_size * ((double)g->elements.input + (double)g->elements.output));
    /* Each row of taps reads it. */
    step_rereads(&s, (double)g->element_size * 2 * (double)a.rows * (double)a.positions);
    recipe_append_run(r, &s);
    if (parts > 1) weights_append_reduce(r, q->problem, g, offset, parts, q->traits);
}

const algorithm algorithm_depthwise_weight = {.name = "depthwise_weight",
                                              .devices = FOR_GPU,
                                              .accumulates_directly = true,
                                              .ranges = ranges,
                                              .choose = choose,
                                              .emit = emit,
                                              .op = CLCONV_BACKWARD_WEIGHT};
