/* Conversions; see convert.h. Every element takes the way through a double, which holds all that float32 can
 * and every integer of 32 bits; one of 64 bits that becomes float32 is rounded once, straight to it. */
#include "files/convert.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

int element_width(element_type type)
{
    static const unsigned char widths[] = {
        [ELEMENT_BOOL] = 1,   [ELEMENT_INT8] = 1,    [ELEMENT_INT16] = 2,   [ELEMENT_INT32] = 4,
        [ELEMENT_INT64] = 8,  [ELEMENT_UINT8] = 1,   [ELEMENT_UINT16] = 2,  [ELEMENT_UINT32] = 4,
        [ELEMENT_UINT64] = 8, [ELEMENT_FLOAT16] = 2, [ELEMENT_FLOAT32] = 4, [ELEMENT_FLOAT64] = 8,
        [ELEMENT_NONE] = 0};
    return widths[type];
}

static void swap(unsigned char *raw, int width, int64_t count)
{
    for (; count > 0; count--, raw += width) {
        for (int i = 0; i < width / 2; i++) {
            unsigned char kept = raw[i];
            raw[i] = raw[width - 1 - i];
            raw[width - 1 - i] = kept;
        }
    }
}

static double scale(const conversion *c, double value)
{
    return c->scaled ? value * c->slope + c->intercept : value;
}

/* Whether its bits from the first to the last that is set are more than the result has. */
static bool is_too_wide(const conversion *c, uint64_t magnitude)
{
    int bits = c->to == CLCONV_FLOAT64 ? 53 : 24;
    return magnitude >> bits != 0 && (magnitude / (magnitude & (~magnitude + 1))) >> bits != 0;
}

static double convert_integer(conversion *c, uint64_t magnitude, bool negative)
{
    bool direct = c->to == CLCONV_FLOAT32 && !c->scaled;
    double size = direct ? (double)(float)magnitude : (double)magnitude;
    double value = scale(c, negative ? -size : size);
    /* A slope and an intercept may leave few enough bits. */
    bool lost =
        is_too_wide(c, magnitude) && !(c->scaled && c->to == CLCONV_FLOAT32 && (double)(float)value == value);
    c->rounded += lost;
    return value;
}

static double half_value(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25);
    if (exponent == 31) size = fraction == 0 ? (double)INFINITY : (double)NAN;
    return half >> 15 != 0 ? -size : size;
}

/* A loop over elements of one type. `v` is the element, `value` what it becomes. */
#define LOOP(name, type, value)                                                          \
    static void name(conversion *c, const unsigned char *raw, double *to, int64_t count) \
    {                                                                                    \
        for (int64_t i = 0; i < count; i++) {                                            \
            type v;                                                                      \
            memcpy(&v, raw + i * (int64_t)sizeof v, sizeof v);                           \
            to[i] = (value);                                                             \
        }                                                                                \
    }
#define SIGNED(v) convert_integer(c, (v) < 0 ? 0 - (uint64_t)(v) : (uint64_t)(v), (v) < 0)

LOOP(convert_bool, uint8_t, scale(c, v != 0))
LOOP(convert_int8, int8_t, scale(c, v))
LOOP(convert_int16, int16_t, scale(c, v))
LOOP(convert_int32, int32_t, SIGNED(v))
LOOP(convert_int64, int64_t, SIGNED(v))
LOOP(convert_uint8, uint8_t, scale(c, v))
LOOP(convert_uint16, uint16_t, scale(c, v))
LOOP(convert_uint32, uint32_t, convert_integer(c, v, false))
LOOP(convert_uint64, uint64_t, convert_integer(c, v, false))
LOOP(convert_float16, uint16_t, scale(c, half_value(v)))
LOOP(convert_float32, float, scale(c, (double)v))
LOOP(convert_float64, double, scale(c, v))
#undef LOOP
#undef SIGNED

static void convert(conversion *c, const unsigned char *raw, double *to, int64_t count)
{
    static void (*const loops[])(conversion *, const unsigned char *, double *, int64_t) = {
        [ELEMENT_BOOL] = convert_bool,       [ELEMENT_INT8] = convert_int8,
        [ELEMENT_INT16] = convert_int16,     [ELEMENT_INT32] = convert_int32,
        [ELEMENT_INT64] = convert_int64,     [ELEMENT_UINT8] = convert_uint8,
        [ELEMENT_UINT16] = convert_uint16,   [ELEMENT_UINT32] = convert_uint32,
        [ELEMENT_UINT64] = convert_uint64,   [ELEMENT_FLOAT16] = convert_float16,
        [ELEMENT_FLOAT32] = convert_float32, [ELEMENT_FLOAT64] = convert_float64};
    loops[c->from](c, raw, to, count);
}

static void store_float32(conversion *c, const double *from, float *to, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        to[i] = (float)from[i];
        c->infinite += isinf(to[i]) && isfinite(from[i]);
    }
}

void conversion_run(conversion *c, void *raw, void *to, int64_t count)
{
    double values[CONVERSION_MOST];
    int width = element_width(c->from);
    element_type same = c->to == CLCONV_FLOAT64 ? ELEMENT_FLOAT64 : ELEMENT_FLOAT32;
    c->values += count;
    if (c->swapped) swap(raw, width, count);
    if (c->from == same && !c->scaled) {
        memcpy(to, raw, (size_t)(count * width)); /* a double would change the bits of some NaN */
        return;
    }
    convert(c, raw, values, count);
    if (c->to == CLCONV_FLOAT32)
        store_float32(c, values, to, count);
    else
        memcpy(to, values, (size_t)count * sizeof *values);
}

void conversion_warn(const conversion *c, const source *s)
{
    bool wide = c->to == CLCONV_FLOAT64;
    if (c->infinite > 0)
        source_warn(s,
                    "%" PRId64 " of %" PRId64 " values are finite, but beyond float32's range: they became "
                    "infinite; --dtype float64 keeps them",
                    c->infinite, c->values);
    if (c->rounded > 0)
        source_warn(s,
                    "%" PRId64 " of %" PRId64 " integers have more bits than the %d of %s, beyond 2^%d: they "
                    "were rounded%s",
                    c->rounded, c->values, wide ? 53 : 24, wide ? "float64" : "float32", wide ? 53 : 24,
                    wide ? "" : "; --dtype float64 keeps 53");
}
