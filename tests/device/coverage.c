/* A greedy cover: see coverage.h. */
#define _POSIX_C_SOURCE 200809L
#include "coverage.h"

#include "algorithms/registry.h"
#include "plan/plan.h"
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 48, MOST_TEXTS = 64 * WORDS, MOST_TEXT = STEP_OPTIONS + 256 };

/* Texts, each once, by number. */
typedef struct dictionary {
    char *texts[MOST_TEXTS];
    size_t count;
    bool overflows;
} dictionary;

typedef struct number_set {
    uint64_t words[WORDS];
} number_set;

/* One algorithm on one case: what it covers, and the kernels that it compiles. */
typedef struct covering_run {
    size_t index, algorithm;
    clconv_op op;
    bool is_choice; /* what is chosen by itself */
    bool is_taken;
    double multiply_adds; /* of the definition */
    number_set keys, kernels;
} covering_run;

struct coverage {
    covering_run *runs;
    size_t count, capacity;
    dictionary keys, kernels;
    number_set compiled;
    bool failed;
};

static void add_text(dictionary *d, const char *text, number_set *set)
{
    size_t i = 0;
    while (i < d->count && strcmp(d->texts[i], text) != 0)
        i++;
    if (i == d->count) {
        char *copy = i < MOST_TEXTS ? strdup(text) : NULL;
        d->overflows = d->overflows || copy == NULL;
        if (copy == NULL) return;
        d->texts[d->count++] = copy;
    }
    set->words[i / 64] |= UINT64_C(1) << i % 64;
}

/* How many of `set` are not in `have`. */
static int count_new(const number_set *set, const number_set *have)
{
    int count = 0;
    for (int w = 0; w < WORDS; w++)
        count += __builtin_popcountll(set->words[w] & ~have->words[w]);
    return count;
}

static void merge(number_set *into, const number_set *set)
{
    for (int w = 0; w < WORDS; w++)
        into->words[w] |= set->words[w];
}

/* A launch's kernel, and it with each of its options. */
static void add_launch(coverage *c, const kernel_launch *l, covering_run *r)
{
    char text[MOST_TEXT], options[STEP_OPTIONS];
    snprintf(text, sizeof text, "%s %s %s", l->source, l->kernel, l->options);
    add_text(&c->kernels, text, &r->kernels);
    snprintf(options, sizeof options, "%s", l->options);
    for (char *option = strtok(options, " "); option != NULL; option = strtok(NULL, " ")) {
        snprintf(text, sizeof text, "%s %s %s", l->source, l->kernel, option);
        add_text(&c->keys, text, &r->keys);
    }
}

static void add_steps(coverage *c, const step *steps, size_t count, covering_run *r)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i].kind == STEP_KERNEL) add_launch(c, &steps[i].launch, r);
}

static covering_run *next_run(coverage *c)
{
    if (c->count == c->capacity) {
        size_t capacity = 2 * c->capacity + 64;
        covering_run *grown = realloc(c->runs, capacity * sizeof *grown);
        if (grown == NULL) return NULL;
        c->runs = grown;
        c->capacity = capacity;
    }
    return &c->runs[c->count];
}

static size_t algorithm_index(const algorithm *a)
{
    size_t index = 0;
    while (registry_at(index) != a)
        index++;
    return index;
}

/* Adds the run of a candidate that can do the case. */
static void add_candidate(coverage *c, clconv_plan *plan, candidate *can, size_t index, bool is_choice)
{
    clconv_plan_options options;
    char text[MOST_TEXT];
    covering_run *r = next_run(c);
    clconv_plan_options_init(&options);
    if (r == NULL || plan_adopt(plan, can, &options, NULL) != CLCONV_SUCCESS) {
        c->failed = true;
        return;
    }
    *r = (covering_run){.multiply_adds =
                            (double)plan->geometry.reduction * (double)plan->geometry.elements.output,
                        .index = index,
                        .algorithm = algorithm_index(can->algorithm),
                        .op = plan->op,
                        .is_choice = is_choice};
    snprintf(text, sizeof text, "%s, %s, mode %d", can->algorithm->name, clconv_op_name(plan->op),
             (int)plan->problem.padding_mode);
    add_text(&c->keys, text, &r->keys);
    add_steps(c, plan->recipe.pack, plan->recipe.pack_count, r);
    add_steps(c, plan->recipe.run, plan->recipe.run_count, r);
    c->count++;
    recipe_release(&plan->recipe);
    free(plan->parameters_text);
}

