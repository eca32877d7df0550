/* Steps of Winograd convolution: see winograd.h. */
#include "steps/winograd.h"

#include "arguments/winograd_depth.clh"
#include "arguments/winograd_row_weight.clh"
#include "arguments/winograd_weight.clh"
#include "base/arith.h"
#include "base/hash.h"
#include "steps/kernel.h"

typedef struct winograd_weight_arguments {
    WINOGRAD_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_weight_arguments;

typedef struct winograd_depth_weight_arguments {
    WINOGRAD_DEPTH_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_depth_weight_arguments;

typedef struct winograd_row_weight_arguments {
    WINOGRAD_ROW_WEIGHT_ARGUMENTS(ARGUMENT_MEMBER)
} winograd_row_weight_arguments;

static const char axis_name[] = "DHW";

#define STRICT_EXCLUDES "strict numerics exclude it: it leaves out the padding's zeros on the depth axis"

/* Products summed for a frequency from which on the error of the larger tile stays within a quarter of the
 * promised bound (docs/numerics.md). */
enum { MIN_TERMS = 16 };

/* What there are transforms for, with the products that an output must sum at least so that its own bound covers the
 * roundings of its tile (docs/numerics.md). */
typedef struct scheme {
    int64_t taps, m, fewest_products;
} scheme;

static const scheme schemes[] = {{2, 4, 128}, {3, 2, 8}, {3, 4, 32}, {4, 2, 32}, {5, 2, 32}};

/* The same at most of tiles along W alone, whose outputs share the taps of D and H. */
enum { FEWEST_OF_ROW = 16 };

static const scheme *find_scheme(int64_t taps, int64_t m)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (schemes[i].taps == taps && schemes[i].m == m) return &schemes[i];
    return NULL;
}

int64_t winograd_taps(const clconv_problem *problem, int axis)
{
    return ceil_divide(problem->kernel[axis], problem->stride[axis]);
}

int64_t winograd_phases(const clconv_problem *problem)
{
    return min_i64(problem->stride[1], problem->kernel[1]) * min_i64(problem->stride[2], problem->kernel[2]);
}

int64_t winograd_input_tile(const clconv_problem *problem, int64_t m)
{
    return m + winograd_taps(problem, 2) - 1;
}

int64_t winograd_tiles(const clconv_problem *problem, const geometry *g, int axis, int64_t m)
{
    int64_t dilation = problem->dilation[axis];
    return ceil_divide(g->output[axis], m * dilation) * dilation;
}

bool winograd_has_groups(int64_t dilation_w, int64_t vector_width)
{
    bool is_power_of_two = (dilation_w & (dilation_w - 1)) == 0;
    return is_power_of_two && dilation_w <= 8 && dilation_w < vector_width;
}

int64_t winograd_fixed_dilation(int64_t dilation_w, int64_t vector_width)
{
    return dilation_w == 1 || winograd_has_groups(dilation_w, vector_width) ? dilation_w : 0;
}

bool winograd_is_accurate(const clconv_problem *problem, const geometry *g, int64_t fewest, text *why)
{
    int64_t products = geometry_fewest_products(problem, g);
    if (products >= fewest) return true;
    text_append(why,
                "an output sums %lld products, the padding's left out; it needs %lld to bound its roundings",
                (long long)products, (long long)fewest);
    return false;
}

bool winograd_is_applicable(const clconv_problem *problem, const geometry *g, int64_t m, bool strict,
                            text *why)
{
    const clconv_problem *p = problem;
    if (strict) {
        text_append(why, STRICT_EXCLUDES);
        return false;
    }
    int64_t taps = winograd_taps(p, 2);
    const scheme *tile = find_scheme(taps, m);
    if (taps != winograd_taps(p, 1) || taps < 2 || taps > 5) {
        text_append(
            why,
            "on H,W kernel_size is %lld,%lld and stride %lld,%lld; their ratio, rounded up, must be 2 to 5, "
            "the same for both",
            (long long)p->kernel[1], (long long)p->kernel[2], (long long)p->stride[1],
            (long long)p->stride[2]);
        return false;
    }
    if (tile == NULL) {
        text_append(why, "output_tile is %lld; there is no scheme for %lld taps with it", (long long)m,
                    (long long)taps);
        return false;
    }
    return winograd_is_accurate(p, g, tile->fewest_products, why);
}

bool winograd_combines_strides(const clconv_problem *p, text *why)
{
    enum { MAX_PHASES = 16 };
    bool has_stride = p->stride[1] > 1 || p->stride[2] > 1,
         is_dilated = p->dilation[1] > 1 || p->dilation[2] > 1;
    if ((p->stride[0] > 1 && p->dilation[0] > 1) || (has_stride && is_dilated)) {
        text_append(
            why, "stride is %lld,%lld,%lld and dilation %lld,%lld,%lld; on D, or on H and W, one must be 1",
            (long long)p->stride[0], (long long)p->stride[1], (long long)p->stride[2],
            (long long)p->dilation[0], (long long)p->dilation[1], (long long)p->dilation[2]);
        return false;
    }
    if (winograd_phases(p) <= MAX_PHASES) return true;
    text_append(why, "on H and W stride is %lld,%lld; their product must be at most %d",
                (long long)p->stride[1], (long long)p->stride[2], MAX_PHASES);
    return false;
}

bool winograd_depth_is_applicable(const clconv_problem *p, const geometry *g, bool strict, text *why)
{
    if (strict) {
        text_append(why, STRICT_EXCLUDES);
        return false;
    }
    for (int axis = 0; axis < 3; axis++) {
        int64_t kernel = axis == 0 ? WINOGRAD_TAPS : 1;
        int64_t padding = p->pad_before[axis] + p->pad_after[axis] + p->output_padding[axis];
        bool is_dense = axis == 0 ? p->dilation[0] == 1 : padding == 0;
        if (p->kernel[axis] == kernel && p->stride[axis] == 1 && is_dense) continue;
        text_append(
            why,
            "on %c kernel_size is %lld, stride %lld, dilation %lld and padding %lld; it needs %lld, 1, 1%s",
            axis_name[axis], (long long)p->kernel[axis], (long long)p->stride[axis],
            (long long)p->dilation[axis], (long long)padding, (long long)kernel, axis > 0 ? " and 0" : "");
        return false;
    }
    return winograd_is_accurate(p, g, find_scheme(WINOGRAD_TAPS, 2)->fewest_products, why);
}

bool winograd_row_is_applicable(const clconv_problem *p, const geometry *g, int64_t m, bool strict, text *why)
{
    const scheme *tile = find_scheme(p->kernel[2], m);
    if (strict)
        text_append(why, STRICT_EXCLUDES);
    else if (p->stride[1] != 1 || p->stride[2] != 1 || p->dilation[2] != 1)
        text_append(why, "stride on H,W is %lld,%lld and dilation on W %lld; all must be 1",
                    (long long)p->stride[1], (long long)p->stride[2], (long long)p->dilation[2]);
    else if (tile == NULL)
        text_append(why, "output_tile is %lld; there is no scheme for kernel_size %lld on W with it",
                    (long long)m, (long long)p->kernel[2]);
    else
        return winograd_is_accurate(p, g, min_i64(tile->fewest_products, FEWEST_OF_ROW), why);
    return false;
}

int64_t winograd_choose_row_tile(const clconv_problem *problem, const geometry *g)
{
    int64_t taps = problem->kernel[2];
    const scheme *large = find_scheme(taps, 4);
    if (large == NULL || find_scheme(taps, 2) == NULL) return large == NULL ? 2 : 4;
    return g->group_in * problem->kernel[0] * problem->kernel[1] >= MIN_TERMS &&
                   geometry_fewest_products(problem, g) >= FEWEST_OF_ROW
               ? 4
               : 2;
}

int64_t winograd_choose_depth_tile(const geometry *g)
{
    return g->group_in >= MIN_TERMS && g->output[0] > 2 ? 4 : 2;
}

static int64_t plane_panels(const clconv_problem *problem, const geometry *g, int64_t m, int64_t width)
{
    return ceil_divide(winograd_tiles(problem, g, 1, m) * winograd_tiles(problem, g, 2, m), width);
}

int64_t winograd_choose_output_tile(const clconv_problem *problem, const geometry *g, int64_t width)
{
    int64_t taps = winograd_taps(problem, 2), n = winograd_input_tile(problem, 4);
    const scheme *large = find_scheme(taps, 4);
    if (large == NULL || find_scheme(taps, 2) == NULL) return large == NULL ? 2 : 4;
    bool has_terms = g->group_in * problem->kernel[0] >= MIN_TERMS &&
                     geometry_fewest_products(problem, g) >= large->fewest_products;
    /* Small images fill panels with small tiles, and large ones do not. */
    bool is_large =
        n * n * plane_panels(problem, g, 4, width) < (n - 2) * (n - 2) * plane_panels(problem, g, 2, width);
    return has_terms && is_large ? 4 : 2;
}

/* The transform of the weight as a step: tiles of m outputs, `blocks` blocks of output channels, `rows` channels
 * and phases. */
static step weight_step(const char *source, const char *kernel, const recipe *r,
                        const clconv_problem *problem, const geometry *g, int64_t m, int64_t taps,
                        int64_t out_channels, int64_t blocks, int64_t rows, int local_size)
{
    step s = kernel_step("winograd_weight", source, kernel, problem->dtype);
    kernel_define(&s, "OUTPUT_TILE", m);
    kernel_define(&s, "TAPS", taps);
    kernel_define(&s, "OUT_CHANNELS", out_channels);
    kernel_add_buffer(&s, BUFFER_WEIGHT, 0);
    kernel_add_buffer(&s, BUFFER_PACKED, 0);
    kernel_set_range(&s, (const int64_t[]){1, rows, blocks}, (const int64_t[]){local_size, 1, 1});
    step_moves(&s, (double)r->packed_bytes + (double)g->elements.weight * (double)g->element_size);
    return s;
}

bool winograd_append_weight(recipe *r, const clconv_problem *problem, const geometry *g, int64_t m,
                            int64_t out_channels, bool frequencies_last, const device_traits *traits)
{
    int64_t n = winograd_input_tile(problem, m), frequencies = n * n, rows;
    winograd_weight_arguments a = {
        .group_blocks = ceil_divide(g->group_out, out_channels),
        .group_out = g->group_out,
        .group_in = g->group_in,
        AXES(kernel, problem->kernel),
    };
    a.blocks = a.group_blocks * problem->groups;
    if (!size_multiply(a.group_in, winograd_phases(problem), &rows)) return false;
    const int64_t extents[] = {frequencies, a.blocks, out_channels, rows, a.kernel_d, g->element_size};
    if (!size_product(extents, 6, &r->packed_bytes) || r->packed_bytes > INT64_MAX / 64) return false;
    a.row_step = frequencies_last ? frequencies : out_channels;
    a.frequency_step = frequencies_last ? 1 : a.blocks * a.kernel_d * rows * out_channels;
    const int64_t identity[] = {frequencies_last ? 5 : 2,
                                m,
                                problem->kernel[1],
                                problem->kernel[2],
                                problem->stride[1],
                                problem->stride[2],
                                out_channels,
                                problem->groups,
                                g->group_out,
                                g->group_in,
                                a.kernel_d,
                                g->element_size};
    r->packed_layout = hash_bytes(HASH_START, identity, sizeof identity);

    step s = weight_step("any/winograd_weight.cl", "winograd_weight", r, problem, g, m,
                         winograd_taps(problem, 2), out_channels, a.blocks, rows, traits->local_size);
    kernel_define(&s, "STRIDE_H", problem->stride[1]);
    kernel_define(&s, "STRIDE_W", problem->stride[2]);
    kernel_set_scalars(&s, &a, sizeof a);
    step_computes(&s, 4 * (double)r->packed_bytes / (double)g->element_size,
                  traits->machine->winograd.weight_share);
    recipe_append_pack(r, &s);
    return true;
}

bool winograd_append_depth_weight(recipe *r, const clconv_problem *problem, const geometry *g, int64_t m,
                                  int64_t out_channels, const device_traits *traits)
{
    winograd_depth_weight_arguments a = {
        .group_blocks = ceil_divide(g->group_out, out_channels),
        .group_out = g->group_out,
        .group_in = g->group_in,
    };
    a.blocks = a.group_blocks * problem->groups;
    const int64_t extents[] = {m + 2, a.blocks, out_channels, a.group_in, g->element_size};
    if (!size_product(extents, 5, &r->packed_bytes) || r->packed_bytes > INT64_MAX / 64) return false;
    const int64_t identity[] = {
        4, m, out_channels, problem->groups, g->group_in, g->group_out, g->element_size};
    r->packed_layout = hash_bytes(HASH_START, identity, sizeof identity);

    step s = weight_step("any/winograd_depth.cl", "winograd_depth_weight", r, problem, g, m, WINOGRAD_TAPS,
                         out_channels, a.blocks, g->group_in, traits->local_size);
    kernel_set_scalars(&s, &a, sizeof a);
    recipe_append_pack(r, &s);
    return true;
}

bool winograd_append_row_weight(recipe *r, const clconv_problem *problem, const geometry *g, int64_t m,
                                int64_t out_channels, int64_t block_in, const device_traits *traits)
{
    winograd_row_weight_arguments a = {
        .group_blocks = ceil_divide(g->group_out, out_channels),
        .group_out = g->group_out,
        .group_in = g->group_in,
        .block_in = block_in,
        .rows = problem->kernel[0] * problem->kernel[1],
    };
    a.blocks = a.group_blocks * problem->groups;
    const int64_t taps = problem->kernel[2],
                  extents[] = {m + taps - 1, a.blocks, out_channels, a.group_in, a.rows, g->element_size};
    if (!size_product(extents, 6, &r->packed_bytes) || r->packed_bytes > INT64_MAX / 64) return false;
    const int64_t identity[] = {6,
                                m,
                                taps,
                                a.rows,
                                out_channels,
                                block_in,
                                problem->groups,
                                g->group_in,
                                g->group_out,
                                g->element_size};
    r->packed_layout = hash_bytes(HASH_START, identity, sizeof identity);

    step s = weight_step("any/winograd_row_weight.cl", "winograd_row_weight", r, problem, g, m, taps,
                         out_channels, a.blocks, g->group_in, traits->local_size);
    kernel_set_scalars(&s, &a, sizeof a);
    recipe_append_pack(r, &s);
    return true;
}
