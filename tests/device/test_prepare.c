/* Plans that are made together: each is what it would be alone, no program is built twice however many threads ask for it,
 * and what is compiled is told. The tests' layer makes PoCL seem an implementation that compiles on several threads. */
#define _XOPEN_SOURCE 700
#include "harness.h"
#include "programs.h"
#include "runner.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const problems[] = {"ic3id5ih6iw7oc4kd3pd1", "ic3id6ih8iw9oc4kd3pd1", "ic4id4ih5iw6oc3kd1",
                                       "ic2id4oc2kd9", /* the kernel is larger than the input */
                                       "ic2id6ih6iw6oc2kd3pd1"};
enum { COUNT = sizeof problems / sizeof problems[0], WRONG = 3 };

static void fill_requests(const clconv_plan_options *options, clconv_plan_request requests[COUNT])
{
    for (int i = 0; i < COUNT; i++) {
        requests[i] = (clconv_plan_request){.op = CLCONV_FORWARD, .options = options};
        clconv_problem_init(&requests[i].problem);
        if (i != WRONG)
            CU_ASSERT_EQUAL(clconv_problem_parse(problems[i], &requests[i].problem, NULL), CLCONV_SUCCESS);
    }
    requests[WRONG].problem.kernel[0] = 9;
}

static void run(const test_device *t, clconv_plan *plan)
{
    test_plan p = {.op = CLCONV_FORWARD, .plan = plan, .problem = plan->problem, .geometry = plan->geometry};
    test_data data;
    test_reference expected;
    char why[TEST_WHY] = "";
    CU_ASSERT_FATAL(test_data_small_integers(&p.problem, 3, &data));
    CU_ASSERT_FATAL(test_reference_compute(&p.problem, &data, &expected));
    double *got = calloc((size_t)expected.count, sizeof *got);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT(test_plan_run(t, &p, &data, got, why));
    CU_ASSERT_STRING_EQUAL(why, "");
    CU_ASSERT_EQUAL(first_difference(got, expected.output, expected.count), expected.count);
    free(got);
    free(expected.output);
    test_data_release(&data);
}

/* What is told: a line for each kernel that is compiled, how many are left, and an end. */
typedef struct told {
    int lines, ends;
    int left; /* of the last line */
    char last[256];
} told;

static void note(void *user, clconv_message_level level, const char *text)
{
    told *t = user;
    if (level != CLCONV_MESSAGE_PROGRESS) return;
    snprintf(t->last, sizeof t->last, "%s", text);
    if (*text == '\0') {
        t->ends++;
        return;
    }
    t->lines++;
    const char *comma = strrchr(text, ',');
    CU_ASSERT_EQUAL(strncmp(text, "compiling ", 10), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(comma);
    CU_ASSERT_EQUAL(sscanf(comma, ", %d left", &t->left), 1);
}

static void open_device(told *messages, int progress, test_device *t)
{
    cl_int code = CL_SUCCESS;
    const clconv_context_options how = {.message = note, .message_user = messages, .progress = progress};
    *messages = (told){0};
    CU_ASSERT_EQUAL_FATAL(clconv_context_create_selected(NULL, &how, &t->context, NULL), CLCONV_SUCCESS);
    t->opencl = clconv_context_opencl(t->context);
    t->device = clconv_context_device(t->context);
    t->queue = clCreateCommandQueue(t->opencl, t->device, 0, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
}

static void prepare(bool is_parallel)
{
    test_device t;
    told messages;
    clconv_plan_request requests[COUNT];
    clconv_plan *plans[COUNT];
    clconv_error errors[COUNT];
    clconv_plan_options options;
    clconv_counters counters;
    text_set programs = {.count = 0}, kernels = {.count = 0};
    clconv_plan_options_init(&options);
    options.algorithm = "direct";
    open_device(&messages, 1, &t);
    fill_requests(&options, requests);
    CU_ASSERT_EQUAL(clconv_plans_prepare(t.context, requests, COUNT, plans, errors), CLCONV_INVALID_PROBLEM);
    for (int i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(plans[i] == NULL, i == WRONG);
        CU_ASSERT_EQUAL(errors[i].status, i == WRONG ? CLCONV_INVALID_PROBLEM : CLCONV_SUCCESS);
        if (plans[i] == NULL) continue;
        run(&t, plans[i]);
        programs_add(plans[i], &programs, &kernels);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(errors[WRONG].message, "kernel"));
    clconv_context_counters(t.context, &counters);
    CU_ASSERT_EQUAL(counters.programs_built, (int64_t)programs.count);
    CU_ASSERT_EQUAL(counters.kernels_warmed, (int64_t)kernels.count);
    CU_ASSERT(messages.lines >= (int)kernels.count);
    CU_ASSERT(messages.ends >= 1);
    CU_ASSERT_STRING_EQUAL(messages.last, "");
    CU_ASSERT(messages.left == 0 || is_parallel); /* threads tell in any order */

    /* What is there is not compiled, and nothing is told. */
    const int lines = messages.lines;
    for (int i = 0; i < COUNT; i++)
        clconv_plan_release(plans[i]);
    CU_ASSERT_EQUAL(clconv_plans_prepare(t.context, requests, WRONG, plans, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(messages.lines, lines);
    for (int i = 0; i < WRONG; i++)
        clconv_plan_release(plans[i]);
    text_set_release(&programs);
    text_set_release(&kernels);
    test_device_close(&t);
}

/* One after the other, as PoCL compiles. */
static void test_serial(void)
{
    prepare(false);
}

static void test_parallel(void)
{
    setenv("LAYER_PLATFORM", "a platform of the tests", 1);
    prepare(true);
    unsetenv("LAYER_PLATFORM");
}

/* Who does not ask is told nothing. */
static void test_silent(void)
{
    test_device t;
    told messages;
    clconv_plan_request requests[COUNT];
    clconv_plan *plans[COUNT];
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = "direct";
    open_device(&messages, 0, &t);
    fill_requests(&options, requests);
    CU_ASSERT_EQUAL(clconv_plans_prepare(t.context, requests, WRONG, plans, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(messages.lines + messages.ends, 0);
    for (int i = 0; i < WRONG; i++)
        clconv_plan_release(plans[i]);
    test_device_close(&t);
}

static void test_misuse(void)
{
    test_device t;
    told messages;
    clconv_plan *plan = NULL;
    clconv_plan_request request = {.op = CLCONV_FORWARD};
    open_device(&messages, 0, &t);
    CU_ASSERT_EQUAL(clconv_plans_prepare(NULL, &request, 1, &plan, NULL), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_plans_prepare(t.context, NULL, 1, &plan, NULL), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_plans_prepare(t.context, &request, 1, NULL, NULL), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_plans_prepare(t.context, &request, 0, &plan, NULL), CLCONV_SUCCESS);
    test_device_close(&t);
}

const char test_suite_name[] = "prepare";
const test_entry test_suite[] = {
    {"one after the other", test_serial},
    {"on several threads", test_parallel},
    {"nothing is told unless it is asked for", test_silent},
    {"misuse", test_misuse},
    {NULL, NULL},
};
