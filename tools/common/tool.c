/* Failures, messages and progress of the tool's commands, as tool.h promises them. */
#include "common/tool.h"

#include "common/compiling.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A message is one line whatever a file's name or a driver's text holds. */
static void print_line(const char *prefix, const char *format, va_list arguments)
{
    char text[2 * CLCONV_MESSAGE_SIZE];
    vsnprintf(text, sizeof text, format, arguments);
    fprintf(stderr, "clconv: %s", prefix);
    for (const char *c = text; *c; c++) {
        fputc((unsigned char)*c < ' ' ? ' ' : *c, stderr);
    }
    fputc('\n', stderr);
}

int tool_fail(int exit_status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("error: ", format, arguments);
    va_end(arguments);
    return exit_status;
}

void tool_warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("warning: ", format, arguments);
    va_end(arguments);
}

int tool_fail_library(const char *context, const clconv_error *err)
{
    int wrong_use = err->status == CLCONV_INVALID_PROBLEM || err->status == CLCONV_INVALID_ARGUMENT;
    return tool_fail(wrong_use ? EXIT_WRONG_USE : EXIT_FAILED, "%s%s%s", context ? context : "",
                     context ? ": " : "", err->message);
}

void tool_message(void *user, clconv_message_level level, const char *text)
{
    (void)user;
    if (level == CLCONV_MESSAGE_PROGRESS) {
        compiling_note(text);
        return;
    }
    const char *prefix = level == CLCONV_MESSAGE_WARNING ? "warning: " : "";
    while (*text) {
        size_t length = strcspn(text, "\n");
        fprintf(stderr, "clconv: %s%.*s\n", prefix, (int)length, text);
        text += length + (text[length] == '\n');
    }
}

double tool_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void tool_progress_show(tool_progress *progress, const char *label, double done)
{
    static const double wait = 1.0, interval = 0.1;
    double now = tool_seconds();
    if (progress->started == 0) progress->started = now;
    if (!isatty(STDERR_FILENO)) return;
    if (!label) {
        if (progress->shown > 0) fputs("\r\033[K", stderr);
        progress->shown = 0;
    } else if (now - progress->started > wait && now - progress->shown > interval) {
        fputs("\r\033[K", stderr);
        if (done >= 0) fprintf(stderr, "%3.0f%% ", 100 * done);
        fputs(label, stderr);
        progress->shown = now;
    }
    fflush(stderr);
}
