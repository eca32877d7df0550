/* Checks of the case table: see case_checks.h. */
#include "case_checks.h"

#include "coverage.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Opened by the first test, closed by the last. */
static test_device device;
static test_case *cases;
static size_t case_count;
static coverage *part; /* NULL: the whole table */

void case_table_open(void)
{
    cases = cases_read(SOURCE_DIR "/tests/cases/conv3d.txt", &case_count);
    if (cases == NULL) case_count = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(cases);
    CU_ASSERT_FATAL(case_count >= 120);
    CU_ASSERT_FATAL(test_device_open(&device));
    CU_ASSERT_FATAL(clconv_algorithm_count() >= 1);
    CU_ASSERT_PTR_NULL(clconv_algorithm_name(clconv_algorithm_count()));
    if (getenv("CLCONV_TEST_COVERAGE") == NULL) return;
    part = coverage_create(device.context, cases, case_count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(part);
    coverage_print(part);
}

void case_table_close(void)
{
    coverage_release(part);
    part = NULL;
    test_device_close(&device);
    free(cases);
    cases = NULL;
}

size_t case_table_size(void)
{
    return case_count;
}

const test_case *case_at(size_t i)
{
    return &cases[i];
}

static bool is_device_able(const test_case *c)
{
    return c->problem.dtype == CLCONV_FLOAT32 || clconv_context_device_info(device.context)->has_fp64;
}

/* Whether case i belongs to the part of the table that this process checks: "K/N" is the K-th of N runs of neighbours, which
 * share programs. */
static bool is_of_part(size_t i)
{
    const char *text = getenv("CLCONV_TEST_PART");
    size_t number = 1, parts = 1;
    if (text != NULL) CU_ASSERT_EQUAL_FATAL(sscanf(text, "%zu/%zu", &number, &parts), 2);
    return i * parts / case_count + 1 == number && case_is_wanted(&cases[i]);
}

bool case_is_chosen(size_t i, clconv_op op)
{
    if (!is_device_able(&cases[i])) return false;
    if (part != NULL) return coverage_has_case(part, i, op);
    return is_of_part(i) && (op == CLCONV_FORWARD || case_has_gradients(i));
}

/* Whether algorithm a is to run the case of the bench. */
static bool is_algorithm_chosen(const case_bench *b, size_t a)
{
    return clconv_algorithm_serves(a, b->op) && (part == NULL || coverage_has(part, b->index, b->op, a));
}

void case_bench_open(size_t i, clconv_op op, data_maker make, case_bench *b)
{
    *b = (case_bench){.op = op, .index = i, .own = cases[i]};
    b->own.problem = test_problem_of(op, &cases[i].problem);
    b->c = &b->own;
    CU_ASSERT_FATAL(make(&b->c->problem, 1000 + i, &b->data));
    CU_ASSERT_FATAL(test_reference_compute_op(op, &b->c->problem, &b->data, &b->expected));
    size_t count = (size_t)b->expected.count;
    b->output = calloc(2 * count + 1, sizeof *b->output);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->output);
    b->again = b->output + count;
}

void case_bench_close(case_bench *b)
{
    test_data_release(&b->data);
    free(b->expected.output);
    free(b->output);
}

static void report(const case_bench *b, const char *algorithm, const char *why)
{
    printf("\n  %s, %s, line %d \"%s\": %s", clconv_op_name(b->op), algorithm, b->c->line, b->c->text, why);
    CU_FAIL("see above");
}

bool case_plan(const case_bench *b, const char *algorithm, bool packed, uint64_t limit, test_plan *p)
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

bool case_run(const case_bench *b, const test_plan *p, const char *algorithm, double *output)
{
    char why[TEST_WHY];
    if (test_plan_run(&device, p, &b->data, output, why)) return true;
    report(b, algorithm, why);
    return false;
}

void case_expect_exact(const case_bench *b, const char *algorithm, const char *what, const double *got,
                       const double *expected)
{
    int64_t at = first_difference(got, expected, b->expected.count);
    if (at == b->expected.count) return;
    char why[256];
    snprintf(why, sizeof why, "%s: element %lld is %.9g, not %.9g", what, (long long)at, got[at],
             expected[at]);
    report(b, algorithm, why);
}

void case_expect_bound(const case_bench *b, const char *algorithm)
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
static void expect_answer(const case_bench *b, const char *algorithm, const char *what)
{
    if (algorithm_is_direct(algorithm) && activation_is_exact(&b->c->problem))
        case_expect_exact(b, algorithm, what, b->output, b->expected.output);
    else
        case_expect_bound(b, algorithm);
}

void case_expect_special(case_bench *b, double *place, double special, bool strict)
{
    const double before = *place;
    b->own.strict |= strict;
    *place = special;
    free(b->expected.output);
    CU_ASSERT_FATAL(test_reference_compute_op(b->op, &b->c->problem, &b->data, &b->expected));
    for (size_t a = 0; a < clconv_algorithm_count(); a++) {
        const char *algorithm = clconv_algorithm_name(a);
        test_plan p;
        if (!is_algorithm_chosen(b, a)) continue;
        if (!case_plan(b, algorithm, false, CLCONV_WORKSPACE_UNLIMITED, &p)) continue;
        if (case_run(b, &p, algorithm, b->output)) expect_answer(b, algorithm, "a special value");
        test_plan_release(&p);
    }
    *place = before;
}

