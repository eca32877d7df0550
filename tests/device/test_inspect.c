/* What a plan tells of itself: its facts, steps and candidates agree with each other and with the text, and a
 * profile times each step of a run that is right. */
#include "harness.h"
#include "job.h"
#include "runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char problem[] = "mb2ic6id6ih7iw18oc8kd3pd1g2";

static test_device device;

static void open_device(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
}

static void close_device(void)
{
    test_device_close(&device);
}

static void expect_info(const job *j, const char *algorithm)
{
    clconv_plan_info info;
    clconv_plan_get_info(j->plan.plan, &info);
    CU_ASSERT_STRING_EQUAL(info.algorithm, algorithm);
    CU_ASSERT_PTR_NOT_NULL(info.parameters);
    const clconv_problem *p = &j->plan.problem;
    int64_t filter = p->in_channels / p->groups * p->kernel[0] * p->kernel[1] * p->kernel[2];
    CU_ASSERT_DOUBLE_EQUAL(info.flops, 2.0 * (double)j->expected.count * (double)filter, 0);
    CU_ASSERT(info.estimated_seconds > 0 && info.estimated_seconds < 1);
    CU_ASSERT_EQUAL(info.workspace_size, clconv_plan_workspace_size(j->plan.plan));
    CU_ASSERT_EQUAL(info.packed_weight_size, clconv_plan_packed_weight_size(j->plan.plan));
    CU_ASSERT(info.packed_weight_size >= (size_t)(p->out_channels * filter) * sizeof(float));
    CU_ASSERT_EQUAL(info.candidates, forward_algorithm_count());
    CU_ASSERT(info.steps >= 1);
}

static void test_infos(void)
{
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        job j;
        CU_ASSERT_FATAL(job_open(&device, job_problem(&device, clconv_algorithm_name(a)),
                                 clconv_algorithm_name(a), 1, &j));
        expect_info(&j, clconv_algorithm_name(a));
        job_close(&j);
    }
}

/* Taps of an axis that lie inside the input, of all outputs. */
static double taps_inside(const clconv_problem *p, const int64_t output[3], int axis)
{
    int64_t taps = 0;
    for (int64_t i = 0; i < output[axis]; i++)
        for (int64_t k = 0; k < p->kernel[axis]; k++) {
            int64_t at = i * p->stride[axis] + k * p->dilation[axis] - p->pad_before[axis];
            if (at >= 0 && at < p->input[axis]) taps++;
        }
    return (double)taps;
}

/* FLOPs of the definition but those with padded zeros, which an algorithm may leave out. */
static double flops_inside(const clconv_problem *p)
{
    int64_t output[3];
    CU_ASSERT_EQUAL_FATAL(clconv_output_size(p, output, NULL), CLCONV_SUCCESS);
    double channels = (double)p->batch * (double)p->out_channels * (double)(p->in_channels / p->groups);
    return 2 * channels * taps_inside(p, output, 0) * taps_inside(p, output, 1) * taps_inside(p, output, 2);
}

/* The arithmetic of the steps is at least what no algorithm can leave out; nothing is told of a step past the
 * last. */
static void test_steps(void)
{
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        job j;
        clconv_plan_info info;
        clconv_step_info step;
        clconv_error err;
        double flops = 0;
        CU_ASSERT_FATAL(job_open(&device, job_problem(&device, clconv_algorithm_name(a)),
                                 clconv_algorithm_name(a), 1, &j));
        clconv_plan_get_info(j.plan.plan, &info);
        for (size_t i = 0; i < info.steps; i++) {
            CU_ASSERT_EQUAL(clconv_plan_get_step(j.plan.plan, i, &step, &err), CLCONV_SUCCESS);
            CU_ASSERT(strlen(step.name) > 0);
            CU_ASSERT(step.flops >= 0 && step.bytes > 0);
            for (int axis = 0; axis < 3 && step.global[0] > 0; axis++) {
                CU_ASSERT_FATAL(step.local[axis] >= 1);
                CU_ASSERT_EQUAL(step.global[axis] % step.local[axis], 0);
            }
            flops += step.flops;
        }
        if (algorithm_is_direct(info.algorithm)) CU_ASSERT(flops >= flops_inside(&j.plan.problem));
        CU_ASSERT_EQUAL(clconv_plan_get_step(j.plan.plan, info.steps, &step, &err), CLCONV_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(clconv_plan_get_step(j.plan.plan, SIZE_MAX, &step, &err), CLCONV_INVALID_ARGUMENT);
        job_close(&j);
    }
}

