/* See worker.h. */
#include "common/worker.h"

#include "common/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MOST_ARGUMENTS = 48, MOST_PATH = 4096 };

/* Where this program lies; its name alone where the system does not tell. */
static void own_path(char path[MOST_PATH])
{
    ssize_t length = readlink("/proc/self/exe", path, MOST_PATH - 1);
    if (length > 0)
        path[length] = '\0';
    else
        snprintf(path, MOST_PATH, "clconv");
}

/* `output` below 0: what it prints is lost. */
static int redirect(posix_spawn_file_actions_t *actions, int output)
{
    if (output >= 0) return posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    int code = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    return code != 0 ? code : posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
}

static int spawn(pid_t *process, const char *const *arguments, int output)
{
    char path[MOST_PATH];
    const char *all[MOST_ARGUMENTS + 2] = {path};
    for (int i = 0; arguments[i] != NULL; i++) {
        if (i == MOST_ARGUMENTS) return E2BIG;
        all[i + 1] = arguments[i];
    }
    own_path(path);
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0) return code;
    code = redirect(&actions, output);
    /* spawn's type is older than const: it changes nothing */
    if (code == 0) code = posix_spawnp(process, path, &actions, NULL, (char **)(void *)all, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

int worker_start_silent(worker *w, const char *const *arguments)
{
    *w = (worker){.output = -1};
    return spawn(&w->process, arguments, -1);
}

int worker_start(worker *w, const char *const *arguments)
{
    int ends[2];
    if (pipe(ends) != 0) return errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    *w = (worker){.output = ends[0]};
    int code = spawn(&w->process, arguments, ends[1]);
    close(ends[1]);
    if (code != 0) close(ends[0]);
    return code;
}

/* A child that ends at once, so that the one that stays belongs to nobody; between the two nothing but what is safe after a
 * fork is called. */
void worker_start_alone(const char *const *arguments)
{
    char path[MOST_PATH];
    const char *all[MOST_ARGUMENTS + 2] = {path};
    for (int i = 0; arguments[i] != NULL && i < MOST_ARGUMENTS; i++)
        all[i + 1] = arguments[i];
    own_path(path);
    pid_t child = fork();
    if (child < 0) return;
    if (child == 0) {
        int nothing = open("/dev/null", O_RDWR);
        for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
            if (dup2(nothing, stream) < 0) _exit(1);
        (void)setsid();
        if (fork() != 0) _exit(0);
        execvp(path, (char **)(void *)all);
        _exit(1);
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* Whether a whole line is there, which it ends. */
static int take_line(worker *w, char **line)
{
    char *start = w->bytes != NULL ? w->bytes + w->taken : NULL;
    char *end = start != NULL ? memchr(start, '\n', w->length - w->taken) : NULL;
    if (end == NULL) return 0;
    *end = '\0';
    *line = start;
    w->taken = (size_t)(end + 1 - w->bytes);
    return 1;
}

/* Reads what there is; what has been given out is dropped. */
static worker_event read_more(worker *w)
{
    enum { PIECE = 4096 };
    if (w->taken > 0) memmove(w->bytes, w->bytes + w->taken, w->length - w->taken);
    w->length -= w->taken;
    w->taken = 0;
    char *grown = realloc(w->bytes, w->length + PIECE);
    if (grown == NULL) return WORKER_BROKEN;
    w->bytes = grown;
    ssize_t got = read(w->output, w->bytes + w->length, PIECE);
    if (got < 0 && errno == EINTR) return WORKER_LINE;
    if (got <= 0) return WORKER_ENDED;
    w->length += (size_t)got;
    return WORKER_LINE;
}

worker_event worker_next(worker *w, double seconds, char **line)
{
    const double end = tool_seconds() + seconds;
    while (!take_line(w, line)) {
        struct pollfd from = {.fd = w->output, .events = POLLIN};
        double left = end - tool_seconds();
        int ready = poll(&from, 1, left < 0 ? 0 : left > 1e6 ? 1000000000 : (int)(1000 * left) + 1);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return ready == 0 ? WORKER_SILENT : WORKER_BROKEN;
        worker_event event = read_more(w);
        if (event != WORKER_LINE) return event;
    }
    return WORKER_LINE;
}

void worker_kill(const worker *w)
{
    kill(w->process, SIGKILL);
}

int worker_wait(worker *w)
{
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(w->process, &status, 0)) < 0 && errno == EINTR)
        continue;
    if (w->output >= 0) close(w->output);
    free(w->bytes);
    *w = (worker){.output = -1};
    return ended < 0 ? -1 : status;
}
