/* clconv_tune(): tries candidates and keeps what is known of them in the context's tuning data, so that whatever ends it, another
 * call goes on. What is tried next follows from those data alone. */
#include "base/error.h"
#include "base/system.h"
#include "problem/problem.h"
#include "search/tuner.h"

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
    if (tuner_find(t, TUNING_FAILED, &c, &known) != NULL) {
        t->failed++;
        return status;
    }
    if (tuner_find(t, TUNING_TRIAL, &c, &known) == NULL) {
        t->is_over = t->is_over || clock_seconds() >= t->end;
        if (!t->is_over) tuner_tell_begin(t, number);
        if (t->is_over) return status;
        status = try_candidate(t, &c, &times, why, err);
        if (status != CLCONV_SUCCESS) return status;
        known = tuner_entry(t, TUNING_TRIAL, &c, &times, why);
        status = tuner_keep(t, &known, err);
        note_ratio(t, number, known.reason[0] == '\0' ? tuner_ratio(&known) : INFINITY);
        tuner_tell_end(t, number, &known);
    } else {
        note_ratio(t, number, known.reason[0] == '\0' ? tuner_ratio(&known) : INFINITY);
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
    if (tuner_find(t, TUNING_FAILED, &c, &known) == NULL) {
        tuner_tell_begin(t, 0);
        if (t->is_over) return status;
        status = open_candidate(t, &c, &t->plan, &t->usual, why, err);
        if (status != CLCONV_SUCCESS) return status;
        if (why[0] == '\0') t->ratios[0] = 1;
        known = tuner_entry(t, TUNING_TRIAL, &c, &(turns){0}, why);
        tuner_tell_end(t, 0, &known);
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

static clconv_status conclude(tuner *t, clconv_tune_result *result, clconv_error *err)
{
    turns times = {0};
    bool wins = false;
    clconv_status status = decide(t, &times, &wins, err);
    if (status != CLCONV_SUCCESS) return status;
    if (!wins && !isfinite(t->ratios[t->best]) && !t->is_over)
        return error_set(err, CLCONV_UNSUPPORTED, "nothing that was tried computes this problem rightly");
    tuning_entry e = tuner_entry(t, TUNING_BEST, &t->space.candidates[t->best], &times,
                                 t->is_over ? tuner_unfinished : "");
    if (!wins) {
        snprintf(e.algorithm, sizeof e.algorithm, "%s", TUNING_DEFAULT);
        e.parameters[0] = '\0';
        e.time_ns = e.default_ns;
    }
    /* That nothing has won yet says nothing. */
    if (wins || !t->is_over) status = tuner_keep(t, &e, err);
    if (status == CLCONV_SUCCESS) tuner_report(t, &e, result);
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
    if (status == CLCONV_SUCCESS && options->again == 0 &&
        tuner_find(&t, TUNING_BEST, NULL, &known) != NULL && strcmp(known.reason, tuner_unfinished) != 0) {
        tuner_report(&t, &known, result);
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
    return tuner_keep(&t, &e, err);
}
