/* Runs on arrays in host memory: each is the reference's, copied or not as the device says, and a weight is kept exactly if
 * the caller says that it is the same. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"
#include "runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TENSORS = 5, GRADIENTS = 3, ALL = CLCONV_GRAD_INPUT | CLCONV_GRAD_WEIGHT | CLCONV_GRAD_BIAS };

static const char *const problems[] = {"mb2ic6id5ih7iw18oc8kd3pd1", "ic4id6ih9iw11oc6kd3sd2pd1g2"};

typedef struct fixture {
    test_device device;
    clconv_problem problem;
    test_data data;
    float *read[TENSORS]; /* input, weight, bias, residual, the output's gradient */
} fixture;

static float *copy(const double *values, int64_t count)
{
    float *made = malloc((size_t)(count + 1) * sizeof *made);
    CU_ASSERT_FATAL(made != NULL);
    for (int64_t i = 0; i < count; i++)
        made[i] = values != NULL ? (float)values[i] : NAN;
    return made;
}

static void open_fixture(const char *text, bool is_whole, fixture *f)
{
    clconv_tensor_sizes n;
    *f = (fixture){0};
    CU_ASSERT_FATAL(test_device_open(&f->device));
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &f->problem, NULL), CLCONV_SUCCESS);
    f->problem.has_bias = f->problem.has_residual = is_whole;
    CU_ASSERT_FATAL(test_data_small_integers(&f->problem, 7, &f->data));
    CU_ASSERT_EQUAL_FATAL(clconv_problem_tensor_sizes(&f->problem, &n, NULL), CLCONV_SUCCESS);
    const double *const values[TENSORS] = {f->data.input, f->data.weight, f->data.bias, f->data.residual,
                                           f->data.grad_output};
    const int64_t counts[TENSORS] = {n.input, n.weight, n.bias, n.residual, n.output};
    for (int i = 0; i < TENSORS; i++)
        f->read[i] = copy(values[i], counts[i]);
}

static void close_fixture(fixture *f)
{
    for (int i = 0; i < TENSORS; i++)
        free(f->read[i]);
    test_data_release(&f->data);
    test_device_close(&f->device);
}

static void expect(const fixture *f, clconv_op op, const float *got)
{
    test_reference expected;
    CU_ASSERT_FATAL(test_reference_compute_op(op, &f->problem, &f->data, &expected));
    int64_t wrong = 0;
    for (int64_t i = 0; i < expected.count; i++)
        wrong += (double)got[i] != expected.output[i];
    CU_ASSERT_EQUAL(wrong, 0);
    free(expected.output);
}

/* Made by an algorithm that is exact on integers and packs its weights. */
static clconv_plan *make_plan(const fixture *f, clconv_op op)
{
    clconv_plan_options options;
    clconv_plan *plan = NULL;
    clconv_error err = {.message = ""};
    clconv_plan_options_init(&options);
    options.algorithm = "direct";
    clconv_status status = clconv_plan_create(f->device.context, op, &f->problem, &options, &plan, &err);
    if (status != CLCONV_SUCCESS) printf("\n  %s", err.message);
    CU_ASSERT_EQUAL_FATAL(status, CLCONV_SUCCESS);
    return plan;
}

static clconv_host_tensors tensors_of(const fixture *f, float *output)
{
    return (clconv_host_tensors){.input = f->read[0],
                                 .weight = f->read[1],
                                 .bias = f->read[2],
                                 .residual = f->read[3],
                                 .output = output};
}

static clconv_status run(clconv_plan *plan, const clconv_host_tensors *t)
{
    clconv_error err = {.message = ""};
    clconv_status status = clconv_plan_run_host(plan, t, &err);
    if (status != CLCONV_SUCCESS) printf("\n  %s", err.message);
    return status;
}

static void run_forward(void)
{
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        fixture f;
        open_fixture(problems[i], true, &f);
        clconv_tensor_sizes n;
        clconv_problem_tensor_sizes(&f.problem, &n, NULL);
        float *output = copy(NULL, n.output);
        clconv_plan *plan = make_plan(&f, CLCONV_FORWARD);
        clconv_host_tensors t = tensors_of(&f, output);
        for (int repeat = 0; repeat < 2; repeat++) {
            CU_ASSERT_EQUAL(run(plan, &t), CLCONV_SUCCESS);
            expect(&f, CLCONV_FORWARD, output);
            memset(output, 0x7f, (size_t)n.output * sizeof *output);
        }
        clconv_plan_release(plan);
        free(output);
        close_fixture(&f);
    }
}

