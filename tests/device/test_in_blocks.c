/* Random problems of all ops under random memory limits give the bits of the whole, on integers; and on other numbers where
 * that is promised. */
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

static float *some_values(random_state *r, int64_t count, bool integers)
{
    float *values = malloc((size_t)(count > 0 ? count : 1) * sizeof *values);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)random_between(r, -9, 9) / (integers ? 1.0f : 7.0f);
    return values;
}

static void set_limit(uint64_t bytes)
{
    device.context->rt.options.memory_limit = bytes;
}

/* Tensors of a problem, and what an op makes of them as a whole and in blocks. */
typedef struct arrays {
    float *input, *weight, *bias, *residual, *output;
    float *whole[3], *parts[3];
    int64_t made[3];
} arrays;

static arrays make_arrays(random_state *r, const clconv_problem *p, const geometry *g, clconv_op op,
                          bool integers)
{
    const clconv_tensor_sizes *n = &g->elements;
    int64_t biases = p->in_channels > p->out_channels ? p->in_channels : p->out_channels;
    arrays a = {.input = some_values(r, n->input, integers),
                .weight = some_values(r, n->weight, integers),
                .bias = some_values(r, biases, integers),
                .residual = some_values(r, n->residual, integers),
                .output = some_values(r, n->output, integers)};
    const int64_t gradients[] = {n->input, n->weight, p->out_channels};
    for (int i = 0; i < 3; i++) {
        if (op == CLCONV_FORWARD || op == CLCONV_TRANSPOSED)
            a.made[i] = i > 0 ? 0 : op == CLCONV_FORWARD ? n->output : n->input;
        else
            a.made[i] = gradients[i];
        a.whole[i] = some_values(r, a.made[i], integers);
        a.parts[i] = some_values(r, a.made[i], integers);
    }
    return a;
}

static void free_arrays(arrays *a)
{
    float *const all[] = {a->input, a->weight, a->bias, a->residual, a->output};
    for (int i = 0; i < 5; i++)
        free(all[i]);
    for (int i = 0; i < 3; i++) {
        free(a->whole[i]);
        free(a->parts[i]);
    }
}

/* All three gradients if the op is that of any. */
static clconv_status compute(const clconv_problem *p, clconv_op op, const char *algorithm, const arrays *a,
                             float *const made[3], clconv_error *err)
{
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = algorithm;
    bool is_forward = op == CLCONV_FORWARD;
    const clconv_host_tensors t = {.input = is_forward ? a->input : a->output,
                                   .weight = a->weight,
                                   .bias = p->has_bias ? a->bias : NULL,
                                   .residual = p->has_residual ? a->residual : NULL,
                                   .output = made[0]};
    if (is_forward) return clconv_conv3d_host(device.context, p, &options, &t, err);
    if (op == CLCONV_TRANSPOSED) return clconv_conv_transpose3d_host(device.context, p, &options, &t, err);
    const clconv_host_gradients d = {.input = a->input,
                                     .weight = a->weight,
                                     .grad_output = a->output,
                                     .grad_input = made[0],
                                     .grad_weight = made[1],
                                     .grad_bias = made[2]};
    return clconv_conv3d_grad_host(device.context, p, &options, &d, err);
}

static void compare(const clconv_problem *p, clconv_op op, const arrays *a)
{
    for (int i = 0; i < 3; i++) {
        bool same = memcmp(a->whole[i], a->parts[i], (size_t)a->made[i] * sizeof(float)) == 0;
        if (!same) {
            char text[CLCONV_PROBLEM_TEXT_SIZE];
            clconv_problem_format(p, text, NULL);
            printf("\n  %s of %s, padding mode %d: array %d differs", clconv_op_name(op), text,
                   (int)p->padding_mode, i);
        }
        CU_ASSERT(same);
    }
}

/* Under a limit between what a row of a channel needs and what the whole does, or `percent` of this. False if the problem
 * is not legal. */
