/* The naive convolution that defines the right answer, against answers that need no convolution: values by
 * hand, kernels of a single one, padding done beforehand, and the bounds at known points. */
#include "harness.h"

#include "problem/reference.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *allocate(int64_t count)
{
    double *values = calloc((size_t)count + 1, sizeof *values);
    if (values == NULL) abort();
    return values;
}

static geometry geometry_of(const clconv_problem *p)
{
    geometry g;
    CU_ASSERT_EQUAL_FATAL(geometry_compute(p, &g, NULL), CLCONV_SUCCESS);
    return g;
}

static void test_by_hand(void)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.in_channels = 2;
    p.out_channels = 2;
    p.input[2] = 3;
    p.kernel[2] = 2;
    p.pad_after[2] = 1;
    p.has_bias = 1;
    const double x[] = {1, 2, 3, 10, 20, 30}, w[] = {1, -1, 2, 0, 0, 3, -0.5, 1}, b[] = {100, -7};
    const double right[] = {100 + 1 - 2 + 20, 100 + 2 - 3 + 40, 100 + 3 + 60,
                            -7 + 6 - 5 + 20,  -7 + 9 - 10 + 30, -7 - 15};
    const double magnitude[] = {100 + 1 + 2 + 20, 100 + 2 + 3 + 40, 100 + 3 + 60,
                                7 + 6 + 5 + 20,   7 + 9 + 10 + 30,  7 + 15};
    double y[6], m[6];
    geometry g = geometry_of(&p);
    reference_forward(&p, &g, x, w, b, y, m);
    CU_ASSERT(memcmp(y, right, sizeof y) == 0);
    CU_ASSERT(memcmp(m, magnitude, sizeof m) == 0);
    p.has_bias = 0;
    reference_forward(&p, &g, x, w, NULL, y, NULL);
    CU_ASSERT(y[0] == 19 && y[5] == -15);
}

/* A problem whose kernel is 1 at one tap: the output is the input, shifted and subsampled. */
static void check_delta(clconv_problem p, const int64_t tap[3])
{
    geometry g = geometry_of(&p);
    double *x = allocate(g.elements.input), *w = allocate(g.elements.weight),
           *y = allocate(g.elements.output);
    for (int64_t i = 0; i < g.elements.input; i++)
        x[i] = (double)i + 1;
    w[(tap[0] * p.kernel[1] + tap[1]) * p.kernel[2] + tap[2]] = 1;
    reference_forward(&p, &g, x, w, NULL, y, NULL);
    int64_t wrong = 0;
    for (int64_t i = 0; i < g.elements.output; i++) {
        int64_t rest = i, index = 0, inside = 1, at[3];
        for (int axis = 2; axis >= 0; rest /= g.output[axis], axis--)
            at[axis] =
                rest % g.output[axis] * p.stride[axis] + tap[axis] * p.dilation[axis] - p.pad_before[axis];
        for (int axis = 0; axis < 3; axis++) {
            inside = inside && at[axis] >= 0 && at[axis] < p.input[axis];
            index = index * p.input[axis] + at[axis];
        }
        wrong += y[i] != (inside ? (double)index + 1 : 0);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    free(x);
    free(w);
    free(y);
}

static void test_delta(void)
{
    clconv_problem p = {.batch = 1,
                        .groups = 1,
                        .in_channels = 1,
                        .out_channels = 1,
                        .input = {5, 6, 7},
                        .kernel = {2, 3, 3},
                        .stride = {1, 2, 3},
                        .dilation = {3, 1, 2},
                        .pad_before = {1, 2, 0},
                        .pad_after = {0, 1, 4}};
    for (int64_t i = 0; i < 2 * 3 * 3; i++)
        check_delta(p, (const int64_t[]){i / 9, i / 3 % 3, i % 3});
}

/* Each output channel takes its group's inputs alone: weights of one pick out and scale a channel. */
static void test_groups(void)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.batch = 2;
    p.groups = 3;
    p.in_channels = 6;
    p.out_channels = 9;
    const double x[] = {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60};
    double w[18], y[18];
    for (int o = 0; o < 9; o++) {
        w[2 * o] = o + 1;
        w[2 * o + 1] = 0.5;
    }
    geometry g = geometry_of(&p);
    reference_forward(&p, &g, x, w, NULL, y, NULL);
    for (int n = 0; n < 2; n++)
        for (int o = 0; o < 9; o++) {
            const double *of_group = x + 6 * n + o / 3 * 2;
            CU_ASSERT_EQUAL(y[9 * n + o], (o + 1) * of_group[0] + 0.5 * of_group[1]);
        }
}