/* A second run of the plan, and a run with packed weights, give the same bits. */
static void expect_same_bits(const case_bench *b, const test_plan *p, const char *algorithm)
{
    if (case_run(b, p, algorithm, b->again))
        case_expect_exact(b, algorithm, "a second run", b->again, b->output);
    test_plan packed;
    if (b->op == CLCONV_BACKWARD_WEIGHT || b->op == CLCONV_BACKWARD_BIAS) return;
    if (!case_plan(b, algorithm, true, CLCONV_WORKSPACE_UNLIMITED, &packed)) {
        report(b, algorithm, "it refuses packed weights");
        return;
    }
    if (case_run(b, &packed, algorithm, b->again))
        case_expect_exact(b, algorithm, "packed weights", b->again, b->output);
    test_plan_release(&packed);
}

/* Runs one case by every algorithm and adds to the counts of those that did it. */
static void expect_integers(const case_bench *b, size_t *done)
{
    bool is_done = false;
    for (int64_t e = 0; e < b->expected.count; e++)
        if (b->expected.magnitude[e] >= 1 << 24) report(b, "test", "its integers are too large");
    for (size_t a = 0; a < clconv_algorithm_count(); a++) {
        const char *algorithm = clconv_algorithm_name(a);
        test_plan p;
        if (!is_algorithm_chosen(b, a)) continue;
        if (!case_plan(b, algorithm, false, CLCONV_WORKSPACE_UNLIMITED, &p)) continue;
        if (case_run(b, &p, algorithm, b->output)) expect_answer(b, algorithm, "integers");
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
        if (!case_is_chosen(i, op)) continue;
        case_bench b;
        case_bench_open(i, op, op == CLCONV_FORWARD ? test_data_integers : test_data_small_integers, &b);
        expect_integers(&b, done);
        case_bench_close(&b);
    }
    for (size_t a = 0; a < clconv_algorithm_count(); a++) {
        if (!clconv_algorithm_serves(a, op)) continue;
        printf("%s did %zu cases; ", clconv_algorithm_name(a), done[a]);
    }
    free(done);
}

static void check_reals(clconv_op op)
{
    for (size_t i = 0; i < case_count; i++) {
        if (!case_is_chosen(i, op)) continue;
        case_bench b;
        case_bench_open(i, op, test_data_reals, &b);
        for (size_t a = 0; a < clconv_algorithm_count(); a++) {
            const char *algorithm = clconv_algorithm_name(a);
            test_plan p;
            if (!is_algorithm_chosen(&b, a)) continue;
            if (!case_plan(&b, algorithm, false, CLCONV_WORKSPACE_UNLIMITED, &p)) continue;
            if (case_run(&b, &p, algorithm, b.output)) {
                case_expect_bound(&b, algorithm);
                expect_same_bits(&b, &p, algorithm);
            }
            test_plan_release(&p);
        }
        case_bench_close(&b);
    }
}

/* A plan under `limit` keeps to it and is right, or the algorithm refuses; "auto" never does. */
static void expect_limited(const case_bench *b, const char *algorithm, uint64_t limit)
{
    test_plan p;
    clconv_plan_info info;
    if (!case_plan(b, algorithm, false, limit, &p)) {
        if (strcmp(algorithm, "auto") == 0) report(b, algorithm, "it refuses a workspace limit");
        return;
    }
    clconv_plan_get_info(p.plan, &info);
    if (case_run(b, &p, algorithm, b->output)) expect_answer(b, info.algorithm, "limited workspace");
    test_plan_release(&p);
}

static void expect_limits(const case_bench *b, const char *algorithm)
{
    test_plan p;
    if (!case_plan(b, algorithm, false, CLCONV_WORKSPACE_UNLIMITED, &p)) return;
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
        if (!case_is_chosen(i, op)) continue;
        case_bench b;
        case_bench_open(i, op, op == CLCONV_FORWARD ? test_data_integers : test_data_small_integers, &b);
        if (part == NULL || coverage_has_choice(part, i, op)) expect_limits(&b, "auto");
        for (size_t a = 0; a < clconv_algorithm_count(); a++)
            if (is_algorithm_chosen(&b, a)) expect_limits(&b, clconv_algorithm_name(a));
        case_bench_close(&b);
    }
}

bool case_checks(const char *kind)
{
    const char *only = getenv("CLCONV_TEST_COVERAGE");
    return only == NULL || strcmp(only, kind) == 0;
}

void case_check_op(clconv_op op)
{
    check_integers(op);
    if (case_checks("reals")) check_reals(op);
    if (case_checks("limits")) check_limits(op);
}
