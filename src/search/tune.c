/* clconv_tune(): tries candidates and keeps what is known of them in the context's tuning data, so that whatever ends it, another
 * call goes on. What is tried next follows from those data alone. */
#include "base/error.h"
#include "base/system.h"
#include "problem/problem.h"
#include "search/runs.h"
#include "search/verify.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Around how many of the fastest algorithms other parameters are tried, and by how much slower than the best they may be. */
enum { CLIMBED = 3 };
static const double climbed_ratio = 1.5;

/* Seconds of turns: of a candidate, and of the best one at the end; and the share by which a winner must be better even if the
 * runs were all alike, since another day's are not. */
static const double screening = 0.3, final_turns = 2, least_noise = 0.01;
enum { SCREENING_ROUNDS = 3, FINAL_ROUNDS = 7 };

static const char unfinished[] = "unfinished"; /* the reason of a best that is not known to be that */

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

static const tuning_entry *find(tuner *t, tuning_kind kind, const space_candidate *c, tuning_entry *found)
{
    tuning_entry like = t->like;
    like.kind = kind;
    if (c != NULL) {
        snprintf(like.algorithm, sizeof like.algorithm, "%s", c->algorithm->name);
        snprintf(like.parameters, sizeof like.parameters, "%s", c->parameters);
    }
    lock_acquire(t->context->rt.guard);
    const tuning_entry *e = tuning_find(&t->context->tuning, &like);
    if (e != NULL) *found = *e;
    lock_leave(t->context->rt.guard);
    return e != NULL ? found : NULL;
}

static clconv_status keep(tuner *t, const tuning_entry *entry, clconv_error *err)
{
    lock_acquire(t->context->rt.guard);
    clconv_status status = tuning_add(&t->context->tuning, entry, err);
    lock_leave(t->context->rt.guard);
    return status;
}

static int64_t nanoseconds(double seconds)
{
    return (int64_t)(1e9 * seconds + 0.5);
}

static tuning_entry entry_of(const tuner *t, tuning_kind kind, const space_candidate *c, const turns *times,
                             const char *reason)
{
    tuning_entry e = t->like;
    e.kind = kind;
    snprintf(e.algorithm, sizeof e.algorithm, "%s", c->algorithm->name);
    snprintf(e.parameters, sizeof e.parameters, "%s", c->parameters);
    snprintf(e.usual, sizeof e.usual, "%s", t->space.candidates[0].algorithm->name);
    snprintf(e.reason, sizeof e.reason, "%s", reason);
    for (char *at = e.reason; *at != '\0'; at++)
        if ((unsigned char)*at < ' ') *at = ' ';
    e.time_ns = nanoseconds(times->other);
    e.default_ns = nanoseconds(times->usual);
    e.noise_ppm = (int64_t)(1e6 * fmin(times->noise, 1e6));
    e.tuned = clock_calendar();
    return e;
}

/* The ratio that an entry tells; of times alone where there was no default. */
static double ratio_of(const tuning_entry *e)
{
    if (e->time_ns <= 0) return INFINITY;
    return e->default_ns > 0 ? (double)e->time_ns / (double)e->default_ns : 1e-9 * (double)e->time_ns;
}

static clconv_tune_trial trial_of(const tuner *t, size_t number)
{
    const space_candidate *c = &t->space.candidates[number], *best = &t->space.candidates[t->best];
    return (clconv_tune_trial){.number = number,
                               .count = t->space.count,
                               .algorithm = c->algorithm->name,
                               .parameters = c->parameters,
                               .message = "",
                               .best_algorithm = best->algorithm->name,
                               .best_parameters = best->parameters,
                               .best_ratio = isfinite(t->ratios[t->best]) ? t->ratios[t->best] : 0};
}

static void tell_begin(tuner *t, size_t number)
{
    clconv_tune_trial trial = trial_of(t, number);
    if (t->options->begin != NULL && t->options->begin(t->options->user, &trial) != 0) t->is_over = true;
}

