/* One layer's tuning as a process of its own, or this one, does it, told as JSON objects:
 *   {"begin": NUMBER, "count", "algorithm", "parameters", "best", "best_ratio"}         before a candidate is tried
 *   {"trial": NUMBER, "count", ... the same, "message", "ms", "ratio"}                  after it
 *   {"result": ALGORITHM, "parameters", "default_algorithm", "ms", "default_ms", "noise", "tried", "failed", "done"}
 *   {"error": MESSAGE}                                                                  instead of a result
 * What is found is in the user's tuning data before it is told. */
#ifndef CLCONV_TOOLS_COMMANDS_TUNE_TRIALS_H
#define CLCONV_TOOLS_COMMANDS_TUNE_TRIALS_H

#include "common/json.h"

typedef struct tune_job {
    clconv_op op;
    clconv_problem problem;
    int packed, again;
    double seconds;
    const char *algorithm; /* the only one beside the default; NULL: all */
    const char *lost_algorithm, *lost_parameters,
        *lost_reason; /* a candidate to be excluded first; NULL: none */
} tune_job;

/* Takes the object over; not 0 ends it all as a failure, which has been reported. */
typedef int (*tune_sink)(void *user, cJSON *object);

/* Returns an exit status; a failure has been reported. */
int tune_trials(clconv_context *context, const tune_job *job, tune_sink sink, void *user);

#endif
