/* Tuning data of a context decide what its plans are, or change nothing; and the tuner by its calls: every op, a call that goes on
 * where another ended, candidates that are excluded. Which candidate is faster is no matter here. */
#include "harness.h"
#include "plan/plan.h"
#include "runner.h"

#include <stdio.h>
#include <string.h>

static const char problem_text[] = "mb2ic3id4ih5iw9oc4kd3pd1";

static clconv_problem problem_of(const char *text)
{
    clconv_problem p;
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &p, NULL), CLCONV_SUCCESS);
    return p;
}

/* A context and what its plans say. */
typedef struct fixture {
    test_device device;
    clconv_plan_info info;
    char algorithm[64], parameters[256];
} fixture;

static void fixture_open(fixture *f)
{
    CU_ASSERT_FATAL(test_device_open(&f->device));
    tuning_place_of(&f->device.context->rt.info, &f->device.context->place);
}

static void add_best(fixture *f, const char *algorithm, const char *parameters, const char *problem)
{
    clconv_context *context = f->device.context;
    tuning_entry e = {
        .kind = TUNING_BEST, .place = context->place, .time_ns = 1, .default_ns = 2, .tuned = 1};
    snprintf(e.algorithm, sizeof e.algorithm, "%s", algorithm);
    snprintf(e.parameters, sizeof e.parameters, "%s", parameters);
    CU_ASSERT_FATAL(tuning_class_parse("forward", "float32 zeros unpacked", problem, &e.class));
    tuning_release(&context->tuning);
    CU_ASSERT_EQUAL_FATAL(tuning_add(&context->tuning, &e, NULL), CLCONV_SUCCESS);
}

/* Plans the problem and notes what the plan says; whether tuning data decided. */
static bool plan_is_tuned(fixture *f, uint64_t workspace_limit, int untuned)
{
    clconv_plan *plan = NULL;
    clconv_plan_options options;
    const clconv_problem p = problem_of(problem_text);
    clconv_plan_options_init(&options);
    options.workspace_limit = workspace_limit;
    options.untuned = untuned;
    CU_ASSERT_EQUAL_FATAL(clconv_plan_create(f->device.context, CLCONV_FORWARD, &p, &options, &plan, NULL),
                          CLCONV_SUCCESS);
    clconv_plan_get_info(plan, &f->info);
    snprintf(f->algorithm, sizeof f->algorithm, "%s", f->info.algorithm);
    snprintf(f->parameters, sizeof f->parameters, "%s", f->info.parameters);
    bool is_tuned = f->info.tuned_problem != NULL;
    if (is_tuned) CU_ASSERT_PTR_NOT_NULL(strstr(f->info.tuned_problem, "ic3"));
    clconv_plan_release(plan);
    return is_tuned;
}

static void test_data_decide(void)
{
    fixture f;
    char usual[64];
    fixture_open(&f);
    CU_ASSERT_FALSE(plan_is_tuned(&f, UINT64_MAX, 0));
    snprintf(usual, sizeof usual, "%s", f.algorithm);
    CU_ASSERT_STRING_NOT_EQUAL(usual, "direct_indexed");
    add_best(&f, "direct_indexed", "out_channels=3", problem_text);
    CU_ASSERT_TRUE(plan_is_tuned(&f, UINT64_MAX, 0));
    CU_ASSERT_STRING_EQUAL(f.algorithm, "direct_indexed");
    CU_ASSERT_PTR_NOT_NULL(strstr(f.parameters, "out_channels=3,"));
    CU_ASSERT_EQUAL(f.info.tuned_distance, 0);
    CU_ASSERT_FALSE(plan_is_tuned(&f, UINT64_MAX, 1));
    CU_ASSERT_STRING_EQUAL(f.algorithm, usual);
    add_best(&f, "direct_indexed", "", "mb1ic3id4ih5iw9oc8kd3pd1");
    CU_ASSERT_TRUE(plan_is_tuned(&f, UINT64_MAX, 0));
    CU_ASSERT_DOUBLE_EQUAL(f.info.tuned_distance, 2, 1e-12);
    add_best(&f, TUNING_DEFAULT, "", problem_text);
    CU_ASSERT_TRUE(plan_is_tuned(&f, UINT64_MAX, 0));
    CU_ASSERT_STRING_EQUAL(f.algorithm, usual);
    test_device_close(&f.device);
}

