/* Duties of the caller, broken on purpose: an error that names what is wrong, before anything is enqueued, and no crash.
 * tests/device/test_refusals.c has the arguments of runs. */
#include "harness.h"
#include "job.h"
#include "plan/plan.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static test_device device, foreign;
static job good;

static void open_job(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
    CU_ASSERT_FATAL(test_device_open(&foreign));
    CU_ASSERT_FATAL(job_open(&device, "mb2ic5id6ih7iw18oc7kd3pd1", "direct", 5, &good));
}

static void close_job(void)
{
    CU_ASSERT_EQUAL(job_enqueue(&good, device.queue, 0, NULL, NULL, NULL), CLCONV_SUCCESS);
    CU_ASSERT(job_is_done(&good, device.queue));
    job_close(&good);
    test_device_close(&foreign);
    test_device_close(&device);
}

static void expect(clconv_status status, const clconv_error *err, const char *message)
{
    CU_ASSERT_EQUAL(status, CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(err->status, CLCONV_INVALID_ARGUMENT);
    if (strstr(err->message, message) == NULL) printf("\n  \"%s\" is not \"%s\"", err->message, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(err->message, message));
}

static void expect_refused(const clconv_tensors *tensors, const char *message)
{
    clconv_error err = {.message = ""};
    expect(clconv_plan_enqueue(good.plan.plan, device.queue, tensors, &good.workspace, 0, NULL, NULL, &err),
           &err, message);
    CU_ASSERT(job_is_untouched(&good, device.queue));
}

/* A thread is in the middle of enqueuing the plan. */
static void test_busy_plan(void)
{
    clconv_error err = {.message = ""};
    double seconds[64];
    clconv_plan *plan = good.plan.plan;
    CU_ASSERT_EQUAL_FATAL(plan_begin(plan, NULL), CLCONV_SUCCESS);
    expect_refused(&good.tensors, "plan is being enqueued by another thread");
    expect(clconv_plan_profile(plan, &good.tensors, &good.workspace, seconds, &err), &err, "another thread");
    plan_end(plan);
    clconv_backward *backward = NULL;
    CU_ASSERT_EQUAL_FATAL(
        clconv_backward_create(device.context, &good.plan.problem, CLCONV_GRAD_BIAS, NULL, &backward, &err),
        CLCONV_SUCCESS);
    const clconv_tensors t = {.grad_output = good.tensors.output, .grad_bias = good.tensors.bias};
    plan_begin(clconv_backward_plan(backward, CLCONV_BACKWARD_BIAS), NULL);
    expect(clconv_backward_enqueue(backward, device.queue, &t, NULL, 0, NULL, NULL, &err), &err,
           "another thread");
    clconv_backward_release(backward);
}

enum { ENQUEUES = 300 };

static void *enqueue_often(void *argument)
{
    int *refused = argument;
    clconv_error err;
    for (int i = 0; i < ENQUEUES; i++) {
        clconv_status status = job_enqueue(&good, device.queue, 0, NULL, NULL, &err);
        if (status != CLCONV_SUCCESS && status != CLCONV_INVALID_ARGUMENT) *refused = -1;
        if (status == CLCONV_INVALID_ARGUMENT && *refused >= 0) ++*refused;
    }
    return NULL;
}

static void test_two_threads(void)
{
    pthread_t thread;
    int first = 0, second = 0;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, enqueue_often, &second), 0);
    enqueue_often(&first);
    pthread_join(thread, NULL);
    CU_ASSERT(first >= 0 && second >= 0);
    CU_ASSERT(job_is_done(&good, device.queue));
    job_reset(&good);
}

static void test_foreign_event(void)
{
    cl_int code = CL_SUCCESS;
    cl_event event = clCreateUserEvent(foreign.opencl, &code);
    clconv_error err = {.message = ""};
    expect(job_enqueue(&good, device.queue, 1, &event, NULL, &err), &err,
           "wait[0] is of another OpenCL context");
    clSetUserEventStatus(event, CL_COMPLETE);
    clReleaseEvent(event);
}

