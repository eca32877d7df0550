/* Threads that plan in one context: each program is built once, whoever asks for it first; a program that is
 * there is not waited for while another is built; a build that fails fails for all who wait for it, and is
 * tried again later. */
#define _XOPEN_SOURCE 700
#include "harness.h"
#include "programs.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Seconds after which a test counts as hanging, on however busy a machine. */
enum { THREADS = 8, HANGS = 1800 };

static const char *const algorithms[] = {"direct", "direct_indexed", "winograd", "direct_fused"};

enum { ALGORITHMS = sizeof algorithms / sizeof algorithms[0] };

/* Holds a thread in a message callback until the main thread opens it. */
typedef struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int arrived; /* threads that are about to plan */
    bool is_closed, is_reached;
} gate;

static gate door = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void pass_gate(void *user, clconv_message_level level, const char *text)
{
    (void)user, (void)level, (void)text;
    pthread_mutex_lock(&door.mutex);
    door.is_reached = true;
    pthread_cond_broadcast(&door.changed);
    while (door.is_closed)
        pthread_cond_wait(&door.changed, &door.mutex);
    pthread_mutex_unlock(&door.mutex);
}

static void set_gate(bool is_closed)
{
    pthread_mutex_lock(&door.mutex);
    door.is_closed = is_closed;
    door.is_reached = false;
    door.arrived = 0;
    pthread_cond_broadcast(&door.changed);
    pthread_mutex_unlock(&door.mutex);
}

static void wait_for_threads(int count)
{
    pthread_mutex_lock(&door.mutex);
    while (!door.is_reached || door.arrived < count)
        pthread_cond_wait(&door.changed, &door.mutex);
    pthread_mutex_unlock(&door.mutex);
}

/* A thread plans `count` of the algorithms, from `first` on. */
typedef struct planner {
    pthread_t thread;
    clconv_context *context;
    int first, count;
    clconv_plan *plans[ALGORITHMS];
    clconv_status status[ALGORITHMS];
    clconv_error err;
} planner;

static clconv_status plan_one(clconv_context *context, int index, clconv_plan **plan, clconv_error *err)
{
    clconv_problem p;
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = algorithms[index];
    clconv_status status = clconv_problem_parse("ic6id6ih7iw18oc8kd3pd1", &p, err);
    return status == CLCONV_SUCCESS ? clconv_plan_create(context, CLCONV_FORWARD, &p, &options, plan, err)
                                    : status;
}

static void *run_planner(void *argument)
{
    planner *p = argument;
    pthread_mutex_lock(&door.mutex);
    door.arrived++;
    pthread_cond_broadcast(&door.changed);
    pthread_mutex_unlock(&door.mutex);
    for (int i = 0; i < p->count; i++) {
        int index = (p->first + i) % ALGORITHMS;
        p->status[index] = plan_one(p->context, index, &p->plans[index], &p->err);
    }
    return NULL;
}

static void start_planner(planner *p, clconv_context *context, int first, int count)
{
    *p = (planner){.context = context, .first = first, .count = count};
    CU_ASSERT_EQUAL_FATAL(pthread_create(&p->thread, NULL, run_planner, p), 0);
}

static clconv_context *open_context(void)
{
    clconv_context *context = NULL;
    clconv_context_options options;
    clconv_context_options_init(&options);
    options.message = pass_gate;
    options.verbose = 1;
    CU_ASSERT_EQUAL_FATAL(clconv_context_create_selected(NULL, &options, &context, NULL), CLCONV_SUCCESS);
    alarm(HANGS);
    return context;
}

/* CLBlast fills its tables without a lock when it is first asked, by any plan. */
static void test_first_use(void)
{
    clconv_plan *plan = NULL;
    clconv_context *context = open_context();
    CU_ASSERT_EQUAL(plan_one(context, 1, &plan, NULL), CLCONV_SUCCESS);
    clconv_plan_release(plan);
    clconv_context_release(context);
}