/* What is no algorithm of this build or not of this op, no parameter, beyond the limit, or cannot do the problem. */
static void test_data_that_cannot_be_used(void)
{
    static const char *const entries[][2] = {
        {"fastest", ""},
        {"weight_direct", ""},
        {"direct_indexed", "out_channels=17"},
        {"direct_indexed", "speed=2"},
        {"direct_indexed", "out_channels=2,out_channels=2"},
        {"direct_indexed", "out_channels"},
        {"pointwise", ""},
    };
    fixture f;
    char usual[64], parameters[256];
    fixture_open(&f);
    CU_ASSERT_FALSE(plan_is_tuned(&f, UINT64_MAX, 0));
    snprintf(usual, sizeof usual, "%s", f.algorithm);
    snprintf(parameters, sizeof parameters, "%s", f.parameters);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        add_best(&f, entries[i][0], entries[i][1], problem_text);
        CU_ASSERT_FALSE(plan_is_tuned(&f, UINT64_MAX, 0));
        CU_ASSERT_STRING_EQUAL(f.algorithm, usual);
        CU_ASSERT_STRING_EQUAL(f.parameters, parameters);
    }
    add_best(&f, "direct", "", problem_text);
    CU_ASSERT_FALSE(plan_is_tuned(&f, 0, 0));
    CU_ASSERT_STRING_NOT_EQUAL(f.algorithm, "direct");
    test_device_close(&f.device);
}

static bool is_candidate(const clconv_plan *plan, const char *algorithm)
{
    clconv_candidate_info info;
    for (size_t i = 0; clconv_plan_get_candidate(plan, i, &info, NULL) == CLCONV_SUCCESS; i++)
        if (strcmp(info.algorithm, algorithm) == 0) return info.rejection == NULL;
    return false;
}

/* So many work-groups that their parts of the workspace are beyond the limit; as many as the algorithm has of itself are not. */
static void test_parameters_that_do_not_fit(void)
{
    static const char large[] = "ic16id32ih96iw96oc16kd3pd1";
    fixture f;
    clconv_plan *plan = NULL;
    clconv_plan_options options;
    const clconv_problem p = problem_of(large);
    fixture_open(&f);
    if (!f.device.context->rt.traits.is_cpu) {
        test_device_close(&f.device);
        return;
    }
    add_best(&f, "direct_channels", "slices=4096", large);
    clconv_plan_options_init(&options);
    options.workspace_limit = 12 << 20;
    CU_ASSERT_EQUAL_FATAL(clconv_plan_create(f.device.context, CLCONV_FORWARD, &p, &options, &plan, NULL),
                          CLCONV_SUCCESS);
    clconv_plan_get_info(plan, &f.info);
    CU_ASSERT_PTR_NULL(f.info.tuned_problem);
    CU_ASSERT_TRUE(is_candidate(plan, "direct_channels"));
    clconv_plan_release(plan);
    options.algorithm = "direct_channels";
    options.parameters = "slices=4096";
    CU_ASSERT_EQUAL(clconv_plan_create(f.device.context, CLCONV_FORWARD, &p, &options, &plan, NULL),
                    CLCONV_UNSUPPORTED);
    test_device_close(&f.device);
}

/* How many candidates have begun, and when to end. */
typedef struct watch {
    size_t begun, ended, most;
} watch;

static int begin_trial(void *user, const clconv_tune_trial *trial)
{
    watch *w = user;
    CU_ASSERT(trial->number < trial->count);
    CU_ASSERT_PTR_NOT_NULL(trial->algorithm);
    w->begun++;
    return w->begun > w->most;
}

static int end_trial(void *user, const clconv_tune_trial *trial)
{
    ((watch *)user)->ended++;
    if (trial->message[0] != '\0')
        printf("\n  %s %s: %s", trial->algorithm, trial->parameters, trial->message);
    CU_ASSERT_STRING_EQUAL(trial->message, "");
    return 0;
}

static clconv_tune_result tune(fixture *f, clconv_op op, const char *algorithm, watch *w)
{
    clconv_error err = {.message = ""};
    clconv_tune_result result = {.tried = 0};
    clconv_tune_options options;
    clconv_plan_options plan;
    clconv_problem p = problem_of(problem_text);
    if (op == CLCONV_TRANSPOSED) {
        const int64_t input[3] = {4, 5, 9}, none[3] = {0, 0, 0};
        CU_ASSERT_EQUAL_FATAL(clconv_problem_set_transposed(&p, input, none, NULL), CLCONV_SUCCESS);
    }
    clconv_plan_options_init(&plan);
    plan.packed_weights = 1;
    plan.algorithm = algorithm;
    clconv_tune_options_init(&options);
    options.seconds = 1e6;
    options.begin = begin_trial;
    options.end = end_trial;
    options.user = w;
    CU_ASSERT_EQUAL(clconv_tune(f->device.context, op, &p, &plan, &options, &result, &err), CLCONV_SUCCESS);
    CU_ASSERT_STRING_EQUAL(err.message, "");
    return result;
}

