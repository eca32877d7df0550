/* POSIX's side of system.h. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* madvise() */
#include "base/system.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct lock {
    pthread_mutex_t mutex;
};

lock *lock_create(void)
{
    lock *l = malloc(sizeof *l);
    if (l != NULL && pthread_mutex_init(&l->mutex, NULL) != 0) {
        free(l);
        l = NULL;
    }
    return l;
}

void lock_release(lock *l)
{
    if (l == NULL) return;
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

void lock_acquire(lock *l)
{
    pthread_mutex_lock(&l->mutex);
}

void lock_leave(lock *l)
{
    pthread_mutex_unlock(&l->mutex);
}

void system_advise_huge_pages(void *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    long page = sysconf(_SC_PAGESIZE);
    if (page <= 0) return;
    size_t before = (size_t)page - 1 - ((uintptr_t)memory + (size_t)page - 1) % (size_t)page;
    if (bytes > before) (void)madvise((char *)memory + before, bytes - before, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