static cl_mem make_buffer(cl_mem_flags flags, size_t bytes)
{
    cl_int code = CL_SUCCESS;
    cl_mem made = clCreateBuffer(device.opencl, flags, bytes, NULL, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    return made;
}

static void test_kinds_of_memory(void)
{
    const clconv_tensor_sizes *e = &good.plan.geometry.elements;
    clconv_tensors t = good.tensors;
    t.output = (clconv_buffer){make_buffer(CL_MEM_READ_ONLY, (size_t)e->output * 4), 0};
    expect_refused(&t, "output is read-only");
    clReleaseMemObject(t.output.memory);
    t = good.tensors;
    t.input = (clconv_buffer){make_buffer(CL_MEM_WRITE_ONLY, (size_t)e->input * 4), 0};
    expect_refused(&t, "input is write-only");
    clReleaseMemObject(t.input.memory);
    cl_int code = CL_SUCCESS;
    const cl_image_format format = {CL_RGBA, CL_FLOAT};
    const cl_image_desc what = {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 256, .image_height = 256};
    t.input.memory = clCreateImage(device.opencl, CL_MEM_READ_WRITE, &format, &what, NULL, &code);
    if (code != CL_SUCCESS) return; /* a device without images */
    expect_refused(&t, "input is an image");
    clReleaseMemObject(t.input.memory);
}

/* What is read may be read-only, on the way to a right answer. */
static void test_read_only_input(void)
{
    job own = good;
    const clconv_tensor_sizes *e = &good.plan.geometry.elements;
    size_t bytes = (size_t)e->input * 4;
    own.tensors.input.memory = make_buffer(CL_MEM_READ_ONLY, bytes);
    clEnqueueCopyBuffer(device.queue, good.tensors.input.memory, own.tensors.input.memory, 0, 0, bytes, 0,
                        NULL, NULL);
    CU_ASSERT_EQUAL(job_enqueue(&own, device.queue, 0, NULL, NULL, NULL), CLCONV_SUCCESS);
    CU_ASSERT(job_is_done(&own, device.queue));
    clReleaseMemObject(own.tensors.input.memory);
    job_reset(&good);
}

/* Tensors that the problem does not have. */
static void test_absent_tensors(void)
{
    clconv_tensors t = good.tensors;
    t.residual = good.tensors.input;
    expect_refused(&t, "residual is given; has_residual is 0");
    clconv_problem p;
    clconv_problem_init(&p);
    const float one = 1;
    float output = 7;
    clconv_error err = {.message = ""};
    clconv_host_tensors h = {.input = &one, .weight = &one, .bias = &one, .output = &output};
    expect(clconv_conv3d_host(device.context, &p, NULL, &h, &err), &err, "bias is given; has_bias is 0");
    h.bias = NULL;
    h.residual = &one;
    expect(clconv_conv3d_host(device.context, &p, NULL, &h, &err), &err, "residual is given");
    expect(clconv_conv_transpose3d_host(device.context, &p, NULL, &h, &err), &err, "residual is given");
    CU_ASSERT_EQUAL(output, 7);
    test_plan plain;
    CU_ASSERT_EQUAL_FATAL(test_plan_create(&device, &p, "direct_indexed", false, false, 0, &plain, &err),
                          CLCONV_SUCCESS);
    t = good.tensors;
    expect(clconv_plan_enqueue(plain.plan, device.queue, &t, NULL, 0, NULL, NULL, &err), &err,
           "bias is given; has_bias is 0");
    h.residual = NULL;
    h.bias = &one;
    expect(clconv_plan_run_host(plain.plan, &h, &err), &err, "bias is given; has_bias is 0");
    CU_ASSERT_EQUAL(output, 7);
    test_plan_release(&plain);
}

static void test_options(void)
{
    clconv_plan_options zeroed = {0};
    clconv_plan *plan = NULL;
    clconv_error err = {.message = ""};
    expect(clconv_plan_create(device.context, CLCONV_FORWARD, &good.plan.problem, &zeroed, &plan, &err), &err,
           "clconv_plan_options_init()");
    clconv_backward *backward = NULL;
    expect(clconv_backward_create(device.context, &good.plan.problem, CLCONV_GRAD_BIAS, &zeroed, &backward,
                                  &err),
           &err, "clconv_plan_options_init()");
    CU_ASSERT_PTR_NULL(plan);
    CU_ASSERT_PTR_NULL(backward);
}

static void test_packed_sizes(void)
{
    for (int op = CLCONV_FORWARD; op <= CLCONV_TRANSPOSED; op++) {
        test_plan p;
        clconv_error err = {.message = ""};
        clconv_problem problem = test_problem_of((clconv_op)op, &good.plan.problem);
        CU_ASSERT_EQUAL_FATAL(
            test_plan_create_op(&device, (clconv_op)op, &problem, NULL, false, false, 0, &p, &err),
            CLCONV_SUCCESS);
        bool reads = op != CLCONV_BACKWARD_WEIGHT && op != CLCONV_BACKWARD_BIAS;
        CU_ASSERT_EQUAL(clconv_plan_packed_weight_size(p.plan) > 0, reads);
        CU_ASSERT_EQUAL(clconv_plan_packed_weight_layout(p.plan) != 0, reads);
        test_plan_release(&p);
    }
}

/* What the device cannot hold is refused before anything is planned. */
static void test_too_large(void)
{
    clconv_problem p;
    clconv_plan *plan = NULL;
    clconv_error err = {.message = ""};
    clconv_problem_init(&p);
    p.batch = INT64_C(1) << 58;
    CU_ASSERT_EQUAL(clconv_plan_create(device.context, CLCONV_FORWARD, &p, NULL, &plan, &err),
                    CLCONV_OUT_OF_DEVICE_MEMORY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "input has 1152921504606846976 bytes"));
}

