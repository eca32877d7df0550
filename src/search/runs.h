/* Plans that run in turns on the same tensors, and their times. */
#ifndef CLCONV_SEARCH_RUNS_H
#define CLCONV_SEARCH_RUNS_H

#include "search/sample.h"
#include "search/space.h"

/* The tensors of one problem on the device, which all contenders share, and some elements of the answer. */
typedef struct arena {
    clconv_context *context;
    clconv_op op;
    const clconv_problem *problem;
    clconv_tensors tensors;
    cl_mem made; /* the one that is written: not owned */
    sample answer;
    void *host; /* owned: room for what is made */
} arena;

clconv_status arena_create(clconv_context *context, clconv_op op, const clconv_problem *problem, arena *a,
                           clconv_error *err);
void arena_release(arena *a);

/* A plan, and what is its own: workspace and packed weight. */
typedef struct contender {
    clconv_plan *plan;
    cl_mem workspace, packed;
} contender;

/* Plans, and packs the weight if the options say so. */
clconv_status contender_create(const arena *a, const clconv_plan_options *options, contender *c,
                               clconv_error *err);
void contender_release(contender *c);

/* One run over an output of NaN, and the largest error of the answer's elements as a share of what is allowed. */
clconv_status contender_check(const arena *a, const contender *c, bool accumulates_directly, double *worst,
                              clconv_error *err);

/* Seconds of one run, from its enqueue to its end. */
clconv_status contender_run(const arena *a, const contender *c, double *seconds, clconv_error *err);

/* Medians of runs in turns. `usual` may be NULL: then only the other runs. */
typedef struct turns {
    double usual, other; /* medians; 0 without runs */
    double noise; /* share by which medians of the usual differ: of two halves, and by its runs' spread */
} turns;

enum { TURNS_MOST = 31 };

/* At least `least` rounds, each of the usual, the other and the usual again, then until `seconds` are over or TURNS_MOST
 * rounds are done. With `screens` a single round is enough if the other is hopelessly slow. */
clconv_status turns_take(const arena *a, const contender *usual, const contender *other, int least,
                         double seconds, bool screens, turns *t, clconv_error *err);

#endif
