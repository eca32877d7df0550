/* Candidates of the tuner: see space.h. */
#include "search/space.h"

#include "algorithms/registry.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void space_release(space *s)
{
    free(s->candidates);
    s->candidates = NULL;
    s->count = s->capacity = 0;
}

/* What a plan by these options would be, without building it; false if it cannot be. */
static bool estimate(const space *s, const clconv_plan_options *options, space_candidate *made)
{
    clconv_plan plan = {.context = s->context,
                        .op = s->op,
                        .problem = *s->problem,
                        .packed_weights = options->packed_weights != 0};
    text parameters = {0};
    const candidate *c = NULL;
    if (geometry_compute(s->problem, &plan.geometry, NULL) == CLCONV_SUCCESS &&
        plan_consider(&plan, options, NULL) == CLCONV_SUCCESS)
        c = plan_cheapest(&plan, options);
    if (c != NULL) {
        parameters_format(c->algorithm->ranges, &c->parameters, &parameters);
        *made = (space_candidate){.algorithm = c->algorithm, .estimate = c->seconds};
        snprintf(made->parameters, sizeof made->parameters, "%s",
                 parameters.data != NULL ? parameters.data : "");
    }
    bool is_made = c != NULL && !parameters.failed && parameters.length < SPACE_PARAMETERS;
    text_release(&parameters);
    plan_drop_candidates(&plan);
    return is_made;
}

static bool estimate_of(const space *s, const algorithm *a, const char *parameters, space_candidate *made)
{
    clconv_plan_options options = *s->options;
    options.algorithm = a->name;
    options.parameters = parameters;
    return registry_serves(a, s->op) && estimate(s, &options, made);
}

static bool is_there(const space *s, const space_candidate *c)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->candidates[i].algorithm == c->algorithm &&
            strcmp(s->candidates[i].parameters, c->parameters) == 0)
            return true;
    return false;
}

static clconv_status append(space *s, const space_candidate *c, clconv_error *err)
{
    if (is_there(s, c)) return CLCONV_SUCCESS;
    if (s->count == s->capacity) {
        size_t more = s->capacity > 0 ? 2 * s->capacity : 64;
        space_candidate *grown = realloc(s->candidates, more * sizeof *grown);
        if (grown == NULL)
            return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the tuner's candidates");
        s->candidates = grown;
        s->capacity = more;
    }
    s->candidates[s->count++] = *c;
    return CLCONV_SUCCESS;
}

static int by_estimate(const void *a, const void *b)
{
    const space_candidate *x = a, *y = b;
    if (x->estimate != y->estimate) return x->estimate < y->estimate ? -1 : 1;
    int order = strcmp(x->algorithm->name, y->algorithm->name);
    return order != 0 ? order : strcmp(x->parameters, y->parameters);
}

static void sort_from(space *s, size_t first)
{
    if (s->count > first) qsort(s->candidates + first, s->count - first, sizeof *s->candidates, by_estimate);
}

clconv_status space_start(space *s, clconv_error *err)
{
    space_candidate c;
    if (!estimate(s, s->options, &c))
        return error_set(err, CLCONV_UNSUPPORTED,
                         "no algorithm can do this problem: there is nothing to tune");
    clconv_status status = append(s, &c, err);
    const double most = SPACE_WORST * c.estimate;
    for (size_t i = 0; registry_at(i) != NULL && status == CLCONV_SUCCESS; i++) {
        if (s->only != NULL && strcmp(s->only, registry_at(i)->name) != 0) continue;
        bool may_win = estimate_of(s, registry_at(i), NULL, &c) && (s->only != NULL || c.estimate <= most);
        if (may_win) status = append(s, &c, err);
    }
    sort_from(s, 1);
    return status;
}

/* The values to try in place of one: powers of two and their like by factors, small numbers by steps too. */
enum { MOST_VALUES = 8 };
static int values_around(const parameter_range *r, int64_t value, int64_t values[MOST_VALUES])
{
    const int64_t tries[MOST_VALUES] = {value / 4, value / 2, value * 2, value * 4,
                                        value - 2, value - 1, value + 1, value + 2};
    const bool is_small = !r->power_of_two && r->maximum <= 64;
    int count = 0;
    for (int i = 0; i < (is_small ? MOST_VALUES : 4); i++)
        if (tries[i] != value && tries[i] >= r->minimum && tries[i] <= r->maximum) values[count++] = tries[i];
    return count;
}

/* The candidate's parameters with another value of one. */
static bool replace_value(const algorithm *a, const char *parameters, int index, int64_t value,
                          char made[SPACE_PARAMETERS])
{
    parameter_set set = {{0}};
    text out = {0};
    bool is_made = parameters_override(a->ranges, parameters, &set, NULL) == CLCONV_SUCCESS;
    set.values[index] = value;
    if (is_made) parameters_format(a->ranges, &set, &out);
    is_made = is_made && !out.failed && out.length < SPACE_PARAMETERS;
    if (is_made) memcpy(made, out.data, out.length + 1);
    text_release(&out);
    return is_made;
}

static int64_t value_of(const space_candidate *c, int index)
{
    parameter_set set = {{0}};
    parameters_override(c->algorithm->ranges, c->parameters, &set, NULL);
    return set.values[index];
}

clconv_status space_append_around(space *s, const space_candidate *around, clconv_error *err)
{
    const space_candidate base = *around; /* the table may move */
    const size_t first = s->count;
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; base.algorithm->ranges[i].name != NULL; i++) {
        int64_t values[MOST_VALUES];
        int count = values_around(&base.algorithm->ranges[i], value_of(&base, i), values);
        for (int v = 0; v < count && status == CLCONV_SUCCESS; v++) {
            char parameters[SPACE_PARAMETERS];
            space_candidate c;
            if (replace_value(base.algorithm, base.parameters, i, values[v], parameters) &&
                estimate_of(s, base.algorithm, parameters, &c))
                status = append(s, &c, err);
        }
    }
    sort_from(s, first);
    return status;
}
