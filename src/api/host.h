/* What the calls for arrays in host memory share. */
#ifndef CLCONV_API_HOST_H
#define CLCONV_API_HOST_H

#include "clconv.h"

/* The arguments that all of them have; `arrays`, called `name`, is the struct of arrays. */
clconv_status host_check_call(const clconv_context *context, const clconv_problem *problem,
                              const clconv_plan_options *options, const void *arrays, const char *name,
                              clconv_error *err);

#endif
