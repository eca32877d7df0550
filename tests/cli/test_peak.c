/* The FMA peak that `clconv bench` divides by, against a plain C loop: two ways to the same figure. Rounds
 * alternate, the best of each counts, and on a busy machine there are more of them until the two agree within
 * a tenth. What may fail is the count: the kernel cannot beat the loop unless a compiler left work out, and a
 * crowd of other processes costs it less than the lower limit allows. */
#include "fma_loop.h"
#include "harness.h"
#include "measure/peak.h"

#include <stdio.h>

static void test_agrees_with_plain_loop(void)
{
    enum { MIN_ROUNDS = 3, MAX_ROUNDS = 20 };
    clconv_error err = {CLCONV_SUCCESS, 0, ""};
    clconv_context *context = NULL;
    clconv_status status = clconv_context_create_selected("cpu", NULL, &context, &err);
    if (status == CLCONV_NO_DEVICE) {
        printf("(no OpenCL CPU device: nothing to compare) ");
        return;
    }
    CU_ASSERT_EQUAL_FATAL(status, CLCONV_SUCCESS);
    int threads = (int)clconv_context_device_info(context)->compute_units;
    double kernel = 0, loop = 0;
    for (int round = 0; round < MAX_ROUNDS && (round < MIN_ROUNDS || kernel < 0.9 * loop); round++) {
        double now = 0;
        CU_ASSERT_EQUAL(peak_measure(context, &now, &err), CLCONV_SUCCESS);
        if (now > kernel) kernel = now;
        now = fma_loop_measure(threads);
        if (now > loop) loop = now;
    }
    clconv_context_release(context);
    double ratio = kernel / loop;
    printf("kernel %.1f GFLOP/s, plain loop %.1f GFLOP/s, ratio %.3f ", kernel, loop, ratio);
    CU_ASSERT_TRUE(ratio > 0.2 && ratio < 1.5);
}

const char test_suite_name[] = "peak";
const test_entry test_suite[] = {{"agrees with a plain loop", test_agrees_with_plain_loop}, {NULL, NULL}};
