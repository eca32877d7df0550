/* Tensors that are converted or compressed lie in a file without a name if they are large, in memory where that cannot be. */
#include "files/mapping.h"
#include "harness.h"
#include "scratch.h"

#include <stdlib.h>

const char test_suite_name[] = "tools/spill";

static const int64_t large[] = {4, TENSOR_SPILL_LEAST / 16}, small[] = {1, 1000};

static void check_zeroed(const tensor *t)
{
    const float *values = t->data;
    int64_t others = 0;
    for (int64_t i = 0; i < t->elements; i += 509)
        others += values[i] != 0;
    CU_ASSERT_EQUAL(others, 0);
}

static void large_ones_are_files_without_a_name(void)
{
    scratch s;
    scratch_open(&s);
    tensor t = {.rank = 0};
    CU_ASSERT_EQUAL(setenv("TMPDIR", s.folder, 1), 0);
    CU_ASSERT_EQUAL_FATAL(tensor_create_spilled(CLCONV_FLOAT32, 2, large, &t), EXIT_DONE);
    CU_ASSERT_PTR_NOT_NULL(t.mapped);
    CU_ASSERT_EQUAL(scratch_count(&s), 0);
    check_zeroed(&t);
    ((float *)t.data)[t.elements - 1] = 3;
    CU_ASSERT_EQUAL(((float *)t.data)[t.elements - 1], 3);
    tensor_release(&t);
    scratch_close(&s);
}

static void small_ones_and_those_without_a_folder_are_memory(void)
{
    tensor t = {.rank = 0};
    CU_ASSERT_EQUAL_FATAL(tensor_create_spilled(CLCONV_FLOAT32, 2, small, &t), EXIT_DONE);
    CU_ASSERT_PTR_NULL(t.mapped);
    tensor_release(&t);
    CU_ASSERT_EQUAL(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    CU_ASSERT_EQUAL_FATAL(tensor_create_spilled(CLCONV_FLOAT32, 2, large, &t), EXIT_DONE);
    CU_ASSERT_PTR_NULL(t.mapped);
    check_zeroed(&t);
    tensor_release(&t);
}

const test_entry test_suite[] = {
    {"large ones are files without a name", large_ones_are_files_without_a_name},
    {"small ones, and those without a folder, are memory", small_ones_and_those_without_a_folder_are_memory},
    {NULL, NULL},
};
