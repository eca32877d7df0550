/* POSIX's side of system.h. */
#define _POSIX_C_SOURCE 200809L
#include "base/system.h"

#include <pthread.h>
#include <stdlib.h>
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

int64_t process_id(void)
{
    return (int64_t)getpid();
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
