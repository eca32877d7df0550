/* The problems of clconv_check(), for what wants to know which programs it builds. */
#ifndef CLCONV_CHECK_CHECK_H
#define CLCONV_CHECK_CHECK_H

#include "clconv.h"

size_t check_problem_count(void);

/* Problem `index` as it is checked for the op. */
clconv_status check_problem(size_t index, clconv_op op, clconv_problem *problem, clconv_error *err);

#endif
