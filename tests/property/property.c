/* Random problems for properties: see property.h. Kernel widths, strides, dilations and output channels come
 * from short lists, since each combination is compiled. */
#include "property.h"

#include "base/arith.h"
#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_COUNT = 40, DEFAULT_SEED = 20261123 };

static test_device device;
static int64_t comparisons; /* of the property that is tried now */

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

uint64_t property_seed(void)
{
    return number_from_environment("CLCONV_PROPERTY_SEED", DEFAULT_SEED);
}

uint64_t property_count(void)
{
    return number_from_environment("CLCONV_PROPERTY_COUNT", DEFAULT_COUNT);
}

void property_open(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
    CU_ASSERT_FATAL(property_count() > 0);
    printf("seed %" PRIu64 ", %" PRIu64 " problems; ", property_seed(), property_count());
}

void property_close(void)
{
    test_device_close(&device);
}

const test_device *property_device(void)
{
    return &device;
}

static void random_axis(random_state *r, int axis, clconv_problem *p)
{
    p->input[axis] = random_between(r, 1, axis == 2 ? 21 : 7);
    p->kernel[axis] = random_between(r, 1, 3);
    p->stride[axis] = random_between(r, 1, 2);
    p->dilation[axis] = random_between(r, 1, 2);
    p->pad_before[axis] = random_between(r, 0, 2);
    p->pad_after[axis] = random_between(r, 0, 2);
    if (random_between(r, 0, 3) == 0)
        p->output_padding[axis] = random_between(r, 0, max_i64(p->stride[axis], p->dilation[axis]) - 1);
}

/* Legal, by trying until it is. */
static clconv_problem random_problem(random_state *r)
{
    clconv_problem p;
    do {
        clconv_problem_init(&p);
        p.batch = random_between(r, 1, 3);
        p.groups = random_between(r, 1, 3);
        p.in_channels = p.groups * random_between(r, 1, 4);
        p.out_channels = p.groups * random_pick(r, (const int64_t[]){1, 3, 8}, 3);
        p.padding_mode = (clconv_padding_mode)random_between(r, 0, 4);
        p.has_bias = (int)random_between(r, 0, 1);
        for (int axis = 0; axis < 3; axis++)
            random_axis(r, axis, &p);
    } while (clconv_problem_validate(&p, NULL) != CLCONV_SUCCESS);
    return p;
}

static void check_problem(property_check check, bool reals, uint64_t number)
{
    random_state r = {property_seed() + number};
    subject s = {.number = number, .problem = random_problem(&r)};
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&s.problem, &s.geometry, NULL), CLCONV_SUCCESS);
    uint64_t data_seed = random_next(&r);
    CU_ASSERT_FATAL((reals ? test_data_reals : test_data_integers)(&s.problem, data_seed, &s.data));
    for (size_t a = 0; a < clconv_algorithm_count(); a++) {
        random_state same = r;
        s.algorithm = clconv_algorithm_name(a);
        check(&s, &same);
    }
    test_data_release(&s.data);
}

void property_for_all(property_check check, bool reals)
{
    comparisons = 0;
    for (uint64_t number = 0; number < property_count(); number++)
        check_problem(check, reals, number);
    CU_ASSERT(comparisons >= (int64_t)property_count());
}

static void report(const subject *s, const clconv_problem *p, const char *why)
{
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
    clconv_problem_format(p, text, NULL);
    printf("\n  problem %" PRIu64 ", %s, %s mode %d pad_after %lld,%lld,%lld: %s", s->number, s->algorithm,
           text, (int)p->padding_mode, (long long)p->pad_after[0], (long long)p->pad_after[1],
           (long long)p->pad_after[2], why);
    CU_FAIL("see above");
}

double *property_allocate(int64_t count)
{
    double *values = calloc((size_t)count + 1, sizeof *values);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    return values;
}

double *property_convolve(const subject *s, const clconv_problem *problem, const test_data *data)
{
    test_plan plan;
    clconv_error err = {.message = ""};
    char why[TEST_WHY];
    clconv_status status = test_plan_create(&device, problem, s->algorithm, false, false,
                                            CLCONV_WORKSPACE_UNLIMITED, &plan, &err);
    if (status != CLCONV_SUCCESS && status != CLCONV_UNSUPPORTED) report(s, problem, err.message);
    if (status != CLCONV_SUCCESS) return NULL;
    double *output = property_allocate(plan.geometry.elements.output);
    if (!test_plan_run(&device, &plan, data, output, why)) {
        report(s, problem, why);
        free(output);
        output = NULL;
    }
    test_plan_release(&plan);
    return output;
}

double *property_output(const subject *s)
{
    return property_convolve(s, &s->problem, &s->data);
}

void property_compared(void)
{
    comparisons++;
}

static void report_element(const subject *s, const char *property, int64_t at, double got, double expected)
{
    char why[256];
    snprintf(why, sizeof why, "%s: element %lld is %.9g, not %.9g", property, (long long)at, got, expected);
    report(s, &s->problem, why);
}

static void expect_close(const subject *s, const char *property, const double *got, const double *expected)
{
    test_reference r;
    CU_ASSERT_FATAL(test_reference_compute(&s->problem, &s->data, &r));
    for (int64_t i = 0; i < r.count; i++) {
        double bound = 2 * algorithm_bound(s->algorithm, &s->problem, r.magnitude[i]);
        if (fabs(got[i] - expected[i]) <= bound) continue;
        report_element(s, property, i, got[i], expected[i]);
        break;
    }
    free(r.output);
}

void property_expect(const subject *s, const char *property, const double *got, const double *expected)
{
    if (got == NULL || expected == NULL) return;
    comparisons++;
    int64_t count = s->geometry.elements.output, at = first_difference(got, expected, count);
    if (at == count) return;
    if (algorithm_is_direct(s->algorithm))
        report_element(s, property, at, got[at], expected[at]);
    else
        expect_close(s, property, got, expected);
}

void property_expect_bits(const subject *s, const char *property, const double *got, const double *expected,
                          int64_t count)
{
    if (got == NULL || expected == NULL) return;
    comparisons++;
    int64_t at = first_difference(got, expected, count);
    if (at < count) report_element(s, property, at, got[at], expected[at]);
}
