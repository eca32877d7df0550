/* The case table (tests/cases/conv3d.txt) by every op and every algorithm that serves it: exact integers,
 * error bounds of reals, reruns and packed weights bit for bit, and workspace limits; NaN and inf in the
 * forward pass. tests/runner.h watches what a run touches. An algorithm may refuse a case, with a reason, but
 * each case must be done by one. */
#include "cases.h"
#include "harness.h"
#include "problem/reference.h"
#include "random.h"
#include "runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Opened by the first test, closed by the last. */
static test_device device;
static test_case *cases;
static size_t case_count;

static void open_table(void)
{
    cases = cases_read(SOURCE_DIR "/tests/cases/conv3d.txt", &case_count);
    if (cases == NULL) case_count = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(cases);
    CU_ASSERT_FATAL(case_count >= 120);
    CU_ASSERT_FATAL(test_device_open(&device));
    CU_ASSERT_FATAL(clconv_algorithm_count() >= 1);
    CU_ASSERT_PTR_NULL(clconv_algorithm_name(clconv_algorithm_count()));
}

static void close_table(void)
{
    test_device_close(&device);
    free(cases);
    cases = NULL;
}

/* One case's data for an op, its answer, and room for two outputs. */
typedef struct bench {
    clconv_op op;
    test_case own;
    const test_case *c;
    test_data data;
    test_reference expected;
    double *output, *again;
} bench;

typedef bool (*data_maker)(const clconv_problem *problem, uint64_t seed, test_data *data);

static bool is_device_able(const test_case *c)
{
    return c->problem.dtype == CLCONV_FLOAT32 || clconv_context_device_info(device.context)->has_fp64;
}

/* Whether the op is tested on case i. */
static bool is_chosen(size_t i, clconv_op op)
{
    return is_device_able(&cases[i]) && (op == CLCONV_FORWARD || case_has_gradients(i));
}

static void bench_open(size_t i, clconv_op op, data_maker make, bench *b)
{
    *b = (bench){.op = op, .own = cases[i]};
    b->own.problem = test_problem_of(op, &cases[i].problem);
    b->c = &b->own;
    CU_ASSERT_FATAL(make(&b->c->problem, 1000 + i, &b->data));
    CU_ASSERT_FATAL(test_reference_compute_op(op, &b->c->problem, &b->data, &b->expected));
    size_t count = (size_t)b->expected.count;
    b->output = calloc(2 * count + 1, sizeof *b->output);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->output);
    b->again = b->output + count;
}

static void bench_close(bench *b)
{
    test_data_release(&b->data);
    free(b->expected.output);
    free(b->output);
}

static void report(const bench *b, const char *algorithm, const char *why)
{
    printf("\n  %s, %s, line %d \"%s\": %s", clconv_op_name(b->op), algorithm, b->c->line, b->c->text, why);
    CU_FAIL("see above");
}

/* False if the algorithm refuses the case, which must have a reason, or if planning fails, which is reported.
 */
static bool plan(const bench *b, const char *algorithm, bool packed, uint64_t limit, test_plan *p)
{
    clconv_error err = {.message = ""};
    clconv_status status =
        test_plan_create_op(&device, b->op, &b->c->problem, algorithm, b->c->strict, packed, limit, p, &err);
    if (status == CLCONV_SUCCESS && clconv_plan_workspace_size(p->plan) > limit) {
        report(b, algorithm, "its workspace is beyond the limit");
        test_plan_release(p);
        return false;
    }
    if (status == CLCONV_UNSUPPORTED && err.message[0] == '\0')
        report(b, algorithm, "it refuses without a reason");
    if (status != CLCONV_SUCCESS && status != CLCONV_UNSUPPORTED) report(b, algorithm, err.message);
    return status == CLCONV_SUCCESS;
}

static bool run(const bench *b, const test_plan *p, const char *algorithm, double *output)
{
    char why[TEST_WHY];
    if (test_plan_run(&device, p, &b->data, output, why)) return true;
    report(b, algorithm, why);
    return false;
}

static void expect_exact(const bench *b, const char *algorithm, const char *what, const double *got,
                         const double *expected)
{
    int64_t at = first_difference(got, expected, b->expected.count);
    if (at == b->expected.count) return;
    char why[256];
    snprintf(why, sizeof why, "%s: element %lld is %.9g, not %.9g", what, (long long)at, got[at],
             expected[at]);
    report(b, algorithm, why);
}

static void expect_bound(const bench *b, const char *algorithm)
{
    int64_t at = first_outside_bound(algorithm, &b->c->problem, b->output, &b->expected);
    if (at == b->expected.count) return;
    char why[256];
    snprintf(why, sizeof why, "outside the bound: element %lld is %.9g, not %.9g", (long long)at,
             b->output[at], b->expected.output[at]);
    report(b, algorithm, why);
}

