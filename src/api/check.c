/* clconv_check(): this device against the reference. Every algorithm of the registry on a table of problems
 * that between them reach every branch of the kernels; integer data must come out exact, random data within
 * the bound of direct accumulation. */
#include "base/error.h"
#include "base/text.h"
#include "plan/plan.h"
#include "problem/reference.h"

#include <math.h>
#include <stdlib.h>

typedef struct check_case {
    const char *text;
    clconv_padding_mode mode;
    int64_t extra_after; /* padding after beyond that before, on each axis */
    int has_bias;
    int quick;
} check_case;

#define ZEROS CLCONV_PADDING_ZEROS
#define REFLECT CLCONV_PADDING_REFLECT
#define REPLICATE CLCONV_PADDING_REPLICATE
#define CIRCULAR CLCONV_PADDING_CIRCULAR

static const check_case cases[] = {
    {"ic3id5ih7iw20oc5kd3ph1pd1pw1", ZEROS, 0, 1, 1},
    {"ic8id4ih9iw17oc16kd3pd1sd2", ZEROS, 0, 1, 1},
    {"ic4id6ih6iw9oc6kd3pd1g2", REFLECT, 0, 1, 1},
    {"ic6id5ih5iw33oc6kd3pd1g6", REPLICATE, 0, 0, 1},
    {"ic2id6ih8iw10oc3kd3pd2dd1", CIRCULAR, 0, 1, 1},
    {"ic16id3ih4iw5oc33kd1", ZEROS, 0, 1, 1},
    {"ic3id1ih14iw14oc8kd1kh7kw7sd1sh2sw2pd0ph3pw3", ZEROS, 0, 0, 1},
    {"mb3ic2id3ih5iw7oc4kd2kh3kw4", ZEROS, 1, 1, 1},
    {"ic1id9ih9iw50oc1kd5pd2", REFLECT, 1, 0, 0},
    {"ic5id7ih1iw64oc7kd3kh1kw1pd1ph0pw0", ZEROS, 0, 1, 0},
    {"ic2id1ih1iw40oc3kd1kh1kw11pd0ph0pw5", REPLICATE, 0, 1, 0},
    {"ic4id4ih12iw12oc8kd2kh2kw2sd2", ZEROS, 0, 1, 0},
    {"ic2id7ih9iw11oc2kd3sd3sh2sw4pd1dd1dh2dw0", ZEROS, 0, 0, 0},
    {"ic3id3ih3iw3oc3kd3pd3", CIRCULAR, 0, 1, 0},
    {"ic3id2ih3iw4oc4kd3pd4", REPLICATE, 1, 1, 0},
    {"ic12id4ih6iw6oc24kd3pd1g12", ZEROS, 0, 1, 0},
    {"ic40id2ih7iw7oc24kd3pd1", ZEROS, 0, 1, 0},
    {"mb2ic3id8ih8iw31oc13kd4kh1kw3sd1sh3sw2pd2ph0pw1", REFLECT, 0, 1, 0},
    {"ic2id1ih1iw1oc2kd1pd2sd7", ZEROS, 0, 1, 0},
    {"ic7id6ih10iw16oc11kd3pd8dd7", ZEROS, 0, 1, 0},
};

/* Host arrays of one case: the tensors as doubles, the exact output, and memory for the device's. */
typedef struct check_data {
    clconv_problem problem;
    geometry g;
    double *input, *weight, *bias, *exact, *magnitude;
    float *device_input, *device_weight, *device_bias, *device_output;
} check_data;

typedef struct check_run {
    clconv_context *context;
    clconv_check_callback callback;
    void *user;
    size_t failures;
} check_run;

static void data_release(check_data *d)
{
    free(d->input), free(d->weight), free(d->bias), free(d->exact), free(d->magnitude);
    free(d->device_input), free(d->device_weight), free(d->device_bias), free(d->device_output);
    *d = (check_data){0};
}

/* A linear congruential sequence (Knuth's MMIX constants): small integers, or fractions in (-1, 1) that
 * floats hold exactly. */
static void fill(uint64_t *state, bool integers, double *values, float *floats, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t bits = (int64_t)(*state >> 40);
        values[i] = integers ? (double)(bits % 7 - 3) : (double)(bits - (1 << 23)) * 0x1p-23;
        floats[i] = (float)values[i];
    }
}

