/* Conversions: every integer type and order, float16 by its definition, and what is counted as lost. */
#include "files/convert.h"
#include "harness.h"
#include "scratch.h"

#include <math.h>
#include <string.h>

const char test_suite_name[] = "tools/convert";

/* What `bytes` of one element become, as a double. */
static double convert_one(conversion *c, const void *element)
{
    unsigned char raw[8];
    double wide = 0;
    float narrow = 0;
    int width = element_width(c->from);
    memcpy(raw, element, (size_t)width);
    if (c->to == CLCONV_FLOAT64)
        conversion_run(c, raw, &wide, 1);
    else
        conversion_run(c, raw, &narrow, 1);
    return c->to == CLCONV_FLOAT64 ? wide : (double)narrow;
}

/* Extreme values of each integer type, in both byte orders, by both results. */
static void integers_are_read_in_either_order(void)
{
    static const struct {
        element_type type;
        unsigned char bytes[8]; /* little-endian */
        double value;
    } cases[] = {{ELEMENT_BOOL, {0}, 0},
                 {ELEMENT_BOOL, {1}, 1},
                 {ELEMENT_BOOL, {0x80}, 1},
                 {ELEMENT_INT8, {0x80}, -128},
                 {ELEMENT_UINT8, {0xff}, 255},
                 {ELEMENT_INT16, {0, 0x80}, -32768},
                 {ELEMENT_INT16, {2, 1}, 258},
                 {ELEMENT_UINT16, {0xfe, 0xff}, 65534},
                 {ELEMENT_INT32, {0, 0, 0, 0x80}, -2147483648.0},
                 {ELEMENT_INT32, {4, 3, 2, 0}, 131844},
                 {ELEMENT_UINT32, {0, 0, 0, 0xff}, 4278190080.0},
                 {ELEMENT_INT64, {0, 0, 0, 0, 0, 0, 0, 0x80}, -9223372036854775808.0},
                 {ELEMENT_INT64, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, -1},
                 {ELEMENT_UINT64, {0, 0, 0, 0, 0, 0, 0, 0x80}, 9223372036854775808.0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int variant = 0; variant < 4; variant++) {
            conversion c = {.from = cases[i].type,
                            .swapped = variant % 2 == 1,
                            .to = variant / 2 == 1 ? CLCONV_FLOAT64 : CLCONV_FLOAT32};
            int width = element_width(c.from);
            unsigned char raw[8] = {0};
            for (int j = 0; j < width; j++)
                raw[c.swapped ? width - 1 - j : j] = cases[i].bytes[j];
            CU_ASSERT_EQUAL(convert_one(&c, raw), cases[i].value);
            CU_ASSERT_EQUAL(c.rounded + c.infinite, 0);
            CU_ASSERT_EQUAL(c.values, 1);
        }
    }
}

/* All 65536 against the definition: (-1)^s 2^(e - 15) (1 + f / 1024), or 2^-14 f / 1024 where e is 0. */
static void every_float16_has_its_value(void)
{
    for (unsigned half = 0; half < 65536; half++) {
        conversion c = {.from = ELEMENT_FLOAT16, .to = CLCONV_FLOAT32};
        unsigned e = half >> 10 & 31, f = half & 1023;
        double got = convert_one(&c, &(uint16_t){(uint16_t)half});
        double size = e == 0 ? (double)f / 1024 / 16384 : pow(2, (double)e - 15) * (1 + (double)f / 1024);
        if (e == 31 && f != 0) {
            CU_ASSERT(isnan(got));
            continue;
        }
        if (e == 31) size = (double)INFINITY;
        CU_ASSERT(got == (half >> 15 != 0 ? -size : size) && signbit(got) == (int)(half >> 15));
        CU_ASSERT_EQUAL(c.infinite, 0);
    }
}

