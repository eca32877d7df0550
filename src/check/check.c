/* clconv_check(): this device against the reference. Every op by every algorithm that serves it, on a table
 * of problems that between them reach every branch of the kernels; integer data must come out exact, random
 * data within the algorithm's bound, and where a few of them are not finite, or are huge, so must the results be that the
 * reference has so, and no others. */
#include "check/check.h"

#include "base/error.h"
#include "check/problems.h"
#include "opencl/runtime.h"
#include "problem/activation.h"
#include "problem/reference.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum check_kind { INTEGER, RANDOM, SPECIAL, KINDS } check_kind;

static const char *const kind_names[] = {[INTEGER] = "integer", [RANDOM] = "random", [SPECIAL] = "special"};

static const char *const mode_words[] = {[CLCONV_PADDING_ZEROS] = "",
                                         [CLCONV_PADDING_REFLECT] = " reflect",
                                         [CLCONV_PADDING_REPLICATE] = " replicate",
                                         [CLCONV_PADDING_CIRCULAR] = " circular",
                                         [CLCONV_PADDING_SYMMETRIC] = " symmetric"};

/* Host arrays of one case: the tensors as doubles, what the op makes exactly, and memory for the device's. */
typedef struct check_data {
    clconv_op op;
    const check_case *made_for; /* NULL: nothing is there yet */
    clconv_problem problem;
    char text[128];
    geometry g;
    int64_t made; /* elements of what the op makes */
    double *input, *weight, *bias, *residual, *grad_output, *exact, *magnitude;
    float *device_input, *device_weight, *device_bias, *device_residual, *device_grad_output, *device_made;
} check_data;

typedef struct check_run {
    clconv_context *context;
    const clconv_check_options *options;
    size_t number; /* of the next case */
    size_t failures;
} check_run;

static void data_release(check_data *d)
{
    free(d->input), free(d->weight), free(d->bias), free(d->residual), free(d->grad_output);
    free(d->exact), free(d->magnitude);
    free(d->device_input), free(d->device_weight), free(d->device_bias), free(d->device_residual);
    free(d->device_grad_output), free(d->device_made);
    *d = (check_data){0};
}

/* A linear congruential sequence (Knuth's MMIX constants): small integers, or fractions in (-1, 1) that
 * floats hold exactly. */
static void fill(uint64_t *state, check_kind kind, double *values, float *floats, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t bits = (int64_t)(*state >> 40);
        values[i] = kind == INTEGER ? (double)(bits % 7 - 3) : (double)(bits - (1 << 23)) * 0x1p-23;
        floats[i] = (float)values[i];
    }
}

/* A NaN, both infinities and a large value, far from each other where the tensor is large. */
static void make_special(float large, double *values, float *floats, int64_t count)
{
    const float special[] = {NAN, INFINITY, -INFINITY, large};
    for (int64_t i = 0; i < 4 && count > 4; i++) {
        floats[(2 * i + 1) * count / 8] = special[i];
        values[(2 * i + 1) * count / 8] = special[i];
    }
}

static clconv_status problem_create(const check_case *c, check_data *d, clconv_error *err)
{
    clconv_problem *p = &d->problem;
    clconv_status status = clconv_problem_parse(c->text, p, err);
    if (status != CLCONV_SUCCESS) return status;
    p->padding_mode = c->mode;
    if (d->op == CLCONV_FORWARD) {
        p->has_bias = c->has_bias;
        p->has_residual = c->has_residual;
        p->activation = c->activation;
        p->activation_slope = 0.25; /* exact on integers */
    }
    for (int axis = 0; axis < 3; axis++)
        p->pad_after[axis] += c->extra_after;
    bool is_linear = p->activation == CLCONV_ACTIVATION_NONE;
    snprintf(d->text, sizeof d->text, "%s%s%s%s%s%s", c->text, mode_words[c->mode],
             c->extra_after ? " padded after" : "", p->has_residual ? " residual" : "", is_linear ? "" : " ",
             is_linear ? "" : activation_name(p->activation));
    status = geometry_compute(p, &d->g, err);
    if (status == CLCONV_SUCCESS) d->made = geometry_made(p, &d->g, d->op);
    return status;
}

size_t check_problem_count(void)
{
    size_t count = 0;
    while (check_cases[count].text != NULL)
        count++;
    return count;
}

clconv_status check_problem(size_t index, clconv_op op, clconv_problem *problem, clconv_error *err)
{
    check_data d = {.op = op};
    clconv_status status = problem_create(&check_cases[index], &d, err);
    *problem = d.problem;
    return status;
}

