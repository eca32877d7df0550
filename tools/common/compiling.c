/* See compiling.h. The state is the process's, as is the terminal. */
#include "common/compiling.h"

#include "common/tool.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char what[160];
    double since; /* when something began to be compiled; 0: nothing is */
    int has_thread, left_to_busy, is_shown;
} state;

static int text_now(char *text, size_t size)
{
    static const double wait = 1.0;
    double now = tool_seconds();
    if (state.since == 0 || now - state.since < wait) return 0;
    snprintf(text, size, "%s, %.0f s", state.what, now - state.since);
    return 1;
}

static void show(void)
{
    char text[200];
    if (state.left_to_busy) return;
    int is_due = text_now(text, sizeof text);
    if (is_due) fprintf(stderr, "\r\033[K%s", text);
    if (!is_due && state.is_shown) fputs("\r\033[K", stderr);
    if (is_due || state.is_shown) fflush(stderr);
    state.is_shown = is_due;
}

static void *show_often(void *unused)
{
    const struct timespec pause = {.tv_nsec = 200000000};
    for (;;) {
        pthread_mutex_lock(&guard);
        show();
        pthread_mutex_unlock(&guard);
        nanosleep(&pause, NULL);
    }
    return unused;
}

/* It ends with the process. */
static void start_thread(void)
{
    pthread_t thread;
    if (state.has_thread || !isatty(STDERR_FILENO)) return;
    state.has_thread = pthread_create(&thread, NULL, show_often, NULL) == 0;
    if (state.has_thread) pthread_detach(thread);
}

void compiling_note(const char *text)
{
    pthread_mutex_lock(&guard);
    snprintf(state.what, sizeof state.what, "%s", text);
    if (!*text) {
        state.since = 0;
        show();
    } else if (state.since == 0) {
        state.since = tool_seconds();
        start_thread();
    }
    pthread_mutex_unlock(&guard);
}

int compiling_text(char *text, size_t size)
{
    pthread_mutex_lock(&guard);
    int is_due = text_now(text, size);
    pthread_mutex_unlock(&guard);
    return is_due;
}

void compiling_leave_to_busy(int is_left)
{
    pthread_mutex_lock(&guard);
    state.left_to_busy = is_left;
    pthread_mutex_unlock(&guard);
}
