/* Packing weights: see pack.h. */
#include "steps/pack.h"

#include "arguments/pack_weight.clh"
#include "base/arith.h"
#include "base/hash.h"
#include "steps/kernel.h"

typedef struct pack_weight_arguments {
    PACK_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} pack_weight_arguments;

bool pack_append(recipe *r, const clconv_problem *problem, const geometry *g, int64_t out_channels,
                 bool taps_outside, int local_size)
{
    pack_weight_arguments a = {
        .group_blocks = ceil_divide(g->group_out, out_channels),
        .group_out = g->group_out,
        .group_in = g->group_in,
        .taps = g->taps,
        .taps_outside = taps_outside && g->taps > 1,
    };
    a.blocks = a.group_blocks * problem->groups;
    const int64_t extents[] = {a.blocks, out_channels, g->reduction, g->element_size};
    if (!size_product(extents, 4, &r->packed_bytes) || r->packed_bytes > INT64_MAX / 4) return false;

    const int64_t identity[] = {a.taps_outside ? 3 : 1, out_channels, problem->groups,
                                g->group_out,           g->group_in,  g->taps,
                                g->element_size};
    r->packed_layout = hash_bytes(HASH_START, identity, sizeof identity);

    step s = kernel_step("pack_weight", "pack_weight.cl", "pack_weight", problem->dtype);
    kernel_define(&s, "OUT_CHANNELS", out_channels);
    kernel_add_buffer(&s, BUFFER_WEIGHT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    kernel_set_scalars(&s, &a, sizeof a);
    kernel_set_range(&s, (const int64_t[]){1, a.group_in, a.blocks}, (const int64_t[]){local_size, 1, 1});
    s.bytes = (double)r->packed_bytes + (double)g->elements.weight * (double)g->element_size;
    recipe_append_pack(r, &s);
    return true;
}
