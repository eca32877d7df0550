/* clconv_check(): this device against the reference. Every op by every algorithm that serves it, on a table
 * of problems that between them reach every branch of the kernels; integer data must come out exact, random
 * data within the algorithm's bound, and where a few of them are not finite, or are huge, so must the results be that the
 * reference has so, and no others. */
#include "check/check.h"

#include "base/error.h"
#include "base/text.h"
#include "plan/plan.h"
#include "problem/activation.h"
#include "problem/reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct check_case {
    const char *text;
    clconv_padding_mode mode;
    int64_t extra_after; /* padding after beyond that before, on each axis */
    int has_bias;
    int quick;
    int has_residual;
    clconv_activation activation;
} check_case;

#define REFLECT CLCONV_PADDING_REFLECT
#define REPLICATE CLCONV_PADDING_REPLICATE
#define CIRCULAR CLCONV_PADDING_CIRCULAR
#define NONE CLCONV_ACTIVATION_NONE
#define RELU CLCONV_ACTIVATION_RELU
#define LEAKY_RELU CLCONV_ACTIVATION_LEAKY_RELU
#define SILU CLCONV_ACTIVATION_SILU
#define GELU CLCONV_ACTIVATION_GELU

static const check_case cases[] = {
    {"ic3id5ih7iw20oc5kd3ph1pd1pw1", .has_bias = 1, .quick = 1},
    {"ic8id4ih9iw17oc16kd3pd1sd2", .has_bias = 1, .quick = 1},
    {"ic4id6ih6iw9oc6kd3pd1g2", .mode = REFLECT, .has_bias = 1, .quick = 1},
    {"ic6id5ih5iw33oc6kd3pd1g6", .mode = REPLICATE, .quick = 1},
    {"ic2id6ih8iw10oc3kd3pd2dd1", .mode = CIRCULAR, .has_bias = 1, .quick = 1},
    {"ic16id3ih4iw5oc33kd1", .has_bias = 1, .quick = 1},
    {"ic3id1ih14iw14oc8kd1kh7kw7sd1sh2sw2pd0ph3pw3", .quick = 1},
    {"mb3ic2id3ih5iw7oc4kd2kh3kw4", .extra_after = 1, .has_bias = 1, .quick = 1},
    {"ic1id9ih9iw50oc1kd5pd2", .mode = REFLECT, .extra_after = 1},
    {"ic5id7ih1iw64oc7kd3kh1kw1pd1ph0pw0", .has_bias = 1},
    {"ic2id1ih1iw40oc3kd1kh1kw11pd0ph0pw5", .mode = REPLICATE, .has_bias = 1},
    {"ic4id4ih12iw12oc8kd2kh2kw2sd2", .has_bias = 1},
    {"ic2id7ih9iw11oc2kd3sd3sh2sw4pd1dd1dh2dw0", .has_bias = 0},
    {"ic3id3ih3iw3oc3kd3pd3", .mode = CIRCULAR, .has_bias = 1},
    {"ic3id2ih3iw4oc4kd3pd4", .mode = REPLICATE, .extra_after = 1, .has_bias = 1},
    {"ic12id4ih6iw6oc24kd3pd1g12", .has_bias = 1},
    {"ic8id3ih11iw19oc9kd3kh5kw5pd1ph2pw2", .has_bias = 1},
    {"ic40id2ih7iw7oc24kd3pd1", .has_bias = 1},
    {"mb2ic3id8ih8iw31oc13kd4kh1kw3sd1sh3sw2pd2ph0pw1", .mode = REFLECT, .has_bias = 1},
    {"ic2id1ih1iw1oc2kd1pd2sd7", .has_bias = 1},
    {"ic7id6ih10iw16oc11kd3pd8dd7", .has_bias = 1},
    {"ic8id3ih7iw19oc8kd3pd1", .has_bias = 1, .quick = 1, .has_residual = 1, .activation = RELU},
    {"ic4id4ih6iw18oc4kd3pd1g4", .has_bias = 1, .has_residual = 1, .activation = LEAKY_RELU},
    {"ic6id4ih6iw18oc6kd3pd1g2", .activation = SILU},
    {"mb2ic5id3ih5iw17oc7kd2", .has_bias = 1, .has_residual = 1, .activation = GELU},
};

typedef enum check_kind { INTEGER, RANDOM, SPECIAL, KINDS } check_kind;

