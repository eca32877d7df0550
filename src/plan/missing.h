/* What to do about a program that a device without a compiler lacks. */
#ifndef CLCONV_PLAN_MISSING_H
#define CLCONV_PLAN_MISSING_H

#include "base/text.h"
#include "clconv.h"

/* Appends the command that makes a bundle with the programs for the problem. */
void missing_append_command(clconv_op op, const clconv_problem *problem, text *out);

/* "forward mb1ic4...", as a line of a manifest names a problem. */
void missing_append_problem(clconv_op op, const clconv_problem *problem, text *out);

/* "zeros", "reflect" and so on. */
const char *missing_padding_name(clconv_padding_mode mode);

#endif
