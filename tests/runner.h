/* Running plans on doubles, for every test of results: tensors lie at offsets in buffers that are too large,
 * and after a run all that it must not touch is compared with what was there: the inputs, and the guards
 * around every tensor and the workspace. Guards are NaN, so that what is read by mistake shows. */
#ifndef CLCONV_TESTS_RUNNER_H
#define CLCONV_TESTS_RUNNER_H

#include "problem/geometry.h"

#include <stdbool.h>

typedef struct test_device {
    clconv_context *context;
    cl_context opencl; /* the context's own */
    cl_device_id device;
    cl_command_queue queue; /* in order */
} test_device;

/* The device that CLCONV_DEVICE chooses. A failure is printed. */
bool test_device_open(test_device *t);
void test_device_close(test_device *t);

/* Values of a problem's tensors, each exact in its dtype; NULL where the problem has none. The gradient of
 * the output is for the other ops than forward. */
typedef struct test_data {
    double *input, *weight, *bias, *residual, *grad_output;
} test_data;

/* Integers small enough that every sum of |w||x| + |b| + |r| stays below 2^24. */
bool test_data_integers(const clconv_problem *problem, uint64_t seed, test_data *data);
/* The same small ones for all tensors: every sum of every op stays below 2^24 if it has fewer than 2^18
 * terms.
 */
bool test_data_small_integers(const clconv_problem *problem, uint64_t seed, test_data *data);
/* Zero-mean reals. */
bool test_data_reals(const clconv_problem *problem, uint64_t seed, test_data *data);
void test_data_release(test_data *data);

/* A plan and how its runs are given their weights. */
typedef struct test_plan {
    clconv_op op;
    clconv_plan *plan;
    clconv_problem problem;
    geometry geometry;
    bool packed;
} test_plan;

clconv_status test_plan_create(const test_device *t, const clconv_problem *problem, const char *algorithm,
                               bool strict, bool packed, uint64_t workspace_limit, test_plan *p,
                               clconv_error *err);
clconv_status test_plan_create_op(const test_device *t, clconv_op op, const clconv_problem *problem,
                                  const char *algorithm, bool strict, bool packed, uint64_t workspace_limit,
                                  test_plan *p, clconv_error *err);
void test_plan_release(test_plan *p);

/* The problem without what only the forward pass has: bias, residual, activation. */
clconv_problem test_problem_of(clconv_op op, const clconv_problem *problem);

/* One run; `output` has room for the elements of what the op makes. False, with a text in `why`, if a call
 * failed or something was touched that must not be. */
enum { TEST_WHY = 1200 };
bool test_plan_run(const test_device *t, const test_plan *p, const test_data *data, double *output,
                   char why[TEST_WHY]);

/* The reference's answer and the magnitude of its error bounds, in one allocation to be freed by
 * free(r->output). */
typedef struct test_reference {
    clconv_op op;
    double *output, *magnitude;
    int64_t count;
} test_reference;

bool test_reference_compute(const clconv_problem *problem, const test_data *data, test_reference *r);
bool test_reference_compute_op(clconv_op op, const clconv_problem *problem, const test_data *data,
                               test_reference *r);

/* The first element of `got` that differs from `expected`; count if none does. NaN equals NaN. */
int64_t first_difference(const double *got, const double *expected, int64_t count);

/* Whether integers stay exact through the problem's activation: those of none, relu, and a leaky_relu whose
 * slope is a power of two. */
bool activation_is_exact(const clconv_problem *problem);

/* Algorithms of the forward pass; they come first in the list. */
size_t forward_algorithm_count(void);

/* Whether the algorithm can be asked for the op. */
bool algorithm_serves(const char *algorithm, clconv_op op);

/* Whether the algorithm accumulates directly, so that integers are exact and bound_direct() holds; else
 * bound_default() holds. */
bool algorithm_is_direct(const char *algorithm);

/* The error that the promises allow at an output of this magnitude, of a problem without an activation. */
double algorithm_bound(const char *algorithm, const clconv_problem *problem, double magnitude);

/* The first element that is further from the reference than the promises allow; count if none is. One that is
 * not finite must be the reference's; one to which an infinite sum is activated, within the activation's
 * roundings of it. */
int64_t first_outside_bound(const char *algorithm, const clconv_problem *problem, const double *got,
                            const test_reference *r);

#endif
