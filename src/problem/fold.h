/* A problem as another one on the same tensors, of which algorithms may know more. */
#ifndef CLCONV_PROBLEM_FOLD_H
#define CLCONV_PROBLEM_FOLD_H

#include "clconv.h"

#include <stdbool.h>

/* Where a kernel is one column wide and moves by steps of 1 on H and W, H and W are one axis of H * W elements, on which
 * the rows' taps lie dilation * W apart, and D takes the place of H:
 *
 *     N,C,D,H,W and kD,kH,1   ->   N,C,1,D,H*W and 1,kD,kH
 *
 * Windows, the order of products and the tensors' elements stay as they are. False if the problem is none of these, or
 * its kernel one row high, so that nothing is gained; *folded is then untouched. */
bool problem_fold(const clconv_problem *problem, clconv_problem *folded);

#endif
