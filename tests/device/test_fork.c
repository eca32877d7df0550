/* fork() before, between and after the uses of OpenCL: a child computes right where its ancestors had not used
 * it, and else is refused at once by whatever it calls first, whoever used it and whoever made the context;
 * its parent goes on unharmed. A child that hangs is ended by its alarm. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"
#include "plan/context.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Seconds after which a child counts as hanging, on however busy a machine; forks in all. */
enum { HANGS = 120, FORKS = 200 };

enum { SIDE = 2, VOXELS = 8 };

/* The objects of a process that uses OpenCL, each of which a child inherits. */
typedef struct user {
    cl_context opencl;
    cl_device_id device;
    cl_command_queue queue;
    clconv_context *context;
    clconv_plan *plan;
    clconv_backward *backward;
} user;

typedef bool (*child_body)(user *u, size_t index);

static user parent;
static int forks;

static const float ones[VOXELS] = {1, 1, 1, 1, 1, 1, 1, 1};

/* Eight ones summed by a kernel of eight ones. */
static clconv_problem sum_of_ones(void)
{
    clconv_problem problem;
    clconv_problem_init(&problem);
    for (int axis = 0; axis < 3; axis++)
        problem.input[axis] = problem.kernel[axis] = SIDE;
    return problem;
}

static bool convolves(clconv_context *context)
{
    clconv_problem problem = sum_of_ones();
    float sum = 0;
    clconv_error err = {.message = "a wrong sum"};
    const clconv_host_tensors tensors = {.input = ones, .weight = ones, .output = &sum};
    bool right = !clconv_conv3d_host(context, &problem, NULL, &tensors, &err) && sum == VOXELS;
    if (!right) fprintf(stderr, "%s\n", err.message);
    return right;
}

static bool user_open(user *u)
{
    clconv_error err;
    clconv_problem problem = sum_of_ones();
    clconv_plan_options packed;
    clconv_plan_options_init(&packed);
    packed.packed_weights = 1;
    *u = (user){NULL};
    if (clconv_context_create_selected(NULL, NULL, &u->context, &err) ||
        clconv_plan_create(u->context, CLCONV_FORWARD, &problem, &packed, &u->plan, &err) ||
        clconv_backward_create(u->context, &problem, CLCONV_GRAD_BIAS, NULL, &u->backward, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return false;
    }
    cl_int code = CL_SUCCESS;
    u->opencl = clconv_context_opencl(u->context);
    u->device = clconv_context_device(u->context);
    u->queue = clCreateCommandQueue(u->opencl, u->device, 0, &code);
    return code == CL_SUCCESS;
}

/* The same of a program that has not called clconv yet. */
static bool user_open_opencl(user *u)
{
    cl_platform_id platform;
    *u = (user){NULL};
    if (clGetPlatformIDs(1, &platform, NULL) != CL_SUCCESS) return false;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &u->device, NULL) != CL_SUCCESS) return false;
    cl_int code = CL_SUCCESS;
    u->opencl = clCreateContext(NULL, 1, &u->device, NULL, NULL, &code);
    return code == CL_SUCCESS;
}

static void user_close(user *u)
{
    if (u->queue != NULL) clReleaseCommandQueue(u->queue);
    clconv_backward_release(u->backward);
    clconv_plan_release(u->plan);
    clconv_context_release(u->context);
    *u = (user){NULL};
}

/* Whether `body` held in a child of its own. */
static bool holds_in_child(child_body body, user *u, size_t index)
{
    int ended = 0;
    forks++;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(HANGS);
        _exit(body(u, index) ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &ended, 0) != child) return false;
    if (WIFSIGNALED(ended)) fprintf(stderr, "child %zu: signal %d\n", index, WTERMSIG(ended));
    return WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
}

/* Every function that calls OpenCL, in a child as its first. Those before CONTEXT_CALLS need no context of
 * clconv's. */
typedef clconv_status (*call)(user *u, clconv_error *err);

static clconv_status call_list_devices(user *u, clconv_error *err)
{
    (void)u;
    clconv_device_info *devices;
    size_t count;
    return clconv_list_devices(&devices, &count, err);
}

static clconv_status call_select_device(user *u, clconv_error *err)
{
    (void)u;
    cl_platform_id platform;
    cl_device_id device;
    return clconv_select_device(NULL, &platform, &device, err);
}

