/* The forward pass on the case table (case_checks.h), and NaN and inf in it. */
#include "case_checks.h"
#include "harness.h"
#include "random.h"

#include <math.h>

static void test_forward(void)
{
    case_check_op(CLCONV_FORWARD);
}

/* A NaN or an infinity reaches exactly the outputs whose window holds it. */
static void test_special_inputs(void)
{
    if (!case_checks("special")) return;
    for (size_t i = 0; i < case_table_size(); i++) {
        if (!case_is_chosen(i, CLCONV_FORWARD) || case_at(i)->problem.batch == 0) continue;
        case_bench b;
        clconv_tensor_sizes sizes;
        random_state r = {i};
        case_bench_open(i, CLCONV_FORWARD, test_data_integers, &b);
        clconv_problem_tensor_sizes(&b.c->problem, &sizes, NULL);
        case_expect_special(&b, &b.data.input[random_between(&r, 0, sizes.input - 1)], NAN, false);
        case_expect_special(&b, &b.data.input[i % 2 ? 0 : sizes.input - 1], INFINITY, false);
        case_bench_close(&b);
    }
}

/* Strict: an inf or NaN in the weight meets padded zeros, and the products are NaN. */
static void test_special_weights(void)
{
    if (!case_checks("special")) return;
    for (size_t i = 0; i < case_table_size(); i++) {
        if (!case_is_chosen(i, CLCONV_FORWARD) || case_at(i)->problem.batch == 0) continue;
        case_bench b;
        clconv_tensor_sizes sizes;
        random_state r = {i};
        case_bench_open(i, CLCONV_FORWARD, test_data_integers, &b);
        clconv_problem_tensor_sizes(&b.c->problem, &sizes, NULL);
        case_expect_special(&b, &b.data.weight[random_between(&r, 0, sizes.weight - 1)], -INFINITY, true);
        case_expect_special(&b, &b.data.weight[i % 2 ? 0 : sizes.weight - 1], NAN, true);
        case_bench_close(&b);
    }
}

const char test_suite_name[] = "the case table";
const test_entry test_suite[] = {
    {"the table is read", case_table_open},
    {"forward", test_forward},
    {"NaN and inf in the input", test_special_inputs},
    {"NaN and inf in the weight, strictly", test_special_weights},
    {"the table is released", case_table_close},
    {NULL, NULL},
};
