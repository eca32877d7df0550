/* Guarded runs: see runner.h. */
#include "runner.h"

#include "problem/reference.h"
#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Elements before and after each tensor: odd, so that no vector is aligned. */
enum { GUARD = 33 };

bool test_device_open(test_device *t)
{
    clconv_error err = {.message = ""};
    cl_int code = CL_SUCCESS;
    *t = (test_device){0};
    if (clconv_context_create_selected(NULL, NULL, &t->context, &err) != CLCONV_SUCCESS) {
        printf("\n  no context: %s\n", err.message);
        return false;
    }
    t->opencl = clconv_context_opencl(t->context);
    t->device = clconv_context_device(t->context);
    t->queue = clCreateCommandQueue(t->opencl, t->device, 0, &code);
    if (code == CL_SUCCESS) return true;
    printf("\n  no queue: %d\n", (int)code);
    test_device_close(t);
    return false;
}

void test_device_close(test_device *t)
{
    if (t->queue != NULL) clReleaseCommandQueue(t->queue);
    clconv_context_release(t->context);
    *t = (test_device){0};
}

static bool data_allocate(const clconv_problem *problem, test_data *data, clconv_tensor_sizes *sizes)
{
    if (clconv_problem_tensor_sizes(problem, sizes, NULL) != CLCONV_SUCCESS) return false;
    size_t count = (size_t)(sizes->input + sizes->weight + sizes->bias + sizes->residual + sizes->output);
    double *values = calloc(count + 1, sizeof *values);
    if (values == NULL) return false;
    data->input = values;
    data->weight = values + sizes->input;
    data->bias = problem->has_bias ? data->weight + sizes->weight : NULL;
    data->residual = problem->has_residual ? data->weight + sizes->weight + sizes->bias : NULL;
    data->grad_output = data->weight + sizes->weight + sizes->bias + sizes->residual;
    return true;
}

bool test_data_integers(const clconv_problem *problem, uint64_t seed, test_data *data)
{
    clconv_tensor_sizes sizes;
    random_state r = {seed};
    if (!data_allocate(problem, data, &sizes)) return false;
    double reduction = (double)(sizes.weight / problem->out_channels);
    int64_t limit = (int64_t)fmin(999, sqrt(((1 << 24) - 1) / (reduction + 1 + problem->has_residual)));
    random_integers(&r, data->input, sizes.input, limit);
    random_integers(&r, data->weight, sizes.weight, limit);
    random_integers(&r, data->bias, sizes.bias, limit * limit);
    random_integers(&r, data->residual, sizes.residual, limit * limit);
    return true;
}

bool test_data_small_integers(const clconv_problem *problem, uint64_t seed, test_data *data)
{
    enum { LIMIT = 7 };
    clconv_tensor_sizes sizes;
    random_state r = {seed};
    if (!data_allocate(problem, data, &sizes)) return false;
    random_integers(&r, data->input, sizes.input, LIMIT);
    random_integers(&r, data->weight, sizes.weight, LIMIT);
    random_integers(&r, data->grad_output, sizes.output, LIMIT);
    return true;
}

bool test_data_reals(const clconv_problem *problem, uint64_t seed, test_data *data)
{
    clconv_tensor_sizes sizes;
    random_state r = {seed};
    if (!data_allocate(problem, data, &sizes)) return false;
    random_reals(&r, data->input, sizes.input);
    random_reals(&r, data->weight, sizes.weight);
    random_reals(&r, data->bias, sizes.bias);
    random_reals(&r, data->residual, sizes.residual);
    random_reals(&r, data->grad_output, sizes.output);
    return true;
}

void test_data_release(test_data *data)
{
    free(data->input);
    *data = (test_data){0};
}

clconv_status test_plan_create_op(const test_device *t, clconv_op op, const clconv_problem *problem,
                                  const char *algorithm, bool strict, bool packed, uint64_t workspace_limit,
                                  test_plan *p, clconv_error *err)
{
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = algorithm;
    options.strict = strict;
    options.packed_weights = packed;
    options.workspace_limit = workspace_limit;
    *p = (test_plan){.op = op, .problem = *problem, .packed = packed};
    clconv_status status = geometry_compute(problem, &p->geometry, err);
    if (status != CLCONV_SUCCESS) return status;
    return clconv_plan_create(t->context, op, problem, &options, &p->plan, err);
}

