/* A plan for a new input size of a known kernel class compiles nothing: no new file in a private PoCL cache,
 * no new program in the context, over 50 sizes, runs included. A program of its own, since PoCL reads the
 * place of its cache once. im2col_gemm may warm CLBlast, so its files are not counted. */
#define _XOPEN_SOURCE 700
#include "harness.h"
#include "job.h"
#include "programs.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIZES = 50 };

static char cache[64] = "/tmp/clconv-test-XXXXXX";
static int file_count;

static int count_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)path, (void)st, (void)at;
    file_count += type == FTW_F;
    return 0;
}

static int files_in_cache(void)
{
    file_count = 0;
    CU_ASSERT_EQUAL(nftw(cache, count_file, 16, FTW_PHYS), 0);
    return file_count;
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The problem of a kernel class that the algorithm does: one of a list, else a kernel that covers the input.
 */
static void problem_of_size(const test_device *device, const char *algorithm, int64_t batch,
                            const int64_t size[3], char text[128])
{
    static const char *const classes[] = {"ic12oc10kd3pd1", "ic6oc12kd3pd1g6", "ic12oc7kd1",
                                          "ic12oc10kd2sd2pd1", "ic12oc10kd3kh1kw1pd1ph0pw0"};
    const long long n = batch, d = size[0], h = size[1], w = size[2];
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        snprintf(text, 128, "id6ih7iw18%s", classes[i]);
        bool is_possible = job_is_possible(device, text, algorithm);
        snprintf(text, 128, "mb%lldid%lldih%lldiw%lld%s", n, d, h, w, classes[i]);
        if (is_possible) return;
    }
    snprintf(text, 128, "mb%lldic6id%lldih%lldiw%lldoc10kd%lldkh%lldkw%lld", n, d, h, w, d, h, w);
}

static void run_size(const test_device *device, const char *algorithm, int64_t batch, const int64_t size[3])
{
    job j;
    clconv_error err = {.message = ""};
    char text[128];
    problem_of_size(device, algorithm, batch, size, text);
    CU_ASSERT_FATAL(job_open(device, text, algorithm, 1, &j));
    CU_ASSERT_EQUAL(job_enqueue(&j, device->queue, 0, NULL, NULL, &err), CLCONV_SUCCESS);
    CU_ASSERT(job_is_done(&j, device->queue));
    job_close(&j);
}

/* The longest time that a plan for a new size takes. */
static double plan_seconds(const test_device *device, const char *algorithm, const int64_t size[3])
{
    clconv_problem p;
    clconv_plan *plan = NULL;
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = algorithm;
    char text[128];
    problem_of_size(device, algorithm, 1, size, text);
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &p, NULL), CLCONV_SUCCESS);
    p.has_bias = 1;
    double start = seconds_now();
    CU_ASSERT_EQUAL(clconv_plan_create(device->context, CLCONV_FORWARD, &p, &options, &plan, NULL),
                    CLCONV_SUCCESS);
    double taken = seconds_now() - start;
    clconv_plan_release(plan);
    return taken;
}

static void expect_compiled_once(const test_device *device, const char *algorithm)
{
    clconv_counters before, after;
    /* Winograd's tile depends on the image, and whether a sum is long on a kernel that covers it: the smallest has the one
     * program, the largest or the problem that was tried the other. */
    run_size(device, algorithm, 1, (const int64_t[]){1, 1, 1});
    run_size(device, algorithm, 1, (const int64_t[]){7, 23, 61});
    bool counts_files = strcmp(algorithm, "im2col_gemm") != 0;
    int files = files_in_cache();
    clconv_context_counters(device->context, &before);
    double longest = 0;
    for (int i = 0; i < SIZES; i++) {
        const int64_t size[3] = {1 + i % 7, 1 + i * 5 % 23, 1 + i * 7 % 61};
        run_size(device, algorithm, 1 + i % 3, size);
        const int64_t next[3] = {size[0] + 1, size[1] + 2, size[2] + 3};
        double taken = plan_seconds(device, algorithm, next);
        longest = taken > longest ? taken : longest;
    }
    clconv_context_counters(device->context, &after);
    CU_ASSERT_EQUAL(after.programs_built, before.programs_built);
    CU_ASSERT_EQUAL(after.kernels_warmed, before.kernels_warmed);
    CU_ASSERT(after.programs_reused > before.programs_reused);
    if (counts_files) CU_ASSERT_EQUAL(files_in_cache(), files);
    printf("%s: a plan takes at most %.2f ms; ", algorithm, 1e3 * longest);
}

