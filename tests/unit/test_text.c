/* Texts: words in them, and numbers and parts that are written without printf(). */
#include "harness.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void test_words(void)
{
    CU_ASSERT_TRUE(text_holds("GenuineIntel", "INTEL", 5));
    CU_ASSERT_TRUE(text_holds("GenuineIntel", "genuine and more", 7));
    CU_ASSERT_TRUE(text_holds("amd", "AMD", 3));
    CU_ASSERT_FALSE(text_holds("AM", "AMD", 3));
    CU_ASSERT_FALSE(text_holds("", "AMD", 3));
    CU_ASSERT_FALSE(text_holds("a[d", "A{D", 3)); /* apart by the bit that letters' cases are */
}

static void test_integers(void)
{
    const int64_t values[] = {0, 7, -7, 10, 1000000007, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char expected[32], digits[TEXT_INTEGER_SIZE];
        snprintf(expected, sizeof expected, "%" PRId64, values[i]);
        CU_ASSERT_STRING_EQUAL(text_integer(values[i], digits), expected);
    }
}

static void test_parts(void)
{
    const char *const parts[] = {"one", "", "two"};
    char to[8];
    CU_ASSERT_TRUE(text_join(to, 7, parts, 3));
    CU_ASSERT_STRING_EQUAL(to, "onetwo");
    to[6] = 'x';
    CU_ASSERT_FALSE(text_join(to, 6, parts, 3));
    CU_ASSERT_EQUAL(to[6], 'x');
}

const char test_suite_name[] = "texts";
const test_entry test_suite[] = {
    {"words in any case", test_words},
    {"integers", test_integers},
    {"parts", test_parts},
    {NULL, NULL},
};
