/* The known-answer test: programs that were not compiled here, but came from the cache on disk or a bundle, compute a small
 * problem once in a context before they are trusted. */
#ifndef CLCONV_PLAN_PROVE_H
#define CLCONV_PLAN_PROVE_H

#include "plan/plan.h"

/* Tries those programs of a built plan that nobody has tried. *is_right false: what they computed is wrong; they have left the
 * context and the cache, with a warning, and the plan is to be built again. An error if that cannot be, without a compiler. */
clconv_status prove_plan(clconv_plan *plan, const clconv_plan_options *options, bool *is_right,
                         clconv_error *err);

/* How many of the plan's programs would not be tried, since no small problem needs them. */
size_t prove_count_untried(clconv_plan *plan, const clconv_plan_options *options);

#endif
