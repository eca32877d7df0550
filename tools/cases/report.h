/* What the cases of a check come to: a table by op and algorithm, and a verdict of one line. */
#ifndef CLCONV_TOOLS_CASES_REPORT_H
#define CLCONV_TOOLS_CASES_REPORT_H

#include "common/json.h"

enum { REPORT_ROWS = 512, REPORT_TEXT = 256 };

typedef struct report_row {
    char op[24], algorithm[64];
    size_t passed, skipped, failed;
    double gflops, peak_share, gbps, copy_share; /* gflops 0: not timed */
} report_row;

typedef struct report {
    report_row rows[REPORT_ROWS];
    size_t row_count, passed, skipped, failed;
    size_t cases; /* of all that there are */
    double peak_gflops, copy_gbps;
    char device[REPORT_TEXT], driver[REPORT_TEXT], platform[REPORT_TEXT], version[32];
    char first[4 * REPORT_TEXT]; /* failure */
    int json, verbose;
} report;

/* Takes an object of cases/cases.h over, prints it if that is wanted, and counts it. Returns an exit status. */
int report_take(report *r, cJSON *object);

/* A case that has no result: its process `why`, such as "did not end within 60 s". `begin` is what told of it. */
int report_lost(report *r, const cJSON *begin, const char *why);

/* The table, unless all is JSON, and the verdict. */
int report_end(const report *r);

/* A text of an object; "" if there is none. */
const char *report_text(const cJSON *object, const char *name);

#endif
