/* Several gradients in one call: each is the reference's, on both kinds of queue and in one workspace, and
 * wrong arguments are refused before anything is enqueued. */
#include "harness.h"
#include "runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRADIENTS = 3, ALL = CLCONV_GRAD_INPUT | CLCONV_GRAD_WEIGHT | CLCONV_GRAD_BIAS };

/* What a run reads and makes, on the device; every gradient starts as NaN. */
typedef struct fixture {
    test_device device;
    clconv_problem problem;
    test_data data;
    clconv_tensors tensors;
    clconv_buffer workspace;
    clconv_backward *backward;
} fixture;

static clconv_op op_of(int i)
{
    return (clconv_op)(CLCONV_BACKWARD_INPUT + i);
}

static clconv_buffer *gradient_of(clconv_tensors *t, int i)
{
    clconv_buffer *all[GRADIENTS] = {&t->grad_input, &t->grad_weight, &t->grad_bias};
    return all[i];
}

static int64_t count_of(const fixture *f, int i)
{
    clconv_tensor_sizes sizes;
    clconv_problem_tensor_sizes(&f->problem, &sizes, NULL);
    const int64_t counts[GRADIENTS] = {sizes.input, sizes.weight, f->problem.out_channels};
    return counts[i];
}

static cl_mem upload(const fixture *f, const double *values, int64_t count)
{
    cl_mem memory = NULL;
    float *copy = malloc((size_t)(count + 1) * sizeof *copy);
    for (int64_t i = 0; copy != NULL && i < count; i++)
        copy[i] = values != NULL ? (float)values[i] : NAN;
    clconv_buffer_create(f->device.context, (size_t)count * sizeof *copy, copy, &memory, NULL);
    free(copy);
    return memory;
}

static void spoil(fixture *f)
{
    const float nan = NAN;
    for (int i = 0; i < GRADIENTS; i++)
        clEnqueueFillBuffer(f->device.queue, gradient_of(&f->tensors, i)->memory, &nan, sizeof nan, 0,
                            (size_t)count_of(f, i) * sizeof nan, 0, NULL, NULL);
    clFinish(f->device.queue);
}

static void open_fixture(const char *text, int gradients, const clconv_plan_options *options, fixture *f)
{
    clconv_error err = {.message = ""};
    clconv_tensor_sizes sizes;
    *f = (fixture){0};
    CU_ASSERT_FATAL(test_device_open(&f->device));
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &f->problem, &err), CLCONV_SUCCESS);
    CU_ASSERT_FATAL(test_data_small_integers(&f->problem, 11, &f->data));
    CU_ASSERT_EQUAL_FATAL(clconv_problem_tensor_sizes(&f->problem, &sizes, &err), CLCONV_SUCCESS);
    f->tensors.input.memory = upload(f, f->data.input, sizes.input);
    f->tensors.weight.memory = upload(f, f->data.weight, sizes.weight);
    f->tensors.grad_output.memory = upload(f, f->data.grad_output, sizes.output);
    for (int i = 0; i < GRADIENTS; i++)
        gradient_of(&f->tensors, i)->memory = upload(f, NULL, count_of(f, i));
    clconv_status status =
        clconv_backward_create(f->device.context, &f->problem, gradients, options, &f->backward, &err);
    if (status != CLCONV_SUCCESS) printf("\n  %s", err.message);
    CU_ASSERT_EQUAL_FATAL(status, CLCONV_SUCCESS);
    size_t bytes = clconv_backward_workspace_size(f->backward);
    if (bytes > 0) clconv_buffer_create(f->device.context, bytes, NULL, &f->workspace.memory, NULL);
}

static void close_fixture(fixture *f)
{
    const cl_mem all[] = {
        f->tensors.input.memory,      f->tensors.weight.memory,      f->tensors.grad_output.memory,
        f->tensors.grad_input.memory, f->tensors.grad_weight.memory, f->tensors.grad_bias.memory,
        f->workspace.memory};
    clconv_backward_release(f->backward);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] != NULL) clReleaseMemObject(all[i]);
    test_data_release(&f->data);
    test_device_close(&f->device);
}

static clconv_status enqueue(const fixture *f, const clconv_tensors *tensors, cl_command_queue queue,
                             cl_uint n_wait, const cl_event *wait, cl_event *done, clconv_error *err)
{
    return clconv_backward_enqueue(f->backward, queue, tensors,
                                   f->workspace.memory != NULL ? &f->workspace : NULL, n_wait, wait, done,
                                   err);
}

/* The elements of a gradient that are exactly the reference's, or within the promised bound of it if the
 * algorithm works on transforms; and those that are NaN. */
