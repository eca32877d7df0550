/* Asking an algorithm for its steps. */
#ifndef CLCONV_PLAN_EMIT_H
#define CLCONV_PLAN_EMIT_H

#include "algorithms/algorithm.h"

/* Chooses parameters, overrides some of them and emits the steps, for the op that the algorithm is made for. An override
 * that is illegal is an error. */
clconv_status algorithm_emit(const request *q, const algorithm *a, const char *overrides,
                             parameter_set *parameters, recipe *r, text *why, clconv_error *err);

/* The same for forward; an algorithm that cannot do the problem is asked for it with axes taken together
 * (problem/fold.h) before its reason counts. */
clconv_status forward_emit(const request *q, const algorithm *a, const char *overrides,
                           parameter_set *parameters, recipe *r, text *why, clconv_error *err);

#endif
