/* Choosing algorithms for devices that are not there. */
#ifndef CLCONV_TESTS_PLANNER_H
#define CLCONV_TESTS_PLANNER_H

#include "plan/plan.h"

/* A device of a family, as its driver would describe it. */
typedef struct planner_device {
    const char *family;
    cl_device_type type;
    const char *name, *vendor;
    int vector_bits;
} planner_device;

/* Fills the candidates of a plan with weights that are packed beforehand, and its algorithm, the cheapest; false if nothing
 * can do the problem. Release it in any case. */
bool planner_choose(const planner_device *device, clconv_op op, const clconv_problem *problem,
                    clconv_plan *plan);
void planner_release(clconv_plan *plan);

enum { PLANNER_NUMBERS = 19 };

/* The problem of a suite's row: N, Cin, D, H, W, Cout, then kernel, stride, padding and dilation, and groups. */
clconv_problem planner_problem(const int64_t numbers[PLANNER_NUMBERS]);

#endif
