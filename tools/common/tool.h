/* What the commands of the clconv tool share: failures, options common to several commands, tables of
 * commands. The tool sees only clconv.h. A command returns its exit status; it reports at most one failure.
 */
#ifndef CLCONV_TOOLS_COMMON_TOOL_H
#define CLCONV_TOOLS_COMMON_TOOL_H

#include <clconv.h>

/* Exit statuses: wrong use is arguments or the contents of a tensor file; failed is all else. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_WRONG_USE = 2 };

#if defined(__GNUC__)
#define TOOL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TOOL_PRINTF(text, first)
#endif

/* Prints "clconv: error: ..." as one line on stderr and returns `exit_status`. */
int tool_fail(int exit_status, const char *format, ...) TOOL_PRINTF(2, 3);

/* The same for a failure of the library: CLCONV_INVALID_PROBLEM and CLCONV_INVALID_ARGUMENT are wrong use.
 * `context` (may be NULL) is put before the message: "CONTEXT: message". */
int tool_fail_library(const char *context, const clconv_error *err);

/* Prints "clconv: warning: ..." as one line on stderr. */
void tool_warn(const char *format, ...) TOOL_PRINTF(1, 2);

/* Prints warnings and verbose text of a context on stderr, and shows what it compiles (compiling.h). */
void tool_message(void *user, clconv_message_level level, const char *text);

/* Progress of work longer than a second: one line on stderr, rewritten, only on a terminal. `done` in 0..1,
 * or below 0 if nobody knows; a call with `label` NULL clears the line. */
typedef struct tool_progress {
    double started, shown; /* zero before the first call */
} tool_progress;
void tool_progress_show(tool_progress *progress, const char *label, double done);

double tool_seconds(void); /* monotonic clock */

#endif