static clconv_status call_context_create(user *u, clconv_error *err)
{
    clconv_context *context;
    return clconv_context_create(u->opencl, u->device, NULL, &context, err);
}

static clconv_status call_context_create_selected(user *u, clconv_error *err)
{
    (void)u;
    clconv_context *context;
    return clconv_context_create_selected(NULL, NULL, &context, err);
}

static clconv_status call_buffer_create(user *u, clconv_error *err)
{
    cl_mem memory;
    return clconv_buffer_create(u->context, sizeof ones, ones, &memory, err);
}

static clconv_status call_plan_create(user *u, clconv_error *err)
{
    clconv_problem problem = sum_of_ones();
    clconv_plan *plan;
    return clconv_plan_create(u->context, CLCONV_FORWARD, &problem, NULL, &plan, err);
}

static clconv_status call_plan_enqueue(user *u, clconv_error *err)
{
    const clconv_tensors tensors = {.input = {NULL, 0}};
    return clconv_plan_enqueue(u->plan, u->queue, &tensors, NULL, 0, NULL, NULL, err);
}

static clconv_status call_pack_weight(user *u, clconv_error *err)
{
    const clconv_buffer none = {NULL, 0};
    return clconv_plan_pack_weight(u->plan, u->queue, none, none, 0, NULL, NULL, err);
}

static clconv_status call_profile(user *u, clconv_error *err)
{
    const clconv_tensors tensors = {.input = {NULL, 0}};
    double seconds[64];
    return clconv_plan_profile(u->plan, &tensors, NULL, seconds, err);
}

static clconv_status call_backward_create(user *u, clconv_error *err)
{
    clconv_problem problem = sum_of_ones();
    clconv_backward *backward;
    return clconv_backward_create(u->context, &problem, CLCONV_GRAD_WEIGHT, NULL, &backward, err);
}

static clconv_status call_backward_enqueue(user *u, clconv_error *err)
{
    const clconv_tensors tensors = {.input = {NULL, 0}};
    return clconv_backward_enqueue(u->backward, u->queue, &tensors, NULL, 0, NULL, NULL, err);
}

static clconv_status call_host(user *u, clconv_error *err)
{
    clconv_problem problem = sum_of_ones();
    float sum;
    const clconv_host_tensors tensors = {.input = ones, .weight = ones, .output = &sum};
    return clconv_conv3d_host(u->context, &problem, NULL, &tensors, err);
}

static clconv_status call_grad_host(user *u, clconv_error *err)
{
    clconv_problem problem = sum_of_ones();
    float sum;
    const clconv_host_gradients gradients = {.grad_output = ones, .grad_bias = &sum};
    return clconv_conv3d_grad_host(u->context, &problem, NULL, &gradients, err);
}

static clconv_status call_transpose_host(user *u, clconv_error *err)
{
    clconv_problem problem = sum_of_ones();
    float all[VOXELS];
    const clconv_host_tensors tensors = {.input = ones, .weight = ones, .output = all};
    return clconv_conv_transpose3d_host(u->context, &problem, NULL, &tensors, err);
}

static clconv_status call_check(user *u, clconv_error *err)
{
    size_t failures;
    return clconv_check(u->context, NULL, &failures, err);
}

enum { CONTEXT_CALLS = 4 };

static const call calls[] = {call_list_devices,
                             call_select_device,
                             call_context_create,
                             call_context_create_selected,
                             call_buffer_create,
                             call_plan_create,
                             call_plan_enqueue,
                             call_pack_weight,
                             call_profile,
                             call_backward_create,
                             call_backward_enqueue,
                             call_host,
                             call_grad_host,
                             call_transpose_host,
                             call_check};

enum { CALLS = sizeof calls / sizeof calls[0] };

/* What children do. */

static bool is_refused(user *u, size_t index)
{
    clconv_error err = {.status = CLCONV_SUCCESS};
    clconv_status status = calls[index](u, &err);
    bool refused =
        status == CLCONV_INVALID_ARGUMENT && strstr(err.message, "does not survive a fork") != NULL;
    if (!refused) fprintf(stderr, "call %zu: %s: %s\n", index, clconv_status_name(status), err.message);
    return refused;
}

static bool child_of_child_is_refused(user *u, size_t index)
{
    return holds_in_child(is_refused, u, index);
}