static void integers_of_too_many_bits_are_counted(void)
{
    static const struct {
        int64_t value;
        bool narrow, wide; /* whether it is rounded */
    } cases[] = {
        {16777216, false, false},      {16777217, true, false},        {-16777217, true, false},
        {16777218, false, false},      {(1LL << 53) - 1, true, false}, {1LL << 53, false, false},
        {(1LL << 53) + 1, true, true}, {-(1LL << 53) - 1, true, true}, {(1LL << 53) + 2, true, false},
        {1LL << 62, false, false},     {INT64_MAX, true, true},        {0, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        conversion narrow = {.from = ELEMENT_INT64, .to = CLCONV_FLOAT32},
                   wide = {.from = ELEMENT_INT64, .to = CLCONV_FLOAT64};
        CU_ASSERT_EQUAL(convert_one(&narrow, &cases[i].value), (double)(float)cases[i].value);
        CU_ASSERT_EQUAL(convert_one(&wide, &cases[i].value), (double)cases[i].value);
        CU_ASSERT_EQUAL(narrow.rounded, cases[i].narrow);
        CU_ASSERT_EQUAL(wide.rounded, cases[i].wide);
    }
}

/* 2^54 + 2^30 + 1 lies above the middle of two floats; rounded to a double first, on it. */
static void an_integer_is_rounded_once(void)
{
    int64_t value = (1LL << 54) + (1LL << 30) + 1;
    conversion c = {.from = ELEMENT_INT64, .to = CLCONV_FLOAT32};
    CU_ASSERT_EQUAL(convert_one(&c, &value), 18014400656965632.0); /* 2^54 + 2^31 */
}

static void scales_are_applied_in_double(void)
{
    int32_t value = 16777217; /* no float */
    conversion c = {
        .from = ELEMENT_INT32, .to = CLCONV_FLOAT32, .scaled = true, .slope = 1, .intercept = -16777216};
    CU_ASSERT_EQUAL(convert_one(&c, &value), 1);
    CU_ASSERT_EQUAL(c.rounded, 0);
    c.intercept = 0.5;
    CU_ASSERT_EQUAL(convert_one(&c, &value), 16777218);
    CU_ASSERT_EQUAL(c.rounded, 1);
    c = (conversion){
        .from = ELEMENT_INT16, .to = CLCONV_FLOAT32, .scaled = true, .slope = 0.1, .intercept = 7};
    CU_ASSERT_EQUAL(convert_one(&c, &(int16_t){3}), (double)(float)(3 * 0.1 + 7));
    CU_ASSERT_EQUAL(c.rounded, 0); /* a slope's own rounding is not the integer's */
}

static void finite_values_that_become_infinite_are_counted(void)
{
    conversion c = {.from = ELEMENT_FLOAT64, .to = CLCONV_FLOAT32};
    CU_ASSERT(isinf(convert_one(&c, &(double){1e39})));
    CU_ASSERT_EQUAL(c.infinite, 1);
    CU_ASSERT(isinf(convert_one(&c, &(double){-INFINITY})));
    CU_ASSERT(isnan(convert_one(&c, &(double){NAN})));
    CU_ASSERT_EQUAL(convert_one(&c, &(double){1 + 0x1p-25}), 1);
    CU_ASSERT_EQUAL(convert_one(&c, &(double){1e-60}), 0);
    CU_ASSERT_EQUAL(c.infinite, 1);
}

static void only_a_loss_is_said_in_one_line(void)
{
    const source file = {.name = "--input", .path = "x.npy", .file = -1};
    static const struct {
        conversion c;
        const char *said;
    } cases[] = {{{.to = CLCONV_FLOAT32, .values = 9}, ""},
                 {{.to = CLCONV_FLOAT32, .values = 9, .rounded = 2},
                  "clconv: warning: --input: 'x.npy': 2 of 9 integers have more bits than the 24 of float32, "
                  "beyond 2^24: "
                  "they were rounded; --dtype float64 keeps 53\n"},
                 {{.to = CLCONV_FLOAT64, .values = 9, .rounded = 1},
                  "clconv: warning: --input: 'x.npy': 1 of 9 integers have more bits than the 53 of float64, "
                  "beyond 2^53: "
                  "they were rounded\n"},
                 {{.to = CLCONV_FLOAT32, .values = 9, .infinite = 3},
                  "clconv: warning: --input: 'x.npy': 3 of 9 values are finite, but beyond float32's range: "
                  "they became "
                  "infinite; --dtype float64 keeps them\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch s;
        scratch_open(&s);
        scratch_hush(&s);
        conversion_warn(&cases[i].c, &file);
        scratch_listen(&s);
        CU_ASSERT_STRING_EQUAL(s.said, cases[i].said);
        scratch_close(&s);
    }
}

const test_entry test_suite[] = {
    {"integers are read in either order", integers_are_read_in_either_order},
    {"every float16 has its value", every_float16_has_its_value},
    {"integers of too many bits are counted", integers_of_too_many_bits_are_counted},
    {"an integer is rounded once", an_integer_is_rounded_once},
    {"scales are applied in double", scales_are_applied_in_double},
    {"finite values that become infinite are counted", finite_values_that_become_infinite_are_counted},
    {"only a loss is said, in one line", only_a_loss_is_said_in_one_line},
    {NULL, NULL}};
