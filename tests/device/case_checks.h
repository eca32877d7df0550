/* The case table (tests/cases/conv3d.txt) by every algorithm that serves an op: exact integers, error bounds of reals,
 * reruns and packed weights bit for bit, and workspace limits. tests/runner.h watches what a run touches. An algorithm
 * may refuse a case, with a reason, but each case must be done by one. */
#ifndef CLCONV_TESTS_CASE_CHECKS_H
#define CLCONV_TESTS_CASE_CHECKS_H

#include "cases.h"
#include "runner.h"

/* The first and the last test of a suite: they open and close the table and the device. */
void case_table_open(void);
void case_table_close(void);
size_t case_table_size(void);
const test_case *case_at(size_t i);

/* All of the above for one op. */
void case_check_op(clconv_op op);

/* Whether checks of a kind besides integers are made: "reals", "limits" or "special". CLCONV_TEST_COVERAGE names the only
 * one; all are made if it is unset. */
bool case_checks(const char *kind);

/* Whether the op is tested on case i here. The environment's CLCONV_TEST_PART, such as 2/6, takes a part of the table;
 * if CLCONV_TEST_COVERAGE is set it is the part that coverage.h describes, and of its cases the algorithms that are in it. */
bool case_is_chosen(size_t i, clconv_op op);

/* One case's data for an op, its answer, and room for two outputs. */
typedef struct case_bench {
    clconv_op op;
    size_t index; /* of the case */
    test_case own;
    const test_case *c;
    test_data data;
    test_reference expected;
    double *output, *again;
} case_bench;

typedef bool (*data_maker)(const clconv_problem *problem, uint64_t seed, test_data *data);

void case_bench_open(size_t i, clconv_op op, data_maker make, case_bench *b);
void case_bench_close(case_bench *b);

/* False if the algorithm refuses the case, which must have a reason, or if planning fails, which is reported. */
bool case_plan(const case_bench *b, const char *algorithm, bool packed, uint64_t limit, test_plan *p);

/* False if the run fails or touches what it must not, which is reported. */
bool case_run(const case_bench *b, const test_plan *p, const char *algorithm, double *output);

/* Report what differs. */
void case_expect_exact(const case_bench *b, const char *algorithm, const char *what, const double *got,
                       const double *expected);
void case_expect_bound(const case_bench *b, const char *algorithm);

/* Runs every algorithm that serves the op on data with a special value at `place`, against the reference on the same. */
void case_expect_special(case_bench *b, double *place, double special, bool strict);

#endif
