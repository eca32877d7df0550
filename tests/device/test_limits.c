/* Limits of devices, by the tests' own OpenCL layer: that it keeps to what it pretends, and that a plan keeps to what a
 * device says, or is refused with the numbers, before anything is launched. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"
#include "job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const variables[] = {"LAYER_TYPE",       "LAYER_WORK_GROUP", "LAYER_KERNEL_WORK_GROUP",
                                        "LAYER_PARAMETERS", "LAYER_ALLOCATION", "LAYER_LOCAL_MEMORY",
                                        "LAYER_QUEUES",     "LAYER_EXTENSIONS"};

static test_device device;

static void pretend(const char *variable, const char *value)
{
    CU_ASSERT_EQUAL_FATAL(setenv(variable, value, 1), 0);
}

/* What is pretended must be set before, since a context asks once. */
static void open_device(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
}

static void close_device(void)
{
    test_device_close(&device);
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
}

static cl_kernel build(const char *source, cl_program *program)
{
    cl_int code = CL_SUCCESS;
    *program = clCreateProgramWithSource(device.opencl, 1, &source, NULL, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(clBuildProgram(*program, 1, &device.device, "", NULL, NULL), CL_SUCCESS);
    cl_kernel kernel = clCreateKernel(*program, "f", &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    return kernel;
}

static void expect_launch(const char *source, size_t items, cl_int expected)
{
    cl_program program;
    cl_kernel kernel = build(source, &program);
    cl_int code = clEnqueueNDRangeKernel(device.queue, kernel, 1, NULL, &items, &items, 0, NULL, NULL);
    CU_ASSERT_EQUAL(code, expected);
    clFinish(device.queue);
    clReleaseKernel(kernel);
    clReleaseProgram(program);
}

static void test_pretence(void)
{
    static const char
        *const nothing = "kernel void f(void) {}",
               *const locals = "kernel void f(void) { local volatile int x[5000]; x[get_local_id(0)] = 1; }";
    pretend("LAYER_TYPE", "gpu");
    pretend("LAYER_WORK_GROUP", "64");
    pretend("LAYER_LOCAL_MEMORY", "16384");
    pretend("LAYER_ALLOCATION", "1048576");
    pretend("LAYER_QUEUES", "2");
    open_device();
    const clconv_device_info *info = clconv_context_device_info(device.context);
    CU_ASSERT_EQUAL(info->type, CL_DEVICE_TYPE_GPU);
    CU_ASSERT_EQUAL(info->max_work_group_size, 64);
    CU_ASSERT_EQUAL(info->local_memory_bytes, 16384);
    expect_launch(nothing, 64, CL_SUCCESS);
    expect_launch(nothing, 65, CL_INVALID_WORK_GROUP_SIZE);
    expect_launch(locals, 1, CL_OUT_OF_RESOURCES);
    cl_int code = CL_SUCCESS;
    CU_ASSERT_PTR_NULL(clCreateBuffer(device.opencl, CL_MEM_READ_WRITE, 1048577, NULL, &code));
    CU_ASSERT_EQUAL(code, CL_INVALID_BUFFER_SIZE);
    CU_ASSERT_PTR_NULL(
        clCreateCommandQueue(device.opencl, device.device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &code));
    CU_ASSERT_EQUAL(code, CL_INVALID_QUEUE_PROPERTIES);
    close_device();
}

/* The algorithm is refused for a reason that has both numbers. */
static void expect_refused(const char *algorithm, const char *problem, const char *limit, const char *words)
{
    clconv_problem p;
    clconv_error err = {.message = ""};
    test_plan plan;
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(problem, &p, NULL), CLCONV_SUCCESS);
    clconv_status status =
        test_plan_create(&device, &p, algorithm, false, false, CLCONV_WORKSPACE_UNLIMITED, &plan, &err);
    CU_ASSERT_EQUAL(status, CLCONV_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, limit));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
    test_plan_release(&plan);
}

static void expect_right(const char *problem)
{
    job j;
    clconv_error err = {.message = ""};
    cl_event done = NULL;
    CU_ASSERT_FATAL(job_open(&device, problem, "auto", 7, &j));
    j.algorithm = "winograd"; /* whose bound is the widest of what may be chosen */
    CU_ASSERT_EQUAL(job_enqueue(&j, device.queue, 0, NULL, &done, &err), CLCONV_SUCCESS);
    clFinish(device.queue);
    CU_ASSERT(job_is_done(&j, device.queue));
    if (done != NULL) clReleaseEvent(done);
    job_close(&j);
}

static void test_kernel_work_group(void)
{
    pretend("LAYER_TYPE", "gpu");
    pretend("LAYER_KERNEL_WORK_GROUP", "32");
    open_device();
    expect_refused("direct_indexed", "ic3id4ih5iw6oc4kd3pd1", "needs work-groups of 64",
                   "this device runs it with 32");
    close_device();
}

/* 256 bytes are what an embedded device has at least; every kernel needs more or is right. */
static void test_arguments(void)
{
    pretend("LAYER_PARAMETERS", "256");
    open_device();
    expect_refused("direct_indexed", "ic3id4ih5iw6oc4kd3pd1", "bytes of arguments", "this device takes 256");
    close_device();
    pretend("LAYER_PARAMETERS", "1024"); /* and a full one */
    open_device();
    expect_right("mb2ic6id6ih7iw18oc8kd3pd1");
    close_device();
}

static void test_in_order_queues(void)
{
    pretend("LAYER_QUEUES", "2");
    open_device();
    expect_right("mb2ic6id6ih7iw18oc8kd3pd1");
    close_device();
}

static void test_allocation(void)
{
    pretend("LAYER_ALLOCATION", "131072");
    open_device();
    expect_right("mb2ic6id6ih7iw18oc8kd3pd1");
    expect_right("ic4id4ih40iw40oc4kd3pd1"); /* im2col of it alone would take 1.3 MB */
    close_device();
}

const char test_suite_name[] = "limits of devices";
const test_entry test_suite[] = {
    {"the layer keeps to what it pretends", test_pretence},
    {"a kernel's own work-group size", test_kernel_work_group},
    {"bytes of arguments", test_arguments},
    {"in-order queues alone", test_in_order_queues},
    {"the largest allocation", test_allocation},
    {NULL, NULL},
};
