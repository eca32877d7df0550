/* Packing weights: see pack.h. */
#include "steps/pack.h"

#include "arguments/pack_weight.clh"
#include "base/arith.h"
#include "base/hash.h"
#include "steps/kernel.h"

typedef struct pack_weight_arguments {
    PACK_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} pack_weight_arguments;

bool pack_size(const pack_shape *shape, int64_t block, int64_t *elements)
{
    const int64_t extents[] = {shape->groups, ceil_divide(shape->group_out, block), block, shape->group_in,
                               shape->taps};
    return size_product(extents, 5, elements) && *elements <= INT64_MAX / 64;
}

step pack_step(clconv_dtype dtype, const pack_shape *shape, int64_t block, int local_size)
{
    pack_weight_arguments a = {
        .group_blocks = ceil_divide(shape->group_out, block),
        .group_out = shape->group_out,
        .group_in = shape->group_in,
        .taps = shape->taps,
        .taps_outside = shape->taps_outside,
    };
    a.blocks = a.group_blocks * shape->groups;
    step s = kernel_step("pack_weight", "any/pack_weight.cl", "pack_weight", dtype);
    kernel_define(&s, "OUT_CHANNELS", block);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){1, a.group_in, a.blocks}, (const int64_t[]){local_size, 1, 1});
    double rows = (double)(a.group_in * a.taps);
    step_moves(&s, (double)s.element_size * rows * (double)(a.blocks * block + shape->groups * a.group_out));
    return s;
}

bool pack_append(recipe *r, const clconv_problem *problem, const geometry *g, int64_t out_channels,
                 bool taps_outside, int local_size, text *why)
{
    const pack_shape shape = {
        .groups = problem->groups,
        .group_out = g->group_out,
        .group_in = g->group_in,
        .taps = g->taps,
        .taps_outside = taps_outside && g->taps > 1,
    };
    int64_t elements;
    if (!pack_size(&shape, out_channels, &elements)) {
        text_append(why, "the packed weight is too large");
        return false;
    }
    r->packed_bytes = elements * g->element_size;
    const int64_t identity[] = {shape.taps_outside ? 3 : 1,
                                out_channels,
                                problem->groups,
                                g->group_out,
                                g->group_in,
                                g->taps,
                                g->element_size};
    r->packed_layout = hash_bytes(HASH_START, identity, sizeof identity);
    step s = pack_step(problem->dtype, &shape, out_channels, local_size);
    kernel_add_buffer(&s, BUFFER_WEIGHT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    recipe_append_pack(r, &s);
    return true;
}
