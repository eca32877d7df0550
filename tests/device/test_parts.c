/* A step that is launched in parts makes the same bits as in one launch: every algorithm of lanes, forward and gradients. */
#include "harness.h"
#include "runner.h"

#include "algorithms/registry.h"
#include "plan/context.h"
#include "plan/plan.h"
#include "steps/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 3, MOST_ELEMENTS = 1 << 18 };

static const char *const problems[] = {
    "mb2ic6id6ih7iw18oc12kd3pd1",         "mb2ic6id6ih9iw18oc6kd3sd2pd1g6", "mb2ic6id5ih7iw18oc130kd1",
    "ic12id9ih5iw9oc8kd3kh1kw1pd1ph0pw0", "mb3ic6id3ih4iw5oc130kd3kh4kw5",
};

static test_device device;
static cl_command_queue in_order, out_of_order;

static void open_device(void)
{
    cl_int code;
    CU_ASSERT_FATAL(test_device_open(&device));
    in_order = device.queue;
    out_of_order =
        clCreateCommandQueue(device.opencl, device.device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &code);
    CU_ASSERT_FATAL(code == CL_SUCCESS);
}

static void close_device(void)
{
    clReleaseCommandQueue(out_of_order);
    device.queue = in_order;
    test_device_close(&device);
}

/* How many launches were cut. */
static int cut(step *steps, size_t count)
{
    int launches = 0;
    for (size_t i = 0; i < count; i++) {
        if (steps[i].kind != STEP_KERNEL) continue;
        steps[i].launch.parts = launch_parts(&steps[i].launch, PARTS);
        launches += steps[i].launch.parts > 1;
    }
    return launches;
}

/* Whole, then in parts; how many launches were cut. */
static int compare(const clconv_problem *problem, clconv_op op, const char *algorithm)
{
    static double whole[MOST_ELEMENTS], parts[MOST_ELEMENTS];
    test_plan p;
    test_data data;
    clconv_error err;
    char why[TEST_WHY] = "";
    clconv_problem own = test_problem_of(op, problem);
    if (test_plan_create_op(&device, op, &own, algorithm, false, false, CLCONV_WORKSPACE_UNLIMITED, &p,
                            &err) != CLCONV_SUCCESS)
        return 0;
    const int64_t count = geometry_made(&own, &p.geometry, op);
    CU_ASSERT_FATAL(count <= MOST_ELEMENTS && test_data_reals(&own, 7, &data));
    CU_ASSERT(test_plan_run(&device, &p, &data, whole, why));
    int launches = cut(p.plan->recipe.pack, p.plan->recipe.pack_count) +
                   cut(p.plan->recipe.run, p.plan->recipe.run_count);
    device.queue = out_of_order; /* where only their events keep the parts apart from the next step */
    CU_ASSERT(test_plan_run(&device, &p, &data, parts, why));
    device.queue = in_order;
    bool is_same = first_difference(parts, whole, count) == count;
    if (!is_same || why[0] != '\0') printf("\n  %s of %s: %s", clconv_op_name(op), algorithm, why);
    CU_ASSERT(is_same);
    test_data_release(&data);
    test_plan_release(&p);
    return launches;
}

static void test_parts(void)
{
    for (size_t a = 0; registry_at(a) != NULL; a++) {
        int launches = 0;
        for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
            clconv_problem problem;
            CU_ASSERT_FATAL(clconv_problem_parse(problems[i], &problem, NULL) == CLCONV_SUCCESS);
            for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_BIAS; op++)
                if (clconv_algorithm_serves(a, op)) launches += compare(&problem, op, registry_at(a)->name);
        }
        if (!registry_is_for(registry_at(a), &device.context->rt.traits)) continue;
        printf("%s: %d launches; ", registry_at(a)->name, launches);
        CU_ASSERT(launches > 0 || strcmp(registry_at(a)->name, "strips") == 0);
    }
}

const char test_suite_name[] = "launches in parts";
const test_entry test_suite[] = {
    {"a device", open_device},
    {"the same bits in parts", test_parts},
    {"the device is released", close_device},
    {NULL, NULL},
};
