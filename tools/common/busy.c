/* The thread that counts seconds while another works; see busy.h. */
#include "common/busy.h"

#include "common/compiling.h"
#include "common/tool.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void wait_a_little(busy *b)
{
    enum { STEP = 200000000, SECOND = 1000000000 };
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += STEP;
    until.tv_sec += until.tv_nsec / SECOND;
    until.tv_nsec %= SECOND;
    pthread_cond_timedwait(&b->changed, &b->lock, &until);
}

static void *show_seconds(void *argument)
{
    busy *b = argument;
    tool_progress progress = {0};
    double start = tool_seconds();
    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        char text[200];
        if (!compiling_text(text, sizeof text))
            snprintf(text, sizeof text, "%s, %.0f s", b->label, tool_seconds() - start);
        tool_progress_show(&progress, text, -1);
        wait_a_little(b);
    }
    pthread_mutex_unlock(&b->lock);
    tool_progress_show(&progress, NULL, 1);
    return NULL;
}

void busy_start(busy *b, const char *label)
{
    *b = (busy){.label = label};
    if (!isatty(STDERR_FILENO)) return;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    b->running = !pthread_create(&b->thread, NULL, show_seconds, b);
    compiling_leave_to_busy(b->running);
}

void busy_stop(busy *b)
{
    if (!b->running) return;
    pthread_mutex_lock(&b->lock);
    b->stop = 1;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    compiling_leave_to_busy(0);
    b->running = 0;
}
