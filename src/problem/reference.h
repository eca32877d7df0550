/* The naive double-precision convolution that defines the right answer, and the error bounds of the promises.
 */
#ifndef CLCONV_PROBLEM_REFERENCE_H
#define CLCONV_PROBLEM_REFERENCE_H

#include "problem/geometry.h"

#include <stdbool.h>

/* output (and, unless NULL, magnitude = |w| * |x| + |b|, the same convolution of absolute values) from
 * tensors of doubles in the layouts of clconv_problem. Zero padding is multiplied, as PyTorch does: inf * 0 =
 * NaN. bias may be NULL. */
void reference_forward(const clconv_problem *problem, const geometry *g, const double *input,
                       const double *weight, const double *bias, double *output, double *magnitude);

/* The gradients of the same convolution and their magnitudes, sums of |factor| * |factor|; those that are
 * NULL are not made. Everything has the shape of what it is the gradient of. As in PyTorch, the weight's gradient
 * multiplies zero padding, and that of the input is the sum of the products that there are. */
typedef struct reference_gradient {
    double *input, *weight, *bias;
} reference_gradient;

void reference_backward(const clconv_problem *problem, const geometry *g, const double *input,
                        const double *weight, const double *grad_output, const reference_gradient *gradient,
                        const reference_gradient *magnitude);

/* Products summed into an element of the gradient that sums most of them: of the input (a border that repeats
 * an element counts), the weight or the bias. */
int64_t reference_backward_terms(const clconv_problem *problem, const geometry *g, clconv_op op);

/* Values of tensors, those that the problem or the op does not have NULL. */
typedef struct reference_tensors {
    const double *input, *weight, *bias, *residual, *grad_output;
} reference_tensors;

/* What an op makes, of geometry_made() elements, and the magnitude of its bound. */
void reference_op(clconv_op op, const clconv_problem *problem, const geometry *g, const reference_tensors *t,
                  double *made, double *magnitude);

/* output = activation(output + residual) and magnitude += |residual| (either may be NULL), of `count`
 * elements. */
void reference_epilogue(const clconv_problem *problem, int64_t count, const double *residual, double *output,
                        double *magnitude);

/* The roundings that a term of a sum passes through at most: one for each of the terms and one for the bias, or those of
 * partial sums (cl/common/partial_sums.clh), 512 + K / 2^15; and where padding folds so many elements into one, one for
 * each. docs/numerics.md proves it. */
double bound_roundings(int64_t terms, int64_t gathered);

/* |got - exact| of an algorithm that accumulates directly, with or without FMA: for n roundings, gamma(n) * magnitude +
 * 2 K eta, gamma(n) = n u / (1 - n u). */
double bound_direct(clconv_dtype dtype, int64_t terms, double magnitude);

/* The bound of every default result, Winograd included, on zero-mean data (fp32's constants; fp64 scales u):
 * 2 u (16 + sqrt(K) / 2) * magnitude + (K + 2) eta. */
double bound_default(clconv_dtype dtype, int64_t reduction, double magnitude);

/* The error of a result with its epilogue, where the exact result is `output` and the sum's magnitude, the
 * residual included, `magnitude`: for B, the bound above with one more term if there is a residual,
 *   L B + A u (s + L B) + 2^10 N
 * with |activation'| <= L, A roundings relative to s in the activation, and N the least normal number, which
 * is what underflow and an overflowing exp() can add. B itself if there is no activation. */
double bound_result(const clconv_problem *problem, bool accumulates_directly, double magnitude,
                    double output);

/* The error of an element of what an op makes: bound_result() of the forward pass, else B with as many terms
 * as the gradient sums. */
double bound_op(clconv_op op, const clconv_problem *problem, const geometry *g, bool accumulates_directly,
                double magnitude, double made);

/* |got - exact| as a share of what is allowed; INFINITY where nothing is, or one of them is not finite. */
double bound_share(double got, double exact, double allowed);

#endif