static bool computes(user *u, size_t index)
{
    (void)u, (void)index;
    user own;
    bool right = user_open(&own) && convolves(own.context);
    user_close(&own);
    return right;
}

static bool uses_no_opencl(user *u, size_t index)
{
    (void)u, (void)index;
    clconv_problem problem = sum_of_ones();
    int64_t output[3];
    return !clconv_output_size(&problem, output, NULL) && output[0] == 1;
}

/* What it inherits is released or read, without OpenCL. */
static bool releases(user *u, size_t index)
{
    (void)index;
    clconv_counters counters;
    clconv_plan_info info;
    clconv_context_counters(u->context, &counters);
    clconv_plan_get_info(u->plan, &info);
    bool reads = counters.programs_built > 0 && info.steps > 0 &&
                 strlen(clconv_context_device_info(u->context)->name) > 0;
    clconv_backward_release(u->backward);
    clconv_plan_release(u->plan);
    clconv_context_release(u->context);
    return reads;
}

/* A process that uses OpenCL without clconv; its children call clconv first. */
static bool refuses_after_other_code(user *u, size_t index)
{
    (void)u, (void)index;
    user own;
    if (!user_open_opencl(&own)) return false;
    bool right = holds_in_child(uses_no_opencl, &own, 0);
    for (size_t i = 0; i < CONTEXT_CALLS; i++)
        right = holds_in_child(is_refused, &own, i) && right;
    right = holds_in_child(child_of_child_is_refused, &own, 2) && right;
    clconv_error err;
    right = !clconv_context_create(own.opencl, own.device, NULL, &own.context, &err) && right;
    right = own.context != NULL && convolves(own.context) && right;
    right = clReleaseContext(own.opencl) == CL_SUCCESS && right;
    user_close(&own);
    return right;
}

/* A process forked before the first use, which then uses OpenCL and forks itself. */
static bool refuses_after_own_use(user *u, size_t index)
{
    (void)u, (void)index;
    user own;
    bool right = user_open(&own);
    for (size_t i = 0; right && i < CALLS; i++)
        right = holds_in_child(is_refused, &own, i);
    right = right && convolves(own.context);
    user_close(&own);
    return right;
}

/* The tests: their order is that of the uses. */

static void test_before(void)
{
    for (size_t i = 0; i < 20; i++) {
        CU_ASSERT(holds_in_child(computes, &parent, i));
        CU_ASSERT(holds_in_child(uses_no_opencl, &parent, i));
    }
    CU_ASSERT(holds_in_child(refuses_after_own_use, &parent, 0));
}

static void test_other_code(void)
{
    CU_ASSERT(holds_in_child(refuses_after_other_code, &parent, 0));
}

static void test_between(void)
{
    CU_ASSERT_FATAL(user_open(&parent));
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < CALLS; i++)
            CU_ASSERT(holds_in_child(is_refused, &parent, i));
        CU_ASSERT(holds_in_child(child_of_child_is_refused, &parent, (size_t)round));
        CU_ASSERT(holds_in_child(uses_no_opencl, &parent, 0));
        CU_ASSERT(holds_in_child(releases, &parent, 0));
        lock_acquire(parent.context->rt.guard); /* as a thread that builds a program does */
        CU_ASSERT(holds_in_child(releases, &parent, 1));
        lock_leave(parent.context->rt.guard);
        CU_ASSERT(convolves(parent.context));
    }
    user_close(&parent);
}

static void test_after(void)
{
    CU_ASSERT_FATAL(parent.context == NULL);
    while (forks < FORKS) {
        CU_ASSERT(holds_in_child(is_refused, &parent, 0));
        CU_ASSERT(holds_in_child(is_refused, &parent, 1));
        CU_ASSERT(holds_in_child(is_refused, &parent, 3));
        CU_ASSERT(holds_in_child(uses_no_opencl, &parent, 0));
    }
    CU_ASSERT_FATAL(user_open(&parent));
    CU_ASSERT(convolves(parent.context));
    user_close(&parent);
}

const char test_suite_name[] = "fork";
const test_entry test_suite[] = {
    {"before the first use", test_before},
    {"after the first use by other code", test_other_code},
    {"between uses", test_between},
    {"after the last use", test_after},
    {NULL, NULL},
};
