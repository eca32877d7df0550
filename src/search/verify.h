/* A candidate against the reference, on small problems of ragged extents that are of the tuned problem's kind. */
#ifndef CLCONV_SEARCH_VERIFY_H
#define CLCONV_SEARCH_VERIFY_H

#include "search/space.h"

enum { VERIFY_PROBLEMS = 3, VERIFY_TEXT = 256 };

typedef struct verify_data verify_data;

/* The problems' data are made when they are first needed and kept. */
typedef struct verifier {
    clconv_context *context;
    clconv_op op;
    const clconv_problem *problem;
    const clconv_plan_options *options;
    verify_data *data[VERIFY_PROBLEMS];
} verifier;

void verify_release(verifier *v);

/* Leaves `why` empty if all that the candidate made is right. A problem that it rejects is no evidence, and without any it is not
 * right either. An error is one of this process alone: memory. */
clconv_status verify(verifier *v, const space_candidate *c, char why[VERIFY_TEXT], clconv_error *err);

#endif