static void add_case(coverage *c, clconv_context *context, const test_case *t, size_t index, clconv_op op)
{
    clconv_plan plan = {.context = context, .op = op, .problem = test_problem_of(op, &t->problem)};
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.strict = t->strict;
    if (geometry_compute(&plan.problem, &plan.geometry, NULL) != CLCONV_SUCCESS ||
        plan_consider(&plan, &options, NULL) != CLCONV_SUCCESS)
        c->failed = true;
    const candidate *choice = plan_cheapest(&plan, &options);
    for (size_t i = 0; i < plan.candidate_count; i++)
        if (plan.candidates[i].rejection == NULL)
            add_candidate(c, &plan, &plan.candidates[i], index, &plan.candidates[i] == choice);
    plan_drop_candidates(&plan);
}

/* How long a run takes with all that is done to it, roughly, in the time of compiling a kernel. */
static double cost_of(const coverage *c, const covering_run *r)
{
    return 0.2 + count_new(&r->kernels, &c->compiled) + 2e-6 * r->multiply_adds;
}

/* The run that covers most that is new for its time; NULL if none covers anything new. */
static covering_run *best_run(const coverage *c, const number_set *covered)
{
    covering_run *best = NULL;
    double most = 0;
    for (size_t i = 0; i < c->count; i++) {
        covering_run *r = &c->runs[i];
        double gain = count_new(&r->keys, covered) / cost_of(c, r);
        if (gain <= most) continue;
        most = gain;
        best = r;
    }
    return best;
}

static void take_runs(coverage *c)
{
    number_set covered = {{0}};
    for (covering_run *r; (r = best_run(c, &covered)) != NULL;) {
        r->is_taken = true;
        merge(&covered, &r->keys);
        merge(&c->compiled, &r->kernels);
    }
}

coverage *coverage_create(clconv_context *context, const test_case *cases, size_t count)
{
    coverage *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    for (size_t i = 0; i < count; i++)
        for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_BIAS; op++)
            if (cases[i].problem.batch > 0) add_case(c, context, &cases[i], i, op);
    take_runs(c);
    if (!c->failed && !c->keys.overflows && !c->kernels.overflows) return c;
    coverage_release(c);
    return NULL;
}

static void release_texts(dictionary *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->texts[i]);
}

void coverage_release(coverage *c)
{
    if (c == NULL) return;
    release_texts(&c->keys);
    release_texts(&c->kernels);
    free(c->runs);
    free(c);
}

static const covering_run *find_run(const coverage *c, size_t index, clconv_op op,
                                    bool (*is_it)(const covering_run *, size_t), size_t what)
{
    for (size_t i = 0; i < c->count; i++) {
        const covering_run *r = &c->runs[i];
        if (r->is_taken && r->index == index && r->op == op && is_it(r, what)) return r;
    }
    return NULL;
}

static bool is_of_algorithm(const covering_run *r, size_t algorithm)
{
    return r->algorithm == algorithm;
}

static bool is_choice(const covering_run *r, size_t unused)
{
    (void)unused;
    return r->is_choice;
}

static bool is_any(const covering_run *r, size_t unused)
{
    (void)r, (void)unused;
    return true;
}

bool coverage_has(const coverage *c, size_t index, clconv_op op, size_t algorithm)
{
    return find_run(c, index, op, is_of_algorithm, algorithm) != NULL;
}

bool coverage_has_choice(const coverage *c, size_t index, clconv_op op)
{
    return find_run(c, index, op, is_choice, 0) != NULL;
}

bool coverage_has_case(const coverage *c, size_t index, clconv_op op)
{
    return find_run(c, index, op, is_any, 0) != NULL;
}

void coverage_print(const coverage *c)
{
    size_t taken = 0;
    const number_set none = {{0}};
    for (size_t i = 0; i < c->count; i++)
        taken += c->runs[i].is_taken;
    printf("%zu of %zu runs, with %d of %zu kernels, cover %zu values of options; ", taken, c->count,
           count_new(&c->compiled, &none), c->kernels.count, c->keys.count);
}
