/* A part of the case table that needs few programs: which algorithms to run on which cases, so that of what the whole table
 * has on a device there is at least once
 *   - every algorithm for every op in every padding mode that it can do there,
 *   - every kernel,
 *   - every value of every compile-time option of every kernel.
 * Not every combination of such values: that is the whole table. Empty batches, which launch nothing, are left out. What is
 * covered is found by asking each algorithm for its steps, on the device that is there. */
#ifndef CLCONV_TESTS_DEVICE_COVERAGE_H
#define CLCONV_TESTS_DEVICE_COVERAGE_H

#include "cases.h"

#include <stddef.h>

typedef struct coverage coverage;

/* NULL if memory is out. */
coverage *coverage_create(clconv_context *context, const test_case *cases, size_t count);
void coverage_release(coverage *c);

/* Whether the part has algorithm `algorithm` (as clconv_algorithm_name() counts) on case `index`. */
bool coverage_has(const coverage *c, size_t index, clconv_op op, size_t algorithm);

/* Whether what is chosen by itself for the case is in the part. */
bool coverage_has_choice(const coverage *c, size_t index, clconv_op op);

/* Whether it has any algorithm on the case. */
bool coverage_has_case(const coverage *c, size_t index, clconv_op op);

/* Prints how many of the table's runs, kernels and cases are in the part. */
void coverage_print(const coverage *c);

#endif