static void tell_end(tuner *t, size_t number, const tuning_entry *e)
{
    clconv_tune_trial trial = trial_of(t, number);
    trial.message = e->reason;
    trial.seconds = 1e-9 * (double)e->time_ns;
    trial.ratio = isfinite(t->ratios[number]) ? t->ratios[number] : 0;
    if (t->options->end != NULL && t->options->end(t->options->user, &trial) != 0) t->is_over = true;
}

/* Builds a candidate and checks what it computes, on the ragged problems and then on the one that is tuned. What is wrong with it
 * goes to `why`; else it is to be released. */
static clconv_status open_candidate(tuner *t, const space_candidate *c, const clconv_plan_options *options,
                                    contender *made, char why[VERIFY_TEXT], clconv_error *err)
{
    clconv_error failure = {.status = CLCONV_SUCCESS};
    double worst = 0;
    *made = (contender){.plan = NULL};
    clconv_status status = verify(&t->verifier, c, why, err);
    if (status != CLCONV_SUCCESS || why[0] != '\0') return status;
    status = contender_create(&t->arena, options, made, &failure);
    if (status == CLCONV_SUCCESS)
        status = contender_check(&t->arena, made, c->algorithm->accumulates_directly, &worst, &failure);
    if (status != CLCONV_SUCCESS)
        snprintf(why, VERIFY_TEXT, "it fails: %.200s", failure.message);
    else if (!(worst <= 1))
        snprintf(why, VERIFY_TEXT, "it is wrong: an error is %.3g times the bound", worst);
    if (why[0] != '\0') contender_release(made);
    return CLCONV_SUCCESS;
}

static clconv_plan_options options_of(const tuner *t, const space_candidate *c)
{
    clconv_plan_options options = t->plan;
    options.algorithm = c->algorithm->name;
    options.parameters = c->parameters;
    return options;
}

static const contender *usual_of(const tuner *t)
{
    return t->usual.plan != NULL ? &t->usual : NULL;
}

/* The same, and its times. */
static clconv_status try_candidate(tuner *t, const space_candidate *c, turns *times, char why[VERIFY_TEXT],
                                   clconv_error *err)
{
    clconv_error failure;
    contender made;
    const clconv_plan_options options = options_of(t, c);
    clconv_status status = open_candidate(t, c, &options, &made, why, err);
    if (status != CLCONV_SUCCESS || why[0] != '\0') return status;
    if (turns_take(&t->arena, usual_of(t), &made, SCREENING_ROUNDS, screening, true, times, &failure) !=
        CLCONV_SUCCESS)
        snprintf(why, VERIFY_TEXT, "it fails: %.200s", failure.message);
    contender_release(&made);
    return CLCONV_SUCCESS;
}

static void note_ratio(tuner *t, size_t number, double ratio)
{
    t->ratios[number] = ratio;
    if (ratio < t->ratios[t->best]) t->best = number;
}

/* One candidate: by what is known of it, or by trying. */
static clconv_status take_candidate(tuner *t, size_t number, clconv_error *err)
{
    const space_candidate c = t->space.candidates[number];
    tuning_entry known;
    turns times = {0};
    char why[VERIFY_TEXT] = "";
    clconv_status status = CLCONV_SUCCESS;
    t->ratios[number] = INFINITY;
    if (find(t, TUNING_FAILED, &c, &known) != NULL) {
        t->failed++;
        return status;
    }
    if (find(t, TUNING_TRIAL, &c, &known) == NULL) {
        t->is_over = t->is_over || clock_seconds() >= t->end;
        if (!t->is_over) tell_begin(t, number);
        if (t->is_over) return status;
        status = try_candidate(t, &c, &times, why, err);
        if (status != CLCONV_SUCCESS) return status;
        known = entry_of(t, TUNING_TRIAL, &c, &times, why);
        status = keep(t, &known, err);
        note_ratio(t, number, known.reason[0] == '\0' ? ratio_of(&known) : INFINITY);
        tell_end(t, number, &known);
    } else {
        note_ratio(t, number, known.reason[0] == '\0' ? ratio_of(&known) : INFINITY);
    }
    t->tried++;
    t->failed += known.reason[0] != '\0';
    return status;
}