clconv_status test_plan_create(const test_device *t, const clconv_problem *problem, const char *algorithm,
                               bool strict, bool packed, uint64_t workspace_limit, test_plan *p,
                               clconv_error *err)
{
    return test_plan_create_op(t, CLCONV_FORWARD, problem, algorithm, strict, packed, workspace_limit, p,
                               err);
}

void test_plan_release(test_plan *p)
{
    clconv_plan_release(p->plan);
    *p = (test_plan){0};
}

clconv_problem test_problem_of(clconv_op op, const clconv_problem *problem)
{
    clconv_problem p = *problem;
    if (op == CLCONV_FORWARD) return p;
    p.has_bias = p.has_residual = 0;
    p.activation = CLCONV_ACTIVATION_NONE;
    return p;
}

/* A buffer on the device and, in `image`, the bytes that it was made of: guard, content, guard. */
typedef struct guarded {
    clconv_buffer at;
    size_t bytes; /* of the content */
    unsigned char *image;
} guarded;

static size_t guarded_size(const guarded *g)
{
    return 2 * g->at.offset + g->bytes;
}

static bool guarded_create(const test_device *t, size_t bytes, size_t guard, size_t element_size,
                           const double *values, guarded *g)
{
    cl_int code = CL_SUCCESS;
    *g = (guarded){.at = {NULL, guard}, .bytes = bytes};
    g->image = malloc(guarded_size(g));
    if (g->image == NULL) return false;
    memset(g->image, 0xff, guarded_size(g));
    for (size_t i = 0; values != NULL && i < bytes / element_size; i++) {
        float narrow = (float)values[i];
        unsigned char *to = g->image + g->at.offset + i * element_size;
        memcpy(to, element_size == 8 ? (const void *)&values[i] : (const void *)&narrow, element_size);
    }
    g->at.memory =
        clCreateBuffer(t->opencl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, guarded_size(g), g->image, &code);
    return code == CL_SUCCESS;
}

static void guarded_release(guarded *g)
{
    if (g->at.memory != NULL) clReleaseMemObject(g->at.memory);
    free(g->image);
    *g = (guarded){0};
}

/* Whether the guards, and if `is_input` the content too, are as they were. The buffer as it is now goes to
 * *now, to be freed, unless that is NULL. */
static bool guarded_intact(const test_device *t, const guarded *g, bool is_input, unsigned char **now)
{
    size_t size = guarded_size(g), end = g->at.offset + g->bytes;
    unsigned char *bytes = malloc(size);
    bool ok = bytes != NULL && clEnqueueReadBuffer(t->queue, g->at.memory, CL_TRUE, 0, size, bytes, 0, NULL,
                                                   NULL) == CL_SUCCESS;
    ok = ok && memcmp(bytes, g->image, g->at.offset) == 0;
    ok = ok && memcmp(bytes + end, g->image + end, size - end) == 0;
    ok = ok && (!is_input || memcmp(bytes, g->image, size) == 0);
    if (now != NULL)
        *now = bytes;
    else
        free(bytes);
    return ok;
}

enum { INPUT, WEIGHT, BIAS, RESIDUAL, GRAD_OUTPUT, PACKED, WORKSPACE, OUTPUT, BUFFERS };
static const char *const buffer_names[BUFFERS] = {
    "input", "weight", "bias", "residual", "gradient of the output", "packed weight", "workspace", "output"};

/* What an op reads. */
static const bool reads[][PACKED] = {
    [CLCONV_FORWARD] = {true, true, true, true, false},
    [CLCONV_BACKWARD_INPUT] = {false, true, false, false, true},
    [CLCONV_BACKWARD_WEIGHT] = {true, false, false, false, true},
    [CLCONV_BACKWARD_BIAS] = {false, false, false, false, true},
    [CLCONV_TRANSPOSED] = {false, true, false, false, true},
};