static void run_backward(uint64_t version)
{
    static const clconv_op ops[] = {CLCONV_BACKWARD_INPUT, CLCONV_BACKWARD_WEIGHT, CLCONV_BACKWARD_BIAS};
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        fixture f;
        open_fixture(problems[i], false, &f);
        clconv_tensor_sizes n;
        clconv_problem_tensor_sizes(&f.problem, &n, NULL);
        float *made[GRADIENTS] = {copy(NULL, n.input), copy(NULL, n.weight),
                                  copy(NULL, f.problem.out_channels)};
        clconv_backward *backward = NULL;
        clconv_plan_options options;
        clconv_plan_options_init(&options);
        options.algorithm = "direct";
        CU_ASSERT_EQUAL_FATAL(
            clconv_backward_create(f.device.context, &f.problem, ALL, &options, &backward, NULL),
            CLCONV_SUCCESS);
        const clconv_host_gradients t = {.input = f.read[0],
                                         .weight = f.read[1],
                                         .grad_output = f.read[4],
                                         .grad_input = made[0],
                                         .grad_weight = made[1],
                                         .grad_bias = made[2],
                                         .weight_version = version};
        for (int repeat = 0; repeat < 2; repeat++) {
            for (int k = 0; k < GRADIENTS; k++)
                made[k][0] = NAN;
            CU_ASSERT_EQUAL(clconv_backward_run_host(backward, &t, NULL), CLCONV_SUCCESS);
            for (int k = 0; k < GRADIENTS; k++)
                expect(&f, ops[k], made[k]);
        }
        clconv_backward_release(backward);
        for (int k = 0; k < GRADIENTS; k++)
            free(made[k]);
        close_fixture(&f);
    }
}

static void test_in_place(void)
{
    run_forward();
    run_backward(0);
    run_backward(3);
}

static void test_copied(void)
{
    setenv("LAYER_HOST_MEMORY", "0", 1);
    test_in_place();
    unsetenv("LAYER_HOST_MEMORY");
}

/* A driver that neither writes nor reads buffers: nothing is missing where memory is shared, everything elsewhere. */
static void test_nothing_is_copied(void)
{
    for (int copies = 0; copies < 2; copies++) {
        fixture f;
        if (copies) setenv("LAYER_HOST_MEMORY", "0", 1);
        open_fixture(problems[0], true, &f);
        clconv_tensor_sizes n;
        clconv_problem_tensor_sizes(&f.problem, &n, NULL);
        float *output = copy(NULL, n.output);
        clconv_plan *plan = make_plan(&f, CLCONV_FORWARD);
        const clconv_host_tensors t = tensors_of(&f, output);
        setenv("LAYER_COPIES", "0", 1);
        CU_ASSERT_EQUAL(clconv_plan_run_host(plan, &t, NULL), copies ? CLCONV_OPENCL_FAILED : CLCONV_SUCCESS);
        unsetenv("LAYER_COPIES");
        unsetenv("LAYER_HOST_MEMORY");
        if (!copies) expect(&f, CLCONV_FORWARD, output);
        clconv_plan_release(plan);
        free(output);
        close_fixture(&f);
    }
}

/* A weight that changes although the caller says that it does not shows what is kept. */
static void expect_kept(void)
{
    fixture f;
    open_fixture(problems[0], true, &f);
    clconv_tensor_sizes n;
    clconv_problem_tensor_sizes(&f.problem, &n, NULL);
    float *output = copy(NULL, n.output), *other = calloc((size_t)n.weight, sizeof *other);
    CU_ASSERT_FATAL(other != NULL);
    clconv_plan *plan = make_plan(&f, CLCONV_FORWARD);
    clconv_host_tensors t = tensors_of(&f, output);
    t.weight_version = 5;
    CU_ASSERT_EQUAL(run(plan, &t), CLCONV_SUCCESS);
    t.weight = other;
    CU_ASSERT_EQUAL(run(plan, &t), CLCONV_SUCCESS);
    expect(&f, CLCONV_FORWARD, output);
    memset(f.data.weight, 0, (size_t)n.weight * sizeof *f.data.weight);
    for (uint64_t version = 6; version != UINT64_MAX; version = version == 6 ? 0 : UINT64_MAX) {
        t.weight_version = version;
        output[0] = NAN;
        CU_ASSERT_EQUAL(run(plan, &t), CLCONV_SUCCESS);
        expect(&f, CLCONV_FORWARD, output);
    }
    clconv_plan_release(plan);
    free(output);
    free(other);
    close_fixture(&f);
}

