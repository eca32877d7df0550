/* POSIX's side of system.h. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* madvise(), mkdtemp() */
#include "base/system.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static size_t without_slashes(const char *path, size_t length)
{
    while (length > 0 && path[length - 1] == '/')
        length--;
    return length;
}

static size_t without_name(const char *path, size_t length)
{
    while (length > 0 && path[length - 1] != '/')
        length--;
    return without_slashes(path, length);
}

bool system_can_write_folder(const char *path)
{
    enum { LONGEST = 4096 };
    const char *start = path[0] == '/' ? "" : "./";
    size_t length = without_slashes(path, strlen(path));
    for (; length < LONGEST / 2; length = without_name(path, length)) {
        char probe[LONGEST];
        snprintf(probe, sizeof probe, "%s%.*s/clconv-XXXXXX", start, (int)length, path);
        if (mkdtemp(probe) != NULL) return rmdir(probe) == 0;
        probe[strlen(start) + length] = '\0';
        if (length == 0 || access(probe, F_OK) == 0) return false;
    }
    return false;
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int64_t clock_calendar(void)
{
    return (int64_t)time(NULL);
}
