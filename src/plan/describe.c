/* A plan in words, for people. */
#include "plan/plan.h"

#include "problem/activation.h"

#include <math.h>

/* How much of a device of lanes is busy while the work-groups of a launch are, if each takes a unit. */
static void describe_fill(const step *s, const device_traits *traits, text *out)
{
    if (s->kind != STEP_KERNEL || traits->is_cpu) return;
    double groups = 1;
    for (int axis = 0; axis < 3; axis++)
        groups *= s->launch.local[axis] > 0 ? (double)(s->launch.global[axis] / s->launch.local[axis]) : 1;
    double units = (double)traits->compute_units, turns = ceil(groups / units);
    text_append(out, ", %.0f work-groups fill %.0f%% of %.0f units", groups, 100 * groups / (turns * units),
                units);
}

static void describe_steps(const char *title, const step *steps, size_t count, size_t first,
                           const device_traits *traits, text *out)
{
    for (size_t i = 0; i < count; i++) {
        const step *s = &steps[i];
        text_append(out, "%s %zu: %s", title, first + i, s->name);
        if (s->kind == STEP_KERNEL)
            text_append(out, ", global %zu x %zu x %zu, local %zu x %zu x %zu", s->launch.global[0],
                        s->launch.global[1], s->launch.global[2], s->launch.local[0], s->launch.local[1],
                        s->launch.local[2]);
        if (s->kind == STEP_KERNEL && s->launch.parts > 1)
            text_append(out, ", in %lld launches", (long long)s->launch.parts);
        if (s->kind == STEP_GEMM)
            text_append(out, ", %lld x %lld x %lld", (long long)s->gemm.m, (long long)s->gemm.n,
                        (long long)s->gemm.k);
        describe_fill(s, traits, out);
        text_append(out, ", %.4g GFLOP, %.4g MB, %.4g ms\n", 1e-9 * s->work.flops, 1e-6 * s->work.bytes,
                    1e3 * machine_seconds(traits->machine, traits->speed, s->element_size, &s->work));
    }
}

static void describe_epilogue(const clconv_problem *p, text *out)
{
    if (p->has_residual == 0 && p->activation == CLCONV_ACTIVATION_NONE) return;
    text_append(out, "epilogue: %s%s", p->has_residual ? "residual, " : "", activation_name(p->activation));
    if (p->activation == CLCONV_ACTIVATION_LEAKY_RELU) text_append(out, " %g", p->activation_slope);
    text_append(out, "\n");
}

/* Where the choice comes from, if not from what is estimated. */
static void describe_tuning(const clconv_plan *plan, text *out)
{
    const tuned_choice *t = &plan->tuned;
    if (!t->is_there || (t->algorithm != NULL && t->algorithm != plan->algorithm)) return;
    text_append(out, "tuned: measured on %s, distance %.2f", t->problem, t->distance);
    if (t->algorithm == NULL)
        text_append(out, ": nothing beats the usual choice\n");
    else if (t->default_ns > 0 && t->time_ns > 0)
        text_append(out, ", %.2f times as fast as the usual choice\n",
                    (double)t->default_ns / (double)t->time_ns);
    else
        text_append(out, ", where the usual choice failed\n");
}

void plan_describe(const clconv_plan *plan, text *out)
{
    const recipe *r = &plan->recipe;
    text_append(out, "algorithm: %s\n", plan->algorithm->name);
    text_append(out, "parameters: %s\n", plan->parameters_text);
    describe_tuning(plan, out);
    text_append(out, "device: %s\n", plan->context->rt.info.name);
    text_append(out, "output: %lld, %lld, %lld, %lld, %lld\n", (long long)plan->problem.batch,
                (long long)plan->problem.out_channels, (long long)plan->geometry.output[0],
                (long long)plan->geometry.output[1], (long long)plan->geometry.output[2]);
    describe_epilogue(&plan->problem, out);
    text_append(out, "workspace: %lld bytes\n", (long long)plan->workspace_size);
    text_append(out, "estimate: %.4g ms\n", 1e3 * plan->seconds);
    describe_steps(plan->packed_weights ? "beforehand" : "step", r->pack, r->pack_count, 0,
                   &plan->context->rt.traits, out);
    describe_steps("step", r->run, r->run_count, plan->packed_weights ? 0 : r->pack_count,
                   &plan->context->rt.traits, out);
    for (size_t i = 0; i < plan->candidate_count; i++) {
        const candidate *c = &plan->candidates[i];
        if (c->rejection != NULL)
            text_append(out, "candidate %s: rejected: %s\n", c->algorithm->name, c->rejection);
        else
            text_append(out, "candidate %s: %.4g ms estimated, workspace %lld bytes\n", c->algorithm->name,
                        1e3 * c->seconds, (long long)c->workspace);
    }
}
