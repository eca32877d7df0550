/* Parameter values: what overrides them, every refusal with its message, and that a refusal changes nothing.
 */
#include "harness.h"

#include "parameters/parameters.h"

#include <string.h>

static const parameter_range ranges[] = {
    {"tile", 1, 16, false},
    {"width", 2, 64, true},
    {"tile_size", -4, 4, false},
    {NULL, 0, 0, false},
};

static const parameter_set initial = {{3, 8, 0}};

static void test_overrides(void)
{
    const struct {
        const char *text;
        int64_t tile, width, tile_size;
    } cases[] = {
        {NULL, 3, 8, 0},
        {"", 3, 8, 0},
        {"tile=1", 1, 8, 0},
        {"tile_size=-4", 3, 8, -4},
        {"width=64,tile=16", 16, 64, 0},
        {"tile_size=4,width=2,tile=7", 7, 2, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        parameter_set set = initial;
        CU_ASSERT_EQUAL(parameters_override(ranges, cases[i].text, &set, NULL), CLCONV_SUCCESS);
        CU_ASSERT_EQUAL(set.values[0], cases[i].tile);
        CU_ASSERT_EQUAL(set.values[1], cases[i].width);
        CU_ASSERT_EQUAL(set.values[2], cases[i].tile_size);
    }
}

static void test_refusals(void)
{
    const struct {
        const char *text, *message;
    } cases[] = {
        {"tiles=1", "parameters: this algorithm has no parameter 'tiles'"},
        {"til=1", "parameters: this algorithm has no parameter 'til'"},
        {"=1", "parameters: this algorithm has no parameter ''"},
        {",", "parameters: this algorithm has no parameter ''"},
        {"tile=1, width=4", "parameters: this algorithm has no parameter ' width'"},
        {"tile=1,tile=2", "parameters: 'tile' is given twice"},
        {"tile", "parameters: 'tile' needs an integer value"},
        {"tile=", "parameters: 'tile' needs an integer value"},
        {"tile=,width=4", "parameters: 'tile' needs an integer value"},
        {"tile=two", "parameters: 'tile' needs an integer value"},
        {"tile=2x", "parameters: 'tile' needs an integer value"},
        {"tile=0", "parameters: tile must be 1 to 16"},
        {"width=4,tile=17", "parameters: tile must be 1 to 16"},
        {"tile=99999999999999999999", "parameters: tile must be 1 to 16"},
        {"tile_size=-5", "parameters: tile_size must be -4 to 4"},
        {"width=6", "parameters: width must be a power of two from 2 to 64"},
        {"width=128", "parameters: width must be a power of two from 2 to 64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        parameter_set set = initial;
        clconv_error err = {.message = ""};
        CU_ASSERT_EQUAL(parameters_override(ranges, cases[i].text, &set, &err), CLCONV_INVALID_ARGUMENT);
        CU_ASSERT_STRING_EQUAL(err.message, cases[i].message);
        CU_ASSERT(memcmp(&set, &initial, sizeof set) == 0);
    }
}

static void test_format(void)
{
    text out = {0};
    parameters_format(ranges, &initial, &out);
    CU_ASSERT_FATAL(out.data != NULL);
    CU_ASSERT_STRING_EQUAL(out.data, "tile=3,width=8,tile_size=0");
    parameter_set set = {{1, 2, 1}};
    CU_ASSERT_EQUAL(parameters_override(ranges, out.data, &set, NULL), CLCONV_SUCCESS);
    CU_ASSERT(memcmp(&set, &initial, 3 * sizeof set.values[0]) == 0);
    text_release(&out);
}

const char test_suite_name[] = "parameters";
const test_entry test_suite[] = {
    {"overrides", test_overrides},
    {"refusals change nothing", test_refusals},
    {"format", test_format},
    {NULL, NULL},
};
