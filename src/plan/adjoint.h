/* The input gradient as forward convolutions, so that every forward algorithm makes it unchanged.
 *
 * On one axis, position x of the padded input is read through tap t by output o where x = o * stride + t *
 * dilation. So positions of one remainder modulo the stride belong to taps of their own, t0, t0 + step, ...,
 * and their gradient is a convolution of the output's gradient, of stride 1, with those taps turned around
 * (cl/adjoint.cl). Where the taps of a kernel do not overlap, they are output channels of one 1x1x1
 * convolution instead. pad_backward gathers the volumes; with stride 1 and zeros as padding the one volume is
 * the gradient itself. */
#ifndef CLCONV_PLAN_ADJOINT_H
#define CLCONV_PLAN_ADJOINT_H

#include "algorithms/algorithm.h"

/* What an algorithm's emit() does, for the input gradient or the transposed convolution by algorithm `a` of
 * forward. *parameters become those of the first convolution. An override that is illegal is an error. */
clconv_status adjoint_emit(const request *q, const algorithm *a, const char *overrides,
                           parameter_set *parameters, recipe *r, text *why, clconv_error *err);

#endif
