/* Looking a problem up in a context's tuning data: see tuned.h. */
#include "plan/tuned.h"

#include "algorithms/registry.h"
#include "plan/context.h"
#include "tuning/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void context_load_tuning(clconv_context *context)
{
    char why[TUNING_WHY], message[TUNING_WHY + CLCONV_MESSAGE_SIZE];
    bool is_absent = true;
    clconv_error err;
    char *path = tuning_own_path(why);
    if (path != NULL && tuning_load(path, &context->tuning, &is_absent, &err) != CLCONV_SUCCESS &&
        !is_absent) {
        snprintf(message, sizeof message, "nothing is taken from tuning data: %s", err.message);
        runtime_message(&context->rt, CLCONV_MESSAGE_WARNING, message);
    }
    free(path);
    if (context->tuning.count > 0) tuning_place_of(&context->rt.info, &context->place);
}

static bool is_legal(const algorithm *a, const request *q, const char *parameters)
{
    parameter_set set = {{0}};
    return a != NULL && registry_serves(a, q->op) &&
           parameters_override(a->ranges, parameters, &set, NULL) == CLCONV_SUCCESS;
}

static tuned_choice choice_of(const tuning_entry *e, const request *q, double distance)
{
    tuned_choice c = {
        .is_there = true, .distance = distance, .time_ns = e->time_ns, .default_ns = e->default_ns};
    memcpy(c.problem, e->class.problem, sizeof c.problem);
    if (strcmp(e->algorithm, TUNING_DEFAULT) == 0) return c;
    c.algorithm = registry_find(e->algorithm);
    memcpy(c.parameters, e->parameters, sizeof c.parameters);
    c.is_there = is_legal(c.algorithm, q, c.parameters);
    return c;
}

tuned_choice tuned_find(clconv_context *context, const request *q)
{
    tuned_choice found = {.is_there = false};
    tuning_class c;
    double distance = 0;
    if (context->rt.guard == NULL) return found;
    lock_acquire(context->rt.guard);
    if (context->tuning.count > 0 &&
        tuning_class_of(q->op, q->problem, q->packed_weights, q->strict, &c, NULL) == CLCONV_SUCCESS) {
        const tuning_entry *e = tuning_nearest(&context->tuning, &context->place, &c, &distance);
        if (e != NULL) found = choice_of(e, q, distance);
    }
    lock_leave(context->rt.guard);
    return found;
}
