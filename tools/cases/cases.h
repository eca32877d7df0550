/* The cases of a check as a worker process runs them, told line by line as JSON objects on standard output:
 *   {"device", "driver", "platform", "version", "cases", "peak_gflops", "copy_gbps"}     first of all
 *   {"begin": NUMBER, "op", "algorithm", "problem", "data"}                              before each case
 *   {"number", "op", "algorithm", "problem", "data", "status", "message", "worst", "skipped", "passed"}
 *   {"number", "op", "algorithm", "problem", "data": "speed", "ms", "gflops", "peak_share", "gbps", "copy_share"}
 * The last are of another job: each algorithm is timed once for an op, on the first problem that it can do, made larger. A
 * third job compiles ahead of the first, where drivers keep what they have compiled: it runs the cases from the other end, and
 * nobody reads what it prints. */
#ifndef CLCONV_TOOLS_CASES_CASES_H
#define CLCONV_TOOLS_CASES_CASES_H

#include <clconv.h>

typedef enum check_job { CHECK_CASES, CHECK_SPEED, CHECK_AHEAD } check_job;

typedef struct check_cases {
    check_job job;
    clconv_check_level level;
    size_t first, count;
    const char *algorithm; /* the only one; NULL: all */
    const char *left_out;  /* " OP/ALGORITHM" for each whose cases are left out */
} check_cases;

/* Returns an exit status; a failure has been reported. */
int check_cases_run(clconv_context *context, const check_cases *cases);

#endif