static void test_weight_versions(void)
{
    expect_kept();
    setenv("LAYER_HOST_MEMORY", "0", 1);
    expect_kept();
    unsetenv("LAYER_HOST_MEMORY");
}

/* One array as input and as residual: out_channels = in_channels, the same size. */
static void test_shared_arrays(void)
{
    fixture f;
    open_fixture("mb1ic6id5ih7iw18oc6kd3pd1", true, &f);
    clconv_tensor_sizes n;
    clconv_problem_tensor_sizes(&f.problem, &n, NULL);
    float *output = copy(NULL, n.output);
    memcpy(f.data.residual, f.data.input, (size_t)n.input * sizeof *f.data.input);
    clconv_plan *plan = make_plan(&f, CLCONV_FORWARD);
    clconv_host_tensors t = tensors_of(&f, output);
    t.residual = t.input;
    CU_ASSERT_EQUAL(run(plan, &t), CLCONV_SUCCESS);
    expect(&f, CLCONV_FORWARD, output);
    clconv_plan_release(plan);
    free(output);
    close_fixture(&f);
}

static void expect_refusal(clconv_plan *plan, const clconv_host_tensors *t, const char *part)
{
    clconv_error err = {.message = ""};
    CU_ASSERT_EQUAL(clconv_plan_run_host(plan, t, &err), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, part));
    if (strstr(err.message, part) == NULL) printf("\n  '%s' lacks '%s'", err.message, part);
}

static void test_refusals(void)
{
    fixture f;
    open_fixture(problems[0], true, &f);
    clconv_tensor_sizes n;
    clconv_problem_tensor_sizes(&f.problem, &n, NULL);
    float *output = copy(NULL, n.output);
    clconv_plan *plan = make_plan(&f, CLCONV_FORWARD);
    const clconv_host_tensors good = tensors_of(&f, output);
    clconv_host_tensors t = good;
    expect_refusal(NULL, &t, "plan is NULL");
    expect_refusal(plan, NULL, "tensors is NULL");
    t.bias = NULL;
    expect_refusal(plan, &t, "bias is NULL");
    t = good;
    t.output = f.read[3] + n.residual - 1;
    expect_refusal(plan, &t, "output overlaps residual");
    t = good;
    t.input = (const char *)t.input + 2;
    expect_refusal(plan, &t, "input lies at");
    clconv_plan_release(plan);
    f.problem.has_bias = f.problem.has_residual = 0;
    plan = make_plan(&f, CLCONV_BACKWARD_INPUT);
    expect_refusal(plan, &good, "plan is of backward-input");
    clconv_plan_release(plan);
    free(output);
    close_fixture(&f);
}

/* A buffer over an array, and what is made in it on the context's own queue. */
static void test_wrapped_buffer(void)
{
    fixture f;
    open_fixture(problems[0], false, &f);
    cl_mem memory = NULL;
    clconv_error err = {.message = ""};
    cl_command_queue queue = clconv_context_queue(f.device.context);
    float array[64] = {0}, one = 1;
    CU_ASSERT_EQUAL_FATAL(clconv_buffer_wrap(f.device.context, array, sizeof array, 1, &memory, &err),
                          CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(clEnqueueFillBuffer(queue, memory, &one, sizeof one, 0, sizeof array, 0, NULL, NULL),
                    CL_SUCCESS);
    void *mapped =
        clEnqueueMapBuffer(queue, memory, CL_TRUE, CL_MAP_READ, 0, sizeof array, 0, NULL, NULL, NULL);
    CU_ASSERT_PTR_EQUAL(mapped, (void *)array);
    CU_ASSERT(array[0] == one && array[63] == one);
    clEnqueueUnmapMemObject(queue, memory, mapped, 0, NULL, NULL);
    clFinish(queue);
    clReleaseMemObject(memory);
    CU_ASSERT_EQUAL(clconv_buffer_wrap(f.device.context, NULL, 4, 0, &memory, NULL), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_buffer_wrap(f.device.context, array, 0, 0, &memory, NULL),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_buffer_wrap(f.device.context, array, SIZE_MAX, 0, &memory, NULL),
                    CLCONV_OUT_OF_DEVICE_MEMORY);
    close_fixture(&f);
}

const char test_suite_name[] = "run_host";
const test_entry test_suite[] = {
    {"in place", test_in_place},
    {"copied", test_copied},
    {"nothing is copied where memory is shared", test_nothing_is_copied},
    {"versions of weights", test_weight_versions},
    {"one array twice", test_shared_arrays},
    {"refusals", test_refusals},
    {"a wrapped buffer", test_wrapped_buffer},
    {NULL, NULL},
};
