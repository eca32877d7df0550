/* Planning costs the same for any problem: how many steps are emitted, for every op and algorithm, does not grow with
 * the problem. Of devices that are not there and whose memory has no end, so that no limit of theirs ends it before. */
#include "harness.h"

#include "algorithms/registry.h"
#include "plan/imagine.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KIB = 1024, MOST_BYTES = 16 * KIB * KIB, LARGEST_LOG = 62, RANDOM_PROBLEMS = 400 };

static const imagined_device devices[] = {
    {CL_DEVICE_TYPE_CPU, "some CPU", "someone", 512},
    {CL_DEVICE_TYPE_GPU, "some GPU", "someone", 32},
};

/* What all candidates hold, and the one of them that is made whole. A list grows by doubling, so that half as much more
 * is there at once. */
static size_t bytes_of(const clconv_plan *plan)
{
    const recipe *r = &plan->recipe;
    size_t steps = r->run_capacity + r->pack_capacity;
    for (size_t i = 0; i < plan->candidate_count; i++)
        steps += plan->candidates[i].recipe.run_capacity + plan->candidates[i].recipe.pack_capacity;
    return steps * sizeof(step) * 3 / 2;
}

static void release(clconv_plan *plan)
{
    plan_drop_candidates(plan);
    recipe_release(&plan->recipe);
    free(plan->parameters_text);
}

/* Plans by an algorithm, or by its own choice, up to where kernels would be built. */
static void check_plan(clconv_context *context, clconv_op op, const clconv_problem *problem, const char *name)
{
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = name;
    clconv_plan plan = {.context = context, .op = op, .problem = *problem};
    clock_t started = clock();
    if (geometry_compute(problem, &plan.geometry, NULL) != CLCONV_SUCCESS) return;
    CU_ASSERT_EQUAL_FATAL(plan_consider(&plan, &options, NULL), CLCONV_SUCCESS);
    candidate *best = plan_cheapest(&plan, &options);
    if (best != NULL) CU_ASSERT_EQUAL(plan_adopt(&plan, best, &options, NULL), CLCONV_SUCCESS);
    CU_ASSERT(bytes_of(&plan) <= MOST_BYTES);
    CU_ASSERT(plan.recipe.run_count + plan.recipe.pack_count <= RECIPE_MOST_STEPS);
    if (getenv("CLCONV_TEST_SECONDS") != NULL) {
        char text[CLCONV_PROBLEM_TEXT_SIZE];
        clconv_problem_format(problem, text, NULL);
        printf("%.6f %s %s %s\n", (double)(clock() - started) / CLOCKS_PER_SEC, clconv_op_name(op),
               name != NULL ? name : "auto", text);
    }
    release(&plan);
}

static void check_problem(const clconv_problem *problem, bool by_each)
{
    for (size_t d = 0; d < sizeof devices / sizeof devices[0]; d++) {
        clconv_context context = imagine_context(&devices[d]);
        context.rt.traits.max_allocation = INT64_MAX;
        for (int op = CLCONV_FORWARD; op <= CLCONV_TRANSPOSED; op++) {
            check_plan(&context, (clconv_op)op, problem, NULL);
            for (size_t a = 0; by_each && registry_at(a) != NULL; a++)
                if (registry_serves(registry_at(a), (clconv_op)op))
                    check_plan(&context, (clconv_op)op, problem, registry_at(a)->name);
        }
    }
}

/* Each extent in turn is large. */
static void test_each_extent(void)
{
    for (int large = 0; large < 10; large++)
        for (int log = 10; log <= LARGEST_LOG; log += large < 4 ? 13 : 4) {
            clconv_problem p;
            clconv_problem_init(&p);
            p.in_channels = p.out_channels = 8;
            for (int axis = 0; axis < 3; axis++) {
                p.input[axis] = 16;
                p.kernel[axis] = 3;
                p.pad_before[axis] = p.pad_after[axis] = 1;
            }
            int64_t size = INT64_C(1) << log;
            if (large == 0) p.batch = size;
            if (large == 1) p.in_channels = size;
            if (large == 2) p.out_channels = size;
            if (large == 3) p.groups = p.in_channels = p.out_channels = size;
            if (large >= 4 && large < 7) p.input[large - 4] = size;
            if (large >= 7) {
                p.kernel[large - 7] = size;
                p.pad_before[large - 7] = p.pad_after[large - 7] = size / 2;
            }
            check_problem(&p, true);
        }
}

