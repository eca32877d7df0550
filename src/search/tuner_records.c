/* What a tuner knows of its candidates, and tells: see tuner.h. */
#include "search/tuner.h"

#include "base/system.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char tuner_unfinished[] = "unfinished";

const tuning_entry *tuner_find(tuner *t, tuning_kind kind, const space_candidate *c, tuning_entry *found)
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

clconv_status tuner_keep(tuner *t, const tuning_entry *entry, clconv_error *err)
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

tuning_entry tuner_entry(const tuner *t, tuning_kind kind, const space_candidate *c, const turns *times,
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

double tuner_ratio(const tuning_entry *e)
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

void tuner_tell_begin(tuner *t, size_t number)
{
    clconv_tune_trial trial = trial_of(t, number);
    if (t->options->begin != NULL && t->options->begin(t->options->user, &trial) != 0) t->is_over = true;
}

void tuner_tell_end(tuner *t, size_t number, const tuning_entry *e)
{
    clconv_tune_trial trial = trial_of(t, number);
    trial.message = e->reason;
    trial.seconds = 1e-9 * (double)e->time_ns;
    trial.ratio = isfinite(t->ratios[number]) ? t->ratios[number] : 0;
    if (t->options->end != NULL && t->options->end(t->options->user, &trial) != 0) t->is_over = true;
}

void tuner_report(const tuner *t, const tuning_entry *e, clconv_tune_result *r)
{
    *r = (clconv_tune_result){.seconds = 1e-9 * (double)e->time_ns,
                              .default_seconds = 1e-9 * (double)e->default_ns,
                              .noise = 1e-6 * (double)e->noise_ppm,
                              .tried = t->tried,
                              .failed = t->failed,
                              .is_done = strcmp(e->reason, tuner_unfinished) != 0};
    snprintf(r->algorithm, sizeof r->algorithm, "%s", e->algorithm);
    snprintf(r->parameters, sizeof r->parameters, "%s", e->parameters);
    snprintf(r->default_algorithm, sizeof r->default_algorithm, "%s", e->usual);
}
