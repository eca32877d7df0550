/* Plans of several ops of one problem that run one after the other in one workspace. */
#ifndef CLCONV_API_BACKWARD_H
#define CLCONV_API_BACKWARD_H

#include "plan/bind.h"

struct clconv_backward {
    clconv_plan *plans[BIND_PLANS];
    int count;
};

/* Plans each op. An algorithm that the options name applies to the ops that it can make, one at least; the
 * others choose. */
clconv_status backward_create(clconv_context *context, const clconv_problem *problem, const clconv_op *ops,
                              int count, const clconv_plan_options *options, clconv_backward **backward,
                              clconv_error *err);

#endif
