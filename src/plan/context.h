/* A context: one device's runtime, and what was measured on it. */
#ifndef CLCONV_PLAN_CONTEXT_H
#define CLCONV_PLAN_CONTEXT_H

#include "opencl/runtime.h"
#include "tuning/data.h"

struct clconv_context {
    runtime rt;
    tuning_data
        tuning; /* of this and other devices; under the runtime's guard, which is NULL without a device */
    tuning_place place; /* of this one */
};

/* Reads the user's own tuning data; a file that is damaged is a warning, and the context goes without it. */
void context_load_tuning(clconv_context *context);

#endif
