/* Choosing an algorithm: every one in the registry emits its steps or a reason against, and the cheapest is taken. Its
 * steps are kept while no other is cheaper, unless they are so many that they were only summed up: then it emits them
 * again, as does the next cheapest where a device does not take the first. */
#include "algorithms/registry.h"
#include "base/arith.h"
#include "base/error.h"
#include "plan/adjoint.h"
#include "plan/emit.h"
#include "plan/plan.h"
#include "steps/epilogue.h"
#include "steps/gradients.h"

#include <stdlib.h>
#include <string.h>

static int64_t total_workspace(const recipe *r, bool packed_weights)
{
    return r->workspace_bytes + (packed_weights ? 0 : round_up(r->packed_bytes, WORKSPACE_ALIGNMENT));
}

static clconv_status emit(const request *q, const algorithm *a, const char *overrides, candidate *c,
                          text *why, clconv_error *err)
{
    if (!registry_is_for(a, q->traits)) {
        text_append(why, "it is for %s, and this device is none", a->devices == FOR_CPU ? "CPUs" : "GPUs");
        return CLCONV_SUCCESS;
    }
    if (a->op != CLCONV_FORWARD) return algorithm_emit(q, a, overrides, &c->parameters, &c->recipe, why, err);
    if (q->op != CLCONV_FORWARD) return adjoint_emit(q, a, overrides, &c->parameters, &c->recipe, why, err);
    return forward_emit(q, a, overrides, &c->parameters, &c->recipe, why, err);
}

/* Fills a candidate but for its rejection, which goes to `why`. Its recipe is whole, or only to be compared. A packed weight
 * in the workspace must be packed in each run; with none to pack it is the weight itself. */
static clconv_status try_algorithm(const request *q, const algorithm *a, const char *overrides, bool is_whole,
                                   candidate *c, text *why, clconv_error *err)
{
    *c = (candidate){.algorithm = a,
                     .recipe.compared = is_whole ? NULL : q->traits->machine,
                     .recipe.speed = q->traits->speed};
    clconv_status status = emit(q, a, overrides, c, why, err);
    if (status != CLCONV_SUCCESS) return status;
    if (why->length == 0 && q->op == CLCONV_FORWARD)
        epilogue_append_unless_fused(&c->recipe, q->problem, q->geometry, q->traits);
    if (why->length == 0 && !a->is_definition)
        gradient_append_definition(&c->recipe, q->problem, q->geometry, q->op, q->packed_weights, q->traits);
    status = recipe_check(&c->recipe, a->name, err);
    if (status != CLCONV_SUCCESS) return status;
    if (why->failed) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the steps of %s", a->name);
    if (why->length > 0) return CLCONV_SUCCESS;
    if (q->packed_layout != 0 && plan_layout_of(&c->recipe, q->problem, q->geometry) != q->packed_layout) {
        text_append(why, "it packs weights in another layout than the one that is asked for");
        return CLCONV_SUCCESS;
    }
    c->workspace = total_workspace(&c->recipe, q->packed_weights);
    if (c->workspace > q->workspace_limit)
        text_append(why, "it needs %lld bytes of workspace; the limit is %lld", (long long)c->workspace,
                    (long long)q->workspace_limit);
    c->seconds = cost_of_recipe(q->traits, &c->recipe, q->packed_weights);
    return CLCONV_SUCCESS;
}

/* The name that a caller gave, NULL for "auto". */
static const char *wanted_name(const clconv_plan_options *options)
{
    const char *name = options->algorithm;
    return name != NULL && strcmp(name, "auto") != 0 && *name != '\0' ? name : NULL;
}

static bool is_wanted(const algorithm *a, const char *wanted)
{
    return wanted == NULL || strcmp(wanted, a->name) == 0;
}

/* Overrides are for the algorithm that is named with them, by the caller or by tuning data. */
static const char *overrides_for(const clconv_plan *plan, const algorithm *a,
                                 const clconv_plan_options *options)
{
    const char *wanted = wanted_name(options);
    if (plan->tuned.is_there && plan->tuned.algorithm == a) return plan->tuned.parameters;
    return wanted != NULL && is_wanted(a, wanted) ? options->parameters : NULL;
}

