/* Pseudo-random numbers that are the same on every machine: SplitMix64 (Steele, Lea, Flood: Fast Splittable
 * Pseudorandom Number Generators, 2014). */
#ifndef CLCONV_TESTS_RANDOM_H
#define CLCONV_TESTS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct random_state {
    uint64_t state;
} random_state;

uint64_t random_next(random_state *r);

/* Uniform in low ... high, both included. */
int64_t random_between(random_state *r, int64_t low, int64_t high);

/* One of so many values. */
int64_t random_pick(random_state *r, const int64_t *values, int64_t count);

/* `count` integers, uniform in -limit ... limit. */
void random_integers(random_state *r, double *values, int64_t count, int64_t limit);

/* `count` values, uniform in [-1, 1), each exact in float. */
void random_reals(random_state *r, double *values, int64_t count);

#endif