static int64_t some_size(random_state *random, int most_log)
{
    int log = (int)random_between(random, 0, most_log);
    return random_between(random, INT64_C(1) << log, (INT64_C(2) << log) - 1);
}

static clconv_problem random_problem(random_state *random)
{
    static const clconv_padding_mode modes[] = {CLCONV_PADDING_ZEROS,    CLCONV_PADDING_ZEROS,
                                                CLCONV_PADDING_REFLECT,  CLCONV_PADDING_REPLICATE,
                                                CLCONV_PADDING_CIRCULAR, CLCONV_PADDING_SYMMETRIC};
    clconv_problem p;
    clconv_problem_init(&p);
    p.batch = some_size(random, (int)random_between(random, 0, 40));
    p.groups = some_size(random, (int)random_between(random, 0, 10));
    p.in_channels = p.groups * some_size(random, (int)random_between(random, 0, 12));
    p.out_channels = p.groups * some_size(random, (int)random_between(random, 0, 12));
    p.padding_mode = modes[random_between(random, 0, sizeof modes / sizeof modes[0] - 1)];
    for (int axis = 0; axis < 3; axis++) {
        p.kernel[axis] = some_size(random, (int)random_between(random, 0, 25));
        p.dilation[axis] = some_size(random, (int)random_between(random, 0, 10));
        p.stride[axis] = some_size(random, (int)random_between(random, 0, 16));
        p.input[axis] = some_size(random, (int)random_between(random, 0, 40)) + p.kernel[axis];
        p.pad_before[axis] = p.pad_after[axis] = random_between(random, 0, p.input[axis] - 1);
    }
    return p;
}

static void test_random(void)
{
    random_state random = {2027};
    geometry g;
    for (int i = 0; i < RANDOM_PROBLEMS;) {
        clconv_problem p = random_problem(&random);
        if (geometry_compute(&p, &g, NULL) != CLCONV_SUCCESS) continue;
        check_problem(&p, false);
        i++;
    }
}

/* Batches, depths and kernels whose steps, or whose planning, would grow with them. */
static void test_known(void)
{
    static const char *const texts[] = {
        "mb1000000ic2id8oc4kd3pd1",
        "mb1000000000ic2id8oc4kd3pd1",
        "ic1ih1iw1id3000000oc1kd3000000kh1kw1",
        "ic1id3000000ih1iw1oc1kd1500000kh1kw1sd1000000",
        "mb64ic64id100000ih112iw112oc64kd3pd1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        clconv_problem p;
        CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(texts[i], &p, NULL), CLCONV_SUCCESS);
        check_problem(&p, true);
    }
}

/* Blocks whose cells 32 bits do not count. */
static void test_slices_overflow(void)
{
    clconv_problem p;
    clconv_plan plan;
    clconv_context context = imagine_context(&devices[0]);
    context.rt.traits.max_allocation = INT64_MAX;
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse("ic1id1ih13iw134000000oc1kd1kh13kw13sh4sw4", &p, NULL),
                          CLCONV_SUCCESS);
    CU_ASSERT(imagine_choice(&context, CLCONV_FORWARD, &p, &plan));
    for (size_t i = 0; i < plan.candidate_count; i++)
        if (strcmp(plan.candidates[i].algorithm->name, "winograd_fused") == 0)
            CU_ASSERT_STRING_EQUAL(plan.candidates[i].rejection, "its slices would overflow");
    plan_drop_candidates(&plan);
}

const char test_suite_name[] = "planning costs the same";
const test_entry test_suite[] = {
    {"known problems", test_known},
    {"each extent in turn", test_each_extent},
    {"random problems", test_random},
    {"slices that 32 bits do not count", test_slices_overflow},
    {NULL, NULL},
};
