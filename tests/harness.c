/* main() of every CUnit program: exit status 0 only if all assertions of a non-empty suite held. */
#define _XOPEN_SOURCE 700
#include "harness.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

void test_remove_folder(const char *path)
{
    CU_ASSERT_EQUAL(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) return EXIT_FAILURE;
    CU_pSuite suite = CU_add_suite(test_suite_name, NULL, NULL);
    int count = 0;
    for (; suite != NULL && test_suite[count].name != NULL; count++)
        if (CU_add_test(suite, test_suite[count].name, test_suite[count].run) == NULL) suite = NULL;
    int ok = suite != NULL && count > 0;
    if (ok) {
        CU_basic_set_mode(CU_BRM_VERBOSE);
        ok = CU_basic_run_tests() == CUE_SUCCESS && CU_get_number_of_failures() == 0;
    } else {
        fprintf(stderr, "%s: no tests\n", test_suite_name);
    }
    CU_cleanup_registry();
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