/* The default, candidate 0, is the measure of all others: it is checked and runs before them. */
static clconv_status take_default(tuner *t, clconv_error *err)
{
    const space_candidate c = t->space.candidates[0];
    tuning_entry known;
    char why[VERIFY_TEXT] = "";
    clconv_status status = CLCONV_SUCCESS;
    t->ratios[0] = INFINITY;
    t->tried++;
    if (find(t, TUNING_FAILED, &c, &known) == NULL) {
        tell_begin(t, 0);
        if (t->is_over) return status;
        status = open_candidate(t, &c, &t->plan, &t->usual, why, err);
        if (status != CLCONV_SUCCESS) return status;
        if (why[0] == '\0') t->ratios[0] = 1;
        known = entry_of(t, TUNING_TRIAL, &c, &(turns){0}, why);
        tell_end(t, 0, &known);
    }
    t->failed += t->usual.plan == NULL;
    return status;
}

static clconv_status grow(tuner *t, clconv_error *err)
{
    double *ratios = realloc(t->ratios, t->space.count * sizeof *ratios);
    if (ratios != NULL) t->ratios = ratios;
    bool *is_climbed = realloc(t->is_climbed, t->space.count * sizeof *is_climbed);
    if (is_climbed != NULL) t->is_climbed = is_climbed;
    if (ratios == NULL || is_climbed == NULL)
        return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the tuner's candidates");
    for (size_t i = t->next; i < t->space.count; i++) {
        ratios[i] = INFINITY;
        is_climbed[i] = false;
    }
    return CLCONV_SUCCESS;
}

static bool is_fastest_of_its_algorithm(const tuner *t, size_t number)
{
    for (size_t i = 0; i < t->next; i++) {
        bool is_better =
            t->ratios[i] < t->ratios[number] || (t->ratios[i] == t->ratios[number] && i < number);
        if (is_better && t->space.candidates[i].algorithm == t->space.candidates[number].algorithm)
            return false;
    }
    return true;
}

/* The fastest candidate of the best algorithms around which none has been added yet; false if there is none. */
static bool find_to_climb(const tuner *t, size_t *found)
{
    const char *only = t->space.only;
    double worst = only != NULL ? FLT_MAX : climbed_ratio * t->ratios[t->best], least = INFINITY;
    int better = 0;
    for (size_t i = 0; i < t->next; i++) {
        const char *name = t->space.candidates[i].algorithm->name;
        if (!(t->ratios[i] <= worst) || !is_fastest_of_its_algorithm(t, i)) continue;
        if (only != NULL && strcmp(only, name) != 0) continue;
        if (t->is_climbed[i])
            better++;
        else if (t->ratios[i] < least)
            least = t->ratios[ *found = i];
    }
    return isfinite(least) && (better < CLIMBED || *found == t->best);
}

/* All candidates that there are, then those around the best, until none of these is better. */
static clconv_status take_all(tuner *t, clconv_error *err)
{
    clconv_status status = grow(t, err);
    if (status == CLCONV_SUCCESS) status = take_default(t, err);
    if (status == CLCONV_SUCCESS && !t->is_over) t->next = 1;
    while (status == CLCONV_SUCCESS && !t->is_over) {
        size_t around = 0;
        while (status == CLCONV_SUCCESS && !t->is_over && t->next < t->space.count) {
            status = take_candidate(t, t->next, err);
            if (!t->is_over) t->next++;
        }
        if (status != CLCONV_SUCCESS || t->is_over || !find_to_climb(t, &around)) break;
        t->is_climbed[around] = true;
        status = space_append_around(&t->space, &t->space.candidates[around], err);
        if (status == CLCONV_SUCCESS) status = grow(t, err);
    }
    return status;
}

