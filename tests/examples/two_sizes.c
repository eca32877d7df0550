/* A layer at two image sizes with one packed weight, as for a network that takes images as they come. The plan of the first
 * size chooses the layout; that of the other asks for it by packed_layout, so that the weight is packed and kept once. Without
 * that each plan may choose another layout: the sizes of images decide which algorithm is the fastest. Of ones every output is
 * known: the channels times the taps that lie in the image. */
#include <clconv.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHANNELS = 24, DEPTH = 4, SIZES = 2, TAPS = 27 };
static const int sizes[SIZES] = {48, 12}; /* height and width */

typedef struct layer {
    clconv_context *context;
    cl_context opencl;
    cl_command_queue queue;
    clconv_plan *plans[SIZES];
    cl_mem weight, packed; /* one for all sizes */
} layer;

static cl_mem make_filled(const layer *l, size_t count, float value, cl_int *code)
{
    cl_mem memory =
        *code ? NULL : clCreateBuffer(l->opencl, CL_MEM_READ_WRITE, count * sizeof value, NULL, code);
    if (!*code)
        *code = clEnqueueFillBuffer(l->queue, memory, &value, sizeof value, 0, count * sizeof value, 0, NULL,
                                    NULL);
    return memory;
}

/* layout 0: the plan chooses it. */
static clconv_status make_plan(layer *l, int i, uint64_t layout, clconv_error *err)
{
    clconv_problem problem;
    clconv_plan_options options;
    clconv_problem_init(&problem);
    problem.in_channels = problem.out_channels = CHANNELS;
    for (int axis = 0; axis < 3; axis++) {
        problem.input[axis] = axis == 0 ? DEPTH : sizes[i];
        problem.kernel[axis] = 3;
    }
    clconv_status status = clconv_problem_set_same_padding(&problem, err);
    clconv_plan_options_init(&options);
    options.packed_weights = 1;
    options.packed_layout = layout;
    return status ? status
                  : clconv_plan_create(l->context, CLCONV_FORWARD, &problem, &options, &l->plans[i], err);
}

/* Once: both plans, and the weight packed by the first. */
static clconv_status make_layer(layer *l, cl_int *code, clconv_error *err)
{
    clconv_status status = make_plan(l, 0, 0, err);
    if (!status) status = make_plan(l, 1, clconv_plan_packed_weight_layout(l->plans[0]), err);
    if (status) return status;
    l->weight = make_filled(l, CHANNELS * CHANNELS * TAPS, 1, code);
    l->packed = make_filled(l, clconv_plan_packed_weight_size(l->plans[0]) / sizeof(float), 0, code);
    if (*code) return CLCONV_OPENCL_FAILED;
    return clconv_plan_pack_weight(l->plans[0], l->queue, (clconv_buffer){l->weight, 0},
                                   (clconv_buffer){l->packed, 0}, 0, NULL, NULL, err);
}

/* How many outputs of an image of ones are not what they must be. */
static int count_wrong(const float *output, int size)
{
    int wrong = 0, plane = size * size;
    for (int i = 0; i < CHANNELS * DEPTH * plane; i++) {
        const int at[] = {i / plane % DEPTH, i / size % size, i % size}, extents[] = {DEPTH, size, size};
        float taps = CHANNELS;
        for (int axis = 0; axis < 3; axis++)
            taps *= at[axis] % (extents[axis] - 1) ? 3 : 2;
        wrong += output[i] < taps * 0.99999f || output[i] > taps * 1.00001f;
    }
    return wrong;
}

/* One image of the size. */
static clconv_status run(const layer *l, int i, int *wrong, cl_int *code, clconv_error *err)
{
    const size_t count = (size_t)CHANNELS * DEPTH * (size_t)sizes[i] * (size_t)sizes[i];
    const size_t scratch = clconv_plan_workspace_size(l->plans[i]);
    float *host = malloc(count * sizeof *host);
    clconv_tensors tensors = {0};
    tensors.input.memory = make_filled(l, count, 1, code);
    tensors.output.memory = make_filled(l, count, 0, code);
    tensors.weight.memory = l->packed;
    const clconv_buffer workspace = {scratch ? make_filled(l, scratch / sizeof(float) + 1, 0, code) : NULL,
                                     0};
    clconv_status status = CLCONV_OPENCL_FAILED;
    if (host && !*code)
        status = clconv_plan_enqueue(l->plans[i], l->queue, &tensors, &workspace, 0, NULL, NULL, err);
    if (!status)
        *code = clEnqueueReadBuffer(l->queue, tensors.output.memory, CL_TRUE, 0, count * sizeof *host, host,
                                    0, NULL, NULL);
    if (!status && !*code) *wrong += count_wrong(host, sizes[i]);
    clconv_plan_info info;
    clconv_plan_get_info(l->plans[i], &info);
    printf("%d x %d: %s, %d wrong\n", sizes[i], sizes[i], info.algorithm, *wrong);
    if (tensors.input.memory) clReleaseMemObject(tensors.input.memory);
    if (tensors.output.memory) clReleaseMemObject(tensors.output.memory);
    if (workspace.memory) clReleaseMemObject(workspace.memory);
    free(host);
    return status;
}

int main(void)
{
    layer l = {0};
    clconv_error err = {0};
    cl_int code = CL_SUCCESS;
    clconv_status status = clconv_context_create_selected(NULL, NULL, &l.context, &err);
    int wrong = 0;
    if (status) goto done;
    l.opencl = clconv_context_opencl(l.context);
    l.queue = clCreateCommandQueue(l.opencl, clconv_context_device(l.context), 0, &code);
    if (!code) status = make_layer(&l, &code, &err);
    for (int i = 0; i < SIZES && !status && !code; i++)
        status = run(&l, i, &wrong, &code, &err);
done:
    if (status) fprintf(stderr, "%s: %s\n", clconv_status_name(status), err.message);
    if (code) fprintf(stderr, "OpenCL error %d\n", (int)code);
    if (l.packed) clReleaseMemObject(l.packed);
    if (l.weight) clReleaseMemObject(l.weight);
    for (int i = 0; i < SIZES; i++)
        clconv_plan_release(l.plans[i]);
    if (l.queue) clReleaseCommandQueue(l.queue);
    clconv_context_release(l.context);
    return wrong != 0 || status || code;
}
