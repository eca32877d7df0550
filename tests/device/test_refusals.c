/* Runs with wrong arguments: each is refused with CLCONV_INVALID_ARGUMENT and a message that names the
 * argument, before anything is enqueued; and the same plan then runs as if nothing had been. */
#include "harness.h"
#include "job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static test_device device, foreign;
static job good;

static void open_job(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
    CU_ASSERT_FATAL(test_device_open(&foreign));
    CU_ASSERT_FATAL(job_open(&device, "mb2ic5id6ih7iw18oc7kd3pd1", "direct", 5, &good));
    CU_ASSERT_FATAL(clconv_plan_workspace_size(good.plan.plan) > 0);
}

static void close_job(void)
{
    CU_ASSERT_EQUAL(job_enqueue(&good, device.queue, 0, NULL, NULL, NULL), CLCONV_SUCCESS);
    CU_ASSERT(job_is_done(&good, device.queue));
    job_close(&good);
    test_device_close(&foreign);
    test_device_close(&device);
}

/* The arguments of one call. */
typedef struct call {
    clconv_plan *plan;
    cl_command_queue queue;
    clconv_tensors tensors;
    clconv_buffer workspace;
    cl_uint n_wait;
    const cl_event *wait;
    bool no_tensors, no_workspace;
} call;

static call good_call(void)
{
    return (call){
        .plan = good.plan.plan, .queue = device.queue, .tensors = good.tensors, .workspace = good.workspace};
}

static void expect_refused(const call *c, const char *word)
{
    clconv_error err = {.message = ""};
    cl_event done = NULL;
    clconv_status status =
        clconv_plan_enqueue(c->plan, c->queue, c->no_tensors ? NULL : &c->tensors,
                            c->no_workspace ? NULL : &c->workspace, c->n_wait, c->wait, &done, &err);
    CU_ASSERT_EQUAL(status, CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(err.status, status);
    CU_ASSERT_PTR_NULL(done);
    if (strstr(err.message, word) == NULL) printf("\n  \"%s\" does not name %s", err.message, word);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, word));
    CU_ASSERT_PTR_NULL(strchr(err.message, '\n'));
    clFinish(device.queue);
    CU_ASSERT(job_is_untouched(&good, device.queue));
}

static clconv_buffer *tensor_of(clconv_tensors *t, int i)
{
    clconv_buffer *all[] = {&t->input, &t->weight, &t->bias, &t->output};
    return all[i];
}

static const char *const names[] = {"input", "weight", "bias", "output"};

static void test_tensors(void)
{
    for (int i = 0; i < 4; i++) {
        call c = good_call();
        clconv_buffer *tensor = tensor_of(&c.tensors, i);
        cl_mem memory = tensor->memory;
        tensor->memory = NULL;
        expect_refused(&c, names[i]);
        tensor->memory = memory;
        static const size_t offsets[] = {1, 2, 4, 1 << 20, SIZE_MAX - 3, SIZE_MAX};
        for (size_t o = 0; o < sizeof offsets / sizeof offsets[0]; o++) {
            tensor->offset = offsets[o];
            expect_refused(&c, names[i]);
        }
    }
    call c = good_call();
    c.no_tensors = true;
    expect_refused(&c, "tensors");
}

static void test_small_buffers(void)
{
    const clconv_tensor_sizes *e = &good.plan.geometry.elements;
    size_t sizes[] = {(size_t)e->input * 4, (size_t)e->weight * 4, (size_t)e->bias * 4,
                      (size_t)e->output * 4};
    for (int i = 0; i < 4; i++) {
        call c = good_call();
        cl_mem small = job_buffer(&good, sizes[i] - 1, NULL);
        tensor_of(&c.tensors, i)->memory = small;
        expect_refused(&c, names[i]);
        clReleaseMemObject(small);
    }
}

static void test_workspace(void)
{
    call c = good_call();
    c.no_workspace = true;
    expect_refused(&c, "workspace");
    c = good_call();
    c.workspace.memory = NULL;
    expect_refused(&c, "workspace");
    c = good_call();
    c.workspace.offset = 4;
    expect_refused(&c, "workspace");
    c.workspace.offset = SIZE_MAX - 3;
    expect_refused(&c, "workspace");
    cl_mem small = job_buffer(&good, clconv_plan_workspace_size(good.plan.plan) - 1, NULL);
    c = good_call();
    c.workspace.memory = small;
    expect_refused(&c, "workspace");
    clReleaseMemObject(small);
}