static const char *const kind_names[] = {[INTEGER] = "integer", [RANDOM] = "random", [SPECIAL] = "special"};

/* Host arrays of one case: the tensors as doubles, what the op makes exactly, and memory for the device's. */
typedef struct check_data {
    clconv_op op;
    clconv_problem problem;
    char text[128];
    geometry g;
    int64_t made; /* elements of what the op makes */
    double *input, *weight, *bias, *residual, *grad_output, *exact, *magnitude;
    float *device_input, *device_weight, *device_bias, *device_residual, *device_grad_output, *device_made;
} check_data;

typedef struct check_run {
    clconv_context *context;
    clconv_check_callback callback;
    void *user;
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
    snprintf(d->text, sizeof d->text, "%s%s%s%s", c->text, p->has_residual ? " residual" : "",
             p->activation == NONE ? "" : " ", p->activation == NONE ? "" : activation_name(p->activation));
    status = geometry_compute(p, &d->g, err);
    if (status == CLCONV_SUCCESS) d->made = geometry_made(p, &d->g, d->op);
    return status;
}

size_t check_problem_count(void)
{
    return sizeof cases / sizeof cases[0];
}

clconv_status check_problem(size_t index, clconv_op op, clconv_problem *problem, clconv_error *err)
{
    check_data d = {.op = op};
    clconv_status status = problem_create(&cases[index], &d, err);
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
    *d = (check_data){.op = op};
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
    return activation == NONE || activation == RELU || activation == LEAKY_RELU;
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

static clconv_status compute(check_run *run, const clconv_plan_options *options, check_data *d,
                             clconv_error *err)
{
    if (d->op == CLCONV_FORWARD) {
        const clconv_host_tensors tensors = {
            .input = d->device_input,
            .weight = d->device_weight,
            .bias = d->device_bias,
            .residual = d->device_residual,
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

static void check_algorithm(check_run *run, size_t index, check_kind kind, check_data *d)
{
    const char *algorithm = clconv_algorithm_name(index);
    bool direct = clconv_algorithm_accumulates_directly(index) != 0;
    if (kind == INTEGER && (!direct || !is_exact(d->problem.activation))) return;
    clconv_error err = {.status = CLCONV_SUCCESS};
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = algorithm;
    clconv_check_result result = {
        .op = d->op, .algorithm = algorithm, .problem = d->text, .data = kind_names[kind], .message = ""};
    for (int64_t i = 0; i < d->made; i++)
        d->device_made[i] = NAN;
    result.status = compute(run, &options, d, &err);
    result.skipped = result.status == CLCONV_UNSUPPORTED;
    if (result.status == CLCONV_SUCCESS) {
        result.worst = worst_error(d, kind, direct);
        result.passed = result.worst <= 1;
        if (!result.passed)
            result.message = kind == INTEGER ? "a result is not exact" : "an error exceeds the bound";
    } else {
        result.message = err.message;
    }
    if (!result.passed && !result.skipped) run->failures++;
    if (run->callback != NULL) run->callback(run->user, &result);
}

static clconv_status check_one(check_run *run, const check_case *c, clconv_op op, check_kind kind,
                               clconv_error *err)
{
    check_data d;
    clconv_status status = data_create(c, op, kind, &d, err);
    if (status != CLCONV_SUCCESS) return status;
    for (size_t i = 0; i < clconv_algorithm_count(); i++)
        if (clconv_algorithm_serves(i, op)) check_algorithm(run, i, kind, &d);
    data_release(&d);
    return CLCONV_SUCCESS;
}

clconv_status clconv_check(clconv_context *context, int quick, clconv_check_callback callback, void *user,
                           size_t *failures, clconv_error *err)
{
    if (context == NULL || failures == NULL)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is NULL",
                         context == NULL ? "context" : "failures");
    check_run run = {.context = context, .callback = callback, .user = user};
    clconv_status status = runtime_check_process(err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] && status == CLCONV_SUCCESS; i++) {
        if (quick && !cases[i].quick) continue;
        for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_BIAS; op++)
            for (check_kind kind = INTEGER; kind < KINDS && status == CLCONV_SUCCESS; kind++)
                status = check_one(&run, &cases[i], op, kind, err);
    }
    if (status == CLCONV_SUCCESS) *failures = run.failures;
    return status;
}
