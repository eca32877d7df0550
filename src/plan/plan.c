/* Creating and releasing plans. An empty batch is planned as a batch of one whose steps are then dropped, so
 * that it is refused for the same reasons and chooses the same algorithm. */
#include "plan/plan.h"

#include "base/error.h"
#include "base/hash.h"
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

/* A weight without a packed form of its own is "packed" by a copy, which plans of the same weight share. */
static void ensure_pack_step(clconv_plan *plan)
{
    recipe *r = &plan->recipe;
    if (r->packed_bytes > 0) return;
    const geometry *g = &plan->geometry;
    const int64_t identity[] = {0, plan->problem.out_channels, g->group_in, g->taps, g->element_size};
    r->packed_layout = hash_bytes(HASH_START, identity, sizeof identity);
    if (!plan->packed_weights) return;
    r->packed_bytes = plan->geometry.elements.weight * plan->geometry.element_size;
    recipe_append_copy(r, (step_buffer){BUFFER_WEIGHT, 0}, (step_buffer){BUFFER_PACKED, 0}, r->packed_bytes,
                       g->element_size);
}

static clconv_status fill(clconv_plan *plan, const clconv_plan_options *options, clconv_error *err)
{
    int64_t batch = plan->problem.batch;
    if (batch == 0) plan->problem.batch = 1;
    clconv_status status = geometry_compute(&plan->problem, &plan->geometry, err);
    if (status == CLCONV_SUCCESS) status = plan_choose(plan, options, err);
    if (status != CLCONV_SUCCESS) return status;
    ensure_pack_step(plan);
    if (plan->recipe.failed) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    if (batch == 0) {
        drop_steps(plan);
        plan->problem.batch = 0;
        status = geometry_compute(&plan->problem, &plan->geometry, err);
        if (status != CLCONV_SUCCESS) return status;
        append_zeros(plan);
    }
    return plan_build(plan, err);
}

clconv_status plan_create(clconv_context *context, clconv_op op, const clconv_problem *problem,
                          const clconv_plan_options *options, clconv_plan **plan, clconv_error *err)
{
    clconv_plan *made = calloc(1, sizeof *made);
    if (made == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
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
    for (size_t i = 0; i < plan->kernel_count && runtime_is_usable(); i++)
        clReleaseKernel(plan->kernels[i].kernel);
    for (size_t i = 0; i < plan->candidate_count; i++)
        free(plan->candidates[i].rejection);
    free(plan->run_kernels);
    free(plan->pack_kernels);
    free(plan->kernels);
    free(plan->candidates);
    free(plan->parameters_text);
    recipe_release(&plan->recipe);
    free(plan);
}
