/* The rules that each member of a problem must keep by itself. */
#ifndef CLCONV_PROBLEM_PROBLEM_H
#define CLCONV_PROBLEM_PROBLEM_H

#include "clconv.h"

#include <stdbool.h>

/* Whether the op reads the weight, as it is or packed. */
static inline bool op_reads_weight(clconv_op op)
{
    return op != CLCONV_BACKWARD_WEIGHT && op != CLCONV_BACKWARD_BIAS;
}

clconv_status problem_check_members(const clconv_problem *problem, clconv_error *err);

/* PyTorch's rule for output_padding, of legal stride and dilation. */
clconv_status problem_check_output_padding(int64_t output_padding, int64_t stride, int64_t dilation, int axis,
                                           clconv_error *err);

/* What ConvTranspose3d has no meaning for: a padding mode. */
clconv_status problem_check_transposed(const clconv_problem *problem, clconv_error *err);

#endif
