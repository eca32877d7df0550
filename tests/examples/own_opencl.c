/* Conv3d among the caller's own OpenCL objects: context, queue, one buffer that holds all tensors at offsets,
 * workspace and events. A 3x3x3 box of ones with padding 1 counts the neighbours of each voxel, so every
 * output can be checked. */
#include <clconv.h>
#include <stdio.h>

enum { SIZE = 16, VOXELS = SIZE * SIZE * SIZE, TAPS = 27, TOTAL = VOXELS + TAPS + VOXELS };

/* Everything that main() owns, in the order in which it is made. */
typedef struct objects {
    cl_context opencl;
    cl_command_queue queue;
    cl_mem tensors; /* input, weight, output */
    clconv_context *context;
    clconv_plan *plan;
    cl_mem workspace; /* NULL if the plan needs none */
    cl_event filled, done;
} objects;

/* The caller's own. Any device will do; here clconv chooses it, as CLCONV_DEVICE wishes. */
static cl_int make_opencl(objects *o, cl_device_id device)
{
    static const float one = 1;
    cl_int code;
    o->opencl = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    if (!code) o->queue = clCreateCommandQueue(o->opencl, device, 0, &code);
    if (!code) o->tensors = clCreateBuffer(o->opencl, CL_MEM_READ_WRITE, TOTAL * sizeof one, NULL, &code);
    if (!code) {
        code = clEnqueueFillBuffer(o->queue, o->tensors, &one, sizeof one, 0, (VOXELS + TAPS) * sizeof one, 0,
                                   NULL, &o->filled);
    }
    return code;
}

/* Once for a shape: this may compile. */
static clconv_status make_plan(objects *o, cl_device_id device, clconv_error *err)
{
    clconv_problem problem;
    clconv_problem_init(&problem);
    for (int axis = 0; axis < 3; axis++) {
        problem.input[axis] = SIZE;
        problem.kernel[axis] = 3;
    }
    clconv_status status = clconv_problem_set_same_padding(&problem, err);
    if (!status) status = clconv_context_create(o->opencl, device, NULL, &o->context, err);
    if (!status) status = clconv_plan_create(o->context, CLCONV_FORWARD, &problem, NULL, &o->plan, err);
    return status;
}

static cl_int make_workspace(objects *o)
{
    cl_int code = CL_SUCCESS;
    size_t size = clconv_plan_workspace_size(o->plan);
    if (size) o->workspace = clCreateBuffer(o->opencl, CL_MEM_READ_WRITE, size, NULL, &code);
    return code;
}

/* As often as you like: only enqueues. It starts when `filled` is complete; `done` completes with it. */
static clconv_status run_plan(objects *o, clconv_error *err)
{
    clconv_tensors tensors = {0};
    tensors.input = (clconv_buffer){o->tensors, 0};
    tensors.weight = (clconv_buffer){o->tensors, VOXELS * sizeof(float)};
    tensors.output = (clconv_buffer){o->tensors, (VOXELS + TAPS) * sizeof(float)};
    clconv_buffer workspace = {o->workspace, 0};
    return clconv_plan_enqueue(o->plan, o->queue, &tensors, &workspace, 1, &o->filled, &o->done, err);
}

/* Waits for `done` alone, then compares with the count of neighbours: 3 on an axis, 2 at its ends. */
static cl_int check_output(const objects *o, int *wrong)
{
    static float output[SIZE][SIZE][SIZE];
    cl_int code = clEnqueueReadBuffer(o->queue, o->tensors, CL_TRUE, (VOXELS + TAPS) * sizeof(float),
                                      sizeof output, output, 1, &o->done, NULL);
    *wrong = 0;
    for (int i = 0; i < VOXELS && !code; i++) {
        int d = i / (SIZE * SIZE), h = i / SIZE % SIZE, w = i % SIZE;
        int ends = (d % (SIZE - 1) == 0) + (h % (SIZE - 1) == 0) + (w % (SIZE - 1) == 0);
        static const float neighbours[] = {27, 18, 12, 8};
        *wrong += output[d][h][w] != neighbours[ends];
    }
    printf("neighbours in the middle %g, at a corner %g\n", output[8][8][8], output[0][0][0]);
    printf("wrong outputs: %d of %d\n", *wrong, VOXELS);
    return code;
}

static void release(objects *o)
{
    if (o->done) clReleaseEvent(o->done);
    if (o->filled) clReleaseEvent(o->filled);
    if (o->workspace) clReleaseMemObject(o->workspace);
    clconv_plan_release(o->plan);
    clconv_context_release(o->context);
    if (o->tensors) clReleaseMemObject(o->tensors);
    if (o->queue) clReleaseCommandQueue(o->queue);
    if (o->opencl) clReleaseContext(o->opencl);
}

int main(void)
{
    objects o = {0};
    cl_platform_id platform;
    cl_device_id device;
    clconv_error err = {0};
    cl_int code = CL_SUCCESS;
    int wrong = 1;

    if (clconv_select_device(NULL, &platform, &device, &err)) goto done;
    if ((code = make_opencl(&o, device))) goto done;
    if (make_plan(&o, device, &err)) goto done;
    if ((code = make_workspace(&o))) goto done;
    if (run_plan(&o, &err)) goto done;
    code = check_output(&o, &wrong);

done:
    if (err.status) fprintf(stderr, "%s: %s\n", clconv_status_name(err.status), err.message);
    if (code) fprintf(stderr, "OpenCL error %d\n", (int)code);
    release(&o);
    return wrong != 0;
}
