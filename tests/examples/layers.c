/* Two layers of a network on one queue: the output of the first is the input of the second, and both weights are packed
 * once, as an inference engine does. The first sums the 27 neighbours of each voxel into two channels, relu follows, the
 * second adds the channels up: of ones every output is known. */
#include <clconv.h>
#include <stdio.h>

enum { SIZE = 12, VOXELS = SIZE * SIZE * SIZE, LAYERS = 2, RUNS = 3 };
static const int channels[LAYERS + 1] = {1, 2, 1};
static const int kernels[LAYERS] = {3, 1};

typedef struct layer {
    clconv_plan *plan;
    cl_mem packed, workspace, output; /* workspace: NULL if the plan needs none */
} layer;

typedef struct network {
    clconv_context *context;
    cl_context opencl;
    cl_command_queue queue; /* in order: each layer follows the one before */
    cl_mem input;
    layer layers[LAYERS];
} network;

static cl_mem make_buffer(const network *n, size_t bytes, cl_int *code)
{
    return *code || !bytes ? NULL : clCreateBuffer(n->opencl, CL_MEM_READ_WRITE, bytes, NULL, code);
}

static cl_mem make_ones(const network *n, size_t count, cl_int *code)
{
    static const float one = 1;
    cl_mem memory = make_buffer(n, count * sizeof one, code);
    if (!*code)
        *code = clEnqueueFillBuffer(n->queue, memory, &one, sizeof one, 0, count * sizeof one, 0, NULL, NULL);
    return memory;
}

static clconv_status make_plan(const network *n, int i, clconv_plan **plan, clconv_error *err)
{
    clconv_problem problem;
    clconv_plan_options options;
    clconv_problem_init(&problem);
    problem.in_channels = channels[i];
    problem.out_channels = channels[i + 1];
    for (int axis = 0; axis < 3; axis++) {
        problem.input[axis] = SIZE;
        problem.kernel[axis] = kernels[i];
    }
    if (i == 0) problem.activation = CLCONV_ACTIVATION_RELU;
    clconv_status status = clconv_problem_set_same_padding(&problem, err);
    clconv_plan_options_init(&options);
    options.packed_weights = 1;
    return status ? status : clconv_plan_create(n->context, CLCONV_FORWARD, &problem, &options, plan, err);
}

/* Once: plans, packs the weight and gives the layer its memory. The weight itself is needed no more. */
static clconv_status make_layer(network *n, int i, cl_int *code, clconv_error *err)
{
    layer *l = &n->layers[i];
    clconv_status status = make_plan(n, i, &l->plan, err);
    if (status) return status;
    l->packed = make_buffer(n, clconv_plan_packed_weight_size(l->plan), code);
    l->workspace = make_buffer(n, clconv_plan_workspace_size(l->plan), code);
    l->output = make_buffer(n, (size_t)channels[i + 1] * VOXELS * sizeof(float), code);
    size_t weights = (size_t)(channels[i] * channels[i + 1] * kernels[i] * kernels[i] * kernels[i]);
    cl_mem weight = make_ones(n, weights, code);
    if (!*code)
        status = clconv_plan_pack_weight(l->plan, n->queue, (clconv_buffer){weight, 0},
                                         (clconv_buffer){l->packed, 0}, 0, NULL, NULL, err);
    if (weight) clReleaseMemObject(weight);
    return status;
}

/* As often as there is data: only enqueues. */
static clconv_status run(network *n, clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    cl_mem from = n->input;
    for (int i = 0; i < LAYERS && !status; i++) {
        const layer *l = &n->layers[i];
        clconv_tensors tensors = {0};
        tensors.input.memory = from;
        tensors.weight.memory = l->packed;
        tensors.output.memory = l->output;
        const clconv_buffer workspace = {l->workspace, 0};
        status = clconv_plan_enqueue(l->plan, n->queue, &tensors, &workspace, 0, NULL, NULL, err);
        from = l->output;
    }
    return status;
}

static int count_wrong(const network *n, cl_int *code)
{
    static float output[VOXELS];
    int wrong = 0;
    *code = clEnqueueReadBuffer(n->queue, n->layers[LAYERS - 1].output, CL_TRUE, 0, sizeof output, output, 0,
                                NULL, NULL);
    for (int i = 0; i < VOXELS && !*code; i++) {
        int at[] = {i / (SIZE * SIZE), i / SIZE % SIZE, i % SIZE};
        float neighbours = 1;
        for (int axis = 0; axis < 3; axis++)
            neighbours *= at[axis] % (SIZE - 1) ? 3 : 2;
        wrong += output[i] != 2 * neighbours;
    }
    printf("in the middle %g, at a corner %g\n", output[VOXELS / 2 + SIZE / 2 + SIZE * SIZE / 2], output[0]);
    return wrong;
}

static void release(network *n)
{
    for (int i = 0; i < LAYERS; i++) {
        layer *l = &n->layers[i];
        cl_mem memories[] = {l->packed, l->workspace, l->output};
        for (int k = 0; k < 3; k++)
            if (memories[k]) clReleaseMemObject(memories[k]);
        clconv_plan_release(l->plan);
    }
    if (n->input) clReleaseMemObject(n->input);
    if (n->queue) clReleaseCommandQueue(n->queue);
    clconv_context_release(n->context);
}

int main(void)
{
    network n = {0};
    clconv_error err = {0};
    cl_int code = CL_SUCCESS;
    int wrong = 1;
    if (clconv_context_create_selected(NULL, NULL, &n.context, &err)) goto done;
    n.opencl = clconv_context_opencl(n.context);
    n.queue = clCreateCommandQueue(n.opencl, clconv_context_device(n.context), 0, &code);
    n.input = make_ones(&n, VOXELS, &code);
    for (int i = 0; i < LAYERS && !code && !err.status; i++)
        make_layer(&n, i, &code, &err);
    for (int i = 0; i < RUNS && !code && !err.status; i++)
        run(&n, &err);
    if (!code && !err.status) wrong = count_wrong(&n, &code);
done:
    if (err.status) fprintf(stderr, "%s: %s\n", clconv_status_name(err.status), err.message);
    if (code) fprintf(stderr, "OpenCL error %d\n", (int)code);
    release(&n);
    return wrong != 0;
}
