/* Opens and reads tensor files; see source.h. The size comes from the open descriptor, so that a file that is
 * replaced meanwhile cannot disagree with it. */
#include "files/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse_kind(const source *s, mode_t mode)
{
    const char *kind = S_ISDIR(mode) ? "is a directory" : "is not a regular file";
    return tool_fail(EXIT_FAILED, "%s: '%s' %s; a tensor is read from a regular file", s->name, s->path,
                     kind);
}

static int cannot_open(const source *s)
{
    return tool_fail(EXIT_FAILED, "%s: cannot open '%s': %s", s->name, s->path, strerror(errno));
}

int source_open(const char *name, const char *path, source *s)
{
    struct stat facts;
    *s = (source){.name = name, .path = path, .file = -1};
    /* Asked before the open, which would wait for the other end of a pipe. */
    if (stat(path, &facts) != 0) return cannot_open(s);
    if (!S_ISREG(facts.st_mode)) return refuse_kind(s, facts.st_mode);
    s->file = open(path, O_RDONLY | O_CLOEXEC);
    if (s->file < 0 || fstat(s->file, &facts) != 0) {
        int status = cannot_open(s);
        source_close(s);
        return status;
    }
    s->size = (int64_t)facts.st_size;
    return EXIT_DONE;
}

void source_close(source *s)
{
    if (s->file >= 0) close(s->file);
    s->file = -1;
}

int source_read(source *s, void *to, int64_t bytes)
{
    enum { LARGEST = 1 << 30 };
    char *at = to;
    if (s->read != NULL) return s->read(s, to, bytes);
    while (bytes > 0) {
        ssize_t got = read(s->file, at, bytes < LARGEST ? (size_t)bytes : (size_t)LARGEST);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return source_fail(s);
        if (got == 0) return source_refuse(s, "is truncated: it ended while it was read");
        at += got;
        bytes -= got;
    }
    return EXIT_DONE;
}

int source_refuse(const source *s, const char *format, ...)
{
    char text[CLCONV_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~') *c = '?';
    return tool_fail(EXIT_WRONG_USE, "%s: '%s' %s", s->name, s->path, text);
}

void source_warn(const source *s, const char *format, ...)
{
    char text[CLCONV_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tool_warn("%s: '%s': %s", s->name, s->path, text);
}

int source_fail(const source *s)
{
    return tool_fail(EXIT_FAILED, "%s: cannot read '%s': %s", s->name, s->path, strerror(errno));
}
