/* This program started anew as a process of its own, whose standard output is read line by line: what may crash or hang in
 * a driver is done there. Not a fork, after which OpenCL does not work. */
#ifndef CLCONV_TOOLS_COMMON_WORKER_H
#define CLCONV_TOOLS_COMMON_WORKER_H

#include <stddef.h>
#include <sys/types.h>

typedef struct worker {
    pid_t process;
    int output; /* the end of a pipe */
    char *bytes;
    size_t length, taken; /* of the bytes: what is there, and what has been given out */
} worker;

typedef enum worker_event { WORKER_LINE, WORKER_ENDED, WORKER_SILENT, WORKER_BROKEN } worker_event;

/* Starts the tool with these arguments after its name, ended by NULL; 0 or an error number. */
int worker_start(worker *w, const char *const *arguments);

/* The same; what it prints is lost. */
int worker_start_silent(worker *w, const char *const *arguments);

/* Starts it with none of this process's streams or terminal, and does not wait for it: not even this process's end ends it. */
void worker_start_alone(const char *const *arguments);

/* The next line, without its end, until the next call; or that there will be none: the process has ended or closed its
 * output, it has said nothing for so long, or memory is out. */
worker_event worker_next(worker *w, double seconds, char **line);

void worker_kill(const worker *w);

/* Waits until the process has ended, releases what belongs to it, and gives its status as waitpid() does; -1 if there is
 * none. */
int worker_wait(worker *w);

#endif