/* The workspace starts at a multiple of the device's alignment, as it must. */
static bool buffers_create(const test_device *t, const test_plan *p, const test_data *data,
                           guarded buffers[BUFFERS])
{
    const clconv_tensor_sizes *e = &p->geometry.elements;
    size_t size = (size_t)p->geometry.element_size, guard = GUARD * size;
    size_t alignment = (size_t)clconv_context_device_info(t->context)->address_alignment_bits / 8;
    const int64_t elements[PACKED] = {e->input, e->weight, e->bias, e->residual, e->output};
    const double *values[BUFFERS] = {data->input, data->weight, data->bias, data->residual,
                                     data->grad_output};
    size_t bytes[BUFFERS] = {
        [PACKED] = p->packed ? clconv_plan_packed_weight_size(p->plan) : 0,
        [WORKSPACE] = clconv_plan_workspace_size(p->plan),
        [OUTPUT] = (size_t)geometry_made(&p->problem, &p->geometry, p->op) * size,
    };
    bool ok = true;
    for (int b = 0; b < BUFFERS && ok; b++) {
        if (b < PACKED && reads[p->op][b]) bytes[b] = (size_t)elements[b] * size;
        ok = guarded_create(t, bytes[b], b == WORKSPACE ? alignment : guard, size, values[b], &buffers[b]);
    }
    return ok;
}

static clconv_tensors tensors_of(const test_plan *p, const guarded buffers[BUFFERS])
{
    clconv_buffer read[PACKED] = {{NULL, 0}};
    for (int b = 0; b < PACKED; b++)
        if (reads[p->op][b]) read[b] = buffers[b].at;
    clconv_tensors tensors = {.input = read[INPUT], .weight = read[WEIGHT]};
    if (p->problem.has_bias) tensors.bias = read[BIAS];
    if (p->problem.has_residual) tensors.residual = read[RESIDUAL];
    *(p->op == CLCONV_TRANSPOSED ? &tensors.input : &tensors.grad_output) = read[GRAD_OUTPUT];
    clconv_buffer *const made[] = {
        [CLCONV_FORWARD] = &tensors.output,
        [CLCONV_BACKWARD_INPUT] = &tensors.grad_input,
        [CLCONV_BACKWARD_WEIGHT] = &tensors.grad_weight,
        [CLCONV_BACKWARD_BIAS] = &tensors.grad_bias,
        [CLCONV_TRANSPOSED] = &tensors.output,
    };
    *made[p->op] = buffers[OUTPUT].at;
    return tensors;
}

static clconv_status enqueue_and_wait(const test_device *t, const test_plan *p,
                                      const guarded buffers[BUFFERS], clconv_error *err)
{
    clconv_tensors tensors = tensors_of(p, buffers);
    clconv_status status = CLCONV_SUCCESS;
    if (p->packed) {
        status = clconv_plan_pack_weight(p->plan, t->queue, buffers[WEIGHT].at, buffers[PACKED].at, 0, NULL,
                                         NULL, err);
        tensors.weight = buffers[PACKED].at;
    }
    cl_event done = NULL;
    if (status == CLCONV_SUCCESS)
        status =
            clconv_plan_enqueue(p->plan, t->queue, &tensors, &buffers[WORKSPACE].at, 0, NULL, &done, err);
    if (done != NULL) {
        clWaitForEvents(1, &done);
        clReleaseEvent(done);
    }
    return status;
}

/* Compares every buffer with what it was, and widens the output. */
static bool buffers_check(const test_device *t, const test_plan *p, const guarded buffers[BUFFERS],
                          double *output, char why[TEST_WHY])
{
    bool ok = true;
    for (int b = INPUT; b < OUTPUT; b++) {
        if (guarded_intact(t, &buffers[b], b < PACKED, NULL)) continue;
        snprintf(why, TEST_WHY, "the %s or its guard was overwritten", buffer_names[b]);
        ok = false;
    }
    unsigned char *bytes = NULL;
    if (!guarded_intact(t, &buffers[OUTPUT], false, &bytes)) {
        snprintf(why, TEST_WHY, "the guard of the output was overwritten");
        ok = false;
    }
    size_t size = (size_t)p->geometry.element_size;
    for (size_t i = 0; bytes != NULL && i < buffers[OUTPUT].bytes / size; i++) {
        float narrow;
        const unsigned char *from = bytes + buffers[OUTPUT].at.offset + i * size;
        memcpy(size == 8 ? (void *)&output[i] : (void *)&narrow, from, size);
        if (size != 8) output[i] = narrow;
    }
    free(bytes);
    return ok;
}

