/* Checked arithmetic at its limits: each result that fits is right, each that does not is refused and leaves
 * the output alone. */
#include "harness.h"

#include "base/arith.h"

enum { UNTOUCHED = -77 };

static void test_multiply(void)
{
    const struct {
        int64_t a, b, product; /* -1: does not fit */
    } cases[] = {
        {0, 0, 0},
        {0, INT64_MAX, 0},
        {INT64_MAX, 0, 0},
        {1, INT64_MAX, INT64_MAX},
        {INT64_MAX, 1, INT64_MAX},
        {INT64_MAX, 2, -1},
        {2, INT64_MAX / 2, INT64_MAX - 1},
        {2, INT64_MAX / 2 + 1, -1},
        {INT64_C(1) << 31, INT64_C(1) << 31, INT64_C(1) << 62},
        {INT64_C(1) << 32, INT64_C(1) << 31, -1},
        {3037000499, 3037000499, INT64_C(9223372030926249001)},
        {3037000500, 3037000500, -1},
        {-1, 1, -1},
        {1, -1, -1},
        {INT64_MIN, 0, -1},
        {INT64_MIN, INT64_MIN, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t out = UNTOUCHED;
        bool fits = size_multiply(cases[i].a, cases[i].b, &out);
        CU_ASSERT_EQUAL(fits, cases[i].product >= 0);
        CU_ASSERT_EQUAL(out, cases[i].product >= 0 ? cases[i].product : UNTOUCHED);
    }
}

static void test_add(void)
{
    const struct {
        int64_t a, b, sum;
    } cases[] = {
        {0, 0, 0},
        {INT64_MAX, 0, INT64_MAX},
        {INT64_MAX - 1, 1, INT64_MAX},
        {INT64_MAX, 1, -1},
        {-1, 5, -1},
        {5, -1, -1},
        {INT64_MAX, INT64_MAX, -1},
        {INT64_MIN, INT64_MIN, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t out = UNTOUCHED;
        bool fits = size_add(cases[i].a, cases[i].b, &out);
        CU_ASSERT_EQUAL(fits, cases[i].sum >= 0);
        CU_ASSERT_EQUAL(out, cases[i].sum >= 0 ? cases[i].sum : UNTOUCHED);
    }
}

static void test_product(void)
{
    const int64_t fits[] = {INT64_C(1) << 20, INT64_C(1) << 21, INT64_C(1) << 21};
    const int64_t overflows[] = {INT64_C(1) << 21, INT64_C(1) << 21, INT64_C(1) << 21};
    const int64_t negative[] = {3, -2, 5};
    int64_t out = UNTOUCHED;
    CU_ASSERT_FALSE(size_product(overflows, 3, &out));
    CU_ASSERT_FALSE(size_product(negative, 3, &out));
    CU_ASSERT_EQUAL(out, UNTOUCHED);
    CU_ASSERT_TRUE(size_product(fits, 3, &out));
    CU_ASSERT_EQUAL(out, INT64_C(1) << 62);
    CU_ASSERT_TRUE(size_product(fits, 0, &out));
    CU_ASSERT_EQUAL(out, 1);
}

static void test_rounding(void)
{
    for (int64_t a = 0; a < 50; a++)
        for (int64_t b = 1; b < 12; b++) {
            int64_t quotient = ceil_divide(a, b);
            CU_ASSERT(quotient * b >= a && (quotient - 1) * b < a);
            CU_ASSERT_EQUAL(round_up(a, b), quotient * b);
        }
    CU_ASSERT_EQUAL(min_i64(-3, 2), -3);
    CU_ASSERT_EQUAL(max_i64(-3, 2), 2);
}

const char test_suite_name[] = "arith";
const test_entry test_suite[] = {
    {"products", test_multiply}, {"sums", test_add}, {"products of many", test_product},
    {"rounding", test_rounding}, {NULL, NULL},
};