/* The input padded by hand, axis by axis. */
static double *pad_by_hand(const clconv_problem *p, const geometry *g, const double *x)
{
    int64_t volumes = p->batch * p->in_channels, cells = g->padded[0] * g->padded[1] * g->padded[2];
    double *padded = allocate(volumes * cells);
    for (int64_t i = 0; i < volumes * cells; i++) {
        int64_t position[3] = {i % cells / (g->padded[1] * g->padded[2]), i / g->padded[2] % g->padded[1],
                               i % g->padded[2]};
        int64_t index = i / cells;
        for (int axis = 0; axis < 3 && index >= 0; axis++) {
            int64_t at =
                geometry_source(p->padding_mode, position[axis] - p->pad_before[axis], p->input[axis]);
            index = at < 0 ? -1 : index * p->input[axis] + at;
        }
        padded[i] = index < 0 ? 0 : x[index];
    }
    return padded;
}

static void check_padded(clconv_problem p, random_state *r)
{
    geometry g = geometry_of(&p);
    double *x = allocate(g.elements.input), *w = allocate(g.elements.weight);
    double *y = allocate(g.elements.output), *right = allocate(g.elements.output);
    random_reals(r, x, g.elements.input);
    random_reals(r, w, g.elements.weight);
    reference_forward(&p, &g, x, w, NULL, y, NULL);

    double *padded = pad_by_hand(&p, &g, x);
    clconv_problem valid = p;
    valid.padding_mode = CLCONV_PADDING_ZEROS;
    for (int axis = 0; axis < 3; axis++) {
        valid.input[axis] = g.padded[axis];
        valid.pad_before[axis] = valid.pad_after[axis] = 0;
    }
    geometry valid_geometry = geometry_of(&valid);
    CU_ASSERT(memcmp(valid_geometry.output, g.output, sizeof g.output) == 0);
    reference_forward(&valid, &valid_geometry, padded, w, NULL, right, NULL);
    CU_ASSERT(memcmp(y, right, (size_t)g.elements.output * sizeof *y) == 0);
    free(x);
    free(w);
    free(y);
    free(right);
    free(padded);
}

static void test_padded_then_valid(void)
{
    random_state r = {3};
    for (int i = 0; i < 200; i++) {
        clconv_problem p;
        clconv_problem_init(&p);
        p.batch = 2;
        p.in_channels = 2;
        p.padding_mode = (clconv_padding_mode)(i % 5);
        for (int axis = 0; axis < 3; axis++) {
            p.input[axis] = random_between(&r, 3, 6);
            p.kernel[axis] = random_between(&r, 1, 3);
            p.stride[axis] = random_between(&r, 1, 3);
            p.pad_before[axis] = random_between(&r, 0, 2);
            p.pad_after[axis] = random_between(&r, 0, 2);
        }
        check_padded(p, &r);
    }
}

/* Padded zeros are multiplied, as in PyTorch: an infinite weight makes them NaN. */
static void test_infinite_weight(void)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.input[2] = 2;
    p.kernel[2] = 2;
    p.pad_before[2] = 1;
    const double x[] = {3, 4}, w[] = {INFINITY, 1};
    double y[2];
    geometry g = geometry_of(&p);
    reference_forward(&p, &g, x, w, NULL, y, NULL);
    CU_ASSERT(isnan(y[0]));
    CU_ASSERT(isinf(y[1]) && y[1] > 0);
}

static int is_near(double got, double right)
{
    return fabs(got - right) <= 1e-12 * right;
}

