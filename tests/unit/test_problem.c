/* Every rule of Conv3d that a problem can break, with the message that says so, and the legal problem just
 * beside it. */
#include "harness.h"

#include "clconv.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A member set to a value; the last of a list has no member. */
typedef struct edit {
    size_t member; /* offset + 1 */
    int64_t value;
} edit;

#define SET(name, number)                          \
    {                                              \
        offsetof(clconv_problem, name) + 1, number \
    }

typedef struct rule_case {
    edit edits[4];
    clconv_padding_mode mode;
    const char *message; /* NULL: legal */
} rule_case;

static const int64_t huge = INT64_C(1) << 62;

/* An edit of: batch 2, groups 2, channels 4 to 6, input 5 x 6 x 7, kernel 3 x 3 x 3. */
static clconv_problem make_problem(const rule_case *c)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.batch = p.groups = 2;
    p.in_channels = 4;
    p.out_channels = 6;
    for (int axis = 0; axis < 3; axis++) {
        p.input[axis] = 5 + axis;
        p.kernel[axis] = 3;
    }
    p.padding_mode = c->mode;
    for (const edit *e = c->edits; e < c->edits + 4 && e->member != 0; e++)
        memcpy((char *)&p + e->member - 1, &e->value, sizeof e->value);
    return p;
}

static void check(const rule_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        clconv_problem p = make_problem(&cases[i]);
        clconv_error err = {CLCONV_SUCCESS, CL_SUCCESS, ""};
        clconv_status status = clconv_problem_validate(&p, &err);
        const char *right = cases[i].message != NULL ? cases[i].message : "";
        if (strcmp(err.message, right) != 0) printf("got:  %s\nnot:  %s\n", err.message, right);
        CU_ASSERT_STRING_EQUAL(err.message, right);
        CU_ASSERT_EQUAL(status, cases[i].message != NULL ? CLCONV_INVALID_PROBLEM : CLCONV_SUCCESS);
        CU_ASSERT_EQUAL(err.status, status);
        CU_ASSERT_EQUAL(clconv_problem_validate(&p, NULL), status);
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof(cases)[0])

static void test_channels(void)
{
    const rule_case cases[] = {
        {{{0, 0}}, CLCONV_PADDING_ZEROS, NULL},
        {{SET(batch, 0)}, CLCONV_PADDING_ZEROS, NULL},
        {{SET(batch, -1)}, CLCONV_PADDING_ZEROS, "batch is -1; it must not be negative"},
        {{SET(groups, 0)}, CLCONV_PADDING_ZEROS, "groups is 0; it must be a positive integer"},
        {{SET(groups, -2)}, CLCONV_PADDING_ZEROS, "groups is -2; it must be a positive integer"},
        {{SET(groups, 4)}, CLCONV_PADDING_ZEROS, "out_channels is 6; it must be divisible by groups (4)"},
        {{SET(groups, 3)}, CLCONV_PADDING_ZEROS, "in_channels is 4; it must be divisible by groups (3)"},
        {{SET(groups, INT64_MAX)},
         CLCONV_PADDING_ZEROS,
         "in_channels is 4; it must be divisible by groups (9223372036854775807)"},
        {{SET(in_channels, 0)}, CLCONV_PADDING_ZEROS, "in_channels is 0; it must be positive"},
        {{SET(out_channels, -6)}, CLCONV_PADDING_ZEROS, "out_channels is -6; it must be positive"},
    };
    CHECK(cases);
}

static void test_extents(void)
{
    const rule_case cases[] = {
        {{SET(input[0], 0)}, CLCONV_PADDING_ZEROS, "input size of D is 0; it must be greater than zero"},
        {{SET(input[2], -7)}, CLCONV_PADDING_ZEROS, "input size of W is -7; it must be greater than zero"},
        {{SET(kernel[1], 0)}, CLCONV_PADDING_ZEROS, "kernel_size of H is 0; it must be greater than zero"},
        {{SET(stride[2], 0)}, CLCONV_PADDING_ZEROS, "stride of W is 0; it must be greater than zero"},
        {{SET(stride[0], INT64_MIN)},
         CLCONV_PADDING_ZEROS,
         "stride of D is -9223372036854775808; it must be greater than zero"},
        {{SET(stride[0], INT64_MAX)}, CLCONV_PADDING_ZEROS, NULL},
        {{SET(dilation[1], -1)}, CLCONV_PADDING_ZEROS, "dilation of H is -1; it must be greater than zero"},
        {{SET(dilation[2], 3)}, CLCONV_PADDING_ZEROS, NULL},
        {{SET(dilation[2], 4)},
         CLCONV_PADDING_ZEROS,
         "kernel size can't be greater than actual input size: on W the kernel spans 4 * (3 - 1) + 1 "
         "elements, "
         "the padded input has 7"},
        {{SET(kernel[0], 6)},
         CLCONV_PADDING_ZEROS,
         "kernel size can't be greater than actual input size: on D the kernel spans 1 * (6 - 1) + 1 "
         "elements, "
         "the padded input has 5"},
        {{SET(kernel[0], 6), SET(pad_after[0], 1)}, CLCONV_PADDING_ZEROS, NULL},
        {{SET(kernel[0], 1), SET(dilation[0], INT64_MAX)}, CLCONV_PADDING_ZEROS, NULL},
    };
    CHECK(cases);
}

