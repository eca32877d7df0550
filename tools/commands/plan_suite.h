/* A line for the plan of each layer of a suite. */
#ifndef CLCONV_TOOLS_COMMANDS_PLAN_SUITE_H
#define CLCONV_TOOLS_COMMANDS_PLAN_SUITE_H

#include "measure/suite.h"

typedef struct plan_suite_options {
    clconv_op op;
    int json;
    clconv_plan_options plan;
} plan_suite_options;

/* Returns an exit status of tool.h; layers that cannot be planned say why, and the rest goes on. */
int plan_suite_print(clconv_context *context, const suite *s, plan_suite_options *o);

#endif
