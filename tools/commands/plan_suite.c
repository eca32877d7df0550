/* Plans of a list of layers: see plan_suite.h. */
#include "commands/plan_suite.h"

#include "common/json.h"

#include <stdio.h>

/* What a plan comes to. The fill is that of the step with the most arithmetic. */
typedef struct summary {
    clconv_plan_info info;
    double work, traffic; /* FLOPs and bytes of all steps */
    double groups, fill;
    double tensors; /* bytes of input, weight and output */
} summary;

static double groups_of(const clconv_step_info *s)
{
    double groups = 1;
    for (int axis = 0; axis < 3; axis++)
        groups *= s->local[axis] > 0 ? (double)(s->global[axis] / s->local[axis]) : 1;
    return groups;
}

static double fill_of(double groups, double units)
{
    double whole = (double)(int64_t)(groups / units), turns = whole * units < groups ? whole + 1 : whole;
    return turns > 0 && units > 0 ? groups / (turns * units) : 0;
}

static void summarize(const clconv_context *context, const clconv_problem *p, const clconv_plan *plan,
                      summary *s)
{
    double most = -1, units = (double)clconv_context_device_info(context)->compute_units;
    int64_t output[3] = {0};
    *s = (summary){.work = 0};
    clconv_plan_get_info(plan, &s->info);
    for (size_t i = 0; i < s->info.steps; i++) {
        clconv_step_info step;
        if (clconv_plan_get_step(plan, i, &step, NULL)) continue;
        s->work += step.flops;
        s->traffic += step.bytes;
        if (step.flops < most) continue;
        most = step.flops;
        s->groups = step.local[0] > 0 ? groups_of(&step) : 0; /* a library's GEMM does not say */
        s->fill = step.local[0] > 0 ? fill_of(s->groups, units) : 1;
    }
    if (clconv_output_size(p, output, NULL)) return;
    double in = (double)p->batch * (double)p->in_channels, out = (double)p->batch * (double)p->out_channels,
           weight = (double)p->out_channels * (double)(p->in_channels / p->groups);
    for (int axis = 0; axis < 3; axis++) {
        in *= (double)p->input[axis];
        out *= (double)output[axis];
        weight *= (double)p->kernel[axis];
    }
    s->tensors = (p->dtype == CLCONV_FLOAT64 ? 8 : 4) * (in + out + weight);
}

static int print_json_line(const layer *l, const plan_suite_options *o, const summary *s, const char *failure)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "network", l->network);
    cJSON_AddStringToObject(object, "layer", l->name);
    cJSON_AddStringToObject(object, "op", clconv_op_name(o->op));
    if (failure) {
        cJSON_AddStringToObject(object, "error", failure);
        return json_print(object);
    }
    cJSON_AddStringToObject(object, "algorithm", s->info.algorithm);
    cJSON_AddStringToObject(object, "parameters", s->info.parameters);
    cJSON_AddNumberToObject(object, "estimated_ms", 1e3 * s->info.estimated_seconds);
    cJSON_AddNumberToObject(object, "gflop", 1e-9 * s->info.flops);
    cJSON_AddNumberToObject(object, "work_gflop", 1e-9 * s->work);
    cJSON_AddNumberToObject(object, "traffic_mb", 1e-6 * s->traffic);
    cJSON_AddNumberToObject(object, "work_groups", s->groups);
    cJSON_AddNumberToObject(object, "fill", s->fill);
    cJSON_AddNumberToObject(object, "workspace_bytes", (double)s->info.workspace_size);
    cJSON_AddNumberToObject(object, "tensor_bytes", s->tensors);
    return json_print(object);
}

static int print_line(const layer *l, const plan_suite_options *o, const summary *s, const char *failure)
{
    if (o->json) return print_json_line(l, o, s, failure);
    printf("%-18s %-18s ", l->network, l->name);
    if (failure)
        printf("%s\n", failure);
    else
        printf("%-16s %9.4f ms %9.3f GFLOP %9.3f MB %6.0f groups %4.0f%% full %9.3f MB workspace\n",
               s->info.algorithm, 1e3 * s->info.estimated_seconds, 1e-9 * s->work, 1e-6 * s->traffic,
               s->groups, 100 * s->fill, 1e-6 * (double)s->info.workspace_size);
    return EXIT_DONE;
}

int plan_suite_print(clconv_context *context, const suite *s, plan_suite_options *o)
{
    int status = EXIT_DONE;
    o->plan.packed_weights =
        o->op == CLCONV_FORWARD || o->op == CLCONV_BACKWARD_INPUT || o->op == CLCONV_TRANSPOSED;
    for (size_t i = 0; i < s->count && status != EXIT_WRONG_USE; i++) {
        clconv_error err;
        clconv_plan *plan = NULL;
        summary sum = {.work = 0};
        int fails = clconv_plan_create(context, o->op, &s->layers[i].problem, &o->plan, &plan, &err);
        if (!fails) summarize(context, &s->layers[i].problem, plan, &sum);
        int printed = print_line(&s->layers[i], o, &sum, fails ? err.message : NULL);
        if (fails || printed) status = EXIT_FAILED;
        clconv_plan_release(plan);
    }
    return status;
}