/* Keeps the recipe of the cheaper of two, which it returns: `best` so far (may be NULL) and another. */
static candidate *keep_cheaper(candidate *best, candidate *c, const clconv_plan_options *options)
{
    bool may_be_chosen = c->rejection == NULL && is_wanted(c->algorithm, wanted_name(options));
    if (!may_be_chosen || (best != NULL && c->seconds >= best->seconds)) {
        recipe_release(&c->recipe);
        return best;
    }
    if (best != NULL) recipe_release(&best->recipe);
    return c;
}

/* What tuning data say of an algorithm may be what makes it impossible here: then it keeps its own parameters. */
static clconv_status try_tuned(const request *q, const algorithm *a, const clconv_plan_options *options,
                               clconv_plan *plan, candidate *c, text *why, clconv_error *err)
{
    clconv_status status = try_algorithm(q, a, overrides_for(plan, a, options), false, c, why, err);
    bool is_tuned = plan->tuned.is_there && plan->tuned.algorithm == a;
    if (status != CLCONV_SUCCESS || why->length == 0 || !is_tuned) return status;
    plan->tuned.is_there = false;
    text_release(why);
    recipe_release(&c->recipe);
    return try_algorithm(q, a, overrides_for(plan, a, options), false, c, why, err);
}

/* Adds a candidate. *best is the cheapest so far. */
static clconv_status consider(const request *q, const algorithm *a, const clconv_plan_options *options,
                              clconv_plan *plan, candidate **best, clconv_error *err)
{
    text why = {0};
    candidate *c = &plan->candidates[plan->candidate_count];
    clconv_status status = try_tuned(q, a, options, plan, c, &why, err);
    if (status == CLCONV_SUCCESS) {
        c->rejection = why.data;
        plan->candidate_count++;
        *best = keep_cheaper(*best, c, options);
    } else {
        text_release(&why);
        recipe_release(&c->recipe);
    }
    return status;
}

static clconv_status check_options(const clconv_plan_options *options, clconv_op op, clconv_error *err)
{
    const char *wanted = wanted_name(options);
    if (wanted == NULL && options->parameters != NULL && *options->parameters != '\0')
        return error_set(err, CLCONV_INVALID_ARGUMENT,
                         "parameters: they belong to an algorithm, which must be named");
    size_t index = 0;
    while (wanted != NULL && registry_at(index) != NULL && strcmp(registry_at(index)->name, wanted) != 0)
        index++;
    const algorithm *found = registry_at(index);
    if (found != NULL && (wanted == NULL || registry_serves(found, op))) return CLCONV_SUCCESS;
    if (found != NULL)
        return error_set(err, CLCONV_UNSUPPORTED, "algorithm '%s' does not do %s", wanted,
                         clconv_op_name(op));
    text names = {0};
    for (index = 0; registry_at(index) != NULL; index++)
        text_append(&names, ", %s", registry_at(index)->name);
    clconv_status status =
        error_set(err, CLCONV_INVALID_ARGUMENT, "algorithm '%s' is unknown; there are auto%s", wanted,
                  names.failed ? "" : names.data);
    text_release(&names);
    return status;
}

static size_t registry_size(void)
{
    size_t count = 0;
    while (registry_at(count) != NULL)
        count++;
    return count;
}

/* Takes the recipe over. */
static clconv_status adopt(clconv_plan *plan, candidate *made, clconv_error *err)
{
    text parameters = {0};
    text_append(&parameters, "%s", "");
    parameters_format(made->algorithm->ranges, &made->parameters, &parameters);
    if (parameters.failed) {
        text_release(&parameters);
        return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    }
    plan->algorithm = made->algorithm;
    plan->parameters = made->parameters;
    plan->parameters_text = parameters.data;
    plan->recipe = made->recipe;
    plan->recipe.compared = NULL;
    cost_split_launches(&plan->context->rt.traits, &plan->recipe);
    plan->seconds = made->seconds;
    plan->packed_offset = made->recipe.workspace_bytes;
    plan->workspace_size = made->workspace;
    made->recipe = (recipe){0};
    return CLCONV_SUCCESS;
}

