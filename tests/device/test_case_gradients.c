/* The gradients on the case table (case_checks.h). */
#include "case_checks.h"
#include "harness.h"

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

const char test_suite_name[] = "gradients of the case table";
const test_entry test_suite[] = {
    {"the table is read", case_table_open},      {"backward-input", test_backward_input},
    {"backward-weight", test_backward_weight},   {"backward-bias", test_backward_bias},
    {"the table is released", case_table_close}, {NULL, NULL},
};