bool test_plan_run(const test_device *t, const test_plan *p, const test_data *data, double *output,
                   char why[TEST_WHY])
{
    guarded buffers[BUFFERS] = {{{NULL, 0}, 0, NULL}};
    clconv_error err = {.message = ""};
    bool ok = buffers_create(t, p, data, buffers);
    if (!ok) {
        snprintf(why, TEST_WHY, "the test's buffers could not be made");
        goto done;
    }
    ok = enqueue_and_wait(t, p, buffers, &err) == CLCONV_SUCCESS;
    if (!ok) {
        snprintf(why, TEST_WHY, "%s", err.message);
        goto done;
    }
    ok = buffers_check(t, p, buffers, output, why);
done:
    for (int b = 0; b < BUFFERS; b++)
        guarded_release(&buffers[b]);
    return ok;
}

bool test_reference_compute_op(clconv_op op, const clconv_problem *problem, const test_data *data,
                               test_reference *r)
{
    geometry g;
    if (geometry_compute(problem, &g, NULL) != CLCONV_SUCCESS) return false;
    r->op = op;
    r->count = geometry_made(problem, &g, op);
    r->output = calloc(2 * (size_t)r->count + 1, sizeof *r->output);
    if (r->output == NULL) return false;
    r->magnitude = r->output + r->count;
    const reference_tensors tensors = {data->input, data->weight, data->bias, data->residual,
                                       data->grad_output};
    reference_op(op, problem, &g, &tensors, r->output, r->magnitude);
    return true;
}

bool test_reference_compute(const clconv_problem *problem, const test_data *data, test_reference *r)
{
    return test_reference_compute_op(CLCONV_FORWARD, problem, data, r);
}

int64_t first_difference(const double *got, const double *expected, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (got[i] != expected[i] && !(isnan(got[i]) && isnan(expected[i]))) return i;
    return count;
}

bool activation_is_exact(const clconv_problem *problem)
{
    int exponent;
    if (problem->activation == CLCONV_ACTIVATION_LEAKY_RELU)
        return frexp(fabs(problem->activation_slope), &exponent) == 0.5;
    return problem->activation == CLCONV_ACTIVATION_NONE || problem->activation == CLCONV_ACTIVATION_RELU;
}

size_t forward_algorithm_count(void)
{
    size_t count = 0;
    while (clconv_algorithm_serves(count, CLCONV_FORWARD))
        count++;
    return count;
}

bool algorithm_serves(const char *algorithm, clconv_op op)
{
    for (size_t i = 0; i < clconv_algorithm_count(); i++)
        if (strcmp(clconv_algorithm_name(i), algorithm) == 0) return clconv_algorithm_serves(i, op) != 0;
    return false;
}

bool algorithm_is_direct(const char *algorithm)
{
    for (size_t i = 0; i < clconv_algorithm_count(); i++)
        if (strcmp(clconv_algorithm_name(i), algorithm) == 0)
            return clconv_algorithm_accumulates_directly(i) != 0;
    return true;
}

double algorithm_bound(const char *algorithm, const clconv_problem *problem, double magnitude)
{
    return bound_result(problem, algorithm_is_direct(algorithm), magnitude, 0);
}

int64_t first_outside_bound(const char *algorithm, const clconv_problem *problem, const double *got,
                            const test_reference *r)
{
    geometry g;
    bool direct = algorithm_is_direct(algorithm);
    if (geometry_compute(problem, &g, NULL) != CLCONV_SUCCESS) return 0;
    for (int64_t i = 0; i < r->count; i++) {
        double magnitude = isfinite(r->magnitude[i]) ? r->magnitude[i] : 0;
        double bound = bound_op(r->op, problem, &g, direct, magnitude, r->output[i]);
        bool same = got[i] == r->output[i] || (isnan(got[i]) && isnan(r->output[i]));
        if (!same && !(fabs(got[i] - r->output[i]) <= bound && isfinite(r->output[i]))) return i;
    }
    return r->count;
}