static void test_every_op(void)
{
    fixture f;
    fixture_open(&f);
    for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_TRANSPOSED; op++) {
        watch w = {.most = 1}; /* the default */
        clconv_tune_result result = tune(&f, op, NULL, &w);
        CU_ASSERT_EQUAL(w.ended, 1);
        CU_ASSERT_EQUAL(result.failed, 0);
        CU_ASSERT_STRING_EQUAL(result.algorithm, "auto");
        CU_ASSERT(result.default_seconds > 0);
        CU_ASSERT(strlen(result.default_algorithm) > 0);
    }
    test_device_close(&f.device);
}

static void test_a_call_goes_on(void)
{
    fixture f;
    clconv_error err;
    fixture_open(&f);
    watch first = {.most = 3}, second = {.most = 1000}, third = {.most = 1000};
    clconv_tune_result result = tune(&f, CLCONV_FORWARD, "direct_indexed", &first);
    CU_ASSERT_EQUAL(result.is_done, 0);
    CU_ASSERT_EQUAL(first.ended, 3);
    result = tune(&f, CLCONV_FORWARD, "direct_indexed", &second);
    CU_ASSERT_EQUAL(result.is_done, 1);
    CU_ASSERT_EQUAL(second.begun, result.tried - 2); /* all but two: the default is there again */
    CU_ASSERT(second.begun > 1);
    clconv_tune_result again = tune(&f, CLCONV_FORWARD, "direct_indexed", &third);
    CU_ASSERT_EQUAL(third.begun, 0);
    CU_ASSERT_STRING_EQUAL(again.algorithm, result.algorithm);
    CU_ASSERT_STRING_EQUAL(again.parameters, result.parameters);
    CU_ASSERT_EQUAL(clconv_tuning_save(f.device.context, "/dev/null/file", &err), CLCONV_FILE_FAILED);
    test_device_close(&f.device);
}

static void test_what_is_excluded_is_not_tried(void)
{
    fixture f;
    const clconv_problem p = problem_of(problem_text);
    clconv_plan_options plan;
    clconv_plan_options_init(&plan);
    plan.packed_weights = 1;
    fixture_open(&f);
    clconv_plan *usual = NULL;
    CU_ASSERT_EQUAL_FATAL(clconv_plan_create(f.device.context, CLCONV_FORWARD, &p, &plan, &usual, NULL),
                          CLCONV_SUCCESS);
    clconv_plan_get_info(usual, &f.info);
    CU_ASSERT_EQUAL(clconv_tune_exclude(f.device.context, CLCONV_FORWARD, &p, &plan, f.info.algorithm,
                                        f.info.parameters, "it\nended", NULL),
                    CLCONV_SUCCESS);
    watch w = {.most = 1};
    clconv_tune_result result = tune(&f, CLCONV_FORWARD, "direct_indexed", &w);
    CU_ASSERT_EQUAL(result.failed, 1);
    CU_ASSERT_EQUAL(result.default_seconds, 0);
    CU_ASSERT_STRING_EQUAL(result.algorithm, "direct_indexed");
    clconv_plan_release(usual);
    test_device_close(&f.device);
}

static void test_wrong_calls(void)
{
    fixture f;
    clconv_tune_result result;
    clconv_context *imagined = NULL;
    const clconv_problem p = problem_of(problem_text);
    const clconv_plan_options zeroed = {.strict = 0};
    fixture_open(&f);
    clconv_context *context = f.device.context;
    CU_ASSERT_EQUAL(clconv_tune(NULL, CLCONV_FORWARD, &p, NULL, NULL, &result, NULL),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_tune(context, CLCONV_FORWARD, NULL, NULL, NULL, &result, NULL),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_tune(context, CLCONV_FORWARD, &p, NULL, NULL, NULL, NULL),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_tune(context, (clconv_op)7, &p, NULL, NULL, &result, NULL),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_tune(context, CLCONV_FORWARD, &p, &zeroed, NULL, &result, NULL),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_tune_exclude(context, CLCONV_FORWARD, &p, NULL, NULL, "", "", NULL),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_tuning_load(NULL, "x", NULL), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_tuning_save(NULL, "x", NULL), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_tuning_load(context, NULL, NULL), CLCONV_FILE_FAILED); /* CLCONV_TUNING is off */
    CU_ASSERT_EQUAL_FATAL(clconv_context_create_imagined("nvidia", &imagined, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(clconv_tune(imagined, CLCONV_FORWARD, &p, NULL, NULL, &result, NULL), CLCONV_UNSUPPORTED);
    clconv_context_release(imagined);
    test_device_close(&f.device);
}

const char test_suite_name[] = "tuning";
const test_entry test_suite[] = {
    {"data decide", test_data_decide},
    {"data that cannot be used", test_data_that_cannot_be_used},
    {"parameters that do not fit", test_parameters_that_do_not_fit},
    {"every op", test_every_op},
    {"a call goes on where another ended", test_a_call_goes_on},
    {"what is excluded is not tried", test_what_is_excluded_is_not_tried},
    {"wrong calls", test_wrong_calls},
    {NULL, NULL},
};