static clconv_status data_create(const check_case *c, bool integers, check_data *d, clconv_error *err)
{
    *d = (check_data){0};
    clconv_problem *p = &d->problem;
    clconv_status status = clconv_problem_parse(c->text, p, err);
    if (status != CLCONV_SUCCESS) return status;
    p->padding_mode = c->mode;
    p->has_bias = c->has_bias;
    for (int axis = 0; axis < 3; axis++)
        p->pad_after[axis] += c->extra_after;
    status = geometry_compute(p, &d->g, err);
    if (status != CLCONV_SUCCESS) return status;

    const clconv_tensor_sizes *n = &d->g.elements;
    d->input = calloc((size_t)n->input, sizeof(double));
    d->weight = calloc((size_t)n->weight, sizeof(double));
    d->bias = calloc((size_t)p->out_channels, sizeof(double));
    d->exact = calloc((size_t)n->output, sizeof(double));
    d->magnitude = calloc((size_t)n->output, sizeof(double));
    d->device_input = calloc((size_t)n->input, sizeof(float));
    d->device_weight = calloc((size_t)n->weight, sizeof(float));
    d->device_bias = calloc((size_t)p->out_channels, sizeof(float));
    d->device_output = calloc((size_t)n->output, sizeof(float));
    if (d->input == NULL || d->weight == NULL || d->bias == NULL || d->exact == NULL ||
        d->magnitude == NULL || d->device_input == NULL || d->device_weight == NULL ||
        d->device_bias == NULL || d->device_output == NULL) {
        data_release(d);
        return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the check of '%s'", c->text);
    }
    uint64_t state = 1;
    fill(&state, integers, d->input, d->device_input, n->input);
    fill(&state, integers, d->weight, d->device_weight, n->weight);
    fill(&state, integers, d->bias, d->device_bias, p->out_channels);
    reference_forward(p, &d->g, d->input, d->weight, c->has_bias ? d->bias : NULL, d->exact, d->magnitude);
    return CLCONV_SUCCESS;
}

/* The largest error as a share of what is allowed; infinite where an exact result is not, or a NaN came out.
 */
static double worst_error(const check_data *d, bool integers, bool direct)
{
    double (*bound)(clconv_dtype, int64_t, double) = direct ? bound_direct : bound_default;
    double worst = 0;
    for (int64_t i = 0; i < d->g.elements.output; i++) {
        double error = fabs((double)d->device_output[i] - d->exact[i]);
        double allowed = integers ? 0 : bound(CLCONV_FLOAT32, d->g.reduction, d->magnitude[i]);
        double share = error == 0 ? 0 : allowed > 0 ? error / allowed : INFINITY;
        if (!(share <= worst)) worst = isnan(share) ? INFINITY : share;
    }
    return worst;
}

static void check_algorithm(check_run *run, const check_case *c, size_t index, bool integers, check_data *d)
{
    const char *algorithm = clconv_algorithm_name(index);
    bool direct = clconv_algorithm_accumulates_directly(index) != 0;
    if (integers && !direct) return;
    clconv_error err = {.status = CLCONV_SUCCESS};
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = algorithm;
    clconv_check_result result = {
        .algorithm = algorithm, .problem = c->text, .data = integers ? "integer" : "random", .message = ""};
    for (int64_t i = 0; i < d->g.elements.output; i++)
        d->device_output[i] = NAN;
    result.status = clconv_conv3d_host(run->context, &d->problem, &options, d->device_input, d->device_weight,
                                       d->device_bias, d->device_output, &err);
    result.skipped = result.status == CLCONV_UNSUPPORTED;
    if (result.status == CLCONV_SUCCESS) {
        result.worst = worst_error(d, integers, direct);
        result.passed = result.worst <= 1;
        if (!result.passed)
            result.message = integers ? "a result is not exact" : "an error exceeds the bound";
    } else {
        result.message = err.message;
    }
    if (!result.passed && !result.skipped) run->failures++;
    if (run->callback != NULL) run->callback(run->user, &result);
}

static clconv_status check_one(check_run *run, const check_case *c, bool integers, clconv_error *err)
{
    check_data d;
    clconv_status status = data_create(c, integers, &d, err);
    if (status != CLCONV_SUCCESS) return status;
    for (size_t i = 0; i < clconv_algorithm_count(); i++)
        check_algorithm(run, c, i, integers, &d);
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
    clconv_status status = CLCONV_SUCCESS;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] && status == CLCONV_SUCCESS; i++) {
        if (quick && !cases[i].quick) continue;
        status = check_one(&run, &cases[i], true, err);
        if (status == CLCONV_SUCCESS) status = check_one(&run, &cases[i], false, err);
    }
    if (status == CLCONV_SUCCESS) *failures = run.failures;
    return status;
}
