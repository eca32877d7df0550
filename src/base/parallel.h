/* Tasks that do not depend on each other, on a few threads of the system. */
#ifndef CLCONV_BASE_PARALLEL_H
#define CLCONV_BASE_PARALLEL_H

#include <stddef.h>

/* Calls task(user, i) once for each i below `count`, on this thread and up to `threads` - 1 more, which have ended when it
 * returns; on fewer where the system gives no more. */
void parallel_run(size_t count, size_t threads, void (*task)(void *user, size_t index), void *user);

/* Processors that this process may use; at least 1. */
size_t parallel_processors(void);

#endif
