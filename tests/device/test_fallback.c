/* A device that does not take the kernels of the best algorithm: the plan is made of the next, and says why;
 * who names the algorithm gets the error, and so does everybody where no kernel builds or the cause is another. */
#define _XOPEN_SOURCE 700
#include "harness.h"
#include "job.h"
#include "programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char problem[] = "mb2ic6id6ih7iw18oc8kd3pd1";

static test_device device;

/* What is planned where every kernel builds, the file of its first step and that of what is built first, and the kernels that
 * it uses of the step's. */
static const char *best;
static char source[64], first_source[64];
static text_set kernels;

static clconv_status plan_op(clconv_op op, const char *algorithm, bool packed, int64_t batch, test_plan *plan,
                             clconv_error *err)
{
    clconv_problem p;
    clconv_status status = clconv_problem_parse(problem, &p, err);
    p.batch = batch;
    return status != CLCONV_SUCCESS ? status
                                    : test_plan_create_op(&device, op, &p, algorithm, false, packed,
                                                          CLCONV_WORKSPACE_UNLIMITED, plan, err);
}

static void add_kernels(const step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i].kind == STEP_KERNEL && strcmp(steps[i].launch.source, source) == 0)
            text_set_add(&kernels, steps[i].launch.kernel);
}

/* Finds `best`, with its steps that run or those that pack. */
static void find_best(clconv_op op, bool packed, int64_t batch)
{
    test_plan plan;
    CU_ASSERT_EQUAL_FATAL(plan_op(op, "auto", packed, batch, &plan, NULL), CLCONV_SUCCESS);
    const recipe *r = &plan.plan->recipe;
    const step *s = batch == 0 ? &r->pack[0] : &r->run[0];
    CU_ASSERT_FATAL(s->kind == STEP_KERNEL);
    best = plan.plan->algorithm->name;
    snprintf(source, sizeof source, "%s", s->launch.source);
    snprintf(first_source, sizeof first_source, "%s",
             r->pack_count > 0 ? r->pack[0].launch.source : s->launch.source);
    text_set_release(&kernels);
    add_kernels(r->pack, r->pack_count);
    add_kernels(r->run, r->run_count);
    test_plan_release(&plan);
}

/* The best is rejected for a reason that has `word`; the plan is the cheapest of the others. */
static void expect_next(const test_plan *plan, const char *word)
{
    clconv_plan_info info;
    clconv_plan_get_info(plan->plan, &info);
    CU_ASSERT_STRING_NOT_EQUAL(info.algorithm, best);
    bool is_seen = false;
    for (size_t i = 0; i < info.candidates; i++) {
        clconv_candidate_info c;
        CU_ASSERT_EQUAL_FATAL(clconv_plan_get_candidate(plan->plan, i, &c, NULL), CLCONV_SUCCESS);
        if (c.rejection == NULL) CU_ASSERT(c.estimated_seconds >= info.estimated_seconds);
        if (strcmp(c.algorithm, info.algorithm) == 0) CU_ASSERT(c.rejection == NULL);
        if (strcmp(c.algorithm, best) != 0) continue;
        is_seen = true;
        CU_ASSERT_FATAL(c.rejection != NULL);
        CU_ASSERT_PTR_NOT_NULL(strstr(c.rejection, word));
    }
    CU_ASSERT(is_seen);
}

static void expect_fallback(clconv_op op, bool packed, int64_t batch, const char *word)
{
    test_plan plan;
    clconv_error err = {.message = "untouched"};
    CU_ASSERT_EQUAL_FATAL(plan_op(op, "auto", packed, batch, &plan, &err), CLCONV_SUCCESS);
    CU_ASSERT_STRING_EQUAL(err.message, "untouched");
    CU_ASSERT_EQUAL(plan.plan->problem.batch, batch);
    expect_next(&plan, word);
    test_plan_release(&plan);
}

static void expect_error(const char *algorithm, clconv_status expected, const char *word)
{
    test_plan plan;
    clconv_error err = {.message = ""};
    clconv_status status = plan_op(CLCONV_FORWARD, algorithm, false, 2, &plan, &err);
    CU_ASSERT_EQUAL(status, expected);
    CU_ASSERT_EQUAL(err.status, expected);
    if (strstr(err.message, word) == NULL) printf("\n  \"%s\" does not name %s", err.message, word);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, word));
    test_plan_release(&plan);
}

static void open_device(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
    find_best(CLCONV_FORWARD, false, 2);
    printf("%s of cl/%s ", best, source);
}

static void test_broken_kernel(void)
{
    char words[128];
    snprintf(words, sizeof words, "cl/%s did not build", source);
    kernel_folder_open(source, "kernel void broken( error\n");
    /* In a context of its own: this one has the programs. */
    test_device_close(&device);
    CU_ASSERT_FATAL(test_device_open(&device));
    expect_fallback(CLCONV_FORWARD, false, 2, words);
    expect_error(best, CLCONV_BUILD_FAILED, words);
    job j;
    CU_ASSERT_FATAL(job_open(&device, problem, "auto", 3, &j));
    j.algorithm = j.plan.plan->algorithm->name;
    CU_ASSERT_EQUAL(job_enqueue(&j, device.queue, 0, NULL, NULL, NULL), CLCONV_SUCCESS);
    CU_ASSERT(job_is_done(&j, device.queue));
    job_close(&j);
    kernel_folder_close();
}

