/* Sizes against the formula of torch.nn.Conv3d's page counted out one window at a time, padding's sources
 * against a row padded by hand, and padding='same'. */
#include "harness.h"

#include "problem/geometry.h"
#include "random.h"

#include <string.h>

/* Windows that fit: positions 0, stride, 2 * stride, ... whose last tap is inside. */
static int64_t count_windows(int64_t padded, int64_t kernel, int64_t stride, int64_t dilation)
{
    int64_t count = 0;
    for (int64_t start = 0; start + dilation * (kernel - 1) < padded; start += stride)
        count++;
    return count;
}

static void test_output_size(void)
{
    random_state r = {1};
    for (int i = 0; i < 3000; i++) {
        clconv_problem p;
        geometry g;
        int64_t windows[3], fits = 1;
        clconv_problem_init(&p);
        for (int axis = 0; axis < 3; axis++) {
            p.input[axis] = random_between(&r, 1, 20);
            p.kernel[axis] = random_between(&r, 1, 6);
            p.stride[axis] = random_between(&r, 1, 5);
            p.dilation[axis] = random_between(&r, 1, 4);
            p.pad_before[axis] = random_between(&r, 0, 4);
            p.pad_after[axis] = random_between(&r, 0, 4);
            int64_t padded = p.input[axis] + p.pad_before[axis] + p.pad_after[axis];
            windows[axis] = count_windows(padded, p.kernel[axis], p.stride[axis], p.dilation[axis]);
            fits = fits && windows[axis] > 0;
        }
        CU_ASSERT_EQUAL(geometry_compute(&p, &g, NULL), fits ? CLCONV_SUCCESS : CLCONV_INVALID_PROBLEM);
        if (fits) CU_ASSERT(memcmp(g.output, windows, sizeof windows) == 0);
    }
}

