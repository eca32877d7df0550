/* The state of clconv_tune(), and its records: entries of the context's tuning data, by which another call goes on. */
#ifndef CLCONV_SEARCH_TUNER_H
#define CLCONV_SEARCH_TUNER_H

#include "search/runs.h"
#include "search/verify.h"

typedef struct tuner {
    clconv_context *context;
    const clconv_tune_options *options;
    clconv_plan_options plan; /* of the default */
    double end;
    arena arena;
    contender usual; /* plan NULL: it failed */
    verifier verifier;
    space space;
    tuning_entry like; /* place and class */
    double *ratios;    /* of the space's candidates, INFINITY for those that cannot win; owned */
    size_t next;       /* candidate to try */
    size_t best;       /* the candidate with the least ratio; 0 at first, which is the default */
    size_t climbed;    /* candidates around which others have been added, as bits of `is_climbed` */
    bool *is_climbed;  /* owned */
    bool is_over;      /* the time, or the caller wants no more */
    size_t tried, failed;
} tuner;

/* The reason of a best that is not known to be that. */
extern const char tuner_unfinished[];

/* The entry of such a kind, of a candidate or (NULL) of the problem, copied to `found`; NULL if there is none. */
const tuning_entry *tuner_find(tuner *t, tuning_kind kind, const space_candidate *c, tuning_entry *found);
clconv_status tuner_keep(tuner *t, const tuning_entry *entry, clconv_error *err);
tuning_entry tuner_entry(const tuner *t, tuning_kind kind, const space_candidate *c, const turns *times,
                         const char *reason);

/* The ratio that an entry tells; of times alone where there was no default. */
double tuner_ratio(const tuning_entry *e);

/* To the caller, who may end the tuning by his answer. */
void tuner_tell_begin(tuner *t, size_t number);
void tuner_tell_end(tuner *t, size_t number, const tuning_entry *e);
void tuner_report(const tuner *t, const tuning_entry *e, clconv_tune_result *r);

#endif