/* The reference's answer on integers: exactly, or within the bound if the algorithm is not direct or the
 * activation rounds. */
static void expect_answer(const bench *b, const char *algorithm, const char *what)
{
    if (algorithm_is_direct(algorithm) && activation_is_exact(&b->c->problem))
        expect_exact(b, algorithm, what, b->output, b->expected.output);
    else
        expect_bound(b, algorithm);
}

/* A second run of the plan, and a run with packed weights, give the same bits. */
static void expect_same_bits(const bench *b, const test_plan *p, const char *algorithm)
{
    if (run(b, p, algorithm, b->again)) expect_exact(b, algorithm, "a second run", b->again, b->output);
    test_plan packed;
    if (b->op == CLCONV_BACKWARD_WEIGHT || b->op == CLCONV_BACKWARD_BIAS) return;
    if (!plan(b, algorithm, true, CLCONV_WORKSPACE_UNLIMITED, &packed)) {
        report(b, algorithm, "it refuses packed weights");
        return;
    }
    if (run(b, &packed, algorithm, b->again))
        expect_exact(b, algorithm, "packed weights", b->again, b->output);
    test_plan_release(&packed);
}

/* Runs one case by every algorithm and adds to the counts of those that did it. */
static void expect_integers(const bench *b, size_t *done)
{
    bool is_done = false;
    for (int64_t e = 0; e < b->expected.count; e++)
        if (b->expected.magnitude[e] >= 1 << 24) report(b, "test", "its integers are too large");
    for (size_t a = 0; a < clconv_algorithm_count(); a++) {
        const char *algorithm = clconv_algorithm_name(a);
        test_plan p;
        if (!clconv_algorithm_serves(a, b->op)) continue;
        if (!plan(b, algorithm, false, CLCONV_WORKSPACE_UNLIMITED, &p)) continue;
        if (run(b, &p, algorithm, b->output)) expect_answer(b, algorithm, "integers");
        test_plan_release(&p);
        done[a]++;
        is_done = true;
    }
    if (!is_done) report(b, "every algorithm", "refused");
}

static void check_integers(clconv_op op)
{
    size_t *done = calloc(clconv_algorithm_count(), sizeof *done);
    CU_ASSERT_PTR_NOT_NULL_FATAL(done);
    for (size_t i = 0; i < case_count; i++) {
        if (!is_chosen(i, op)) continue;
        bench b;
        bench_open(i, op, op == CLCONV_FORWARD ? test_data_integers : test_data_small_integers, &b);
        expect_integers(&b, done);
        bench_close(&b);
    }
    for (size_t a = 0; a < clconv_algorithm_count(); a++) {
        if (!clconv_algorithm_serves(a, op)) continue;
        printf("%s did %zu of %zu cases; ", clconv_algorithm_name(a), done[a], case_count);
        CU_ASSERT(done[a] > 0);
    }
    free(done);
}

static void check_reals(clconv_op op)
{
    for (size_t i = 0; i < case_count; i++) {
        if (!is_chosen(i, op)) continue;
        bench b;
        bench_open(i, op, test_data_reals, &b);
        for (size_t a = 0; a < clconv_algorithm_count(); a++) {
            const char *algorithm = clconv_algorithm_name(a);
            test_plan p;
            if (!clconv_algorithm_serves(a, op)) continue;
            if (!plan(&b, algorithm, false, CLCONV_WORKSPACE_UNLIMITED, &p)) continue;
            if (run(&b, &p, algorithm, b.output)) {
                expect_bound(&b, algorithm);
                expect_same_bits(&b, &p, algorithm);
            }
            test_plan_release(&p);
        }
        bench_close(&b);
    }
}

/* Runs every algorithm on data with one special value in it, against the reference on the same data. Those
 * that are not direct keep NaN to its window only in a strict plan. */
static void expect_special(bench *b, double *place, double special, bool strict)
{
    const double before = *place;
    const test_case *original = b->c;
    *place = special;
    free(b->expected.output);
    CU_ASSERT_FATAL(test_reference_compute(&b->c->problem, &b->data, &b->expected));
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        const char *algorithm = clconv_algorithm_name(a);
        test_case changed = *original;
        changed.strict |= strict || !algorithm_is_direct(algorithm);
        b->c = &changed;
        test_plan p;
        if (plan(b, algorithm, false, CLCONV_WORKSPACE_UNLIMITED, &p)) {
            if (run(b, &p, algorithm, b->output)) {
                if (activation_is_exact(&b->c->problem))
                    expect_exact(b, algorithm, isnan(special) ? "a NaN" : "an inf", b->output,
                                 b->expected.output);
                else
                    expect_bound(b, algorithm);
            }
            test_plan_release(&p);
        }
        b->c = original;
    }
    *place = before;
}