/* Tensors of one buffer, of which the output overlaps another by one element. */
static void test_overlap(void)
{
    const clconv_tensor_sizes *e = &good.plan.geometry.elements;
    size_t output = (size_t)e->output * 4;
    size_t sizes[] = {(size_t)e->input * 4, (size_t)e->weight * 4, (size_t)e->bias * 4};
    float *nan = malloc(2 * output);
    CU_ASSERT_PTR_NOT_NULL_FATAL(nan);
    memset(nan, 0xff, 2 * output);
    for (int i = 0; i < 3; i++) {
        call c = good_call();
        CU_ASSERT_FATAL(sizes[i] <= output);
        cl_mem whole = job_buffer(&good, 2 * output, nan);
        c.tensors.output = (clconv_buffer){whole, 0};
        *tensor_of(&c.tensors, i) = (clconv_buffer){whole, output - 4};
        expect_refused(&c, "overlap");
        c.tensors.output.offset = sizes[i] - 4;
        tensor_of(&c.tensors, i)->offset = 0;
        expect_refused(&c, "overlap");
        clReleaseMemObject(whole);
    }
    free(nan);
    call c = good_call();
    size_t workspace = clconv_plan_workspace_size(good.plan.plan);
    cl_mem whole = job_buffer(&good, output + workspace, NULL);
    c.tensors.output = (clconv_buffer){whole, workspace - 4};
    c.workspace = (clconv_buffer){whole, 0};
    expect_refused(&c, "overlap");
    clReleaseMemObject(whole);
}

static void test_queues(void)
{
    call c = good_call();
    c.queue = NULL;
    expect_refused(&c, "queue");
    c.queue = foreign.queue;
    expect_refused(&c, "queue");
    c = good_call();
    c.plan = NULL;
    expect_refused(&c, "plan");
}

static void test_foreign_buffers(void)
{
    const clconv_tensor_sizes *e = &good.plan.geometry.elements;
    cl_int code = CL_SUCCESS;
    cl_mem other = clCreateBuffer(foreign.opencl, CL_MEM_READ_WRITE,
                                  (size_t)(e->input + e->output + e->weight) * 4, NULL, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    for (int i = 0; i < 4; i++) {
        call c = good_call();
        tensor_of(&c.tensors, i)->memory = other;
        expect_refused(&c, names[i]);
    }
    clReleaseMemObject(other);
}

static void test_events(void)
{
    cl_int code = CL_SUCCESS;
    cl_event event = clCreateUserEvent(device.opencl, &code);
    cl_event list[2] = {event, NULL};
    call c = good_call();
    c.n_wait = 1;
    expect_refused(&c, "wait");
    c.n_wait = 0;
    c.wait = list;
    expect_refused(&c, "wait");
    c.n_wait = 2;
    expect_refused(&c, "wait");
    clSetUserEventStatus(event, CL_COMPLETE);
    clReleaseEvent(event);
}

/* Packing: the same rules, and plans without packed weights say so. */
static void test_packing(void)
{
    test_plan packed;
    clconv_error err = {.message = ""};
    CU_ASSERT_EQUAL_FATAL(test_plan_create(&device, &good.plan.problem, "direct", false, true,
                                           CLCONV_WORKSPACE_UNLIMITED, &packed, &err),
                          CLCONV_SUCCESS);
    size_t size = clconv_plan_packed_weight_size(packed.plan);
    CU_ASSERT_FATAL(size > 8);
    cl_mem memory = job_buffer(&good, size, NULL);
    const clconv_buffer weight = good.tensors.weight, room = {memory, 0};
    const clconv_buffer bad[] = {{NULL, 0}, {memory, 1}, {memory, 4}, {memory, SIZE_MAX - 3}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_EQUAL(
            clconv_plan_pack_weight(packed.plan, device.queue, weight, bad[i], 0, NULL, NULL, &err),
            CLCONV_INVALID_ARGUMENT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "packed"));
    }
    CU_ASSERT_EQUAL(clconv_plan_pack_weight(packed.plan, device.queue, (clconv_buffer){weight.memory, 4},
                                            room, 0, NULL, NULL, &err),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_plan_pack_weight(packed.plan, NULL, weight, room, 0, NULL, NULL, &err),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_plan_pack_weight(NULL, device.queue, weight, room, 0, NULL, NULL, &err),
                    CLCONV_INVALID_ARGUMENT);
    call c = good_call();
    c.plan = packed.plan;
    c.tensors.weight = (clconv_buffer){memory, 4};
    expect_refused(&c, "weight");
    clReleaseMemObject(memory);
    test_plan_release(&packed);
}

