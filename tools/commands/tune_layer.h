/* One layer's tuning in processes of candidates, of which as many are started as it takes; and what they tell. */
#ifndef CLCONV_TOOLS_COMMANDS_TUNE_LAYER_H
#define CLCONV_TOOLS_COMMANDS_TUNE_LAYER_H

#include "common/json.h"
#include "measure/suite.h"
#include "options/options.h"

enum { TUNE_REASON = 256 };

typedef struct tune_options {
    const char *suite, *problem, *algorithm, *export_to, *import_from;
    clconv_op op;
    double seconds, time_limit;
    int unpacked, again, no_isolate, json;
    common_options common;
} tune_options;

/* The state of the process that asks. */
typedef struct tuning {
    const tune_options *options;
    suite layers;
    const layer *layer;
    double end; /* of the layer's time */
    tool_progress progress;
    cJSON *begun;  /* the candidate that is under way, NULL between two */
    cJSON *result; /* of the layer, NULL before */
    char reason[TUNE_REASON];
    int lost;      /* candidates of the layer that ended a process */
    size_t failed; /* layers */
} tuning;

/* Takes an object of tune_trials.h over: `user` is a tuning. */
int tune_take_object(void *user, cJSON *object);

/* Tunes t->layer until it has a result. A candidate that ends its process, or does not come back, is excluded, and another process
 * goes on. Returns an exit status; a failure has been reported. */
int tune_in_processes(tuning *t);

/* Of an object: "" and 0 where there is none. */
const char *tune_text(const cJSON *object, const char *name);
double tune_number(const cJSON *object, const char *name);

#endif
