/* The input gradient as forward convolutions, so that every forward algorithm makes it unchanged.
 * Each residue (steps/adjoint.h) is one of stride 1; where the taps of a kernel do not overlap, they are
 * output channels of a single 1x1x1 convolution. With stride 1 and zeros as padding the one volume is the
 * gradient itself. */
#ifndef CLCONV_PLAN_ADJOINT_H
#define CLCONV_PLAN_ADJOINT_H

#include "algorithms/algorithm.h"

/* What an algorithm's emit() does, for the input gradient or the transposed convolution by algorithm `a` of
 * forward. *parameters become those of the first convolution. An override that is illegal is an error. */
clconv_status adjoint_emit(const request *q, const algorithm *a, const char *overrides,
                           parameter_set *parameters, recipe *r, text *why, clconv_error *err);

#endif
