/* Long sums: every algorithm and op on positive data, whose errors grow with the number of products that an accumulator
 * takes in a row, and on constant data, whose roundings are all in one direction. Within the bound of numerics.md, which
 * partial sums alone meet, and as small as sums in parts are expected to be. */
#include "harness.h"
#include "random.h"
#include "runner.h"

#include "problem/geometry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static test_device device;

static void open_device(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
}

static void close_device(void)
{
    test_device_close(&device);
}

/* What a sum in runs of 256 has, not what one of so many products has: 0.23 u sqrt(n) for the runs and their totals, of
 * which the largest of some thousand outputs is four times as much. */
static const double SMALL = 1e-6;

/* Values of the tensors: uniform in [0, 1], or the same everywhere. */
static bool make_data(const clconv_problem *problem, double constant, test_data *data)
{
    random_state r = {20261130};
    geometry g;
    if (!test_data_reals(problem, 1, data) || geometry_compute(problem, &g, NULL) != CLCONV_SUCCESS)
        return false;
    double *tensors[] = {data->input, data->weight, data->bias, data->grad_output};
    const int64_t counts[] = {g.elements.input, g.elements.weight, g.elements.bias, g.elements.output};
    for (int t = 0; t < 4; t++)
        for (int64_t i = 0; tensors[t] != NULL && i < counts[t]; i++)
            tensors[t][i] = constant == 0 ? (double)random_between(&r, 0, 1 << 24) / (1 << 24)
                            : t % 2 == 0  ? constant
                                          : 1;
    return true;
}

static double largest_error(const double *got, const test_reference *r)
{
    double largest = 0;
    for (int64_t i = 0; i < r->count; i++)
        if (r->output[i] != 0) largest = fmax(largest, fabs(got[i] - r->output[i]) / fabs(r->output[i]));
    return largest;
}

/* The largest error of an algorithm relative to the result; -1 if it refuses the problem. */
static double error_of(const char *algorithm, clconv_op op, const clconv_problem *problem,
                       const test_data *data, const test_reference *expected)
{
    test_plan p;
    char why[TEST_WHY] = "";
    clconv_error err = {.message = ""};
    clconv_status status = test_plan_create_op(&device, op, problem, algorithm, false, false,
                                               CLCONV_WORKSPACE_UNLIMITED, &p, &err);
    if (status == CLCONV_UNSUPPORTED) return -1;
    CU_ASSERT_EQUAL_FATAL(status, CLCONV_SUCCESS);
    double *got = calloc((size_t)expected->count, sizeof *got), largest = -1;
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    bool ran = test_plan_run(&device, &p, data, got, why);
    if (!ran) printf("%s: %s\n", algorithm, why);
    CU_ASSERT_FATAL(ran);
    largest = largest_error(got, expected);
    if (algorithm_is_direct(algorithm))
        CU_ASSERT_EQUAL(first_outside_bound(algorithm, problem, got, expected), expected->count);
    free(got);
    test_plan_release(&p);
    return largest;
}

/* Every algorithm that does the problem, or those that are named; how many did. */
static int check(const char *text, clconv_op op, const char *only, double constant)
{
    clconv_problem problem;
    test_data data;
    test_reference expected;
    int tried = 0;
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &problem, NULL), CLCONV_SUCCESS);
    problem.has_bias = op == CLCONV_FORWARD && constant == 0;
    CU_ASSERT_FATAL(make_data(&problem, constant, &data));
    CU_ASSERT_FATAL(test_reference_compute_op(op, &problem, &data, &expected));
    for (size_t i = 0; i < clconv_algorithm_count(); i++) {
        const char *algorithm = clconv_algorithm_name(i);
        if (!algorithm_serves(algorithm, op) || (only != NULL && strstr(only, algorithm) == NULL)) continue;
        double error = error_of(algorithm, op, &problem, &data, &expected);
        if (error < 0) continue;
        tried++;
        bool is_small = error <= SMALL || !algorithm_is_direct(algorithm);
        if (!is_small || getenv("CLCONV_LONG_SUMS_SHOW") != NULL)
            printf("\n  %-18s op %d %s: relative error %.2g", algorithm, (int)op, text, error);
        CU_ASSERT(is_small);
    }
    free(expected.output);
    test_data_release(&data);
    return tried;
}

static void test_forward(void)
{
    CU_ASSERT(check("ic4000id2ih3iw6oc9kd3pd1", CLCONV_FORWARD, NULL, 0) >= 8);
    CU_ASSERT(check("ic1100id1ih7iw9oc8kd1", CLCONV_FORWARD, NULL, 0) >= 6);
    CU_ASSERT(check("ic8id9ih9iw9oc8kd7pd3g8", CLCONV_FORWARD, "depthwise depthwise_channels", 0) >= 1);
    CU_ASSERT(check("ic150id4ih8iw8oc8kd4kh8kw8", CLCONV_FORWARD, "patch inner_product", 0) >= 1);
}

static void test_backward_input(void)
{
    CU_ASSERT(check("ic8id3ih5iw9oc700kd3sd2pd1", CLCONV_BACKWARD_INPUT,
                    "direct unfold input_fused input_direct input_indexed", 0) >= 4);
}

static void test_backward_weight(void)
{
    CU_ASSERT(check("mb3000ic2id1ih5iw7oc3kd1kh3kw3pd0ph1pw1", CLCONV_BACKWARD_WEIGHT, NULL, 0) >= 3);
    CU_ASSERT(check("mb1ic1id1ih1iw400000oc2kd1", CLCONV_BACKWARD_WEIGHT, NULL, 0) >= 3);
}

static void test_backward_bias(void)
{
    CU_ASSERT_EQUAL(check("mb2ic1id100ih200iw256oc1kd1", CLCONV_BACKWARD_BIAS, NULL, 0), 1);
    CU_ASSERT_EQUAL(check("mb2ic1id100ih200iw256oc1kd1", CLCONV_BACKWARD_BIAS, NULL, 0.1), 1);
    CU_ASSERT_EQUAL(check("mb100000ic1id1ih1iw3oc2kd1", CLCONV_BACKWARD_BIAS, NULL, 0), 1);
}

/* A region without contrast under a filter that averages it. */
static void test_constant(void)
{
    CU_ASSERT(check("ic1id64ih64iw64oc1kd62kh61kw63", CLCONV_FORWARD, NULL, 0.1) >= 3);
}

const char test_suite_name[] = "long_sums";
const test_entry test_suite[] = {
    {"the device is opened", open_device},   {"forward", test_forward},
    {"backward-input", test_backward_input}, {"backward-weight", test_backward_weight},
    {"backward-bias", test_backward_bias},   {"constant data", test_constant},
    {"the device is closed", close_device},  {NULL, NULL},
};
