/* Plans that are to take a packed weight which is there: of each algorithm that is left the packed weight has that layout, and
 * the cheapest of them is chosen. On devices that are not there, so nothing is built. */
#include "clconv.h"
#include "harness.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const families[] = {"xeon", "zen4", "cpu-256", "nvidia", "accelerator"};
enum { FAMILIES = sizeof families / sizeof families[0] };

/* Layers of which sizes differ in the best algorithm; the sizes stand for %s. */
static const char *const layers[] = {"ic24id4%soc24kd3pd1", "ic4id4%soc4kd3pd1",
                                     "ic64id8%soc64kd1kh3kw3pd0ph1pw1", "ic32id6%soc32kd3sd2pd1",
                                     "ic64id6%soc32kd1"};
static const char *const sizes[] = {"ih9iw9", "ih14iw12", "ih56iw56", "ih100iw90"};
enum { LAYERS = sizeof layers / sizeof layers[0], SIZES = sizeof sizes / sizeof sizes[0] };

static clconv_plan *make(clconv_context *context, clconv_op op, int layer, int size, uint64_t layout,
                         const char *algorithm, clconv_error *err)
{
    char text[128];
    clconv_problem problem;
    clconv_plan_options options;
    clconv_plan *plan = NULL;
    const char *at = strstr(layers[layer], "%s");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - layers[layer]), layers[layer], sizes[size], at + 2);
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &problem, NULL), CLCONV_SUCCESS);
    clconv_plan_options_init(&options);
    options.packed_weights = 1;
    options.packed_layout = layout;
    options.algorithm = algorithm;
    (void)clconv_plan_create(context, op, &problem, &options, &plan, err);
    return plan;
}

static clconv_plan_info info_of(const clconv_plan *plan)
{
    clconv_plan_info info;
    clconv_plan_get_info(plan, &info);
    return info;
}

/* The least estimate of the algorithms whose own packed weight has the layout; and whether `shared` says so of each. */
static double least_seconds(clconv_context *context, clconv_op op, int layer, int size, uint64_t layout,
                            const clconv_plan *shared)
{
    double least = 1e300;
    const clconv_plan_info info = info_of(shared);
    for (size_t i = 0; i < info.candidates; i++) {
        clconv_candidate_info c;
        clconv_error err;
        CU_ASSERT_EQUAL(clconv_plan_get_candidate(shared, i, &c, NULL), CLCONV_SUCCESS);
        clconv_plan *alone = make(context, op, layer, size, 0, c.algorithm, &err);
        bool fits = alone != NULL && clconv_plan_packed_weight_layout(alone) == layout;
        CU_ASSERT_EQUAL(fits, c.rejection == NULL);
        if (fits) CU_ASSERT_EQUAL(clconv_plan_packed_weight_size(alone), info.packed_weight_size);
        if (fits && info_of(alone).estimated_seconds < least) least = info_of(alone).estimated_seconds;
        clconv_plan_release(alone);
    }
    return least;
}

static int differing; /* pairs of sizes that would choose other layouts alone */

static void share(clconv_context *context, clconv_op op, int layer, int from, int to)
{
    clconv_error err = {.message = ""};
    clconv_plan *first = make(context, op, layer, from, 0, NULL, &err);
    clconv_plan *alone = make(context, op, layer, to, 0, NULL, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_PTR_NOT_NULL_FATAL(alone);
    const uint64_t layout = clconv_plan_packed_weight_layout(first);
    clconv_plan *shared = make(context, op, layer, to, layout, NULL, &err);
    if (shared != NULL) {
        CU_ASSERT_EQUAL(clconv_plan_packed_weight_layout(shared), layout);
        CU_ASSERT_EQUAL(info_of(shared).estimated_seconds,
                        least_seconds(context, op, layer, to, layout, shared));
        differing += clconv_plan_packed_weight_layout(alone) != layout;
    } else {
        /* The first's algorithm does not do the other size. */
        CU_ASSERT_EQUAL(err.status, CLCONV_UNSUPPORTED);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "packed_layout"));
        CU_ASSERT_PTR_NULL(make(context, op, layer, to, layout, info_of(first).algorithm, &err));
    }
    clconv_plan_release(shared);
    clconv_plan_release(alone);
    clconv_plan_release(first);
}

static void test_sizes(void)
{
    differing = 0;
    for (int f = 0; f < FAMILIES; f++) {
        clconv_context *context = NULL;
        CU_ASSERT_EQUAL_FATAL(clconv_context_create_imagined(families[f], &context, NULL), CLCONV_SUCCESS);
        for (int layer = 0; layer < LAYERS; layer++)
            for (int from = 0; from < SIZES; from++)
                for (int to = 0; to < SIZES; to++)
                    share(context, CLCONV_FORWARD, layer, from, to);
        share(context, CLCONV_BACKWARD_INPUT, 0, 2, 0);
        clconv_context_release(context);
    }
    CU_ASSERT(differing > 0);
}

static void test_refusals(void)
{
    clconv_context *context = NULL;
    clconv_problem problem;
    clconv_plan_options options;
    clconv_plan *plan = NULL;
    clconv_error err = {.message = ""};
    CU_ASSERT_EQUAL_FATAL(clconv_context_create_imagined("xeon", &context, NULL), CLCONV_SUCCESS);
    CU_ASSERT_PTR_NULL(make(context, CLCONV_FORWARD, 0, 0, 12345, NULL, &err));
    CU_ASSERT_EQUAL(err.status, CLCONV_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "0000000000003039"));
    CU_ASSERT_PTR_NULL(make(context, CLCONV_FORWARD, 0, 0, 12345, "direct", &err));
    CU_ASSERT_EQUAL(err.status, CLCONV_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "another layout"));
    CU_ASSERT_EQUAL(clconv_problem_parse("ic1id4oc1kd3", &problem, NULL), CLCONV_SUCCESS);
    clconv_plan_options_init(&options);
    options.packed_layout = 12345;
    CU_ASSERT_EQUAL(clconv_plan_create(context, CLCONV_FORWARD, &problem, &options, &plan, &err),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "packed_weights"));
    clconv_context_release(context);
}

const char test_suite_name[] = "packed_layout";
const test_entry test_suite[] = {
    {"plans of other sizes take the layout, the cheapest that does", test_sizes},
    {"refusals", test_refusals},
    {NULL, NULL},
};
