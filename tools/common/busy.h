/* Shows on a terminal that one long call is under way, which tells no progress of its own: "convolving, 3 s".
 * A thread does so, between start and stop; a message of the library may stand beside it. */
#ifndef CLCONV_TOOLS_COMMON_BUSY_H
#define CLCONV_TOOLS_COMMON_BUSY_H

#include <pthread.h>

typedef struct busy {
    const char *label;
    int running; /* the thread is there; it is not unless stderr is a terminal */
    int stop;    /* guarded by lock */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} busy;

void busy_start(busy *b, const char *label);
void busy_stop(busy *b);

#endif
