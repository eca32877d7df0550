/* The host's side of partial sums (cl/common/partial_sums.clh). */
#ifndef CLCONV_STEPS_PARTIAL_SUMS_H
#define CLCONV_STEPS_PARTIAL_SUMS_H

#include "arguments/partial_sums.clh"

#include "steps/kernel.h"

/* Products that an accumulator takes in a row at most, where a channel has so many taps. */
static inline int64_t partial_sums_run(int64_t taps)
{
    return taps > SUM_MANY_TAPS ? SUM_SHORT_RUN : SUM_RUN;
}

/* Whether sums of so many products have several runs, and the compile-time parameter that says so. */
static inline bool partial_sums_are_long(int64_t products)
{
    return products >= SUM_WHOLE;
}

static inline void partial_sums_define(step *s, int64_t products)
{
    kernel_define(s, "LONG_SUMS", partial_sums_are_long(products));
}

/* Levels of totals in memory that so many runs need: 0 for one run. */
static inline int64_t partial_sums_levels(int64_t runs)
{
    int64_t levels = runs > 1;
    for (; runs > SUM_FAN && levels < SUM_LEVELS; levels++)
        runs = (runs - 1) / SUM_FAN + 1;
    return levels;
}

#endif