static clconv_status data_allocate(check_data *d, clconv_error *err)
{
    const clconv_tensor_sizes *n = &d->g.elements;
    double **const doubles[] = {&d->input,       &d->weight, &d->bias,     &d->residual,
                                &d->grad_output, &d->exact,  &d->magnitude};
    float **const floats[] = {&d->device_input,    &d->device_weight,      &d->device_bias,
                              &d->device_residual, &d->device_grad_output, &d->device_made};
    const int64_t counts[] = {n->input, n->weight, n->bias, n->residual, n->output, d->made, d->made};
    bool ok = true;
    for (int i = 0; i < 7; i++)
        ok = (*doubles[i] = calloc((size_t)counts[i] + 1, sizeof(double))) != NULL && ok;
    for (int i = 0; i < 6; i++)
        ok = (*floats[i] = calloc((size_t)counts[i] + 1, sizeof(float))) != NULL && ok;
    return ok ? CLCONV_SUCCESS
              : error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the check of '%s'", d->text);
}

static clconv_status data_create(const check_case *c, clconv_op op, check_kind kind, check_data *d,
                                 clconv_error *err)
{
    *d = (check_data){.op = op, .made_for = c};
    clconv_status status = problem_create(c, d, err);
    if (status == CLCONV_SUCCESS) status = data_allocate(d, err);
    if (status != CLCONV_SUCCESS) {
        data_release(d);
        return status;
    }
    const clconv_tensor_sizes *n = &d->g.elements;
    uint64_t state = 1;
    fill(&state, kind, d->input, d->device_input, n->input);
    fill(&state, kind, d->weight, d->device_weight, n->weight);
    fill(&state, kind, d->bias, d->device_bias, n->bias);
    fill(&state, kind, d->residual, d->device_residual, n->residual);
    fill(&state, kind, d->grad_output, d->device_grad_output, n->output);
    if (kind == SPECIAL) {
        make_special(0x1p100F, d->input, d->device_input,
                     n->input); /* and products with another would overflow */
        make_special(1, d->grad_output, d->device_grad_output, n->output);
    }
    const reference_tensors tensors = {
        .input = d->input,
        .weight = d->weight,
        .bias = d->problem.has_bias ? d->bias : NULL,
        .residual = d->problem.has_residual ? d->residual : NULL,
        .grad_output = d->grad_output,
    };
    reference_op(op, &d->problem, &d->g, &tensors, d->exact, d->magnitude);
    return CLCONV_SUCCESS;
}

/* Whether integers stay exact: sums, and multiples of a quarter. */
static bool is_exact(clconv_activation activation)
{
    return activation == CLCONV_ACTIVATION_NONE || activation == CLCONV_ACTIVATION_RELU ||
           activation == CLCONV_ACTIVATION_LEAKY_RELU;
}

/* The error of a result as a share of what is allowed. */
static double error_share(const check_data *d, check_kind kind, bool direct, int64_t i)
{
    double got = (double)d->device_made[i], exact = d->exact[i], error = fabs(got - exact);
    if (got == exact || (isnan(got) && isnan(exact))) return 0;
    double allowed =
        kind == INTEGER ? 0 : bound_op(d->op, &d->problem, &d->g, direct, d->magnitude[i], exact);
    return isfinite(error) && allowed > 0 ? error / allowed : INFINITY;
}

/* The largest of them; infinite where an exact result is not, or one is not finite that should be, or the reverse. */
static double worst_error(const check_data *d, check_kind kind, bool direct)
{
    double worst = 0;
    for (int64_t i = 0; i < d->made; i++)
        worst = fmax(worst, error_share(d, kind, direct, i));
    return worst;
}

static clconv_status compute(const check_run *run, const clconv_plan_options *options, check_data *d,
                             clconv_error *err)
{
    if (d->op == CLCONV_FORWARD) {
        const clconv_host_tensors tensors = {
            .input = d->device_input,
            .weight = d->device_weight,
            .bias = d->problem.has_bias ? d->device_bias : NULL,
            .residual = d->problem.has_residual ? d->device_residual : NULL,
            .output = d->device_made,
        };
        return clconv_conv3d_host(run->context, &d->problem, options, &tensors, err);
    }
    clconv_host_gradients gradients = {
        .input = d->device_input, .weight = d->device_weight, .grad_output = d->device_grad_output};
    void **const made[] = {NULL, &gradients.grad_input, &gradients.grad_weight, &gradients.grad_bias};
    *made[d->op] = d->device_made;
    return clconv_conv3d_grad_host(run->context, &d->problem, options, &gradients, err);
}

