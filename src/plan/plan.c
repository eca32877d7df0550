/* Creating and releasing plans. An empty batch is planned as a batch of one whose steps are then dropped, so
 * that it is refused for the same reasons and chooses the same algorithm. */
#include "plan/plan.h"

#include "base/arith.h"
#include "base/error.h"
#include "base/hash.h"
#include "plan/prove.h"
#include "steps/fill.h"

#include <stdlib.h>

static void drop_steps(clconv_plan *plan)
{
    plan->recipe.run_count = 0;
    plan->recipe.workspace_bytes = 0;
    if (!plan->packed_weights) plan->recipe.pack_count = 0;
    plan->packed_offset = 0;
    plan->workspace_size = 0;
}

/* The gradients that are sums over the batch are zero where it is empty. */
static void append_zeros(clconv_plan *plan)
{
    const clconv_problem *p = &plan->problem;
    if (plan->op != CLCONV_BACKWARD_WEIGHT && plan->op != CLCONV_BACKWARD_BIAS) return;
    bool is_bias = plan->op == CLCONV_BACKWARD_BIAS;
    fill_append(&plan->recipe, p->dtype, 1, 1, is_bias ? p->out_channels : plan->geometry.elements.weight,
                false, &plan->context->rt.traits);
}

uint64_t plan_layout_of(const recipe *r, const clconv_problem *problem, const geometry *g)
{
    const int64_t identity[] = {0, problem->out_channels, g->group_in, g->taps, g->element_size};
    return r->packed_bytes > 0 ? r->packed_layout : hash_bytes(HASH_START, identity, sizeof identity);
}

/* A weight without a packed form of its own is "packed" by a copy, which plans of the same weight share. */
static void ensure_pack_step(clconv_plan *plan)
{
    recipe *r = &plan->recipe;
    const geometry *g = &plan->geometry;
    r->packed_layout = plan_layout_of(r, &plan->problem, g);
    if (r->packed_bytes > 0 || !plan->packed_weights) return;
    r->packed_bytes = plan->geometry.elements.weight * plan->geometry.element_size;
    recipe_append_copy(r, (step_buffer){BUFFER_WEIGHT, 0}, (step_buffer){BUFFER_PACKED, 0}, r->packed_bytes,
                       g->element_size);
}

static clconv_status set_batch(clconv_plan *plan, int64_t batch, clconv_error *err)
{
    plan->problem.batch = batch;
    return geometry_compute(&plan->problem, &plan->geometry, err);
}

/* Completes an adopted recipe for a batch, which may be empty. */
static clconv_status complete(clconv_plan *plan, int64_t batch, clconv_error *err)
{
    ensure_pack_step(plan);
    if (batch == 0) {
        drop_steps(plan);
        clconv_status status = set_batch(plan, 0, err);
        if (status != CLCONV_SUCCESS) return status;
        append_zeros(plan);
    }
    return recipe_check(&plan->recipe, plan->algorithm->name, err);
}

static void clear_kernels(clconv_plan *plan)
{
    for (size_t i = 0; i < plan->kernel_count && runtime_is_usable(); i++)
        clReleaseKernel(plan->kernels[i].kernel);
    free(plan->run_kernels);
    free(plan->pack_kernels);
    free(plan->kernels);
    plan->run_kernels = plan->pack_kernels = NULL;
    plan->kernels = NULL;
    plan->kernel_count = 0;
}

/* What a candidate has made of the plan. */
static void clear(clconv_plan *plan)
{
    clear_kernels(plan);
    free(plan->parameters_text);
    recipe_release(&plan->recipe);
    plan->parameters_text = NULL;
}

/* Programs that were compiled elsewhere are tried; if they are wrong, they are compiled and the plan built once more. */
static clconv_status build(clconv_plan *plan, const clconv_plan_options *options, clconv_error *err)
{
    const runtime *rt = &plan->context->rt;
    bool is_right = true;
    if (rt->context == NULL || rt->options.plans_only || plan->purpose == PLAN_OUTLINE) return CLCONV_SUCCESS;
    clconv_status status = plan_build(plan, err);
    if (status != CLCONV_SUCCESS || plan->purpose != PLAN_USUAL) return status;
    status = prove_plan(plan, options, &is_right, err);
    if (status != CLCONV_SUCCESS || is_right) return status;
    clear_kernels(plan);
    return plan_build(plan, err);
}

static clconv_status build_candidate(clconv_plan *plan, candidate *c, int64_t batch,
                                     const clconv_plan_options *options, clconv_error *err)
{
    clear(plan);
    clconv_status status = set_batch(plan, max_i64(batch, 1), err);
    if (status == CLCONV_SUCCESS) status = plan_adopt(plan, c, options, err);
    if (status == CLCONV_SUCCESS) status = complete(plan, batch, err);
    return status == CLCONV_SUCCESS ? build(plan, options, err) : status;
}

static clconv_status reject(candidate *c, const clconv_error *failure, clconv_error *err)
{
    text reason = {0};
    text_append(&reason, "%s", failure->message);
    if (reason.failed) {
        text_release(&reason);
        return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    }
    c->rejection = reason.data;
    return CLCONV_SUCCESS;
}

/* From the cheapest candidate on until the device takes the kernels of one. If it takes none, what it said of the
 * cheapest is the error. */
static clconv_status build_cheapest(clconv_plan *plan, int64_t batch, const clconv_plan_options *options,
                                    clconv_error *err)
{
    clconv_error first = {.status = CLCONV_SUCCESS}, failure;
    candidate *c = plan_cheapest(plan, options);
    if (c == NULL) return plan_no_choice(plan, options, err);
    for (; c != NULL; c = plan_cheapest(plan, options)) {
        clconv_status status = build_candidate(plan, c, batch, options, &failure);
        if (status == CLCONV_SUCCESS) return status;
        bool goes_on = plan_chooses(options) && build_failure_is_of_kernels(&failure);
        if (goes_on && reject(c, &failure, &failure) != CLCONV_SUCCESS) goes_on = false;
        if (first.status == CLCONV_SUCCESS || !goes_on) first = failure;
        if (!goes_on) break;
    }
    if (err != NULL) *err = first;
    return first.status;
}

static clconv_status fill(clconv_plan *plan, const clconv_plan_options *options, clconv_error *err)
{
    int64_t batch = plan->problem.batch;
    clconv_status status = set_batch(plan, max_i64(batch, 1), err);
    if (status == CLCONV_SUCCESS) status = plan_consider(plan, options, err);
    return status == CLCONV_SUCCESS ? build_cheapest(plan, batch, options, err) : status;
}

clconv_status plan_create(clconv_context *context, clconv_op op, const clconv_problem *problem,
                          const clconv_plan_options *options, clconv_plan **plan, clconv_error *err)
{
    return plan_create_as(PLAN_USUAL, context, op, problem, options, plan, err);
}

clconv_status plan_create_as(plan_purpose purpose, clconv_context *context, clconv_op op,
                             const clconv_problem *problem, const clconv_plan_options *options,
                             clconv_plan **plan, clconv_error *err)
{
    clconv_plan *made = calloc(1, sizeof *made);
    if (made == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    made->purpose = purpose;
    made->context = context;
    made->op = op;
    made->problem = *problem;
    made->packed_weights = options->packed_weights != 0;
    clconv_status status = fill(made, options, err);
    if (status == CLCONV_SUCCESS)
        *plan = made;
    else
        plan_release(made);
    return status;
}

void plan_release(clconv_plan *plan)
{
    if (plan == NULL) return;
    clear(plan);
    kept_release(&plan->kept);
    plan_drop_candidates(plan);
    free(plan);
}
