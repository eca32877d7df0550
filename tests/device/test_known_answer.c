/* Programs that are whole and wrong: the tests' layer drops a tap from the source when they are compiled, and their keys and
 * checksums are right. A small problem tells, before they compute anything for the caller. */
#define _XOPEN_SOURCE 700
#include "harness.h"
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/clconv-test-XXXXXX";
static char bundle_path[64], cache[64];

static void test_begin(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
    snprintf(bundle_path, sizeof bundle_path, "%s/programs", root);
    snprintf(cache, sizeof cache, "%s/cache", root);
    setenv("LAYER_PLATFORM", "a platform of the tests", 1);
}

static void test_end(void)
{
    test_remove_folder(root);
}

/* What is compiled from now on leaves out the first tap of each row. */
static void make_wrong(bool is_wrong)
{
    if (is_wrong)
        setenv("LAYER_REPLACE",
               "for (long kw = 0; kw < kernel_w; kw++)=>for (long kw = 1; kw < kernel_w; kw++)", 1);
    else
        unsetenv("LAYER_REPLACE");
}

typedef struct outcome {
    clconv_status status;
    clconv_error err;
    clconv_counters counters;
    int warnings;
    char warning[1024];
    bool is_right;
} outcome;

static void note(void *user, clconv_message_level level, const char *text)
{
    outcome *o = user;
    if (level != CLCONV_MESSAGE_WARNING) return;
    o->warnings++;
    snprintf(o->warning, sizeof o->warning, "%s", text);
}

static void compute(const test_device *t, test_plan *p, outcome *o)
{
    test_data data;
    test_reference expected;
    char why[TEST_WHY] = "";
    CU_ASSERT_FATAL(test_data_small_integers(&p->problem, 7, &data));
    CU_ASSERT_FATAL(test_reference_compute(&p->problem, &data, &expected));
    double *got = calloc((size_t)expected.count, sizeof *got);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT(test_plan_run(t, p, &data, got, why));
    o->is_right = first_difference(got, expected.output, expected.count) == expected.count;
    free(got);
    free(expected.output);
    test_data_release(&data);
}

/* One convolution in a context of its own; and its programs as a bundle. */
static outcome convolve(const char *bundle, const char *exported)
{
    outcome o = {.status = CLCONV_SUCCESS};
    clconv_problem problem;
    test_device t = {NULL};
    test_plan p;
    cl_int code = CL_SUCCESS;
    const clconv_context_options how = {.message = note, .message_user = &o, .bundle = bundle};
    CU_ASSERT_EQUAL(clconv_problem_parse("ic3id5ih7iw9oc4kd3pd1", &problem, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(clconv_context_create_selected("0", &how, &t.context, &o.err), CLCONV_SUCCESS);
    t.opencl = clconv_context_opencl(t.context);
    t.device = clconv_context_device(t.context);
    t.queue = clCreateCommandQueue(t.opencl, t.device, 0, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    o.status = test_plan_create(&t, &problem, "direct_indexed", false, false, CLCONV_WORKSPACE_UNLIMITED, &p,
                                &o.err);
    if (o.status == CLCONV_SUCCESS) {
        compute(&t, &p, &o);
        if (exported != NULL)
            CU_ASSERT_EQUAL(clconv_programs_export(&p.plan, 1, exported, &o.err), CLCONV_SUCCESS);
        test_plan_release(&p);
    }
    clconv_context_counters(t.context, &o.counters);
    test_device_close(&t);
    return o;
}

static void expect_caught(const outcome *o)
{
    CU_ASSERT_EQUAL(o->status, CLCONV_SUCCESS);
    CU_ASSERT(o->is_right);
    CU_ASSERT_EQUAL(o->warnings, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(o->warning, "wrong answer"));
    CU_ASSERT_PTR_NOT_NULL(strstr(o->warning, "cl/any/direct_indexed.cl"));
    CU_ASSERT(o->counters.cache_wrong > 0);
    CU_ASSERT_EQUAL(o->counters.programs_built, o->counters.cache_wrong);
}

/* The seed is one: computing by it is wrong. */
static void test_bundle(void)
{
    make_wrong(true);
    outcome seed = convolve(NULL, bundle_path);
    CU_ASSERT_FALSE(seed.is_right);
    CU_ASSERT_EQUAL(seed.warnings, 0); /* what is compiled here is not tried */
    make_wrong(false);
    outcome caught = convolve(bundle_path, NULL);
    expect_caught(&caught);
}

static void test_bundle_without_compiler(void)
{
    setenv("LAYER_COMPILER", "0", 1);
    outcome refused = convolve(bundle_path, NULL);
    CU_ASSERT_EQUAL(refused.status, CLCONV_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(refused.err.message, "wrong answer"));
    CU_ASSERT_PTR_NOT_NULL(strstr(refused.err.message, "cl/any/direct_indexed.cl"));
    unsetenv("LAYER_COMPILER");
}

static void test_cache(void)
{
    setenv("CLCONV_CACHE_DIR", cache, 1);
    setenv("CLCONV_CACHE", "on", 1);
    make_wrong(true);
    outcome seed = convolve(NULL, NULL);
    CU_ASSERT_FALSE(seed.is_right);
    CU_ASSERT(seed.counters.programs_saved > 0);
    make_wrong(false);
    outcome caught = convolve(NULL, NULL);
    expect_caught(&caught);
    CU_ASSERT_EQUAL(caught.counters.programs_saved, caught.counters.programs_built);
    outcome after = convolve(NULL, NULL); /* the entry is another now */
    CU_ASSERT(after.is_right);
    CU_ASSERT_EQUAL(after.warnings, 0);
    CU_ASSERT_EQUAL(after.counters.programs_built, 0);
    CU_ASSERT(after.counters.programs_loaded > 0);
}

const char test_suite_name[] = "known_answer";
const test_entry test_suite[] = {
    {"a folder", test_begin},
    {"a wrong bundle is told, and its programs are compiled", test_bundle},
    {"without a compiler it is an error", test_bundle_without_compiler},
    {"a wrong entry of the cache is replaced", test_cache},
    {"the folder is removed", test_end},
    {NULL, NULL},
};