/* A NaN or inf in the input reaches exactly the outputs whose window holds it. */
static void test_special_inputs(void)
{
    for (size_t i = 0; i < case_count; i++) {
        if (!is_device_able(&cases[i]) || cases[i].problem.batch == 0) continue;
        bench b;
        clconv_tensor_sizes sizes;
        random_state r = {i};
        bench_open(i, CLCONV_FORWARD, test_data_integers, &b);
        clconv_problem_tensor_sizes(&b.c->problem, &sizes, NULL);
        expect_special(&b, &b.data.input[random_between(&r, 0, sizes.input - 1)], NAN, false);
        expect_special(&b, &b.data.input[i % 2 ? 0 : sizes.input - 1], INFINITY, false);
        bench_close(&b);
    }
}

/* Strict: an inf or NaN in the weight meets padded zeros, and the products are NaN. */
static void test_special_weights(void)
{
    for (size_t i = 0; i < case_count; i++) {
        if (!is_device_able(&cases[i]) || cases[i].problem.batch == 0) continue;
        bench b;
        clconv_tensor_sizes sizes;
        random_state r = {i};
        bench_open(i, CLCONV_FORWARD, test_data_integers, &b);
        clconv_problem_tensor_sizes(&b.c->problem, &sizes, NULL);
        expect_special(&b, &b.data.weight[random_between(&r, 0, sizes.weight - 1)], -INFINITY, true);
        expect_special(&b, &b.data.weight[i % 2 ? 0 : sizes.weight - 1], NAN, true);
        bench_close(&b);
    }
}

/* A plan under `limit` keeps to it and is right, or the algorithm refuses; "auto" never does. */
static void expect_limited(const bench *b, const char *algorithm, uint64_t limit)
{
    test_plan p;
    clconv_plan_info info;
    if (!plan(b, algorithm, false, limit, &p)) {
        if (strcmp(algorithm, "auto") == 0) report(b, algorithm, "it refuses a workspace limit");
        return;
    }
    clconv_plan_get_info(p.plan, &info);
    if (run(b, &p, algorithm, b->output)) expect_answer(b, info.algorithm, "limited workspace");
    test_plan_release(&p);
}

static void expect_limits(const bench *b, const char *algorithm)
{
    test_plan p;
    if (!plan(b, algorithm, false, CLCONV_WORKSPACE_UNLIMITED, &p)) return;
    uint64_t need = clconv_plan_workspace_size(p.plan);
    test_plan_release(&p);
    expect_limited(b, algorithm, need);
    if (need > 0) expect_limited(b, algorithm, need - 1);
    if (need > 2) expect_limited(b, algorithm, need / 2);
    if (need > 0) expect_limited(b, algorithm, 0);
}

static void check_limits(clconv_op op)
{
    for (size_t i = 0; i < case_count; i++) {
        if (!is_chosen(i, op)) continue;
        bench b;
        bench_open(i, op, op == CLCONV_FORWARD ? test_data_integers : test_data_small_integers, &b);
        expect_limits(&b, "auto");
        for (size_t a = 0; a < clconv_algorithm_count(); a++)
            if (clconv_algorithm_serves(a, op)) expect_limits(&b, clconv_algorithm_name(a));
        bench_close(&b);
    }
}

static void test_forward(void)
{
    check_integers(CLCONV_FORWARD);
    check_reals(CLCONV_FORWARD);
    check_limits(CLCONV_FORWARD);
}

static void test_backward_input(void)
{
    check_integers(CLCONV_BACKWARD_INPUT);
    check_reals(CLCONV_BACKWARD_INPUT);
    check_limits(CLCONV_BACKWARD_INPUT);
}

static void test_backward_weight(void)
{
    check_integers(CLCONV_BACKWARD_WEIGHT);
    check_reals(CLCONV_BACKWARD_WEIGHT);
    check_limits(CLCONV_BACKWARD_WEIGHT);
}

static void test_backward_bias(void)
{
    check_integers(CLCONV_BACKWARD_BIAS);
    check_reals(CLCONV_BACKWARD_BIAS);
    check_limits(CLCONV_BACKWARD_BIAS);
}

const char test_suite_name[] = "the case table";
const test_entry test_suite[] = {
    {"the table is read", open_table},
    {"forward", test_forward},
    {"NaN and inf in the input", test_special_inputs},
    {"NaN and inf in the weight, strictly", test_special_weights},
    {"backward-input", test_backward_input},
    {"backward-weight", test_backward_weight},
    {"backward-bias", test_backward_bias},
    {"the table is released", close_table},
    {NULL, NULL},
};