static void make_cache(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(cache));
    CU_ASSERT_EQUAL(setenv("POCL_CACHE_DIR", cache, 1), 0);
}

static void remove_cache(void)
{
    test_remove_folder(cache);
}

static void test_sizes(void)
{
    test_device device;
    CU_ASSERT_FATAL(test_device_open(&device));
    for (size_t a = 0; a < forward_algorithm_count(); a++)
        if (job_is_for(&device, a)) expect_compiled_once(&device, clconv_algorithm_name(a));
    /* The counting itself: another kernel class does add files, where they are PoCL's. */
    clconv_counters before, after;
    clconv_context_counters(device.context, &before);
    int files = files_in_cache();
    job j;
    CU_ASSERT_FATAL(job_open(&device, "ic6id6ih7iw19oc10kd3sd2pd1", "direct", 1, &j));
    clconv_context_counters(device.context, &after);
    CU_ASSERT(after.programs_built > before.programs_built);
    if (strstr(clconv_context_device_info(device.context)->platform_name, "Portable") != NULL)
        CU_ASSERT(files_in_cache() > files);
    job_close(&j);
    test_device_close(&device);
}

static void run_slope(const test_device *device, const char *algorithm, double slope)
{
    clconv_problem p;
    clconv_plan *plan = NULL;
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = algorithm;
    char text[128];
    problem_of_size(device, algorithm, 1, (const int64_t[]){6, 7, 18}, text);
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &p, NULL), CLCONV_SUCCESS);
    p.activation = CLCONV_ACTIVATION_LEAKY_RELU;
    p.activation_slope = slope;
    CU_ASSERT_EQUAL(clconv_plan_create(device->context, CLCONV_FORWARD, &p, &options, &plan, NULL),
                    CLCONV_SUCCESS);
    clconv_plan_release(plan);
}

/* An activation is a program of its own; its slope is not. */
static void test_slopes(void)
{
    test_device device;
    CU_ASSERT_FATAL(test_device_open(&device));
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        clconv_counters before, after;
        run_slope(&device, clconv_algorithm_name(a), 0.01);
        clconv_context_counters(device.context, &before);
        run_slope(&device, clconv_algorithm_name(a), 0.3);
        clconv_context_counters(device.context, &after);
        CU_ASSERT(before.programs_built > 0);
        CU_ASSERT_EQUAL(after.programs_built, before.programs_built);
    }
    test_device_close(&device);
}

/* A program is its source and options: it is built once, however many of its kernels the plans use. */
static void test_shared_programs(void)
{
    static const struct {
        clconv_op op;
        const char *algorithm, *problem;
    } plans[] = {
        {CLCONV_FORWARD, "winograd", "ic12id6ih7iw18oc10kd3pd1"},
        {CLCONV_FORWARD, "winograd_depth", "ic12id6ih7iw18oc10kd3kh1kw1pd1ph0pw0"},
        {CLCONV_BACKWARD_INPUT, "input_indexed", "ic12id6ih7iw18oc10kd3pd1"},
        {CLCONV_BACKWARD_WEIGHT, "weight_indexed", "ic12id6ih7iw18oc10kd3pd1"},
        {CLCONV_BACKWARD_BIAS, "bias_indexed", "ic12id6ih7iw18oc10kd3pd1"},
    };
    test_device device;
    text_set programs = {{NULL}, 0}, kernels = {{NULL}, 0};
    CU_ASSERT_FATAL(test_device_open(&device));
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        test_plan p;
        clconv_problem problem;
        clconv_counters counters;
        CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(plans[i].problem, &problem, NULL), CLCONV_SUCCESS);
        CU_ASSERT_EQUAL_FATAL(test_plan_create_op(&device, plans[i].op, &problem, plans[i].algorithm, false,
                                                  false, CLCONV_WORKSPACE_UNLIMITED, &p, NULL),
                              CLCONV_SUCCESS);
        programs_add(p.plan, &programs, &kernels);
        test_plan_release(&p);
        clconv_context_counters(device.context, &counters);
        CU_ASSERT_EQUAL(counters.programs_built, (int64_t)programs.count);
        CU_ASSERT_EQUAL(counters.kernels_warmed, (int64_t)kernels.count);
    }
    CU_ASSERT(programs.count < kernels.count);
    text_set_release(&programs);
    text_set_release(&kernels);
    test_device_close(&device);
}

const char test_suite_name[] = "compile once";
const test_entry test_suite[] = {
    {"a private cache", make_cache},        {"new sizes compile nothing", test_sizes},
    {"nor do new slopes", test_slopes},     {"kernels share their program", test_shared_programs},
    {"the cache is removed", remove_cache}, {NULL, NULL},
};