/* NULL for each pointer that may not be: an error of what returns a status. */
static void test_null_status(void)
{
    clconv_context *c = device.context;
    clconv_plan *plan = good.plan.plan;
    const clconv_problem *p = &good.plan.problem;
    clconv_problem made;
    int64_t three[3] = {1, 1, 1};
    clconv_tensor_sizes sizes;
    clconv_step_info step;
    clconv_candidate_info candidate;
    clconv_device_info *devices = NULL;
    cl_platform_id platform = NULL;
    cl_device_id id = NULL;
    cl_mem memory = NULL;
    size_t count = 0;
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    const clconv_buffer none = {NULL, 0};
    const clconv_plan_request request = {.op = CLCONV_FORWARD, .problem = *p};
    clconv_plan *const absent = NULL;
    const clconv_status answers[] = {
        clconv_list_devices(NULL, &count, NULL),
        clconv_list_devices(&devices, NULL, NULL),
        clconv_select_device(NULL, NULL, &id, NULL),
        clconv_select_device(NULL, &platform, NULL, NULL),
        clconv_context_create(NULL, device.device, NULL, &c, NULL),
        clconv_context_create(device.opencl, NULL, NULL, &c, NULL),
        clconv_context_create(device.opencl, device.device, NULL, NULL, NULL),
        clconv_context_create_selected(NULL, NULL, NULL, NULL),
        clconv_buffer_create(NULL, 4, NULL, &memory, NULL),
        clconv_buffer_create(c, 4, NULL, NULL, NULL),
        clconv_problem_validate(NULL, NULL),
        clconv_problem_set_same_padding(NULL, NULL),
        clconv_output_size(NULL, three, NULL),
        clconv_output_size(p, NULL, NULL),
        clconv_problem_tensor_sizes(NULL, &sizes, NULL),
        clconv_problem_tensor_sizes(p, NULL, NULL),
        clconv_problem_set_transposed(NULL, three, three, NULL),
        clconv_problem_set_transposed(&made, NULL, three, NULL),
        clconv_problem_set_transposed(&made, three, NULL, NULL),
        clconv_problem_parse(NULL, &made, NULL),
        clconv_problem_parse("ic1ih1oc1kh1", NULL, NULL),
        clconv_problem_format(NULL, text, NULL),
        clconv_problem_format(p, NULL, NULL),
        clconv_plan_create(NULL, CLCONV_FORWARD, p, NULL, &plan, NULL),
        clconv_plan_create(c, CLCONV_FORWARD, NULL, NULL, &plan, NULL),
        clconv_plan_create(c, CLCONV_FORWARD, p, NULL, NULL, NULL),
        clconv_plans_prepare(NULL, &request, 1, &plan, NULL),
        clconv_plans_prepare(c, NULL, 1, &plan, NULL),
        clconv_plans_prepare(c, &request, 1, NULL, NULL),
        clconv_programs_export(NULL, 1, "unused", NULL),
        clconv_programs_export(&plan, 0, "unused", NULL),
        clconv_programs_export(&plan, 1, NULL, NULL),
        clconv_programs_export(&absent, 1, "unused", NULL),
        clconv_programs_emit(NULL, 1, "unused", NULL),
        clconv_programs_emit(&plan, 1, NULL, NULL),
        clconv_programs_pack(NULL, "unused", NULL),
        clconv_programs_pack("unused", NULL, NULL),
        clconv_plan_enqueue(NULL, device.queue, &good.tensors, NULL, 0, NULL, NULL, NULL),
        clconv_plan_enqueue(plan, NULL, &good.tensors, NULL, 0, NULL, NULL, NULL),
        clconv_plan_enqueue(plan, device.queue, NULL, NULL, 0, NULL, NULL, NULL),
        clconv_plan_pack_weight(NULL, device.queue, none, none, 0, NULL, NULL, NULL),
        clconv_plan_profile(NULL, &good.tensors, NULL, &(double){0}, NULL),
        clconv_plan_profile(plan, &good.tensors, NULL, NULL, NULL),
        clconv_plan_profile(plan, NULL, NULL, &(double){0}, NULL),
        clconv_plan_get_step(NULL, 0, &step, NULL),
        clconv_plan_get_step(plan, 0, NULL, NULL),
        clconv_plan_get_candidate(NULL, 0, &candidate, NULL),
        clconv_plan_get_candidate(plan, 0, NULL, NULL),
        clconv_plan_describe(NULL, text, sizeof text, NULL, NULL),
        clconv_plan_describe(plan, NULL, 4, NULL, NULL),
        clconv_backward_create(NULL, p, CLCONV_GRAD_BIAS, NULL, &(clconv_backward *){NULL}, NULL),
        clconv_backward_create(c, NULL, CLCONV_GRAD_BIAS, NULL, &(clconv_backward *){NULL}, NULL),
        clconv_backward_create(c, p, CLCONV_GRAD_BIAS, NULL, NULL, NULL),
        clconv_backward_enqueue(NULL, device.queue, &good.tensors, NULL, 0, NULL, NULL, NULL),
        clconv_conv3d_host(NULL, p, NULL, &(clconv_host_tensors){0}, NULL),
        clconv_conv3d_host(c, NULL, NULL, &(clconv_host_tensors){0}, NULL),
        clconv_conv3d_host(c, p, NULL, NULL, NULL),
        clconv_conv_transpose3d_host(NULL, p, NULL, &(clconv_host_tensors){0}, NULL),
        clconv_conv_transpose3d_host(c, NULL, NULL, &(clconv_host_tensors){0}, NULL),
        clconv_conv_transpose3d_host(c, p, NULL, NULL, NULL),
        clconv_conv3d_grad_host(NULL, p, NULL, &(clconv_host_gradients){0}, NULL),
        clconv_conv3d_grad_host(c, NULL, NULL, &(clconv_host_gradients){0}, NULL),
        clconv_conv3d_grad_host(c, p, NULL, NULL, NULL),
        clconv_init_uniform(NULL, 1, &(float){0}, NULL, NULL),
        clconv_init_uniform((const int64_t[]){1, 1, 1, 1, 1}, 1, NULL, NULL, NULL),
        clconv_check(NULL, NULL, &count, NULL),
        clconv_check(c, NULL, NULL, NULL),
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (answers[i] != CLCONV_INVALID_ARGUMENT)
            printf("\n  call %zu: %s", i, clconv_status_name(answers[i]));
        CU_ASSERT_EQUAL(answers[i], CLCONV_INVALID_ARGUMENT);
    }
}

