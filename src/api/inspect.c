/* What a plan is, for callers: the registry's names, a plan's figures, steps, candidates and description. */
#include "algorithms/registry.h"
#include "base/error.h"
#include "plan/plan.h"

#include <string.h>

size_t clconv_algorithm_count(void)
{
    size_t count = 0;
    while (registry_at(count) != NULL)
        count++;
    return count;
}

const char *clconv_algorithm_name(size_t index)
{
    const algorithm *a = registry_at(index);
    return a != NULL ? a->name : NULL;
}

int clconv_algorithm_accumulates_directly(size_t index)
{
    const algorithm *a = registry_at(index);
    return a != NULL && a->accumulates_directly;
}

int clconv_algorithm_serves(size_t index, clconv_op op)
{
    const algorithm *a = registry_at(index);
    return a != NULL && registry_serves(a, op);
}

const char *clconv_op_name(clconv_op op)
{
    static const char *const names[] = {"forward", "backward-input", "backward-weight", "backward-bias",
                                        "transposed"};
    return (size_t)op < sizeof names / sizeof *names ? names[op] : NULL;
}

/* Steps of a run: packing comes first unless the caller has packed. */
static size_t packing_steps(const clconv_plan *plan)
{
    return plan->packed_weights ? 0 : plan->recipe.pack_count;
}

void clconv_plan_get_info(const clconv_plan *plan, clconv_plan_info *info)
{
    if (info == NULL) return;
    *info = (clconv_plan_info){0};
    if (plan == NULL) return;
    const tuned_choice *t = &plan->tuned;
    bool is_tuned = t->is_there && (t->algorithm == NULL || t->algorithm == plan->algorithm);
    *info = (clconv_plan_info){
        .algorithm = plan->algorithm->name,
        .parameters = plan->parameters_text,
        .flops = 2 * (double)plan->geometry.reduction * (double)plan->geometry.elements.output,
        .estimated_seconds = plan->seconds,
        .workspace_size = clconv_plan_workspace_size(plan),
        .packed_weight_size = clconv_plan_packed_weight_size(plan),
        .steps = packing_steps(plan) + plan->recipe.run_count,
        .candidates = plan->candidate_count,
        .tuned_problem = is_tuned ? t->problem : NULL,
        .tuned_distance = is_tuned ? t->distance : 0,
    };
}

static clconv_status check_given(const clconv_plan *plan, const void *info, clconv_error *err)
{
    if (plan != NULL && info != NULL) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL", plan == NULL ? "plan" : "info");
}

clconv_status clconv_plan_get_step(const clconv_plan *plan, size_t index, clconv_step_info *info,
                                   clconv_error *err)
{
    clconv_status status = check_given(plan, info, err);
    if (status != CLCONV_SUCCESS) return status;
    size_t packing = packing_steps(plan), count = packing + plan->recipe.run_count;
    if (index >= count)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "index is %zu; the plan has %zu steps", index, count);
    const step *s = index < packing ? &plan->recipe.pack[index] : &plan->recipe.run[index - packing];
    *info = (clconv_step_info){.name = s->name, .flops = s->work.flops, .bytes = s->work.bytes};
    memcpy(info->global, s->launch.global, sizeof info->global);
    memcpy(info->local, s->launch.local, sizeof info->local);
    return CLCONV_SUCCESS;
}

clconv_status clconv_plan_get_candidate(const clconv_plan *plan, size_t index, clconv_candidate_info *info,
                                        clconv_error *err)
{
    clconv_status status = check_given(plan, info, err);
    if (status != CLCONV_SUCCESS) return status;
    if (index >= plan->candidate_count)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "index is %zu; the plan has %zu candidates", index,
                         plan->candidate_count);
    const candidate *c = &plan->candidates[index];
    *info = (clconv_candidate_info){
        .algorithm = c->algorithm->name,
        .rejection = c->rejection,
        .estimated_seconds = c->rejection != NULL ? 0 : c->seconds,
        .workspace_size = c->rejection != NULL ? 0 : (size_t)c->workspace,
    };
    return CLCONV_SUCCESS;
}

clconv_status clconv_plan_describe(const clconv_plan *plan, char *buffer, size_t size, size_t *needed,
                                   clconv_error *err)
{
    if (plan == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "plan is NULL");
    if (buffer == NULL && size > 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "text is NULL and size is %zu", size);
    text out = {0};
    plan_describe(plan, &out);
    if (out.failed) {
        text_release(&out);
        return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a description");
    }
    if (size > 0) {
        size_t count = out.length < size ? out.length : size - 1;
        memcpy(buffer, out.data, count);
        buffer[count] = '\0';
    }
    if (needed != NULL) *needed = out.length + 1;
    text_release(&out);
    return CLCONV_SUCCESS;
}
