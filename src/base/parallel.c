/* See parallel.h. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* _SC_NPROCESSORS_ONLN */
#include "base/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MOST_THREADS = 32 };

typedef struct run {
    atomic_size_t next;
    size_t count;
    void (*task)(void *user, size_t index);
    void *user;
} run;

static void *take_tasks(void *argument)
{
    run *r = argument;
    for (size_t i; (i = atomic_fetch_add(&r->next, 1)) < r->count;)
        r->task(r->user, i);
    return NULL;
}

void parallel_run(size_t count, size_t threads, void (*task)(void *user, size_t index), void *user)
{
    run r = {.count = count, .task = task, .user = user};
    pthread_t others[MOST_THREADS];
    size_t started = 0, wanted = threads < count ? threads : count;
    while (started + 1 < wanted && started < MOST_THREADS &&
           pthread_create(&others[started], NULL, take_tasks, &r) == 0)
        started++;
    take_tasks(&r);
    for (size_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
}

size_t parallel_processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 1 ? (size_t)count : 1;
}