/* Of the others: 0, NULL or nothing. */
static void test_null_others(void)
{
    clconv_context_release(NULL);
    clconv_plan_release(NULL);
    clconv_backward_release(NULL);
    clconv_free(NULL);
    clconv_context_options_init(NULL);
    clconv_plan_options_init(NULL);
    clconv_check_options_init(NULL);
    clconv_problem_init(NULL);
    CU_ASSERT_PTR_NULL(clconv_context_opencl(NULL));
    CU_ASSERT_PTR_NULL(clconv_context_device(NULL));
    CU_ASSERT_PTR_NULL(clconv_context_device_info(NULL));
    CU_ASSERT_PTR_NULL(clconv_context_queue(NULL));
    CU_ASSERT_EQUAL(clconv_plan_workspace_size(NULL), 0);
    CU_ASSERT_EQUAL(clconv_plan_packed_weight_size(NULL), 0);
    CU_ASSERT_EQUAL(clconv_plan_packed_weight_layout(NULL), 0);
    CU_ASSERT_EQUAL(clconv_backward_workspace_size(NULL), 0);
    CU_ASSERT_PTR_NULL(clconv_backward_plan(NULL, CLCONV_FORWARD));
    clconv_counters counters = {.programs_built = 1, .cache_wrong = 1};
    clconv_context_counters(NULL, &counters);
    clconv_context_counters(device.context, NULL);
    CU_ASSERT_EQUAL(counters.programs_built, 0);
    CU_ASSERT_EQUAL(counters.cache_wrong, 0);
    clconv_plan_info info = {.steps = 5};
    clconv_plan_get_info(NULL, &info);
    clconv_plan_get_info(good.plan.plan, NULL);
    CU_ASSERT_EQUAL(info.steps, 0);
    CU_ASSERT_PTR_NULL(info.algorithm);
}

const char test_suite_name[] = "misuse";
const test_entry test_suite[] = {
    {"a plan with its data", open_job},
    {"a plan that another thread is in", test_busy_plan},
    {"two threads enqueue one plan", test_two_threads},
    {"an event of another context", test_foreign_event},
    {"images, read-only and write-only buffers", test_kinds_of_memory},
    {"a read-only input", test_read_only_input},
    {"tensors that the problem does not have", test_absent_tensors},
    {"zeroed options", test_options},
    {"packed weights of ops that read none", test_packed_sizes},
    {"a problem that the device cannot hold", test_too_large},
    {"NULL, of what returns a status", test_null_status},
    {"NULL, of what does not", test_null_others},
    {"the plan still runs", close_job},
    {NULL, NULL},
};