static void test_each_once(void)
{
    planner planners[THREADS];
    text_set programs = {{NULL}, 0}, kernels = {{NULL}, 0};
    int64_t requests = 0;
    clconv_counters counters;
    clconv_context *context = open_context();
    for (int t = 0; t < THREADS; t++)
        start_planner(&planners[t], context, t, ALGORITHMS);
    for (int t = 0; t < THREADS; t++) {
        CU_ASSERT_EQUAL_FATAL(pthread_join(planners[t].thread, NULL), 0);
        for (int i = 0; i < ALGORITHMS; i++) {
            CU_ASSERT_EQUAL_FATAL(planners[t].status[i], CLCONV_SUCCESS);
            programs_add(planners[t].plans[i], &programs, &kernels);
            requests += (int64_t)planners[t].plans[i]->kernel_count;
            clconv_plan_release(planners[t].plans[i]);
        }
    }
    clconv_context_counters(context, &counters);
    CU_ASSERT_EQUAL(counters.programs_built, (int64_t)programs.count);
    CU_ASSERT_EQUAL(counters.kernels_warmed, (int64_t)kernels.count);
    CU_ASSERT_EQUAL(counters.programs_built + counters.programs_reused, requests);
    text_set_release(&programs);
    text_set_release(&kernels);
    clconv_context_release(context);
}

/* A thread is held in the message that it has built a program, before it goes on. */
static void test_no_waiting(void)
{
    planner slow;
    clconv_plan *plan = NULL;
    clconv_counters before, during;
    clconv_context *context = open_context();
    CU_ASSERT_EQUAL_FATAL(plan_one(context, 1, &plan, NULL), CLCONV_SUCCESS);
    clconv_plan_release(plan);
    clconv_context_counters(context, &before);
    set_gate(true);
    start_planner(&slow, context, 0, 1);
    wait_for_threads(1);
    CU_ASSERT_EQUAL(plan_one(context, 1, &plan, NULL), CLCONV_SUCCESS);
    clconv_plan_release(plan);
    clconv_context_counters(context, &during);
    CU_ASSERT(during.programs_reused > before.programs_reused);
    CU_ASSERT_EQUAL(during.programs_built, before.programs_built);
    set_gate(false);
    CU_ASSERT_EQUAL(pthread_join(slow.thread, NULL), 0);
    CU_ASSERT_EQUAL(slow.status[0], CLCONV_SUCCESS);
    clconv_plan_release(slow.plans[0]);
    clconv_context_release(context);
}

/* The first thread is held in the message of its failure until the others are about to ask as well. */
static void test_failure(void)
{
    planner planners[THREADS];
    clconv_plan *plan = NULL;
    clconv_counters counters;
    clconv_context *context = open_context();
    kernel_folder_open("any/direct_indexed.cl", "kernel void direct_indexed( error\n");
    set_gate(true);
    for (int t = 0; t < THREADS; t++)
        start_planner(&planners[t], context, 1, 1);
    wait_for_threads(THREADS);
    set_gate(false);
    for (int t = 0; t < THREADS; t++) {
        CU_ASSERT_EQUAL_FATAL(pthread_join(planners[t].thread, NULL), 0);
        CU_ASSERT_EQUAL(planners[t].status[1], CLCONV_BUILD_FAILED);
        CU_ASSERT_EQUAL(planners[t].err.status, CLCONV_BUILD_FAILED);
        CU_ASSERT_STRING_EQUAL(planners[t].err.message, planners[0].err.message);
        CU_ASSERT(strstr(planners[t].err.message, "cl/any/direct_indexed.cl") != NULL);
    }
    clconv_context_counters(context, &counters);
    CU_ASSERT_EQUAL(counters.programs_built, 0);
    kernel_folder_close();
    CU_ASSERT_EQUAL(plan_one(context, 1, &plan, NULL), CLCONV_SUCCESS);
    clconv_context_counters(context, &counters);
    CU_ASSERT_EQUAL(counters.programs_built, 1);
    clconv_plan_release(plan);
    clconv_context_release(context);
}

const char test_suite_name[] = "threads";
const test_entry test_suite[] = {
    {"a first plan", test_first_use},
    {"each program is built once", test_each_once},
    {"a program that is there is not waited for", test_no_waiting},
    {"a failure is for all and not for ever", test_failure},
    {NULL, NULL},
};