static void test_padding(void)
{
    const rule_case cases[] = {
        {{SET(pad_before[0], -1)},
         CLCONV_PADDING_ZEROS,
         "padding before of D is -1; negative padding is not supported"},
        {{SET(pad_after[2], -4)},
         CLCONV_PADDING_REPLICATE,
         "padding after of W is -4; negative padding is not supported"},
        {{SET(pad_before[1], 1000)}, CLCONV_PADDING_ZEROS, NULL},
        {{SET(pad_before[1], 1000)}, CLCONV_PADDING_REPLICATE, NULL},
        {{SET(pad_before[1], 5)}, CLCONV_PADDING_REFLECT, NULL},
        {{SET(pad_before[1], 6)},
         CLCONV_PADDING_REFLECT,
         "padding before of H is 6; with padding_mode reflect it must be less than the input size (6)"},
        {{SET(pad_after[2], 7)},
         CLCONV_PADDING_REFLECT,
         "padding after of W is 7; with padding_mode reflect it must be less than the input size (7)"},
        {{SET(pad_after[0], 5), SET(pad_before[0], 5)}, CLCONV_PADDING_CIRCULAR, NULL},
        {{SET(pad_after[0], 5), SET(pad_before[0], 5)}, CLCONV_PADDING_SYMMETRIC, NULL},
        {{SET(pad_after[0], 6)},
         CLCONV_PADDING_SYMMETRIC,
         "padding after of D is 6; with padding_mode symmetric it must not exceed the input size (5)"},
        {{SET(pad_after[0], 6)},
         CLCONV_PADDING_CIRCULAR,
         "padding after of D is 6; with padding_mode circular it must not exceed the input size (5)"},
        {{SET(output_padding[2], -1)},
         CLCONV_PADDING_ZEROS,
         "output_padding of W is -1; it must be at least 0 and smaller than either stride (1) or dilation "
         "(1)"},
        {{SET(output_padding[0], 2), SET(stride[0], 2)},
         CLCONV_PADDING_ZEROS,
         "output_padding of D is 2; it must be at least 0 and smaller than either stride (2) or dilation "
         "(1)"},
        {{SET(output_padding[0], 1), SET(dilation[0], 2)},
         CLCONV_PADDING_ZEROS,
         "output_padding of D is 1; beside a kernel that spans 5 elements the padded input of 5 has no room "
         "for it"},
        {{SET(output_padding[0], 1), SET(stride[0], 2)}, CLCONV_PADDING_ZEROS, NULL},
    };
    CHECK(cases);
}

/* Sizes that no 64-bit offset could reach are refused before they are multiplied. */
static void test_limits(void)
{
    const rule_case cases[] = {
        {{SET(pad_before[0], INT64_MAX)}, CLCONV_PADDING_ZEROS, "padded input size of D exceeds 2^61"},
        {{SET(pad_before[2], huge), SET(pad_after[2], huge)},
         CLCONV_PADDING_ZEROS,
         "padded input size of W exceeds 2^61"},
        {{SET(dilation[0], INT64_MAX)},
         CLCONV_PADDING_ZEROS,
         "kernel size can't be greater than actual input size: on D the kernel spans 9223372036854775807 * "
         "(3 - "
         "1) + 1 elements, the padded input has 5"},
        {{SET(kernel[0], INT64_MAX), SET(dilation[0], INT64_MAX)},
         CLCONV_PADDING_ZEROS,
         "kernel size can't be greater than actual input size: on D the kernel spans 9223372036854775807 * "
         "(9223372036854775807 - 1) + 1 elements, the padded input has 5"},
        {{SET(batch, INT64_MAX)}, CLCONV_PADDING_ZEROS, "input would have more than 2^61 bytes"},
        {{SET(batch, 0), SET(in_channels, huge)},
         CLCONV_PADDING_ZEROS,
         "input would have more than 2^61 bytes"},
        {{SET(out_channels, huge)}, CLCONV_PADDING_ZEROS, "output would have more than 2^61 bytes"},
        {{SET(pad_before[0], INT64_C(1) << 60)},
         CLCONV_PADDING_ZEROS,
         "output would have more than 2^61 bytes"},
        {{SET(pad_before[0], INT64_C(1) << 60), SET(stride[0], INT64_C(1) << 60)},
         CLCONV_PADDING_ZEROS,
         "padded input would have more than 2^61 bytes"},
        {{SET(in_channels, INT64_C(1) << 40), SET(out_channels, INT64_C(1) << 40), SET(batch, 1)},
         CLCONV_PADDING_ZEROS,
         "weight would have more than 2^61 bytes"},
    };
    CHECK(cases);
}