static int check_problem(random_state *r, const clconv_problem *p, clconv_op op, const char *algorithm,
                         int percent, bool integers)
{
    geometry g;
    clconv_error err = {.message = ""};
    if (geometry_compute(p, &g, NULL) != CLCONV_SUCCESS) return 0;
    arrays a = make_arrays(r, p, &g, op, integers);
    CU_ASSERT_EQUAL_FATAL(compute(p, op, algorithm, &a, a.whole, &err), CLCONV_SUCCESS);
    const block_size all = {p->batch, p->out_channels, g.output[0], g.output[1]}, least = {1, 1, 1, 1};
    int64_t largest, most = blocks_bytes(p, &g, &all, &largest),
                     fewest = blocks_bytes(p, &g, &least, &largest);
    int64_t limit =
        percent > 0 ? most * percent / 100 : random_between(r, fewest, most > fewest ? most : fewest);
    set_limit((uint64_t)limit);
    clconv_status status = compute(p, op, algorithm, &a, a.parts, &err);
    set_limit(0);
    if (status != CLCONV_SUCCESS) printf("\n  %s", err.message);
    CU_ASSERT_EQUAL(status, CLCONV_SUCCESS);
    if (status == CLCONV_SUCCESS) compare(p, op, &a);
    free_arrays(&a);
    return 1;
}

/* The algorithms that compute a problem by its definition, whose programs are few. */
static void test_random(void)
{
    static const clconv_op ops[] = {CLCONV_FORWARD, CLCONV_TRANSPOSED, CLCONV_BACKWARD_INPUT};
    static const char *const algorithms[] = {"direct_indexed", "input_indexed", "input_indexed"};
    const char *count = getenv("CLCONV_TEST_BLOCKS");
    int problems = count != NULL                         ? atoi(count)
                   : getenv("CLCONV_FULL_TESTS") != NULL ? 1000
                                                         : 150,
        checked = 0;
    random_state r = {77};
    for (int i = 0; i < problems; i++) {
        clconv_problem p = some_problem(&r);
        const clconv_op op = ops[i % 3];
        if (op == CLCONV_TRANSPOSED) p.padding_mode = CLCONV_PADDING_ZEROS;
        if (op != CLCONV_FORWARD) p.has_residual = 0, p.activation = CLCONV_ACTIVATION_NONE;
        checked += check_problem(&r, &p, op, algorithms[i % 3], 0, true);
    }
    CU_ASSERT(checked > problems / 2);
}

/* Blocks of samples and whole groups leave each sum as it is; of any numbers, for all that is no sum over samples. */
static void test_same_bits(void)
{
    random_state r = {79};
    clconv_problem p;
    CU_ASSERT_EQUAL(clconv_problem_parse("g2mb9ic4id6ih5oc4kd3pd1", &p, NULL), CLCONV_SUCCESS);
    for (int percent = 40; percent < 100; percent += 25) {
        CU_ASSERT(check_problem(&r, &p, CLCONV_FORWARD, "direct_indexed", percent, false));
        for (int bias = 0; bias < 2; bias++) {
            p.has_bias = bias;
            CU_ASSERT(check_problem(&r, &p, CLCONV_TRANSPOSED, "input_indexed", percent, false));
        }
        p.has_bias = 0;
    }
}

/* Its workspace keeps the limit too. */
static void test_workspace(void)
{
    random_state r = {78};
    clconv_problem p;
    CU_ASSERT_EQUAL(clconv_problem_parse("mb2ic4id20oc8kd3pd1", &p, NULL), CLCONV_SUCCESS);
    for (int percent = 40; percent < 300; percent *= 2)
        CU_ASSERT(check_problem(&r, &p, CLCONV_FORWARD, "direct", percent, true));
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
    {"bits of the whole", test_same_bits},
    {"an algorithm with a workspace", test_workspace},
    {"a limit too small", test_too_small},
    {"the device's end", close_device},
    {NULL, NULL},
};
