/* What the property tests share: random problems, the same ones for every property, tried on every algorithm.
 * Data are integers so small that every direct algorithm is exact on them, so that two ways to the same
 * answer must agree exactly; or reals, where the same bits are due. CLCONV_PROPERTY_COUNT and
 * CLCONV_PROPERTY_SEED change how many problems there are, and which. */
#ifndef CLCONV_TESTS_PROPERTY_H
#define CLCONV_TESTS_PROPERTY_H

#include "random.h"
#include "runner.h"

/* First and last entry of a suite: opens and closes the device, and prints the seed. */
void property_open(void);
void property_close(void);

const test_device *property_device(void);

/* Which problems, and how many. */
uint64_t property_seed(void);
uint64_t property_count(void);

/* One problem with its data, for one algorithm. */
typedef struct subject {
    const char *algorithm;
    clconv_problem problem;
    geometry geometry;
    test_data data;
    uint64_t number; /* of the problem */
} subject;

/* Calls `check` for every random problem and algorithm; `r` gives it the same numbers for each algorithm. */
typedef void (*property_check)(const subject *s, random_state *r);
void property_for_all(property_check check, bool reals);

/* The output of another problem and data by the subject's algorithm, to be freed; NULL if the algorithm
 * refuses the problem, or after a failure, which is reported. */
double *property_convolve(const subject *s, const clconv_problem *problem, const test_data *data);

/* The same for the subject itself. */
double *property_output(const subject *s);

/* `got` and `expected`, two ways to the subject's own output, agree: exactly, or within the bounds of both if
 * the algorithm is not direct. Either may be NULL: then nothing is compared. */
void property_expect(const subject *s, const char *property, const double *got, const double *expected);

/* The same, bit for bit whatever the algorithm. */
void property_expect_bits(const subject *s, const char *property, const double *got, const double *expected,
                          int64_t count);

/* Tells of a comparison that a check has made itself: a property that compares nothing fails. */
void property_compared(void);

/* Zeros, to be freed; the test ends if there is no memory. */
double *property_allocate(int64_t count);

#endif
