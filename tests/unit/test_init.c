/* torch.nn.Conv3d's initialisation: MT19937's published numbers show through it, weight and bias are one
 * sequence, and what is refused. PyTorch's own bits are in test_golden.c. */
#include "harness.h"

#include "clconv.h"

#include <math.h>
#include <string.h>

/* A weight of fan-in 1 has b = 1: its values are 2 u - 1, u = the draw's low 24 bits * 2^-24, all exact. */
static uint32_t low_bits(float value)
{
    return (uint32_t)((value + 1) * 0x1p23f);
}

/* The reference implementation's first outputs for seed 5489, and its 10,000th, which C++11 demands of
 * std::mt19937. */
static void test_published_numbers(void)
{
    static float weight[10000];
    const uint32_t first[] = {3499211612u, 581869302u, 3890346734u, 3586334585u, 545404204u};
    const int64_t shape[] = {10000, 1, 1, 1, 1};
    CU_ASSERT_EQUAL(clconv_init_uniform(shape, 5489, weight, NULL, NULL), CLCONV_SUCCESS);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(low_bits(weight[i]), (first[i] & 0xffffff));
    CU_ASSERT_EQUAL(low_bits(weight[9999]), (4123659995u & 0xffffff));
}

static void test_low_bits_of_seed(void)
{
    const int64_t shape[] = {7, 1, 1, 1, 1};
    float a[7], b[7], c[7];
    clconv_init_uniform(shape, 3, a, NULL, NULL);
    clconv_init_uniform(shape, (UINT64_C(9) << 32) + 3, b, NULL, NULL);
    clconv_init_uniform(shape, 4, c, NULL, NULL);
    CU_ASSERT(memcmp(a, b, sizeof a) == 0);
    CU_ASSERT(memcmp(a, c, sizeof a) != 0);
}

/* The bias goes on where the weight ends, within the same bounds. */
static void test_bias(void)
{
    float weight[6 * 4], bias[6], longer[8 * 4];
    const int64_t shape[] = {6, 1, 1, 2, 2}, more[] = {8, 4, 1, 1, 1};
    CU_ASSERT_EQUAL(clconv_init_uniform(shape, 11, weight, bias, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(clconv_init_uniform(more, 11, longer, NULL, NULL), CLCONV_SUCCESS);
    CU_ASSERT(memcmp(weight, longer, sizeof weight) == 0);
    CU_ASSERT(memcmp(bias, longer + 24, sizeof bias) == 0);
}

static void test_bounds(void)
{
    static float weight[3 * 7 * 27], bias[3];
    const int64_t shape[] = {3, 7, 3, 3, 3};
    float bound = (float)(1 / sqrt(7 * 27)), least = 1, most = -1;
    CU_ASSERT_EQUAL(clconv_init_uniform(shape, 0, weight, bias, NULL), CLCONV_SUCCESS);
    for (int i = 0; i < 3 * 7 * 27; i++) {
        least = fminf(least, weight[i]);
        most = fmaxf(most, weight[i]);
    }
    CU_ASSERT(least >= -bound && least < -0.98F * bound);
    CU_ASSERT(most < bound && most > 0.98F * bound);
}

static void test_refusals(void)
{
    const struct {
        int64_t shape[5];
        const char *message;
    } cases[] = {
        {{0, 1, 1, 1, 1}, "weight_shape: out_channels is 0; it must be positive"},
        {{1, -1, 1, 1, 1}, "weight_shape: in_channels / groups is -1; it must be positive"},
        {{1, 1, 0, 1, 1}, "weight_shape: kD is 0; it must be positive"},
        {{1, 1, 1, 0, 1}, "weight_shape: kH is 0; it must be positive"},
        {{1, 1, 1, 1, INT64_MIN}, "weight_shape: kW is -9223372036854775808; it must be positive"},
        {{INT64_MAX, 2, 1, 1, 1}, "weight_shape: the weight would have more than 2^63 bytes"},
        {{INT64_C(1) << 61, 1, 1, 1, 1}, "weight_shape: the weight would have more than 2^63 bytes"},
    };
    float weight = 5, bias = 6;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clconv_error err = {.message = ""};
        CU_ASSERT_EQUAL(clconv_init_uniform(cases[i].shape, 0, &weight, &bias, &err),
                        CLCONV_INVALID_ARGUMENT);
        CU_ASSERT_STRING_EQUAL(err.message, cases[i].message);
    }
    clconv_error err;
    const int64_t shape[] = {1, 1, 1, 1, 1};
    CU_ASSERT_EQUAL(clconv_init_uniform(NULL, 0, &weight, &bias, &err), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_STRING_EQUAL(err.message, "weight_shape is NULL");
    CU_ASSERT_EQUAL(clconv_init_uniform(shape, 0, NULL, &bias, &err), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_STRING_EQUAL(err.message, "weight is NULL");
    CU_ASSERT(weight == 5 && bias == 6);
}

const char test_suite_name[] = "init";
const test_entry test_suite[] = {
    {"Mersenne Twister's published numbers", test_published_numbers},
    {"the seed's low 32 bits count", test_low_bits_of_seed},
    {"the bias follows the weight", test_bias},
    {"bounds", test_bounds},
    {"refusals", test_refusals},
    {NULL, NULL},
};
