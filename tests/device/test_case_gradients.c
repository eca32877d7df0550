/* The gradients on the case table (case_checks.h). */
#include "case_checks.h"
#include "harness.h"
#include "random.h"

#include <math.h>

static void test_backward_input(void)
{
    case_check_op(CLCONV_BACKWARD_INPUT);
}

static void test_backward_weight(void)
{
    case_check_op(CLCONV_BACKWARD_WEIGHT);
}

static void test_backward_bias(void)
{
    case_check_op(CLCONV_BACKWARD_BIAS);
}

/* The same with a NaN or an infinity in what the op reads. */
static void test_special_gradients(void)
{
    if (!case_checks("special")) return;
    for (size_t i = 0; i < case_table_size(); i++)
        for (clconv_op op = CLCONV_BACKWARD_INPUT; op <= CLCONV_BACKWARD_BIAS; op++) {
            if (!case_is_chosen(i, op) || case_at(i)->problem.batch == 0) continue;
            case_bench b;
            clconv_tensor_sizes sizes;
            random_state r = {i};
            case_bench_open(i, op, test_data_small_integers, &b);
            clconv_problem_tensor_sizes(&b.c->problem, &sizes, NULL);
            double *gradient = &b.data.grad_output[random_between(&r, 0, sizes.output - 1)];
            double *factor = op == CLCONV_BACKWARD_INPUT
                                 ? &b.data.weight[random_between(&r, 0, sizes.weight - 1)]
                                 : &b.data.input[random_between(&r, 0, sizes.input - 1)];
            case_expect_special(&b, gradient, i % 2 ? NAN : INFINITY, false);
            case_expect_special(&b, factor, i % 2 ? -INFINITY : NAN, false);
            case_bench_close(&b);
        }
}

const char test_suite_name[] = "gradients of the case table";
const test_entry test_suite[] = {
    {"the table is read", case_table_open},
    {"backward-input", test_backward_input},
    {"backward-weight", test_backward_weight},
    {"backward-bias", test_backward_bias},
    {"NaN and inf", test_special_gradients},
    {"the table is released", case_table_close},
    {NULL, NULL},
};
