#ifdef __linux__
#define _GNU_SOURCE /* NOLINT(bugprone-reserved-identifier): for sched_getaffinity() */
#endif
#include "common/affinity.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>

/* Whether the CPUs that the process may use are all that there are, 0 to the last. */
static bool has_every_cpu(void)
{
    cpu_set_t set;
    long count = sysconf(_SC_NPROCESSORS_CONF);
    if (sched_getaffinity(0, sizeof set, &set) != 0 || count < 1 || CPU_COUNT(&set) != count) return false;
    for (long i = 0; i < count; i++)
        if (!CPU_ISSET((size_t)i, &set)) return false;
    return true;
}
#else
static bool has_every_cpu(void)
{
    return false;
}
#endif

void affinity_bind_pocl(void)
{
    /* The last two are older and newer PoCL's number of threads, which may be more than there are CPUs. */
    static const char *const names[] = {"POCL_AFFINITY", "POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT"};
    for (int i = 0; i < 3; i++)
        if (getenv(names[i]) != NULL) return;
    if (has_every_cpu()) setenv("POCL_AFFINITY", "1", 0);
}
