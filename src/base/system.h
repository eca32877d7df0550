/* The few things that C11 leaves to the system (POSIX here): a lock, a monotonic clock, the size of pages, a
 * folder that can be written.
 * Processes are in process.h. */
#ifndef CLCONV_BASE_SYSTEM_H
#define CLCONV_BASE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lock lock;

lock *lock_create(void); /* NULL if memory is out */
void lock_release(lock *l);
void lock_acquire(lock *l);
void lock_leave(lock *l);

/* Asks for huge pages under memory that has not been touched, where the system knows of such a wish. */
void system_advise_huge_pages(void *memory, size_t bytes);

/* Whether a folder can be written, or made if it is not there: tried by a folder in it, or in what there is of
 * its path, that is removed at once. */
bool system_can_write_folder(const char *path);

/* Seconds since some moment, and since 1970. */
double clock_seconds(void);
int64_t clock_calendar(void);

#endif
