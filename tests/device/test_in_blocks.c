/* Random problems under random memory limits give the bits of the whole, on integers. */
#include "harness.h"
#include "runner.h"

#include "blocks/convolve.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static test_device device;

static void open_device(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
}

static void close_device(void)
{
    test_device_close(&device);
}

static clconv_problem some_problem(random_state *r)
{
    static const clconv_activation activations[] = {CLCONV_ACTIVATION_NONE, CLCONV_ACTIVATION_RELU};
    clconv_problem p;
    clconv_problem_init(&p);
    p.padding_mode = (clconv_padding_mode)random_between(r, 0, CLCONV_PADDING_SYMMETRIC);
    p.batch = random_between(r, 1, 3);
    p.groups = random_between(r, 1, 3);
    p.in_channels = p.groups * random_between(r, 1, 3);
    p.out_channels = p.groups * random_between(r, 1, 4);
    p.has_bias = (int)random_between(r, 0, 1);
    p.has_residual = (int)random_between(r, 0, 1);
    p.activation = activations[random_between(r, 0, 1)];
    for (int axis = 0; axis < 3; axis++) {
        p.input[axis] = random_between(r, 3, 11);
        p.kernel[axis] = random_between(r, 1, 3);
        p.dilation[axis] = random_between(r, 1, 2);
        p.stride[axis] = random_between(r, 1, 2);
        p.pad_before[axis] = random_between(r, 0, 2);
        p.pad_after[axis] = random_between(r, 0, 2);
    }
    return p;
}

static float *some_integers(random_state *r, int64_t count)
{
    float *values = malloc((size_t)(count > 0 ? count : 1) * sizeof *values);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)random_between(r, -9, 9);
    return values;
}

static void set_limit(uint64_t bytes)
{
    device.context->rt.options.memory_limit = bytes;
}

/* Under a limit between what a row of a channel needs and what the whole does, or `percent` of this. False if the problem
 * is not legal. */
static int check_problem(random_state *r, const clconv_problem *p, const char *algorithm, int percent)
{
    geometry g;
    clconv_error err = {.message = ""};
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = algorithm;
    if (geometry_compute(p, &g, NULL) != CLCONV_SUCCESS) return 0;
    const clconv_tensor_sizes *n = &g.elements;
    size_t bytes = (size_t)n->output * sizeof(float);
    float *input = some_integers(r, n->input), *weight = some_integers(r, n->weight);
    float *bias = some_integers(r, n->bias), *residual = some_integers(r, n->residual);
    float *whole = some_integers(r, n->output), *parts = some_integers(r, n->output);
    clconv_host_tensors t = {.input = input,
                             .weight = weight,
                             .bias = p->has_bias ? bias : NULL,
                             .residual = p->has_residual ? residual : NULL,
                             .output = whole};
    CU_ASSERT_EQUAL_FATAL(clconv_conv3d_host(device.context, p, &options, &t, &err), CLCONV_SUCCESS);
    const block_size all = {p->batch, p->out_channels, g.output[0], g.output[1]}, least = {1, 1, 1, 1};
    int64_t largest, most = blocks_bytes(p, &g, &all, &largest),
                     fewest = blocks_bytes(p, &g, &least, &largest);
    int64_t limit =
        percent > 0 ? most * percent / 100 : random_between(r, fewest, most > fewest ? most : fewest);
    set_limit((uint64_t)limit);
    t.output = parts;
    clconv_status status = clconv_conv3d_host(device.context, p, &options, &t, &err);
    set_limit(0);
    if (status != CLCONV_SUCCESS) printf("\n  %s", err.message);
    CU_ASSERT_EQUAL(status, CLCONV_SUCCESS);
    if (memcmp(whole, parts, bytes) != 0) {
        char text[CLCONV_PROBLEM_TEXT_SIZE];
        clconv_problem_format(p, text, NULL);
        printf("\n  %s, padding mode %d, differs", text, (int)p->padding_mode);
    }
    CU_ASSERT_EQUAL(memcmp(whole, parts, bytes), 0);
    float *const all_arrays[] = {input, weight, bias, residual, whole, parts};
    for (int i = 0; i < 6; i++)
        free(all_arrays[i]);
    return 1;
}

static void test_random(void)
{
    int problems = getenv("CLCONV_FULL_TESTS") != NULL ? 1000 : 150, checked = 0;
    random_state r = {77};
    for (int i = 0; i < problems; i++) {
        const clconv_problem p = some_problem(&r);
        checked += check_problem(&r, &p, "direct_indexed", 0);
    }
    CU_ASSERT(checked > problems / 2);
}

/* Its workspace keeps the limit too. */
static void test_workspace(void)
{
    random_state r = {78};
    clconv_problem p;
    CU_ASSERT_EQUAL(clconv_problem_parse("mb2ic4id20oc8kd3pd1", &p, NULL), CLCONV_SUCCESS);
    for (int percent = 40; percent < 300; percent *= 2)
        CU_ASSERT(check_problem(&r, &p, "direct", percent));
}

/* A limit too small for a row of a channel says what it takes. */
static void test_too_small(void)
{
    clconv_problem p;
    clconv_error err = {.message = ""};
    float values[64] = {0};
    clconv_problem_init(&p);
    p.input[2] = 64;
    const clconv_host_tensors t = {.input = values, .weight = values, .output = values};
    set_limit(100);
    CU_ASSERT_EQUAL(clconv_conv3d_host(device.context, &p, NULL, &t, &err), CLCONV_OUT_OF_DEVICE_MEMORY);
    set_limit(0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "has tensors of 516 bytes"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "100"));
}

const char test_suite_name[] = "blocks";
const test_entry test_suite[] = {
    {"a device", open_device},
    {"random problems and limits", test_random},
    {"an algorithm with a workspace", test_workspace},
    {"a limit too small", test_too_small},
    {"the device's end", close_device},
    {NULL, NULL},
};
