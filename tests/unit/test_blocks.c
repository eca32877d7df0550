/* Planning blocks, without a device: they cover the output once, keep to the limits, and their inputs hold what their outputs
 * read. */
#include "harness.h"

#include "blocks/blocks.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

enum { PROBLEMS = 3000 };

static clconv_problem some_problem(random_state *r)
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.padding_mode = (clconv_padding_mode)random_between(r, 0, CLCONV_PADDING_SYMMETRIC);
    p.batch = random_between(r, 1, 3);
    p.groups = random_between(r, 1, 3);
    p.in_channels = p.groups * random_between(r, 1, 3);
    p.out_channels = p.groups * random_between(r, 1, 4);
    p.has_bias = (int)random_between(r, 0, 1);
    p.has_residual = (int)random_between(r, 0, 1);
    for (int axis = 0; axis < 3; axis++) {
        p.input[axis] = random_between(r, 2, 9);
        p.kernel[axis] = random_between(r, 1, 3);
        p.dilation[axis] = random_between(r, 1, 2);
        p.stride[axis] = random_between(r, 1, 3);
        int64_t most = p.padding_mode == CLCONV_PADDING_ZEROS ? 7 : p.input[axis] - 1;
        p.pad_before[axis] = random_between(r, 0, most);
        p.pad_after[axis] = random_between(r, 0, most);
    }
    return p;
}

/* A block's problem makes its part of the output, from the input that it says. */
static void check_block(const clconv_problem *p, const geometry *g, const block *b)
{
    geometry own;
    CU_ASSERT_EQUAL_FATAL(geometry_compute(&b->problem, &own, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(own.output[2], g->output[2]);
    for (int axis = 0; axis < 2; axis++) {
        CU_ASSERT_EQUAL(own.output[axis], b->output[axis]);
        for (int64_t o = 0; o < own.output[axis]; o++)
            for (int64_t k = 0; k < p->kernel[axis]; k++) {
                int64_t tap = k * p->dilation[axis];
                int64_t whole = geometry_source(
                    p->padding_mode, (b->at[axis] + o) * p->stride[axis] + tap - p->pad_before[axis],
                    p->input[axis]);
                int64_t part =
                    geometry_source(p->padding_mode, o * p->stride[axis] + tap - b->problem.pad_before[axis],
                                    b->problem.input[axis]);
                if (part >= 0) part = geometry_source(p->padding_mode, b->first[axis] + part, p->input[axis]);
                CU_ASSERT_EQUAL(part, whole);
            }
    }
    CU_ASSERT_EQUAL(b->channel / g->group_out * g->group_in, b->in_channel);
    CU_ASSERT_EQUAL(b->problem.in_channels / b->problem.groups, g->group_in);
}

static void count(const clconv_problem *p, const geometry *g, const block *b, int *times)
{
    for (int64_t n = b->sample; n < b->sample + b->problem.batch; n++)
        for (int64_t c = b->channel; c < b->channel + b->problem.out_channels; c++)
            for (int64_t z = b->at[0]; z < b->at[0] + b->output[0]; z++)
                for (int64_t y = b->at[1]; y < b->at[1] + b->output[1]; y++)
                    times[((n * p->out_channels + c) * g->output[0] + z) * g->output[1] + y]++;
}

static int check_problem(const clconv_problem *p, const geometry *g, const block_limits *limits)
{
    block_size size;
    clconv_error err = {.message = ""};
    if (blocks_choose(p, g, limits, &size, &err) != CLCONV_SUCCESS) {
        CU_ASSERT_EQUAL(err.status, CLCONV_OUT_OF_DEVICE_MEMORY);
        return 0;
    }
    int64_t rows = p->batch * p->out_channels * g->output[0] * g->output[1],
            blocks = blocks_count(p, g, &size);
    int *times = calloc((size_t)rows, sizeof *times);
    CU_ASSERT_PTR_NOT_NULL_FATAL(times);
    for (int64_t i = 0; i < blocks; i++) {
        const block b = blocks_at(p, g, &size, i);
        clconv_tensor_sizes n;
        check_block(p, g, &b);
        count(p, g, &b, times);
        CU_ASSERT_EQUAL_FATAL(clconv_problem_tensor_sizes(&b.problem, &n, NULL), CLCONV_SUCCESS);
        int64_t bytes = 4 * (n.input + n.weight + n.bias + n.residual + n.output);
        CU_ASSERT(bytes <= limits->total);
        CU_ASSERT(4 * n.input <= limits->tensor && 4 * n.weight <= limits->tensor &&
                  4 * n.output <= limits->tensor);
    }
    int64_t once = 0;
    for (int64_t i = 0; i < rows; i++)
        once += times[i] == 1;
    CU_ASSERT_EQUAL(once, rows);
    free(times);
    return blocks > 1;
}

static void test_random(void)
{
    random_state r = {31};
    geometry g;
    int divided = 0;
    for (int i = 0; i < PROBLEMS; i++) {
        clconv_problem p = some_problem(&r);
        if (geometry_compute(&p, &g, NULL) != CLCONV_SUCCESS) continue;
        const block_size whole = {p.batch, p.out_channels, g.output[0], g.output[1]};
        int64_t largest, bytes = blocks_bytes(&p, &g, &whole, &largest);
        block_limits limits = {random_between(&r, 64, bytes + 8), 0};
        limits.tensor = random_between(&r, limits.total / 2, limits.total);
        divided += check_problem(&p, &g, &limits);
    }
    CU_ASSERT(divided > PROBLEMS / 4);
}

/* What is within the limits stays whole. */
static void test_whole(void)
{
    random_state r = {32};
    geometry g;
    for (int i = 0; i < PROBLEMS; i++) {
        clconv_problem p = some_problem(&r);
        if (geometry_compute(&p, &g, NULL) != CLCONV_SUCCESS) continue;
        block_size whole = {p.batch, p.out_channels, g.output[0], g.output[1]}, size;
        int64_t largest;
        block_limits limits = {blocks_bytes(&p, &g, &whole, &largest), 0};
        limits.tensor = largest;
        CU_ASSERT_EQUAL(blocks_choose(&p, &g, &limits, &size, NULL), CLCONV_SUCCESS);
        CU_ASSERT_EQUAL(blocks_count(&p, &g, &size), 1);
    }
}

static void test_too_small(void)
{
    clconv_problem p;
    geometry g;
    block_size size;
    clconv_error err = {.message = ""};
    CU_ASSERT_EQUAL(clconv_problem_parse("ic3id8oc4kd3pd1", &p, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(geometry_compute(&p, &g, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(blocks_choose(&p, &g, &(block_limits){600, 600}, &size, &err),
                    CLCONV_OUT_OF_DEVICE_MEMORY);
    /* input 3 * 3 * 3 * 8, weight 3 * 27, output 8 */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "has tensors of 1220 bytes"));
    CU_ASSERT_EQUAL(blocks_choose(&p, &g, &(block_limits){1220, 1220}, &size, &err), CLCONV_SUCCESS);
}

const char test_suite_name[] = "blocks";
const test_entry test_suite[] = {
    {"they cover the output once, within the limits", test_random},
    {"what fits stays whole", test_whole},
    {"a limit too small for a row", test_too_small},
    {NULL, NULL},
};
