/* Checked arithmetic on sizes: non-negative int64_t in, false if the result would not fit (and *out is
 * untouched). */
#ifndef CLCONV_BASE_ARITH_H
#define CLCONV_BASE_ARITH_H

#include <stdbool.h>
#include <stdint.h>

static inline bool size_multiply(int64_t a, int64_t b, int64_t *out)
{
    /* Two small numbers need no division, which plans would spend much of their time on. */
    bool is_small = (uint64_t)(a | b) < UINT64_C(1) << 31;
    if (!is_small && (a < 0 || b < 0 || (a != 0 && b > INT64_MAX / a))) return false;
    *out = a * b;
    return true;
}

static inline bool size_add(int64_t a, int64_t b, int64_t *out)
{
    if (a < 0 || b < 0 || b > INT64_MAX - a) return false;
    *out = a + b;
    return true;
}

/* Product of `count` sizes. */
static inline bool size_product(const int64_t *sizes, int count, int64_t *out)
{
    int64_t product = 1;
    for (int i = 0; i < count; i++)
        if (!size_multiply(product, sizes[i], &product)) return false;
    *out = product;
    return true;
}

/* For values known to be far from the limits. */
static inline int64_t ceil_divide(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t round_up(int64_t a, int64_t multiple)
{
    return ceil_divide(a, multiple) * multiple;
}

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