/* All terms and a bias, or 512 + K / 2^15, and what is folded back. */
static void test_roundings(void)
{
    CU_ASSERT_EQUAL(bound_roundings(1, 0), 2);
    CU_ASSERT_EQUAL(bound_roundings(511, 0), 512);
    CU_ASSERT_EQUAL(bound_roundings(1 << 15, 0), 513);
    CU_ASSERT_EQUAL(bound_roundings(1 << 25, 0), 512 + 1024);
    CU_ASSERT_EQUAL(bound_roundings(1 << 15, 27), 513 + 27);
    CU_ASSERT_EQUAL(bound_roundings(100, 27), 101);
    CU_ASSERT(is_near(bound_direct(CLCONV_FLOAT32, 1 << 19, 2), 2 * 528 * 0x1p-24 / (1 - 528 * 0x1p-24)));
}

/* gamma(n) = n u / (1 - n u), and 2^-23 (16 + sqrt(K) / 2), with u = 2^-24 or 2^-53. */
static void test_bounds(void)
{
    CU_ASSERT(is_near(bound_direct(CLCONV_FLOAT32, 15, 1), 0x1p-20 / (1 - 0x1p-20)));
    CU_ASSERT(is_near(bound_direct(CLCONV_FLOAT64, 31, 3), 3 * 0x1p-48 / (1 - 0x1p-48)));
    CU_ASSERT(is_near(bound_default(CLCONV_FLOAT32, 64, 1), 20 * 0x1p-23));
    CU_ASSERT(is_near(bound_default(CLCONV_FLOAT64, 64, 2), 40 * 0x1p-52));
    CU_ASSERT_EQUAL(bound_direct(CLCONV_FLOAT32, 5, 0), 10 * 0x1p-149);
    CU_ASSERT_EQUAL(bound_default(CLCONV_FLOAT32, 5, 0), 7 * 0x1p-149);
    CU_ASSERT_EQUAL(bound_default(CLCONV_FLOAT64, 5, 0), 7 * 0x1p-1074);
}

static clconv_problem problem_of(clconv_activation activation)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.activation = activation;
    return p;
}

/* Values of torch.nn.functional in float64 at five points. */
static void test_activations(void)
{
    static const double x[5] = {-3, -0.75, 0, 0.5, 2.5};
    static const double right[][5] = {
        [CLCONV_ACTIVATION_NONE] = {-3, -0.75, 0, 0.5, 2.5},
        [CLCONV_ACTIVATION_RELU] = {0, 0, 0, 0.5, 2.5},
        [CLCONV_ACTIVATION_LEAKY_RELU] = {-0.75, -0.1875, 0, 0.5, 2.5},
        [CLCONV_ACTIVATION_SILU] = {-0.14227761953270035, -0.24061597561845527, 0, 0.3112296656009273,
                                    2.3103545499468914},
        [CLCONV_ACTIVATION_SIGMOID] = {0.04742587317756678, 0.320821300824607, 0.5, 0.6224593312018546,
                                       0.9241418199787566},
        [CLCONV_ACTIVATION_TANH] = {-0.9950547536867305, -0.6351489523872873, 0, 0.46211715726000974,
                                    0.9866142981514303},
        [CLCONV_ACTIVATION_GELU] = {-0.00404969409489031, -0.16997051428265111, 0, 0.34573123063700656,
                                    2.4844758366855597},
    };
    for (int activation = 0; activation < 7; activation++) {
        clconv_problem p = problem_of((clconv_activation)activation);
        double y[5];
        p.activation_slope = 0.25;
        memcpy(y, x, sizeof y);
        reference_epilogue(&p, 5, NULL, y, NULL);
        for (int i = 0; i < 5; i++)
            CU_ASSERT(fabs(y[i] - right[activation][i]) <= 4e-16 * fabs(right[activation][i]) + 1e-17);
    }
}

/* What PyTorch makes of values that are not finite. */
static void test_special_activations(void)
{
    static const double at_minus_inf[] = {-INFINITY, 0, -INFINITY, NAN, 0, -1, NAN};
    static const double at_inf[] = {INFINITY, INFINITY, INFINITY, INFINITY, 1, 1, INFINITY};
    for (int activation = 0; activation < 7; activation++) {
        clconv_problem p = problem_of((clconv_activation)activation);
        double y[3] = {-INFINITY, INFINITY, NAN};
        reference_epilogue(&p, 3, NULL, y, NULL);
        double expected = at_minus_inf[activation];
        CU_ASSERT(y[0] == expected || (isnan(y[0]) && isnan(expected)));
        CU_ASSERT_EQUAL(y[1], at_inf[activation]);
        CU_ASSERT(isnan(y[2]));
    }
}