/* The best candidate and the default once more in turns, longer: whether it wins. */
static clconv_status decide(tuner *t, turns *times, bool *wins, clconv_error *err)
{
    const clconv_plan_options options = options_of(t, &t->space.candidates[t->best]);
    double seconds; /* of the first run */
    contender made = {.plan = NULL};
    *wins = false;
    if (!isfinite(t->ratios[t->best])) return CLCONV_SUCCESS;
    if (t->best == 0) {
        clconv_status status =
            turns_take(&t->arena, NULL, &t->usual, SCREENING_ROUNDS, screening, false, times, err);
        times->usual = times->other;
        return status;
    }
    clconv_status status = contender_create(&t->arena, &options, &made, err);
    if (status == CLCONV_SUCCESS) status = contender_run(&t->arena, &made, &seconds, err);
    if (status == CLCONV_SUCCESS)
        status = turns_take(&t->arena, usual_of(t), &made, FINAL_ROUNDS, final_turns, false, times, err);
    contender_release(&made);
    times->noise = fmax(times->noise, least_noise);
    *wins = t->usual.plan == NULL || times->other < times->usual * (1 - times->noise);
    return status;
}

static void report(const tuner *t, const tuning_entry *e, clconv_tune_result *r)
{
    *r = (clconv_tune_result){.seconds = 1e-9 * (double)e->time_ns,
                              .default_seconds = 1e-9 * (double)e->default_ns,
                              .noise = 1e-6 * (double)e->noise_ppm,
                              .tried = t->tried,
                              .failed = t->failed,
                              .is_done = strcmp(e->reason, unfinished) != 0};
    snprintf(r->algorithm, sizeof r->algorithm, "%s", e->algorithm);
    snprintf(r->parameters, sizeof r->parameters, "%s", e->parameters);
    snprintf(r->default_algorithm, sizeof r->default_algorithm, "%s", e->usual);
}

static clconv_status conclude(tuner *t, clconv_tune_result *result, clconv_error *err)
{
    turns times = {0};
    bool wins = false;
    clconv_status status = decide(t, &times, &wins, err);
    if (status != CLCONV_SUCCESS) return status;
    if (!wins && !isfinite(t->ratios[t->best]) && !t->is_over)
        return error_set(err, CLCONV_UNSUPPORTED, "nothing that was tried computes this problem rightly");
    tuning_entry e =
        entry_of(t, TUNING_BEST, &t->space.candidates[t->best], &times, t->is_over ? unfinished : "");
    if (!wins) {
        snprintf(e.algorithm, sizeof e.algorithm, "%s", TUNING_DEFAULT);
        e.parameters[0] = '\0';
        e.time_ns = e.default_ns;
    }
    /* That nothing has won yet says nothing. */
    if (wins || !t->is_over) status = keep(t, &e, err);
    if (status == CLCONV_SUCCESS) report(t, &e, result);
    return status;
}

static clconv_status start(tuner *t, clconv_op op, const clconv_problem *problem,
                           const clconv_plan_options *plan_options, clconv_error *err)
{
    clconv_plan_options_init(&t->plan);
    if (plan_options != NULL) {
        t->plan.packed_weights = op_reads_weight(op) ? plan_options->packed_weights : 0;
        t->plan.strict = plan_options->strict;
        t->plan.workspace_limit = plan_options->workspace_limit;
    }
    t->plan.untuned = 1;
    t->verifier = (verifier){.context = t->context, .op = op, .problem = problem, .options = &t->plan};
    t->space = (space){.context = t->context, .op = op, .problem = problem, .options = &t->plan};
    if (plan_options != NULL) t->space.only = plan_options->algorithm;
    tuning_place_of(&t->context->rt.info, &t->like.place);
    lock_acquire(t->context->rt.guard);
    t->context->place = t->like.place;
    lock_leave(t->context->rt.guard);
    return tuning_class_of(op, problem, t->plan.packed_weights != 0, t->plan.strict != 0, &t->like.class,
                           err);
}

