/* A context: one device's runtime. Tuning data joins it here. */
#ifndef CLCONV_PLAN_CONTEXT_H
#define CLCONV_PLAN_CONTEXT_H

#include "opencl/runtime.h"

struct clconv_context {
    runtime rt;
};

#endif
