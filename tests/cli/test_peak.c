/* The FMA peak that `clconv bench` divides by, against a plain C loop: two ways to the same figure. Rounds
 * alternate and the best of each counts, since whatever else runs only slows them; the limits are those of a
 * wrong count or an idle half of the machine, not of a slow day. */
#include "fma_loop.h"
#include "harness.h"
#include "peak.h"

#include <stdio.h>

static void test_agrees_with_plain_loop(void)
{
    enum { ROUNDS = 8 };
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
    for (int round = 0; round < ROUNDS; round++) {
        double now = 0;
        CU_ASSERT_EQUAL(peak_measure(context, &now, &err), CLCONV_SUCCESS);
        if (now > kernel) kernel = now;
        now = fma_loop_measure(threads);
        if (now > loop) loop = now;
    }
    clconv_context_release(context);
    double ratio = kernel / loop;
    printf("kernel %.1f GFLOP/s, plain loop %.1f GFLOP/s, ratio %.3f ", kernel, loop, ratio);
    CU_ASSERT_TRUE(ratio > 0.5 && ratio < 2);
}

const char test_suite_name[] = "peak";
const test_entry test_suite[] = {{"agrees with a plain loop", test_agrees_with_plain_loop}, {NULL, NULL}};
