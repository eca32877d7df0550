/* What there is to try: algorithms, and values of their declared parameters around given ones, each with its estimate. */
#ifndef CLCONV_SEARCH_SPACE_H
#define CLCONV_SEARCH_SPACE_H

#include "plan/plan.h"

enum { SPACE_PARAMETERS = 256 };

typedef struct space_candidate {
    const algorithm *algorithm;
    char parameters[SPACE_PARAMETERS]; /* all of them */
    double estimate;                   /* seconds */
} space_candidate;

/* Every candidate once, in the order that they are to be tried in. */
typedef struct space {
    clconv_context *context;
    clconv_op op;
    const clconv_problem *problem;
    const clconv_plan_options *options;
    const char *only;            /* beside the default; NULL: every algorithm */
    space_candidate *candidates; /* owned */
    size_t count, capacity;
} space;

void space_release(space *s);

/* What is chosen without data goes first: false if nothing can do the problem. Then every algorithm with its own parameters,
 * from the least estimate to SPACE_WORST times that. */
#define SPACE_WORST 10.0
clconv_status space_start(space *s, clconv_error *err);

/* Those that differ from a candidate in one parameter, in the order of their estimates. */
clconv_status space_append_around(space *s, const space_candidate *around, clconv_error *err);

#endif
