/* How much is compiled for images of any size: 200 random sizes of 5 classes of layers need at most five times as many kernels
 * as a single plan of a class has, whatever algorithms are chosen for them. Counted on devices that are not there, by what the
 * plans' steps name, so nothing is compiled; device/compile_once counts what a driver compiles, one algorithm after the other. */
#define _XOPEN_SOURCE 700
#include "harness.h"
#include "plan/plan.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Before and after the size: C3D, R(2+1)D, a bottleneck, the stem of R3D-18, depthwise. */
static const char *const classes[][2] = {{"ic64", "oc64kd3pd1"},
                                         {"ic32", "oc48kd1kh3kw3pd0ph1pw1"},
                                         {"ic48", "oc64kd1"},
                                         {"ic3", "oc32kd3kh7kw7sd1sh2sw2pd1ph3pw3"},
                                         {"ic24", "oc24g24kd3pd1"}};
enum { CLASSES = sizeof classes / sizeof classes[0], SIZES = 40, MOST_KERNELS = 512 };

/* Kernels by source, name and options, each once. */
typedef struct kernel_set {
    char *names[MOST_KERNELS];
    int count;
} kernel_set;

static void add_steps(kernel_set *set, const step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[STEP_OPTIONS + 256];
        const kernel_launch *l = &steps[i].launch;
        if (steps[i].kind != STEP_KERNEL) continue;
        snprintf(name, sizeof name, "%s %s %s", l->source, l->kernel, l->options);
        int k = 0;
        while (k < set->count && strcmp(set->names[k], name) != 0)
            k++;
        CU_ASSERT_FATAL(k < MOST_KERNELS);
        if (k == set->count) set->names[set->count++] = strdup(name);
    }
}

static void add_plan(kernel_set *set, const clconv_plan *plan)
{
    add_steps(set, plan->recipe.pack, plan->recipe.pack_count);
    add_steps(set, plan->recipe.run, plan->recipe.run_count);
}

static void release(kernel_set *set)
{
    for (int i = 0; i < set->count; i++)
        free(set->names[i]);
    set->count = 0;
}

/* A plan of a random size; returns how many kernels it has. */
static int sweep_one(clconv_context *context, int class, random_state *random, kernel_set *all)
{
    char text[128];
    clconv_problem p;
    clconv_plan *plan = NULL;
    kernel_set own = {.count = 0};
    const long long depth = random_between(random, 1, 32), height = random_between(random, 5, 128),
                    width = random_between(random, 5, 128);
    snprintf(text, sizeof text, "mb%lld%sid%lldih%lldiw%lld%s", (long long)random_between(random, 1, 4),
             classes[class][0], depth, height, width, classes[class][1]);
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &p, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(clconv_plan_create(context, CLCONV_FORWARD, &p, NULL, &plan, NULL), CLCONV_SUCCESS);
    add_plan(&own, plan);
    add_plan(all, plan);
    clconv_plan_release(plan);
    const int count = own.count;
    release(&own);
    return count;
}

static void sweep(const char *family)
{
    clconv_context *context = NULL;
    kernel_set all = {.count = 0};
    int most = 0;
    random_state random = {25};
    CU_ASSERT_EQUAL_FATAL(clconv_context_create_imagined(family, &context, NULL), CLCONV_SUCCESS);
    for (int class = 0; class < CLASSES; class ++) {
        for (int i = 0; i < SIZES; i++) {
            int kernels = sweep_one(context, class, &random, &all);
            most = kernels > most ? kernels : most;
        }
    }
    CU_ASSERT(most >= 1);
    CU_ASSERT(all.count <= CLASSES * most);
    printf("%s: %d kernels, at most %d a plan; ", family, all.count, most);
    release(&all);
    clconv_context_release(context);
}

static void test_cpus(void)
{
    sweep("xeon");
    sweep("zen4");
    sweep("cpu-256");
    sweep("cpu-128");
    sweep("accelerator");
}

static void test_gpus(void)
{
    sweep("nvidia");
    sweep("rdna");
    sweep("intel");
}

const char test_suite_name[] = "sweep";
const test_entry test_suite[] = {
    {"200 sizes on CPUs", test_cpus},
    {"200 sizes on GPUs", test_gpus},
    {NULL, NULL},
};