static void finish(tuner *t)
{
    contender_release(&t->usual);
    arena_release(&t->arena);
    verify_release(&t->verifier);
    space_release(&t->space);
    free(t->ratios);
    free(t->is_climbed);
}

void clconv_tune_options_init(clconv_tune_options *options)
{
    if (options != NULL) *options = (clconv_tune_options){.seconds = 60};
}

static clconv_status check_arguments(clconv_context *context, clconv_op op, const clconv_problem *problem,
                                     const clconv_plan_options *plan_options, clconv_error *err)
{
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    if (problem == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "problem is NULL");
    if (clconv_op_name(op) == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "op is %d; it must be one of clconv_op", (int)op);
    if (plan_options != NULL && plan_options->initialized == 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT,
                         "plan_options were not filled by clconv_plan_options_init()");
    clconv_status status = runtime_check_process(err);
    if (status == CLCONV_SUCCESS) status = runtime_check_device(&context->rt, err);
    if (status == CLCONV_SUCCESS && !context->rt.info.has_compiler)
        status = error_set(err, CLCONV_UNSUPPORTED, "device %s has no compiler: nothing is tuned for it",
                           context->rt.info.name);
    return status == CLCONV_SUCCESS ? clconv_problem_validate(problem, err) : status;
}

clconv_status clconv_tune(clconv_context *context, clconv_op op, const clconv_problem *problem,
                          const clconv_plan_options *plan_options, const clconv_tune_options *options,
                          clconv_tune_result *result, clconv_error *err)
{
    clconv_tune_options usual;
    tuning_entry known;
    clconv_tune_options_init(&usual);
    if (options == NULL) options = &usual;
    clconv_status status = check_arguments(context, op, problem, plan_options, err);
    if (status != CLCONV_SUCCESS) return status;
    if (result == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "result is NULL");
    tuner t = {.context = context, .options = options, .end = clock_seconds() + options->seconds};
    status = start(&t, op, problem, plan_options, err);
    if (status == CLCONV_SUCCESS && options->again == 0 && find(&t, TUNING_BEST, NULL, &known) != NULL &&
        strcmp(known.reason, unfinished) != 0) {
        report(&t, &known, result);
        goto done;
    }
    if (status == CLCONV_SUCCESS) status = space_start(&t.space, err);
    if (status == CLCONV_SUCCESS) status = arena_create(context, op, problem, &t.arena, err);
    if (status == CLCONV_SUCCESS) status = take_all(&t, err);
    if (status == CLCONV_SUCCESS) status = conclude(&t, result, err);
done:
    finish(&t);
    return status;
}

clconv_status clconv_tune_exclude(clconv_context *context, clconv_op op, const clconv_problem *problem,
                                  const clconv_plan_options *plan_options, const char *algorithm,
                                  const char *parameters, const char *reason, clconv_error *err)
{
    clconv_status status = check_arguments(context, op, problem, plan_options, err);
    if (status != CLCONV_SUCCESS) return status;
    if (algorithm == NULL || parameters == NULL || reason == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "algorithm, parameters or reason is NULL");
    tuner t = {.context = context};
    status = start(&t, op, problem, plan_options, err);
    if (status != CLCONV_SUCCESS) return status;
    tuning_entry e = t.like;
    e.kind = TUNING_FAILED;
    e.tuned = clock_calendar();
    snprintf(e.algorithm, sizeof e.algorithm, "%s", algorithm);
    snprintf(e.parameters, sizeof e.parameters, "%s", parameters);
    snprintf(e.reason, sizeof e.reason, "%s", *reason != '\0' ? reason : "it failed");
    return keep(&t, &e, err);
}