static void test_derived_sizes(void)
{
    geometry g;
    clconv_tensor_sizes sizes;
    int64_t output[3];
    clconv_problem p = {.batch = 20,
                        .groups = 2,
                        .in_channels = 16,
                        .out_channels = 34,
                        .input = {10, 50, 100},
                        .kernel = {3, 5, 2},
                        .stride = {2, 1, 1},
                        .dilation = {1, 1, 1},
                        .pad_before = {4, 2, 0},
                        .pad_after = {4, 2, 0},
                        .has_bias = 1};
    CU_ASSERT_EQUAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT(g.output[0] == 8 && g.output[1] == 50 && g.output[2] == 99);
    CU_ASSERT(g.padded[0] == 18 && g.padded[1] == 54 && g.padded[2] == 100);
    CU_ASSERT(g.group_in == 8 && g.group_out == 17 && g.taps == 30 && g.reduction == 240);
    CU_ASSERT(g.input_plane == 50000 && g.output_plane == 39600 && g.element_size == 4);
    CU_ASSERT_EQUAL(clconv_problem_tensor_sizes(&p, &sizes, NULL), CLCONV_SUCCESS);
    CU_ASSERT(sizes.input == 16000000 && sizes.weight == 8160 && sizes.bias == 34);
    CU_ASSERT(sizes.output == INT64_C(20) * 34 * 39600 && sizes.residual == 0);
    p.has_residual = 1;
    CU_ASSERT_EQUAL(clconv_problem_tensor_sizes(&p, &sizes, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(sizes.residual, 20 * 34 * 39600);
    p.batch = 0;
    p.has_bias = 0;
    p.dtype = CLCONV_FLOAT64;
    CU_ASSERT_EQUAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT(g.elements.input == 0 && g.elements.output == 0 && g.elements.bias == 0 && g.element_size == 8);
    CU_ASSERT_EQUAL(g.elements.residual, 0);
    CU_ASSERT_EQUAL(clconv_output_size(&p, output, NULL), CLCONV_SUCCESS);
    CU_ASSERT(output[0] == 8 && output[1] == 50 && output[2] == 99);
}

static void test_failure_leaves_outputs(void)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.kernel[0] = 2;
    geometry g, before;
    memset(&g, 0x37, sizeof g);
    before = g;
    int64_t output[3] = {-1, -2, -3};
    clconv_tensor_sizes sizes = {.input = -4, .weight = -5, .bias = -6, .residual = -7, .output = -8};
    CU_ASSERT_EQUAL(geometry_compute(&p, &g, NULL), CLCONV_INVALID_PROBLEM);
    CU_ASSERT_EQUAL(clconv_output_size(&p, output, NULL), CLCONV_INVALID_PROBLEM);
    CU_ASSERT_EQUAL(clconv_problem_tensor_sizes(&p, &sizes, NULL), CLCONV_INVALID_PROBLEM);
    CU_ASSERT(memcmp(&g, &before, sizeof g) == 0);
    CU_ASSERT(output[0] == -1 && output[1] == -2 && output[2] == -3);
    CU_ASSERT(sizes.input == -4 && sizes.weight == -5 && sizes.bias == -6);
    CU_ASSERT(sizes.residual == -7 && sizes.output == -8);
    CU_ASSERT_EQUAL(clconv_output_size(NULL, output, NULL), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_problem_tensor_sizes(NULL, &sizes, NULL), CLCONV_INVALID_ARGUMENT);
}

/* A row "abcd" as numpy.pad and torch.nn.functional.pad pad it; '.' is a zero. */
static void test_sources(void)
{
    const struct {
        clconv_padding_mode mode;
        int64_t size;
        int64_t before;
        const char *row;
    } cases[] = {
        {CLCONV_PADDING_ZEROS, 4, 3, "...abcd.."},        {CLCONV_PADDING_REFLECT, 4, 3, "dcbabcdcba"},
        {CLCONV_PADDING_REFLECT, 2, 1, "baba"},           {CLCONV_PADDING_REFLECT, 1, 0, "a"},
        {CLCONV_PADDING_REPLICATE, 4, 3, "aaaabcdddddd"}, {CLCONV_PADDING_REPLICATE, 1, 5, "aaaaaaaa"},
        {CLCONV_PADDING_CIRCULAR, 4, 4, "abcdabcdabcd"},  {CLCONV_PADDING_CIRCULAR, 3, 2, "bcabcab"},
        {CLCONV_PADDING_CIRCULAR, 1, 1, "aaa"},           {CLCONV_PADDING_SYMMETRIC, 4, 4, "dcbaabcddcba"},
        {CLCONV_PADDING_SYMMETRIC, 1, 1, "aaa"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t at = 0; cases[i].row[at] != '\0'; at++) {
            int64_t right = cases[i].row[at] == '.' ? -1 : cases[i].row[at] - 'a';
            CU_ASSERT_EQUAL(geometry_source(cases[i].mode, (int64_t)at - cases[i].before, cases[i].size),
                            right);
        }
}

static void test_same(void)
{
    for (int64_t kernel = 1; kernel < 8; kernel++)
        for (int64_t dilation = 1; dilation < 5; dilation++) {
            clconv_problem p;
            int64_t output[3];
            clconv_problem_init(&p);
            p.input[0] = 40;
            p.input[2] = 7;
            p.kernel[0] = p.kernel[2] = kernel;
            p.dilation[0] = p.dilation[2] = dilation;
            CU_ASSERT_EQUAL(clconv_problem_set_same_padding(&p, NULL), CLCONV_SUCCESS);
            CU_ASSERT_EQUAL(clconv_output_size(&p, output, NULL), CLCONV_SUCCESS);
            CU_ASSERT(output[0] == 40 && output[1] == 1 && output[2] == 7);
            int64_t more_after = p.pad_after[2] - p.pad_before[2];
            CU_ASSERT_EQUAL(more_after, dilation * (kernel - 1) % 2);
            CU_ASSERT(p.pad_before[1] == 0 && p.pad_after[1] == 0);
        }
}

static void refuse_same(int64_t stride, int64_t kernel, int64_t dilation, const char *message)
{
    clconv_problem p;
    clconv_error err = {.message = ""};
    clconv_problem_init(&p);
    p.kernel[0] = 5;
    p.stride[1] = stride;
    p.kernel[1] = kernel;
    p.dilation[1] = dilation;
    CU_ASSERT_EQUAL(clconv_problem_set_same_padding(&p, &err), CLCONV_INVALID_PROBLEM);
    CU_ASSERT_STRING_EQUAL(err.message, message);
    CU_ASSERT(p.pad_before[0] == 0 && p.pad_after[0] == 0); /* all axes or none */
}

static void test_same_refusals(void)
{
    refuse_same(2, 3, 1, "stride of H is 2; padding='same' is not supported for strided convolutions");
    refuse_same(0, 3, 1, "stride of H is 0; padding='same' is not supported for strided convolutions");
    refuse_same(1, 0, 1, "kernel_size of H is 0; it must be greater than zero");
    refuse_same(1, 3, -1, "dilation of H is -1; it must be greater than zero");
    refuse_same(1, 3, INT64_MAX, "dilation * (kernel_size - 1) of H exceeds 2^63 - 1");
    CU_ASSERT_EQUAL(clconv_problem_set_same_padding(NULL, NULL), CLCONV_INVALID_ARGUMENT);
}

/* Products with elements of the input, counted output by output on one axis. */
static int64_t count_fewest(const clconv_problem *p, const geometry *g, int axis)
{
    int64_t fewest = p->kernel[axis];
    for (int64_t o = 0; o < g->output[axis]; o++) {
        int64_t inside = 0;
        for (int64_t t = 0; t < p->kernel[axis]; t++) {
            int64_t x = o * p->stride[axis] + t * p->dilation[axis] - p->pad_before[axis];
            inside += x >= 0 && x < p->input[axis];
        }
        fewest = inside < fewest ? inside : fewest;
    }
    return fewest;
}

static void test_fewest_products(void)
{
    random_state r = {7};
    for (int i = 0; i < 3000; i++) {
        clconv_problem p;
        geometry g;
        clconv_problem_init(&p);
        p.in_channels = random_between(&r, 1, 3);
        for (int axis = 0; axis < 3; axis++) {
            p.input[axis] = random_between(&r, 1, axis == 2 ? 400 : 9);
            p.kernel[axis] = random_between(&r, 1, 5);
            p.stride[axis] = random_between(&r, 1, 3);
            p.dilation[axis] = random_between(&r, 1, 3);
            p.pad_before[axis] = random_between(&r, 0, 5);
            p.pad_after[axis] = random_between(&r, 0, 5);
        }
        if (geometry_compute(&p, &g, NULL) != CLCONV_SUCCESS) continue;
        int64_t expected = p.in_channels;
        for (int axis = 0; axis < 3; axis++)
            expected *= count_fewest(&p, &g, axis);
        CU_ASSERT_EQUAL(geometry_fewest_products(&p, &g), expected);
        CU_ASSERT(expected > 0 || geometry_may_read_zeros_alone(&p));
        p.padding_mode = CLCONV_PADDING_REPLICATE;
        CU_ASSERT_FALSE(geometry_may_read_zeros_alone(&p));
        CU_ASSERT_EQUAL(geometry_fewest_products(&p, &g), g.reduction);
    }
}

/* Rows along an axis that some window meets, counted one by one. */
static int64_t count_met(const clconv_problem *p, const geometry *g, int axis)
{
    int64_t met = 0;
    for (int64_t x = 0; x < p->input[axis]; x++) {
        bool is_met = false;
        for (int64_t o = 0; o < g->output[axis]; o++)
            is_met = is_met || (x >= o * p->stride[axis] && x < o * p->stride[axis] + p->kernel[axis]);
        met += is_met;
    }
    return met;
}

/* Of an input that windows and leaps fill. */
static void test_rows_met(void)
{
    for (int64_t kernel = 1; kernel <= 4; kernel++)
        for (int64_t stride = 1; stride <= 4; stride++) {
            clconv_problem p;
            geometry g;
            clconv_problem_init(&p);
            for (int axis = 0; axis < 2; axis++) {
                p.kernel[axis] = kernel;
                p.stride[axis] = stride;
                p.input[axis] = (axis + 2) * stride + (kernel > stride ? kernel - stride : 0);
            }
            p.stride[2] = p.input[2] = 8; /* columns do not count */
            CU_ASSERT_EQUAL_FATAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
            double met = (double)(count_met(&p, &g, 0) * count_met(&p, &g, 1));
            CU_ASSERT_DOUBLE_EQUAL(geometry_rows_met(&p) * (double)(p.input[0] * p.input[1]), met, 1e-9);
        }
}

const char test_suite_name[] = "geometry";
const test_entry test_suite[] = {
    {"the output holds every window that fits", test_output_size},
    {"the sizes of the page's second example, in groups", test_derived_sizes},
    {"a failure leaves the outputs alone", test_failure_leaves_outputs},
    {"what padding reads", test_sources},
    {"padding 'same' keeps the size", test_same},
    {"what 'same' refuses", test_same_refusals},
    {"fewest products of an output", test_fewest_products},
    {"rows that strides leap over", test_rows_met},
    {NULL, NULL},
};