static void count_elements(const fixture *f, int i, int64_t *right, int64_t *nan)
{
    test_reference expected;
    clconv_tensors t = f->tensors;
    clconv_plan *plan = clconv_backward_plan(f->backward, op_of(i));
    clconv_plan_info info = {.algorithm = "direct"};
    if (plan != NULL) clconv_plan_get_info(plan, &info);
    CU_ASSERT_FATAL(test_reference_compute_op(op_of(i), &f->problem, &f->data, &expected));
    float *got = malloc((size_t)(expected.count + 1) * sizeof *got);
    CU_ASSERT_FATAL(got != NULL);
    clEnqueueReadBuffer(f->device.queue, gradient_of(&t, i)->memory, CL_TRUE, 0,
                        (size_t)expected.count * sizeof *got, got, 0, NULL, NULL);
    *right = *nan = 0;
    for (int64_t k = 0; k < expected.count; k++) {
        double allowed = algorithm_is_direct(info.algorithm)
                             ? 0
                             : algorithm_bound(info.algorithm, &f->problem, expected.magnitude[k]);
        *right += fabs(got[k] - expected.output[k]) <= allowed;
        *nan += isnan(got[k]) != 0;
    }
    free(got);
    free(expected.output);
}

static void expect_made(const fixture *f, int gradients)
{
    for (int i = 0; i < GRADIENTS; i++) {
        int64_t right, nan;
        count_elements(f, i, &right, &nan);
        CU_ASSERT_EQUAL(right, gradients & 1 << i ? count_of(f, i) : 0);
        CU_ASSERT_EQUAL(nan, gradients & 1 << i ? 0 : count_of(f, i));
        CU_ASSERT_EQUAL(clconv_backward_plan(f->backward, op_of(i)) != NULL, (gradients >> i) & 1);
    }
}

static void test_each_sum(void)
{
    static const char *const problems[] = {"mb2ic6id5ih7iw18oc8kd3pd1", "mb2ic4id6ih9iw11oc6kd3sd2pd1g2",
                                           "mb1ic16id4ih9iw9oc16kd3pd1"};
    for (size_t p = 0; p < sizeof problems / sizeof problems[0]; p++)
        for (int gradients = 1; gradients <= ALL; gradients++) {
            fixture f;
            open_fixture(problems[p], gradients, NULL, &f);
            CU_ASSERT_EQUAL(enqueue(&f, &f.tensors, f.device.queue, 0, NULL, NULL, NULL), CLCONV_SUCCESS);
            clFinish(f.device.queue);
            expect_made(&f, gradients);
            close_fixture(&f);
        }
}

/* On a queue without order the gradients share the workspace one after the other; nothing starts before the
 * wait list's event, and `done` is the end of all. */
static void test_events(void)
{
    fixture f;
    open_fixture("mb2ic6id5ih7iw18oc8kd3pd1", ALL, NULL, &f);
    cl_int code;
    cl_command_queue_properties able = 0;
    clGetDeviceInfo(f.device.device, CL_DEVICE_QUEUE_PROPERTIES, sizeof able, &able, NULL);
    const cl_command_queue_properties kinds[] = {0, able & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE};
    for (int k = 0; k < 2; k++) {
        cl_command_queue queue = clCreateCommandQueue(f.device.opencl, f.device.device, kinds[k], &code);
        cl_event gate = clCreateUserEvent(f.device.opencl, &code), done = NULL;
        spoil(&f);
        CU_ASSERT_EQUAL(enqueue(&f, &f.tensors, queue, 1, &gate, &done, NULL), CLCONV_SUCCESS);
        CU_ASSERT_PTR_NOT_NULL_FATAL(done);
        clFlush(queue);
        int64_t right, nan;
        count_elements(&f, 0, &right, &nan);
        CU_ASSERT_EQUAL(nan, count_of(&f, 0));
        clSetUserEventStatus(gate, CL_COMPLETE);
        CU_ASSERT_EQUAL(clWaitForEvents(1, &done), CL_SUCCESS);
        expect_made(&f, ALL);
        clReleaseEvent(done);
        clReleaseEvent(gate);
        clReleaseCommandQueue(queue);
    }
    close_fixture(&f);
}

/* Of all gradients a named algorithm makes those that it can; the limit holds for each. */
static void test_options(void)
{
    fixture f;
    clconv_plan_options options;
    clconv_plan_info info;
    clconv_plan_options_init(&options);
    options.algorithm = "direct";
    open_fixture("mb2ic6id5ih7iw18oc8kd3pd1", ALL, &options, &f);
    clconv_plan_get_info(clconv_backward_plan(f.backward, CLCONV_BACKWARD_INPUT), &info);
    CU_ASSERT_STRING_EQUAL(info.algorithm, "direct");
    CU_ASSERT_PTR_NULL(clconv_backward_plan(f.backward, CLCONV_FORWARD));
    close_fixture(&f);
    clconv_plan_options_init(&options);
    options.workspace_limit = 0;
    open_fixture("mb2ic6id5ih7iw18oc8kd3pd1", ALL, &options, &f);
    CU_ASSERT_EQUAL(clconv_backward_workspace_size(f.backward), 0);
    CU_ASSERT_EQUAL(enqueue(&f, &f.tensors, f.device.queue, 0, NULL, NULL, NULL), CLCONV_SUCCESS);
    clFinish(f.device.queue);
    expect_made(&f, ALL);
    close_fixture(&f);
}

