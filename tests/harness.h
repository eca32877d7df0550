/* What every CUnit program of clconv shares: main() runs `test_suite`, a table that ends in {NULL, NULL}. */
#ifndef CLCONV_TESTS_HARNESS_H
#define CLCONV_TESTS_HARNESS_H

#include <CUnit/Basic.h>

typedef struct test_entry {
    const char *name;
    void (*run)(void);
} test_entry;

extern const char test_suite_name[];
extern const test_entry test_suite[];

/* Removes a folder with all that is in it. */
void test_remove_folder(const char *path);

#endif