/* The failure is of that time alone. */
static void test_repaired(void)
{
    test_plan plan;
    CU_ASSERT_EQUAL_FATAL(plan_op(CLCONV_FORWARD, "auto", false, 2, &plan, NULL), CLCONV_SUCCESS);
    CU_ASSERT_STRING_EQUAL(plan.plan->algorithm->name, best);
    test_plan_release(&plan);
}

/* Runs in new contexts, with `content` as the source of the best. */
static void test_with(const char *content, clconv_status by_name, const char *word)
{
    kernel_folder_open(source, content);
    test_device_close(&device);
    CU_ASSERT_FATAL(test_device_open(&device));
    expect_fallback(CLCONV_FORWARD, false, 2, word);
    expect_error(best, by_name, word);
    kernel_folder_close();
}

static void test_local_memory(void)
{
    char content[2000] = "";
    for (size_t i = 0; i < kernels.count; i++) {
        size_t length = strlen(content);
        snprintf(content + length, sizeof content - length,
                 "kernel void %s(global char *to)\n{\n    local char room[1 << 30];\n"
                 "    room[get_local_id(0)] = to[1];\n    barrier(CLK_LOCAL_MEM_FENCE);\n"
                 "    to[0] = room[to[2]];\n}\n",
                 kernels.texts[i]);
    }
    test_with(content, CLCONV_UNSUPPORTED, "bytes of local memory");
}

static void test_missing_kernel(void)
{
    test_with("kernel void another(global char *to)\n{\n    to[0] = 0;\n}\n", CLCONV_OPENCL_FAILED,
              "CL_INVALID_KERNEL_NAME");
}

/* Where no kernel builds the error is what was said of the best. */
static void test_nothing_builds(void)
{
    char words[128];
    snprintf(words, sizeof words, "cl/%s did not build", first_source);
    kernel_folder_open("common/types.clh", "#error broken\n");
    test_device_close(&device);
    CU_ASSERT_FATAL(test_device_open(&device));
    expect_error("auto", CLCONV_BUILD_FAILED, words);
    kernel_folder_close();
}

/* A file that is missing is no fault of the device. */
static void test_missing_file(void)
{
    char path[512];
    kernel_folder_open(source, "");
    snprintf(path, sizeof path, "%s/%s", getenv("CLCONV_KERNEL_DIR"), source);
    CU_ASSERT_EQUAL_FATAL(remove(path), 0);
    test_device_close(&device);
    CU_ASSERT_FATAL(test_device_open(&device));
    expect_error("auto", CLCONV_FILE_FAILED, source);
    kernel_folder_close();
}

static void test_other_plans(void)
{
    static const struct {
        clconv_op op;
        bool packed;
        int64_t batch;
    } plans[] = {{CLCONV_BACKWARD_WEIGHT, false, 2}, {CLCONV_FORWARD, true, 0}};
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        find_best(plans[i].op, plans[i].packed, plans[i].batch);
        kernel_folder_open(source, "kernel void broken( error\n");
        test_device_close(&device);
        CU_ASSERT_FATAL(test_device_open(&device));
        expect_fallback(plans[i].op, plans[i].packed, plans[i].batch, "did not build");
        kernel_folder_close();
    }
}

/* Memory that is out, a file or a device that is gone, and defects of clconv end a plan. */
static void test_failures(void)
{
    static const struct {
        clconv_status status;
        cl_int code;
        bool is_of_kernels;
    } failures[] = {
        {CLCONV_UNSUPPORTED, CL_SUCCESS, true},
        {CLCONV_BUILD_FAILED, CL_BUILD_PROGRAM_FAILURE, true},
        {CLCONV_BUILD_FAILED, CL_OUT_OF_RESOURCES, true},
        {CLCONV_BUILD_FAILED, CL_OUT_OF_HOST_MEMORY, false},
        {CLCONV_BUILD_FAILED, CL_DEVICE_NOT_AVAILABLE, false},
        {CLCONV_OPENCL_FAILED, CL_INVALID_WORK_GROUP_SIZE, true},
        {CLCONV_OPENCL_FAILED, CL_BUILD_PROGRAM_FAILURE, true},
        {CLCONV_OPENCL_FAILED, CL_INVALID_COMMAND_QUEUE, false},
        {CLCONV_OUT_OF_MEMORY, CL_OUT_OF_HOST_MEMORY, false},
        {CLCONV_OUT_OF_DEVICE_MEMORY, CL_OUT_OF_RESOURCES, false},
        {CLCONV_NO_DEVICE, CL_DEVICE_NOT_AVAILABLE, false},
        {CLCONV_FILE_FAILED, CL_BUILD_PROGRAM_FAILURE, false},
        {CLCONV_INTERNAL, CL_SUCCESS, false},
    };
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        const clconv_error err = {.status = failures[i].status, .opencl_code = failures[i].code};
        CU_ASSERT_EQUAL(build_failure_is_of_kernels(&err), failures[i].is_of_kernels);
    }
}

static void close_device(void)
{
    test_device_close(&device);
    text_set_release(&kernels);
}

const char test_suite_name[] = "fallback";
const test_entry test_suite[] = {
    {"the best algorithm", open_device},
    {"a kernel that does not build", test_broken_kernel},
    {"the best again", test_repaired},
    {"too much local memory", test_local_memory},
    {"a kernel that is not there", test_missing_kernel},
    {"no kernel builds", test_nothing_builds},
    {"a file that is not there", test_missing_file},
    {"a gradient and an empty batch", test_other_plans},
    {"what ends a plan", test_failures},
    {"the device is closed", close_device},
    {NULL, NULL},
};
