/* A plan: one algorithm's steps for one problem and device, with the kernels built. Immutable once created
 * but for the arguments of its kernels, so one thread at a time. */
#ifndef CLCONV_PLAN_PLAN_H
#define CLCONV_PLAN_PLAN_H

#include "algorithms/algorithm.h"
#include "plan/context.h"
#include "plan/kept.h"
#include "plan/tuned.h"

#include <stdatomic.h>

typedef struct candidate {
    const algorithm *algorithm;
    char *rejection; /* owned; NULL if it can do the problem, as far as is known */
    double seconds;
    int64_t workspace;
    parameter_set parameters;
    recipe recipe; /* of the cheapest while the plan is made, unless it is cut */
} candidate;

typedef struct plan_kernel {
    const step *made_for; /* the first step that uses it */
    cl_kernel kernel;
} plan_kernel;

/* What a plan is made for: to be run; to try programs, which are then not tried by another; or only to see its steps. */
typedef enum plan_purpose { PLAN_USUAL, PLAN_PROOF, PLAN_OUTLINE } plan_purpose;

struct clconv_plan {
    plan_purpose purpose;
    clconv_context *context;
    clconv_problem problem;
    geometry geometry;
    clconv_op op;
    bool packed_weights; /* runs take the caller's packed weight */
    const algorithm *algorithm;
    parameter_set parameters;
    char *parameters_text;
    recipe recipe;
    int64_t packed_offset; /* of BUFFER_PACKED in the workspace, unless packed_weights */
    int64_t workspace_size;
    double seconds;     /* the estimate */
    tuned_choice tuned; /* what tuning data said, whether or not it could be taken */
    candidate *candidates;
    size_t candidate_count;
    plan_kernel *kernels;
    size_t kernel_count;
    int64_t cold_kernels;               /* while it is made: that have not been run in this context */
    size_t *run_kernels, *pack_kernels; /* index into kernels, for each step */
    atomic_bool is_busy;                /* a thread is enqueuing it, which sets its kernels' arguments */
    kept_memory kept;                   /* of runs on host arrays */
};

/* The problem is valid; the options are complete. */
clconv_status plan_create(clconv_context *context, clconv_op op, const clconv_problem *problem,
                          const clconv_plan_options *options, clconv_plan **plan, clconv_error *err);
clconv_status plan_create_as(plan_purpose purpose, clconv_context *context, clconv_op op,
                             const clconv_problem *problem, const clconv_plan_options *options,
                             clconv_plan **plan, clconv_error *err);
void plan_release(clconv_plan *plan);

/* Seconds that the steps should take, by the device's family alone. */
double cost_of_recipe(const device_traits *traits, const recipe *r, bool packed_weights);

/* Cuts long launches into parts by what they cost. */
void cost_split_launches(const device_traits *traits, recipe *r);

/* Whether the algorithm is the plan's choice, since the options name none. */
bool plan_chooses(const clconv_plan_options *options);

/* Asks every algorithm: fills the candidates. */
clconv_status plan_consider(clconv_plan *plan, const clconv_plan_options *options, clconv_error *err);

/* The cheapest candidate that is not rejected, the first of equal ones; if the options name an algorithm, that
 * or none. NULL: none, which plan_no_choice() reports. */
candidate *plan_cheapest(clconv_plan *plan, const clconv_plan_options *options);
clconv_status plan_no_choice(const clconv_plan *plan, const clconv_plan_options *options, clconv_error *err);

/* Fills the plan's algorithm, parameters, recipe, seconds and workspace; takes the candidate's recipe over. */
clconv_status plan_adopt(clconv_plan *plan, candidate *c, const clconv_plan_options *options,
                         clconv_error *err);

void plan_drop_candidates(clconv_plan *plan);

/* The identity of the form in which the recipe takes the packed weight, of a problem with this geometry. */
uint64_t plan_layout_of(const recipe *r, const clconv_problem *problem, const geometry *g);

/* Builds the kernels of the recipe and runs each new one once, empty. */
clconv_status plan_build(clconv_plan *plan, clconv_error *err);

/* Whether a failure of plan_build() is of the recipe's kernels on this device, so that another algorithm's may
 * do; not if memory is out, a file is missing or the device is gone. */
bool build_failure_is_of_kernels(const clconv_error *failure);

/* The buffers of one run by role; BUFFER_PACKED and BUFFER_WORKSPACE included. */
typedef struct plan_buffers {
    clconv_buffer roles[BUFFER_ROLES];
} plan_buffers;

/* Between these the plan is this thread's alone; an error if it is another's. */
clconv_status plan_begin(clconv_plan *plan, clconv_error *err);
void plan_end(clconv_plan *plan);

/* Which steps: those of a run, with those that pack the weight unless the caller does that; those that pack alone; or
 * those of a run whose packed weight is in the workspace since an earlier one. */
typedef enum plan_part { PLAN_RUN, PLAN_PACK, PLAN_RUN_PACKED } plan_part;

/* Enqueues a part of the steps. `each` (may be NULL) has room for an event for each step, which
 * the caller releases. The arguments have been checked, and the plan begun. */
clconv_status plan_enqueue_steps(clconv_plan *plan, plan_part part, cl_command_queue queue,
                                 const plan_buffers *buffers, cl_uint n_wait, const cl_event *wait,
                                 cl_event *done, cl_event *each, clconv_error *err);

void plan_describe(const clconv_plan *plan, text *out);

#endif
