/* Tensors of more than 2 GiB, in bytes past 2^31: an input and an output of that size, by every algorithm that does the
 * problem, at places spread over the output and at its ends, against sums of integers. */
#include "harness.h"
#include "runner.h"

#include "base/arith.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLES = 499 };

/* What is at an index of the input or the weight: a small integer. */
static float value_at(uint64_t index)
{
    uint64_t mixed = (index + 1) * UINT64_C(0x9E3779B97F4A7C15);
    return (float)((int)(mixed >> 61) - 3);
}

static test_device device;

static void open_device(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
}

static void close_device(void)
{
    test_device_close(&device);
}

static cl_mem tensor(int64_t count, bool is_filled)
{
    cl_int code = CL_SUCCESS;
    cl_mem memory = clCreateBuffer(device.opencl, CL_MEM_READ_WRITE, (size_t)count * 4, NULL, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    if (!is_filled) return memory;
    float *values = clEnqueueMapBuffer(device.queue, memory, CL_TRUE, CL_MAP_WRITE, 0, (size_t)count * 4, 0,
                                       NULL, NULL, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    for (int64_t i = 0; i < count; i++)
        values[i] = value_at((uint64_t)i);
    CU_ASSERT_EQUAL(clEnqueueUnmapMemObject(device.queue, memory, values, 0, NULL, NULL), CL_SUCCESS);
    clFinish(device.queue);
    return memory;
}

/* The product of a tap with what it reads, 0 where that is padding. `at` is a place of the output. */
static double product(const clconv_problem *p, const int64_t at[3], int64_t out, int64_t in,
                      const int64_t tap[3])
{
    int64_t source = in, weight = out * p->in_channels + in;
    for (int axis = 0; axis < 3; axis++) {
        int64_t x = at[axis] * p->stride[axis] + tap[axis] * p->dilation[axis] - p->pad_before[axis];
        if (x < 0 || x >= p->input[axis]) return 0;
        source = source * p->input[axis] + x;
        weight = weight * p->kernel[axis] + tap[axis];
    }
    return (double)value_at((uint64_t)source) * (double)value_at((uint64_t)weight);
}

/* An output of one sample in one group. */
static double expected_at(const clconv_problem *p, const int64_t size[3], int64_t index)
{
    const int64_t at[3] = {index / (size[1] * size[2]) % size[0], index / size[2] % size[1], index % size[2]};
    const int64_t out = index / (size[0] * size[1] * size[2]);
    double sum = 0;
    for (int64_t in = 0; in < p->in_channels; in++)
        for (int64_t d = 0; d < p->kernel[0]; d++)
            for (int64_t h = 0; h < p->kernel[1]; h++)
                for (int64_t w = 0; w < p->kernel[2]; w++)
                    sum += product(p, at, out, in, (const int64_t[]){d, h, w});
    return sum;
}

/* Places of the output that differ from the sums. */
static int count_wrong(const clconv_problem *p, const geometry *g, cl_mem output)
{
    int wrong = 0;
    clconv_problem whole = *p;
    int64_t size[3];
    CU_ASSERT_EQUAL_FATAL(clconv_output_size(&whole, size, NULL), CLCONV_SUCCESS);
    for (int64_t s = 0; s <= SAMPLES; s++) {
        const int64_t last = g->elements.output - 1,
                      index = s == SAMPLES ? last : last / SAMPLES * s + 7 * s % 13;
        float got = -1e9F;
        CU_ASSERT_EQUAL(
            clEnqueueReadBuffer(device.queue, output, CL_TRUE, (size_t)index * 4, 4, &got, 0, NULL, NULL),
            CL_SUCCESS);
        double expected = expected_at(p, size, index);
        if ((double)got == expected) continue;
        if (wrong++ == 0) printf("\n  element %" PRId64 " is %g, not %g", index, (double)got, expected);
    }
    return wrong;
}

/* Runs one algorithm; false if it refuses the problem or its workspace would not fit. */
static bool run(const char *algorithm, const clconv_problem *p, clconv_tensors *tensors, cl_mem output)
{
    const float nan = -5e8F;
    test_plan plan;
    clconv_error err = {.message = ""};
    if (test_plan_create(&device, p, algorithm, false, false, UINT64_C(1) << 30, &plan, &err) !=
        CLCONV_SUCCESS)
        return false;
    size_t bytes = clconv_plan_workspace_size(plan.plan);
    clconv_buffer workspace = {bytes > 0 ? tensor((int64_t)(bytes + 3) / 4, false) : NULL, 0};
    clEnqueueFillBuffer(device.queue, output, &nan, sizeof nan, 0, (size_t)plan.geometry.elements.output * 4,
                        0, NULL, NULL);
    CU_ASSERT_EQUAL(clconv_plan_enqueue(plan.plan, device.queue, tensors, &workspace, 0, NULL, NULL, &err),
                    CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(clFinish(device.queue), CL_SUCCESS);
    int wrong = count_wrong(p, &plan.geometry, output);
    if (wrong > 0) printf(", by %s, and %d others\n", algorithm, wrong - 1);
    CU_ASSERT_EQUAL(wrong, 0);
    if (workspace.memory != NULL) clReleaseMemObject(workspace.memory);
    test_plan_release(&plan);
    return true;
}

/* `bytes` is what its largest tensor has at least. */
static void check_problem(const char *text)
{
    clconv_problem p;
    geometry g;
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &p, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT(4 * max_i64(g.elements.input, g.elements.output) > INT64_C(1) << 31);
    int64_t most = clconv_context_device_info(device.context)->max_allocation_bytes;
    if (4 * max_i64(g.elements.input, g.elements.output) > most) {
        printf("the device's largest allocation is %" PRId64 " bytes; ", most);
        return;
    }
    cl_mem input = tensor(g.elements.input, true), weight = tensor(g.elements.weight, true),
           output = tensor(g.elements.output, false);
    clconv_tensors tensors = {.input = {input, 0}, .weight = {weight, 0}, .output = {output, 0}};
    int done = 0;
    for (size_t a = 0; a < clconv_algorithm_count(); a++)
        if (clconv_algorithm_serves(a, CLCONV_FORWARD) && clconv_algorithm_accumulates_directly(a))
            done += run(clconv_algorithm_name(a), &p, &tensors, output);
    printf("%s by %d algorithms; ", text, done);
    CU_ASSERT(done > 0);
    clReleaseMemObject(input);
    clReleaseMemObject(weight);
    clReleaseMemObject(output);
}

static void test_input(void)
{
    check_problem("ic1id1024ih768iw704oc1kd3sd4pd1"); /* 2.1 GiB */
}

static void test_output(void)
{
    check_problem("ic1id128ih512iw560oc16kd1kh3kw3pd0ph1pw1"); /* 2.2 GiB */
}

const char test_suite_name[] = "tensors past 2^31 bytes";
const test_entry test_suite[] = {
    {"a device", open_device},    {"input", test_input}, {"output", test_output},
    {"the device", close_device}, {NULL, NULL},
};
