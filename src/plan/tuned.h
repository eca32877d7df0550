/* What tuning data say of a problem. */
#ifndef CLCONV_PLAN_TUNED_H
#define CLCONV_PLAN_TUNED_H

#include "algorithms/algorithm.h"
#include "tuning/data.h"

/* What a plan takes from the entry of the nearest class. */
typedef struct tuned_choice {
    bool is_there;
    const algorithm *algorithm; /* NULL: the one that is chosen without data */
    char parameters[256];
    char problem[CLCONV_PROBLEM_TEXT_SIZE]; /* that it was measured on */
    double distance;
    int64_t time_ns, default_ns;
} tuned_choice;

struct clconv_context;

/* Nothing is there if the context has no data of such a class, or they name an algorithm or parameters that are none. */
tuned_choice tuned_find(struct clconv_context *context, const request *q);

#endif