static request request_of(const clconv_plan *plan, const clconv_plan_options *options,
                          gemm_products *products)
{
    const runtime *rt = &plan->context->rt;
    request q = {
        .op = plan->op,
        .problem = &plan->problem,
        .geometry = &plan->geometry,
        .traits = &rt->traits,
        .products = products,
        .workspace_limit = rt->traits.max_allocation,
        .packed_weights = plan->packed_weights,
        .packed_layout = options->packed_layout,
        .strict = options->strict != 0,
    };
    if (options->workspace_limit < (uint64_t)q.workspace_limit)
        q.workspace_limit = (int64_t)options->workspace_limit;
    return q;
}

clconv_status plan_consider(clconv_plan *plan, const clconv_plan_options *options, clconv_error *err)
{
    clconv_status status = check_options(options, plan->op, err);
    if (status != CLCONV_SUCCESS) return status;
    plan->candidates = calloc(registry_size() + 1, sizeof *plan->candidates);
    if (plan->candidates == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    gemm_products products = {.queue = plan->context->rt.queue};
    const request q = request_of(plan, options, &products);
    if (plan_chooses(options) && options->untuned == 0) plan->tuned = tuned_find(plan->context, &q);
    candidate *best = NULL;
    for (size_t i = 0; registry_at(i) != NULL && status == CLCONV_SUCCESS; i++)
        if (registry_serves(registry_at(i), q.op))
            status = consider(&q, registry_at(i), options, plan, &best, err);
    return status;
}

candidate *plan_cheapest(clconv_plan *plan, const clconv_plan_options *options)
{
    candidate *best = NULL;
    for (size_t i = 0; i < plan->candidate_count; i++) {
        candidate *c = &plan->candidates[i];
        if (c->rejection != NULL || !is_wanted(c->algorithm, wanted_name(options))) continue;
        if (plan->tuned.is_there && plan->tuned.algorithm == c->algorithm) return c;
        if (best == NULL || c->seconds < best->seconds) best = c;
    }
    return best;
}

bool plan_chooses(const clconv_plan_options *options)
{
    return wanted_name(options) == NULL;
}

clconv_status plan_no_choice(const clconv_plan *plan, const clconv_plan_options *options, clconv_error *err)
{
    const char *wanted = wanted_name(options);
    if (wanted == NULL && options->packed_layout != 0)
        return error_set(err, CLCONV_UNSUPPORTED,
                         "no algorithm takes weights of packed_layout %016llx for this problem",
                         (unsigned long long)options->packed_layout);
    if (wanted == NULL)
        return error_set(err, CLCONV_UNSUPPORTED, "no algorithm can do this problem; the first says: %s",
                         plan->candidates[0].rejection);
    for (size_t i = 0; i < plan->candidate_count; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): every candidate is an algorithm */
        if (strcmp(plan->candidates[i].algorithm->name, wanted) == 0)
            return error_set(err, CLCONV_UNSUPPORTED, "algorithm '%s' cannot do this problem: %s", wanted,
                             plan->candidates[i].rejection);
    return error_set(err, CLCONV_INTERNAL, "algorithm '%s' was not considered", wanted);
}

clconv_status plan_adopt(clconv_plan *plan, candidate *c, const clconv_plan_options *options,
                         clconv_error *err)
{
    if (c->recipe.run_count > 0 && !c->recipe.is_cut) return adopt(plan, c, err);
    gemm_products products = {.queue = plan->context->rt.queue};
    const request q = request_of(plan, options, &products);
    text why = {0};
    candidate made;
    clconv_status status =
        try_algorithm(&q, c->algorithm, overrides_for(plan, c->algorithm, options), true, &made, &why, err);
    if (status == CLCONV_SUCCESS && why.length > 0)
        status = error_set(err, CLCONV_INTERNAL, "algorithm '%s' could do this problem, then not: %s",
                           c->algorithm->name, why.data);
    if (status == CLCONV_SUCCESS) status = adopt(plan, &made, err);
    text_release(&why);
    recipe_release(&made.recipe);
    return status;
}

void plan_drop_candidates(clconv_plan *plan)
{
    for (size_t i = 0; i < plan->candidate_count; i++) {
        free(plan->candidates[i].rejection);
        recipe_release(&plan->candidates[i].recipe);
    }
    free(plan->candidates);
    plan->candidates = NULL;
    plan->candidate_count = 0;
}
