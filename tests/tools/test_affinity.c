/* POCL_AFFINITY is set where binding can work, and never against the user. */
#ifdef __linux__
#define _GNU_SOURCE /* NOLINT(bugprone-reserved-identifier): for sched_setaffinity() */
#include <sched.h>
#endif
#include "common/affinity.h"
#include "harness.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_bound(void)
{
    const char *value = getenv("POCL_AFFINITY");
    return value != NULL && strcmp(value, "1") == 0;
}

static void clear(void)
{
    unsetenv("POCL_AFFINITY");
    unsetenv("POCL_MAX_PTHREAD_COUNT");
    unsetenv("POCL_CPU_MAX_CU_COUNT");
}

static void test_user(void)
{
    clear();
    setenv("POCL_AFFINITY", "0", 1);
    affinity_bind_pocl();
    CU_ASSERT_STRING_EQUAL(getenv("POCL_AFFINITY"), "0");
    static const char *const counts[] = {"POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT"};
    for (int i = 0; i < 2; i++) {
        clear();
        setenv(counts[i], "64", 1);
        affinity_bind_pocl();
        CU_ASSERT_PTR_NULL(getenv("POCL_AFFINITY"));
    }
    clear();
}

#ifdef __linux__
/* All CPUs, or those but the last. */
static void test_cpus(void)
{
    cpu_set_t before, some;
    CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof before, &before), 0);
    long count = sysconf(_SC_NPROCESSORS_CONF);
    clear();
    affinity_bind_pocl();
    CU_ASSERT_EQUAL(is_bound(), CPU_COUNT(&before) == count);
    clear();
    some = before;
    for (size_t i = CPU_SETSIZE; i > 0 && CPU_COUNT(&some) == CPU_COUNT(&before) && CPU_COUNT(&some) > 1; i--)
        CPU_CLR(i - 1, &some);
    CU_ASSERT_EQUAL_FATAL(sched_setaffinity(0, sizeof some, &some), 0);
    affinity_bind_pocl();
    CU_ASSERT_EQUAL(is_bound(), count == 1);
    CU_ASSERT_EQUAL(sched_setaffinity(0, sizeof before, &before), 0);
    clear();
}
#else
static void test_cpus(void)
{
    clear();
    affinity_bind_pocl();
    CU_ASSERT_FALSE(is_bound());
}
#endif

const char test_suite_name[] = "affinity";
const test_entry test_suite[] = {
    {"what the user has set stays", test_user},
    {"bound where every CPU may be used", test_cpus},
    {NULL, NULL},
};