/* A weight that is packed once serves every run. */
static void test_packed_weight(void)
{
    fixture f;
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.packed_weights = 1;
    open_fixture("mb2ic6id5ih7iw18oc8kd3pd1", ALL, &options, &f);
    clconv_plan *input = clconv_backward_plan(f.backward, CLCONV_BACKWARD_INPUT);
    clconv_buffer packed = {0}, weight = f.tensors.weight;
    clconv_buffer_create(f.device.context, clconv_plan_packed_weight_size(input), NULL, &packed.memory, NULL);
    CU_ASSERT_EQUAL(clconv_plan_pack_weight(input, f.device.queue, weight, packed, 0, NULL, NULL, NULL),
                    CLCONV_SUCCESS);
    f.tensors.weight = packed;
    for (int run = 0; run < 2; run++) {
        spoil(&f);
        CU_ASSERT_EQUAL(enqueue(&f, &f.tensors, f.device.queue, 0, NULL, NULL, NULL), CLCONV_SUCCESS);
        clFinish(f.device.queue);
        expect_made(&f, ALL);
    }
    clReleaseMemObject(weight.memory);
    close_fixture(&f);
}

static void expect_refused(const fixture *f, const clconv_tensors *tensors, const char *word)
{
    clconv_error err = {.message = ""};
    CU_ASSERT_EQUAL(enqueue(f, tensors, f->device.queue, 0, NULL, NULL, &err), CLCONV_INVALID_ARGUMENT);
    if (strstr(err.message, word) == NULL) printf("\n  \"%s\" does not name %s", err.message, word);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, word));
    clFinish(f->device.queue);
    for (int i = 0; i < GRADIENTS; i++) {
        int64_t right, nan;
        count_elements(f, i, &right, &nan);
        CU_ASSERT_EQUAL(nan, count_of(f, i));
    }
}

static void test_wrong_tensors(void)
{
    static const char *const names[GRADIENTS] = {"grad_input", "grad_weight", "grad_bias"};
    fixture f;
    open_fixture("mb2ic6id5ih7iw18oc8kd3pd1", ALL, NULL, &f);
    expect_refused(&f, NULL, "tensors is NULL");
    for (int i = 0; i < GRADIENTS; i++) {
        clconv_tensors t = f.tensors;
        gradient_of(&t, i)->memory = NULL;
        expect_refused(&f, &t, names[i]);
    }
    /* What one gradient writes and another reads, or writes. */
    clconv_tensors t = f.tensors;
    t.grad_input = t.input;
    expect_refused(&f, &t, "grad_input overlaps input");
    t = f.tensors;
    t.grad_bias = t.weight;
    expect_refused(&f, &t, "grad_bias overlaps weight");
    t = f.tensors;
    t.grad_bias = t.grad_weight;
    expect_refused(&f, &t, "grad_bias overlaps grad_weight");
    close_fixture(&f);
}

static void test_wrong_options(void)
{
    static const int sums[] = {0, -1, 8, ALL + 8};
    clconv_error err = {.message = ""};
    clconv_problem p;
    clconv_backward *made = NULL;
    clconv_plan_options options;
    test_device device;
    CU_ASSERT_FATAL(test_device_open(&device));
    clconv_problem_init(&p);
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        CU_ASSERT_EQUAL(clconv_backward_create(device.context, &p, sums[i], NULL, &made, &err),
                        CLCONV_INVALID_ARGUMENT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "gradients is"));
    }
    clconv_plan_options_init(&options);
    options.packed_weights = 1;
    CU_ASSERT_EQUAL(clconv_backward_create(device.context, &p, CLCONV_GRAD_WEIGHT, &options, &made, &err),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "packed_weights"));
    options.packed_weights = 0;
    options.algorithm = "weight_direct";
    CU_ASSERT_EQUAL(clconv_backward_create(device.context, &p, CLCONV_GRAD_BIAS, &options, &made, &err),
                    CLCONV_UNSUPPORTED);
    p.has_residual = 1;
    CU_ASSERT_EQUAL(clconv_backward_create(device.context, &p, ALL, NULL, &made, &err),
                    CLCONV_INVALID_PROBLEM);
    CU_ASSERT_EQUAL(clconv_backward_create(device.context, &p, ALL, NULL, NULL, &err),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_backward_create(NULL, &p, ALL, NULL, &made, &err), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_PTR_NULL(made);
    clconv_backward_release(NULL);
    test_device_close(&device);
}

const char test_suite_name[] = "several gradients";
const test_entry test_suite[] = {
    {"every sum of gradients", test_each_sum},
    {"events and queues", test_events},
    {"a named algorithm, and no workspace", test_options},
    {"a packed weight", test_packed_weight},
    {"wrong tensors", test_wrong_tensors},
    {"wrong options", test_wrong_options},
    {NULL, NULL},
};