static size_t count_steps(const clconv_problem *p, const char *algorithm)
{
    test_plan plan;
    clconv_plan_info info;
    CU_ASSERT_EQUAL_FATAL(
        test_plan_create(&device, p, algorithm, false, false, CLCONV_WORKSPACE_UNLIMITED, &plan, NULL),
        CLCONV_SUCCESS);
    clconv_plan_get_info(plan.plan, &info);
    test_plan_release(&plan);
    return info.steps;
}

/* The epilogue is done by the kernels that store the output; only what stores by a library's GEMM needs one
 * step more. */
static void test_fused_epilogue(void)
{
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        const char *algorithm = clconv_algorithm_name(a);
        clconv_problem p;
        CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(job_problem(&device, algorithm), &p, NULL),
                              CLCONV_SUCCESS);
        size_t steps = count_steps(&p, algorithm), more = strcmp(algorithm, "im2col_gemm") == 0;
        p.activation = CLCONV_ACTIVATION_SILU;
        CU_ASSERT_EQUAL(count_steps(&p, algorithm), steps + more);
        p.has_residual = 1;
        CU_ASSERT_EQUAL(count_steps(&p, algorithm), steps + more);
        p.activation = CLCONV_ACTIVATION_NONE;
        CU_ASSERT_EQUAL(count_steps(&p, algorithm), steps + more);
    }
}

/* "auto" takes the cheapest of those that do not refuse, and each that refuses says why. */
static void expect_best_candidate(const clconv_problem *p, uint64_t limit)
{
    test_plan plan;
    clconv_plan_info info;
    clconv_candidate_info c;
    clconv_error err;
    double best = INFINITY;
    bool is_seen = false;
    CU_ASSERT_EQUAL_FATAL(test_plan_create(&device, p, "auto", false, false, limit, &plan, &err),
                          CLCONV_SUCCESS);
    clconv_plan_get_info(plan.plan, &info);
    for (size_t i = 0; i < info.candidates; i++) {
        CU_ASSERT_EQUAL_FATAL(clconv_plan_get_candidate(plan.plan, i, &c, &err), CLCONV_SUCCESS);
        CU_ASSERT_STRING_EQUAL(c.algorithm, clconv_algorithm_name(i));
        if (c.rejection != NULL) CU_ASSERT(strlen(c.rejection) > 10);
        if (c.rejection == NULL) CU_ASSERT(c.workspace_size <= limit);
        if (c.rejection == NULL) best = fmin(best, c.estimated_seconds);
        bool is_chosen = strcmp(c.algorithm, info.algorithm) == 0;
        if (is_chosen) CU_ASSERT(c.rejection == NULL && c.workspace_size == info.workspace_size);
        is_seen |= is_chosen;
    }
    CU_ASSERT(is_seen);
    CU_ASSERT_EQUAL(info.estimated_seconds, best);
    CU_ASSERT_EQUAL(clconv_plan_get_candidate(plan.plan, info.candidates, &c, &err), CLCONV_INVALID_ARGUMENT);
    test_plan_release(&plan);
}

static void test_candidates(void)
{
    static const char *const texts[] = {problem, "ic64id4ih8iw8oc64kd1", "ic3id4ih20iw20oc8kd3sd2pd1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        clconv_problem p;
        CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(texts[i], &p, NULL), CLCONV_SUCCESS);
        expect_best_candidate(&p, CLCONV_WORKSPACE_UNLIMITED);
        expect_best_candidate(&p, 4096);
        expect_best_candidate(&p, 0);
    }
}

/* The text names the algorithm, the steps and every other algorithm; what does not fit is cut, and told. */
static void test_describe(void)
{
    job j;
    clconv_plan_info info;
    clconv_error err;
    size_t needed = 0;
    char small[10];
    CU_ASSERT_FATAL(job_open(&device, problem, "direct", 1, &j));
    clconv_plan_get_info(j.plan.plan, &info);
    CU_ASSERT_EQUAL(clconv_plan_describe(j.plan.plan, small, sizeof small, &needed, &err), CLCONV_SUCCESS);
    CU_ASSERT_FATAL(needed > sizeof small);
    CU_ASSERT_EQUAL(strlen(small), sizeof small - 1);
    char *text = malloc(needed);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(clconv_plan_describe(j.plan.plan, text, needed, NULL, &err), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(strlen(text), needed - 1);
    CU_ASSERT_EQUAL(strncmp(text, small, sizeof small - 1), 0);
    for (size_t a = 0; a < forward_algorithm_count(); a++)
        CU_ASSERT_PTR_NOT_NULL(strstr(text, clconv_algorithm_name(a)));
    for (size_t i = 0; i < info.steps; i++) {
        clconv_step_info step;
        CU_ASSERT_EQUAL(clconv_plan_get_step(j.plan.plan, i, &step, &err), CLCONV_SUCCESS);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, step.name));
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(text, info.parameters));
    free(text);
    job_close(&j);
}