/* Runs a case and judges what it made. */
static void judge(const check_run *run, size_t algorithm, check_kind kind, check_data *d,
                  clconv_check_result *result, clconv_error *err)
{
    bool direct = clconv_algorithm_accumulates_directly(algorithm) != 0;
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = result->algorithm;
    for (int64_t i = 0; i < d->made; i++)
        d->device_made[i] = NAN;
    result->status = compute(run, &options, d, err);
    result->skipped = result->status == CLCONV_UNSUPPORTED;
    if (result->status != CLCONV_SUCCESS) {
        result->message = err->message;
        return;
    }
    result->worst = worst_error(d, kind, direct);
    result->passed = result->worst <= 1;
    if (!result->passed)
        result->message = kind == INTEGER ? "a result is not exact" : "an error exceeds the bound";
}

/* Whether an algorithm has a case of such data: integers stay exact only in sums. */
static bool has_case(size_t algorithm, const check_case *c, clconv_op op, check_kind kind)
{
    if (!clconv_algorithm_serves(algorithm, op)) return false;
    bool is_exact_op = op != CLCONV_FORWARD || is_exact(c->activation);
    return kind != INTEGER || (is_exact_op && clconv_algorithm_accumulates_directly(algorithm));
}

/* The case of one algorithm, if it is among those that are asked for. `d` is filled for the first that is. */
static clconv_status check_algorithm(check_run *run, const check_case *c, size_t algorithm, check_kind kind,
                                     check_data *d, clconv_error *err)
{
    const clconv_check_options *o = run->options;
    clconv_error failure = {.status = CLCONV_SUCCESS};
    clconv_check_result result = {.number = run->number++,
                                  .op = d->op,
                                  .algorithm = clconv_algorithm_name(algorithm),
                                  .data = kind_names[kind],
                                  .message = ""};
    if (result.number < o->first || result.number - o->first >= o->count) return CLCONV_SUCCESS;
    clconv_status status = d->made_for == NULL ? data_create(c, d->op, kind, d, err) : CLCONV_SUCCESS;
    if (status != CLCONV_SUCCESS) return status;
    result.problem = d->text;
    if (o->begin != NULL && o->begin(o->user, &result) != 0) return CLCONV_SUCCESS;
    judge(run, algorithm, kind, d, &result, &failure);
    if (!result.passed && !result.skipped) run->failures++;
    if (o->end != NULL) o->end(o->user, &result);
    return CLCONV_SUCCESS;
}

static clconv_status check_one(check_run *run, const check_case *c, clconv_op op, check_kind kind,
                               clconv_error *err)
{
    check_data d = {.op = op};
    clconv_status status = CLCONV_SUCCESS;
    for (size_t i = 0; i < clconv_algorithm_count() && status == CLCONV_SUCCESS; i++)
        if (has_case(i, c, op, kind)) status = check_algorithm(run, c, i, kind, &d, err);
    data_release(&d);
    return status;
}

/* Calls `visit` for every case list of a level until it fails. */
typedef clconv_status (*list_visitor)(check_run *run, const check_case *c, clconv_op op, check_kind kind,
                                      clconv_error *err);

static clconv_status visit_lists(check_run *run, clconv_check_level level, list_visitor visit,
                                 clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    for (const check_case *c = check_cases; c->text != NULL; c++)
        for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_BIAS && c->level <= level; op++)
            for (check_kind kind = INTEGER; kind < KINDS && status == CLCONV_SUCCESS; kind++)
                status = visit(run, c, op, kind, err);
    return status;
}

static clconv_status count_list(check_run *run, const check_case *c, clconv_op op, check_kind kind,
                                clconv_error *err)
{
    (void)err;
    for (size_t i = 0; i < clconv_algorithm_count(); i++)
        run->number += has_case(i, c, op, kind);
    return CLCONV_SUCCESS;
}

size_t clconv_check_case_count(clconv_check_level level)
{
    check_run run = {0};
    visit_lists(&run, level, count_list, NULL);
    return run.number;
}

void clconv_check_options_init(clconv_check_options *options)
{
    if (options == NULL) return;
    *options = (clconv_check_options){.level = CLCONV_CHECK_USUAL, .count = SIZE_MAX};
}

clconv_status clconv_check(clconv_context *context, const clconv_check_options *options, size_t *failures,
                           clconv_error *err)
{
    clconv_check_options usual;
    if (context == NULL || failures == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL",
                         context == NULL ? "context" : "failures");
    clconv_check_options_init(&usual);
    check_run run = {.context = context, .options = options != NULL ? options : &usual};
    clconv_status status = runtime_check_process(err);
    if (status == CLCONV_SUCCESS) status = visit_lists(&run, run.options->level, check_one, err);
    if (status == CLCONV_SUCCESS) *failures = run.failures;
    return status;
}
