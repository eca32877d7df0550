/* Algorithms with vectors of other widths than this device's own, as other devices have them: none, the narrowest, in
 * which a vector is a part of a Winograd tile's outputs, and one between. Exact on integers, or within the bound. */
#include "harness.h"
#include "runner.h"

#include "algorithms/registry.h"
#include "problem/geometry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBLEMS_EACH = 2 };

static const char *const problems[] = {
    "ic12id3ih12iw16oc9kd3pd1",
    "ic12id3ih7iw11oc10kd3pd1",
    "ic9id4ih7iw9oc9kd3pd1g9",
    "ic5id4ih6iw18oc10kd3sd2pd1g5",
    "ic7id3ih5iw9oc5kd1",
    "ic9id2ih4iw4oc8kd1",
    "ic12id9ih5iw9oc8kd3kh1kw1pd1ph0pw0",
    "ic12id6ih4iw8oc6kd3kh1kw1pd1ph0pw0",
    "mb3ic6id3ih4iw5oc7kd3kh4kw5",
    "ic12id3ih5iw9oc10kd3kh1kw3pd1ph0pw1",
};

static test_device device;

static void open_device(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
}

static void close_device(void)
{
    test_device_close(&device);
}

static clconv_status plan_of_width(const clconv_problem *problem, const char *algorithm, int width,
                                   test_plan *p, clconv_error *err)
{
    char parameters[64];
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    snprintf(parameters, sizeof parameters, "vector_width=%d", width);
    options.algorithm = algorithm;
    options.parameters = parameters;
    *p = (test_plan){.op = CLCONV_FORWARD, .problem = *problem};
    clconv_status status = geometry_compute(problem, &p->geometry, err);
    if (status != CLCONV_SUCCESS) return status;
    return clconv_plan_create(device.context, CLCONV_FORWARD, problem, &options, &p->plan, err);
}

/* Whether the algorithm has vectors at all. */
static bool has_width(const clconv_problem *problem, const char *algorithm)
{
    test_plan p;
    clconv_error err;
    clconv_plan_info info;
    bool has = test_plan_create(&device, problem, algorithm, false, false, CLCONV_WORKSPACE_UNLIMITED, &p,
                                &err) == CLCONV_SUCCESS;
    if (has) {
        clconv_plan_get_info(p.plan, &info);
        has = strstr(info.parameters, "vector_width=") != NULL;
        test_plan_release(&p);
    }
    return has;
}

/* Whether the algorithm's range of widths has no lanes. */
static bool needs_vectors(const char *algorithm)
{
    for (size_t i = 0; registry_at(i) != NULL; i++)
        if (strcmp(registry_at(i)->name, algorithm) == 0) return registry_at(i)->devices == FOR_CPU;
    return false;
}

/* False if the algorithm does not do the problem with vectors of that width. */
static bool expect_answer(const char *text, const char *algorithm, int width)
{
    clconv_problem problem;
    clconv_error err = {.message = ""};
    test_plan p;
    test_data data;
    test_reference expected;
    char why[TEST_WHY] = "";
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &problem, NULL), CLCONV_SUCCESS);
    problem.has_bias = 1;
    if (!has_width(&problem, algorithm)) return false;
    clconv_status status = plan_of_width(&problem, algorithm, width, &p, &err);
    if (status == CLCONV_UNSUPPORTED) return false;
    if (width == 1 && needs_vectors(algorithm)) {
        CU_ASSERT_EQUAL(status, CLCONV_INVALID_ARGUMENT);
        return false;
    }
    CU_ASSERT_EQUAL_FATAL(status, CLCONV_SUCCESS);
    CU_ASSERT_FATAL(test_data_integers(&problem, 7, &data) &&
                    test_reference_compute(&problem, &data, &expected));
    double *output = calloc((size_t)expected.count + 1, sizeof *output);
    CU_ASSERT_PTR_NOT_NULL_FATAL(output);
    bool ran = test_plan_run(&device, &p, &data, output, why);
    int64_t at = algorithm_is_direct(algorithm) ? first_difference(output, expected.output, expected.count)
                                                : first_outside_bound(algorithm, &problem, output, &expected);
    if (!ran || at != expected.count)
        printf("\n  %s with vectors of %d on \"%s\": %s element %lld\n", algorithm, width, text, why,
               (long long)at);
    CU_ASSERT(ran && at == expected.count);
    free(output);
    free(expected.output);
    test_data_release(&data);
    test_plan_release(&p);
    return true;
}

static void expect_all(int width, int fewest)
{
    int algorithms = 0;
    for (size_t a = 0; a < clconv_algorithm_count(); a++) {
        const char *algorithm = clconv_algorithm_name(a);
        if (!algorithm_serves(algorithm, CLCONV_FORWARD)) continue;
        int done = 0;
        for (size_t i = 0; i < sizeof problems / sizeof problems[0] && done < PROBLEMS_EACH; i++)
            done += expect_answer(problems[i], algorithm, width);
        algorithms += done > 0;
    }
    printf("%d algorithms; ", algorithms);
    CU_ASSERT(algorithms >= fewest);
}

/* As on a GPU, where a work-item is a lane. */
static void test_lanes(void)
{
    expect_all(1, 7);
}

static void test_narrowest(void)
{
    expect_all(2, 12);
}

static void test_narrow(void)
{
    expect_all(4, 12);
}

const char test_suite_name[] = "widths of vectors";
const test_entry test_suite[] = {
    {"the device is opened", open_device},  {"no vectors", test_lanes},
    {"vectors of 2", test_narrowest},       {"vectors of 4", test_narrow},
    {"the device is closed", close_device}, {NULL, NULL},
};