static void test_profile(void)
{
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        job j;
        clconv_plan_info info;
        clconv_error err = {.message = ""};
        CU_ASSERT_FATAL(job_open(&device, job_problem(&device, clconv_algorithm_name(a)),
                                 clconv_algorithm_name(a), 1, &j));
        clconv_plan_get_info(j.plan.plan, &info);
        double *seconds = malloc(info.steps * sizeof *seconds);
        CU_ASSERT_PTR_NOT_NULL_FATAL(seconds);
        for (size_t i = 0; i < info.steps; i++)
            seconds[i] = NAN;
        const clconv_buffer *workspace = j.workspace.memory != NULL ? &j.workspace : NULL;
        CU_ASSERT_EQUAL(clconv_plan_profile(j.plan.plan, &j.tensors, workspace, seconds, &err),
                        CLCONV_SUCCESS);
        CU_ASSERT(job_is_done(&j, device.queue));
        for (size_t i = 0; i < info.steps; i++)
            CU_ASSERT(seconds[i] > 0 && seconds[i] < 10);
        CU_ASSERT_EQUAL(clconv_plan_profile(j.plan.plan, NULL, workspace, seconds, &err),
                        CLCONV_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(clconv_plan_profile(j.plan.plan, &j.tensors, workspace, NULL, &err),
                        CLCONV_INVALID_ARGUMENT);
        free(seconds);
        job_close(&j);
    }
}

/* Plans that share a layout share packed weights: of two input sizes, and of a batch. */
static void test_packed_layout(void)
{
    static const char *const sets[][3] = {
        {problem, "mb1ic6id4ih9iw30oc8kd3pd1g2", "mb2ic6id6ih7iw18oc7kd3pd1g1"},
        {"mb2ic6id6ih7iw18oc12kd3pd1g6", "mb1ic6id4ih9iw30oc12kd3pd1g6", "mb2ic6id6ih7iw18oc6kd3pd1g6"},
        {"mb2ic6id6ih7iw18oc8kd1", "mb1ic6id4ih9iw30oc8kd1", "mb2ic6id6ih7iw18oc7kd1"},
        {"mb2ic6id6ih8iw18oc8kd2sd2", "mb1ic6id4ih9iw30oc8kd2sd2", "mb2ic6id6ih8iw18oc7kd2sd2"},
        {"ic6id6ih7iw18oc8kd3kh1kw1pd1ph0pw0", "mb2ic6id4ih9iw30oc8kd3kh1kw1pd1ph0pw0",
         "ic6id6ih7iw18oc7kd3kh1kw1pd1ph0pw0"},
        {"ic6id2ih3iw4oc8kd2kh3kw4", "mb2ic6id2ih3iw4oc8kd2kh3kw4", "ic6id2ih3iw4oc7kd2kh3kw4"},
    };
    const size_t count = sizeof sets / sizeof sets[0];
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        size_t set = 0;
        while (set + 1 < count && !job_is_possible(&device, sets[set][0], clconv_algorithm_name(a)))
            set++;
        const char *const *texts = sets[set];
        uint64_t layout[3];
        size_t size[3];
        for (int i = 0; i < 3; i++) {
            clconv_problem p;
            test_plan plan;
            clconv_error err;
            CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(texts[i], &p, NULL), CLCONV_SUCCESS);
            CU_ASSERT_EQUAL_FATAL(test_plan_create(&device, &p, clconv_algorithm_name(a), false, true,
                                                   CLCONV_WORKSPACE_UNLIMITED, &plan, &err),
                                  CLCONV_SUCCESS);
            layout[i] = clconv_plan_packed_weight_layout(plan.plan);
            size[i] = clconv_plan_packed_weight_size(plan.plan);
            test_plan_release(&plan);
        }
        CU_ASSERT(layout[0] == layout[1] && size[0] == size[1]);
        CU_ASSERT(layout[0] != layout[2] || size[0] == size[2]);
    }
}

const char test_suite_name[] = "inspection";
const test_entry test_suite[] = {
    {"the device is opened", open_device},
    {"facts of a plan", test_infos},
    {"its steps", test_steps},
    {"an epilogue is fused", test_fused_epilogue},
    {"its candidates", test_candidates},
    {"its text", test_describe},
    {"its profile", test_profile},
    {"its packed weights' layout", test_packed_layout},
    {"the device is closed", close_device},
    {NULL, NULL},
};