/* A residual that is missing, too small, misplaced or overlapped, even in full, by the output. */
static void test_residual(void)
{
    test_plan adding;
    clconv_error err = {.message = ""};
    clconv_problem p = good.plan.problem;
    p.has_residual = 1;
    CU_ASSERT_EQUAL_FATAL(
        test_plan_create(&device, &p, "direct", false, false, CLCONV_WORKSPACE_UNLIMITED, &adding, &err),
        CLCONV_SUCCESS);
    size_t bytes = (size_t)adding.geometry.elements.residual * 4;
    CU_ASSERT_FATAL(bytes == (size_t)good.plan.geometry.elements.output * 4);
    cl_mem whole = job_buffer(&good, bytes, NULL), small = job_buffer(&good, bytes - 4, NULL);
    call c = good_call();
    c.plan = adding.plan;
    expect_refused(&c, "residual is NULL");
    c.tensors.residual.memory = small;
    expect_refused(&c, "residual has");
    c.tensors.residual = (clconv_buffer){whole, 4};
    expect_refused(&c, "residual has");
    c.tensors.residual.offset = 2;
    expect_refused(&c, "residual starts");
    c.tensors.residual = c.tensors.output;
    expect_refused(&c, "output overlaps residual");
    clReleaseMemObject(whole);
    clReleaseMemObject(small);
    test_plan_release(&adding);
}

/* Arrays in host memory: those that the problem has must be there. */
static void test_host_arrays(void)
{
    clconv_problem p;
    clconv_error err = {.message = ""};
    const float values[1] = {3};
    float output[1] = {7};
    clconv_problem_init(&p);
    p.has_bias = p.has_residual = 1;
    CU_ASSERT_EQUAL(clconv_conv3d_host(device.context, &p, NULL, NULL, &err), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_STRING_EQUAL(err.message, "tensors is NULL");
    static const char *const messages[] = {"input is NULL", "weight is NULL", "bias is NULL",
                                           "residual is NULL", "output is NULL"};
    for (int i = 0; i < 5; i++) {
        clconv_host_tensors t = {values, values, values, values, output, 0};
        const void **const inputs[] = {&t.input, &t.weight, &t.bias, &t.residual};
        if (i < 4)
            *inputs[i] = NULL;
        else
            t.output = NULL;
        CU_ASSERT_EQUAL(clconv_conv3d_host(device.context, &p, NULL, &t, &err), CLCONV_INVALID_ARGUMENT);
        CU_ASSERT_STRING_EQUAL(err.message, messages[i]);
        CU_ASSERT_EQUAL(output[0], 7);
    }
    const clconv_host_tensors all = {values, values, values, values, output, 0};
    CU_ASSERT_EQUAL(clconv_conv3d_host(device.context, &p, NULL, &all, &err), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(output[0], 3 * 3 + 3 + 3);
}

const char test_suite_name[] = "refused runs";
const test_entry test_suite[] = {
    {"a plan with its data", open_job},
    {"tensors that are missing or misplaced", test_tensors},
    {"buffers that are too small", test_small_buffers},
    {"workspace", test_workspace},
    {"overlapping output", test_overlap},
    {"queues", test_queues},
    {"buffers of another context", test_foreign_buffers},
    {"wait lists", test_events},
    {"packed weights", test_packing},
    {"a residual", test_residual},
    {"arrays in host memory", test_host_arrays},
    {"the plan still runs", close_job},
    {NULL, NULL},
};