/* The largest legal tensor of either type, and one element more. */
static void test_largest(void)
{
    clconv_problem p;
    for (int dtype = 0; dtype < 2; dtype++) {
        clconv_problem_init(&p);
        p.dtype = (clconv_dtype)dtype;
        p.input[2] = (INT64_C(1) << (59 - dtype)) - 1;
        CU_ASSERT_EQUAL(clconv_problem_validate(&p, NULL), CLCONV_SUCCESS);
        p.input[2]++;
        CU_ASSERT_EQUAL(clconv_problem_validate(&p, NULL), CLCONV_INVALID_PROBLEM);
    }
}

static void expect(const clconv_problem *p, clconv_status status, const char *message)
{
    clconv_error err = {.message = ""};
    CU_ASSERT_EQUAL(clconv_problem_validate(p, &err), status);
    CU_ASSERT_STRING_EQUAL(err.message, message);
}

static void test_kinds(void)
{
    clconv_problem p;
    expect(NULL, CLCONV_INVALID_ARGUMENT, "problem is NULL");
    clconv_problem_init(&p);
    p.dtype = (clconv_dtype)2;
    expect(&p, CLCONV_INVALID_PROBLEM, "dtype is 2; it must be float32 or float64");
    clconv_problem_init(&p);
    p.layout = (clconv_layout)1;
    expect(&p, CLCONV_INVALID_PROBLEM, "layout is 1; it must be NCDHW");
    clconv_problem_init(&p);
    p.padding_mode = (clconv_padding_mode)5;
    expect(&p, CLCONV_INVALID_PROBLEM,
           "padding_mode is 5; it must be zeros, reflect, replicate, circular or symmetric");
    clconv_problem_init(&p);
    p.has_bias = 2;
    expect(&p, CLCONV_INVALID_PROBLEM, "has_bias is 2; it must be 0 or 1");
}

static void test_epilogue(void)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.has_residual = -1;
    expect(&p, CLCONV_INVALID_PROBLEM, "has_residual is -1; it must be 0 or 1");
    p.has_residual = 1;
    for (int activation = -1; activation <= 7; activation++) {
        p.activation = (clconv_activation)activation;
        char message[128] = "";
        bool is_known = activation >= 0 && activation < 7;
        if (!is_known)
            snprintf(message, sizeof message,
                     "activation is %d; it must be none, relu, leaky_relu, silu, sigmoid, tanh or gelu",
                     activation);
        expect(&p, is_known ? CLCONV_SUCCESS : CLCONV_INVALID_PROBLEM, message);
    }
}

/* The slope matters to leaky_relu alone, and must be finite in the problem's type. */
static void test_slope(void)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.activation_slope = NAN;
    expect(&p, CLCONV_SUCCESS, "");
    p.activation = CLCONV_ACTIVATION_GELU;
    expect(&p, CLCONV_SUCCESS, "");
    p.activation = CLCONV_ACTIVATION_LEAKY_RELU;
    expect(&p, CLCONV_INVALID_PROBLEM, "activation_slope is nan; it must be finite in float32");
    p.activation_slope = -INFINITY;
    expect(&p, CLCONV_INVALID_PROBLEM, "activation_slope is -inf; it must be finite in float32");
    p.activation_slope = 1e39;
    expect(&p, CLCONV_INVALID_PROBLEM, "activation_slope is 1e+39; it must be finite in float32");
    p.dtype = CLCONV_FLOAT64;
    expect(&p, CLCONV_SUCCESS, "");
    p.activation_slope = INFINITY;
    expect(&p, CLCONV_INVALID_PROBLEM, "activation_slope is inf; it must be finite in float64");
}

static void test_initial_problem(void)
{
    clconv_problem p;
    memset(&p, 0x5a, sizeof p);
    clconv_problem_init(&p);
    expect(&p, CLCONV_SUCCESS, "");
    CU_ASSERT(p.batch == 1 && p.groups == 1 && p.in_channels == 1 && p.out_channels == 1);
    for (int axis = 0; axis < 3; axis++) {
        CU_ASSERT(p.input[axis] == 1 && p.kernel[axis] == 1 && p.stride[axis] == 1 && p.dilation[axis] == 1);
        CU_ASSERT(p.pad_before[axis] == 0 && p.pad_after[axis] == 0);
    }
    CU_ASSERT(p.padding_mode == CLCONV_PADDING_ZEROS && p.dtype == CLCONV_FLOAT32 && p.has_bias == 0);
    CU_ASSERT(p.has_residual == 0 && p.activation == CLCONV_ACTIVATION_NONE && p.activation_slope == 0.01);
}

const char test_suite_name[] = "problem";
const test_entry test_suite[] = {
    {"batch, groups and channels", test_channels},
    {"extents", test_extents},
    {"padding of each mode", test_padding},
    {"limits of 64 bits", test_limits},
    {"the largest tensor", test_largest},
    {"kinds", test_kinds},
    {"residual and activation", test_epilogue},
    {"the slope of leaky_relu", test_slope},
    {"what a problem starts from", test_initial_problem},
    {NULL, NULL},
};