/* The residual comes before the activation, its magnitude joins the sum's; a slope is one of the dtype. */
static void test_residual(void)
{
    clconv_problem p = problem_of(CLCONV_ACTIVATION_RELU);
    const double residual[3] = {-5, 5, 1};
    double y[3] = {3, -3, -1}, magnitude[3] = {3, 4, 5};
    reference_epilogue(&p, 3, residual, y, magnitude);
    CU_ASSERT(y[0] == 0 && y[1] == 2 && y[2] == 0);
    CU_ASSERT(magnitude[0] == 8 && magnitude[1] == 9 && magnitude[2] == 6);
    p = problem_of(CLCONV_ACTIVATION_LEAKY_RELU);
    double leaked[2] = {-1, 1};
    reference_epilogue(&p, 2, NULL, leaked, NULL);
    CU_ASSERT(leaked[0] == -(double)0.01F && leaked[1] == 1);
    p.dtype = CLCONV_FLOAT64;
    reference_epilogue(&p, 1, NULL, leaked + 1, NULL);
    leaked[0] = -1;
    reference_epilogue(&p, 1, NULL, leaked, NULL);
    CU_ASSERT(leaked[0] == -0.01 && leaked[1] == 1);
}

/* The slope that the bounds assume is at least any that is met, and they grow by it and by the roundings. */
static void test_result_bounds(void)
{
    clconv_problem p = problem_of(CLCONV_ACTIVATION_NONE);
    const double sum = bound_direct(CLCONV_FLOAT32, 1, 3), tiny = 0x1p-116;
    CU_ASSERT_EQUAL(bound_result(&p, true, 3, 2), sum);
    CU_ASSERT_EQUAL(bound_result(&p, false, 3, 2), bound_default(CLCONV_FLOAT32, 1, 3));
    p.activation = CLCONV_ACTIVATION_RELU;
    CU_ASSERT_EQUAL(bound_result(&p, true, 3, 2), sum);
    p.has_residual = 1;
    CU_ASSERT_EQUAL(bound_result(&p, true, 3, 2), bound_direct(CLCONV_FLOAT32, 2, 3));
    p = problem_of(CLCONV_ACTIVATION_LEAKY_RELU);
    p.activation_slope = -4;
    CU_ASSERT(is_near(bound_result(&p, true, 3, -2), 4 * sum + 0x1p-24 * (2 + 4 * sum) + tiny));
    p = problem_of(CLCONV_ACTIVATION_GELU);
    CU_ASSERT(is_near(bound_result(&p, true, 3, 2), 1.13 * sum + 20 * 0x1p-24 * (3 + 1.13 * sum) + tiny));
    for (int activation = 0; activation < 7; activation++) {
        p = problem_of((clconv_activation)activation);
        p.dtype = CLCONV_FLOAT64;
        double steepest = 0, magnitude = 0x1p40, step = 0x1p-8;
        for (double x = -8; x < 8; x += step) {
            double y[2] = {x, x + step};
            reference_epilogue(&p, 2, NULL, y, NULL);
            steepest = fmax(steepest, fabs(y[1] - y[0]) / step);
        }
        /* With a sum's error of 2^-12 and no other of note, the bound is that error times the slope. */
        double error = bound_direct(CLCONV_FLOAT64, 1, magnitude);
        double share = bound_result(&p, true, magnitude, 0) / error;
        CU_ASSERT(share >= steepest);
    }
}

const char test_suite_name[] = "reference";
const test_entry test_suite[] = {
    {"values by hand", test_by_hand},
    {"a kernel of a single one shifts", test_delta},
    {"groups", test_groups},
    {"padding is padded input, then valid", test_padded_then_valid},
    {"infinite weights meet padded zeros", test_infinite_weight},
    {"bounds", test_bounds},
    {"roundings of long sums", test_roundings},
    {"activations", test_activations},
    {"activations of what is not finite", test_special_activations},
    {"residuals and slopes", test_residual},
    {"bounds of results", test_result_bounds},
    {NULL, NULL},
};
