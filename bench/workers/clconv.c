/* The worker of clconv: a plan, by the algorithm that is the program's argument or the one that
 * clconv chooses itself, run on tensors that are on the device, with weights packed beforehand. The device is
 * CLCONV_DEVICE's. The note is the chosen algorithm, or the estimate in milliseconds of one that was given.
 */
#include "worker.h"

#include <clconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct convolution {
    clconv_context *context;
    cl_command_queue queue;
    clconv_plan *plan;
    const char *algorithm;                /* NULL: clconv's choice */
    clconv_buffer buffers[BENCH_TENSORS]; /* the weight, if it is read, is the packed one */
    clconv_buffer workspace;
    clconv_op op;
    int made;
} convolution;

static int check(worker *w, clconv_status status, const clconv_error *err)
{
    return status ? worker_fail(w, "%s", err->message) : 0;
}

static int create_buffer(worker *w, size_t bytes, const void *data, cl_mem *buffer)
{
    const convolution *c = w->state;
    clconv_error err;
    return check(w, clconv_buffer_create(c->context, bytes, data, buffer, &err), &err);
}

static int create_filled(worker *w, int64_t count, uint32_t seed, cl_mem *buffer)
{
    size_t bytes = (size_t)count * sizeof(float);
    float *data = malloc(bytes);
    if (!data) return worker_fail(w, "host memory is exhausted");
    worker_fill(data, count, seed);
    int failed = create_buffer(w, bytes, data, buffer);
    free(data);
    return failed;
}

static int pack_weight(worker *w, int64_t count)
{
    convolution *c = w->state;
    clconv_error err;
    cl_mem weight = NULL;
    int failed =
        create_filled(w, count, WEIGHT_TENSOR, &weight) ||
        create_buffer(w, clconv_plan_packed_weight_size(c->plan), NULL, &c->buffers[WEIGHT_TENSOR].memory);
    if (!failed) {
        clconv_status status = clconv_plan_pack_weight(c->plan, c->queue, (clconv_buffer){weight, 0},
                                                       c->buffers[WEIGHT_TENSOR], 0, NULL, NULL, &err);
        failed = check(w, status, &err);
    }
    if (clFinish(c->queue) && !failed) failed = worker_fail(w, "clFinish failed after packing");
    if (weight) clReleaseMemObject(weight);
    return failed;
}

static void set_problem(const bench_layer *l, clconv_problem *p)
{
    clconv_problem_init(p);
    p->batch = l->batch;
    p->groups = l->groups;
    p->in_channels = l->in_channels;
    p->out_channels = l->out_channels;
    for (int a = 0; a < 3; a++) {
        p->input[a] = l->input[a];
        p->kernel[a] = l->kernel[a];
        p->stride[a] = l->stride[a];
        p->dilation[a] = l->dilation[a];
        p->pad_before[a] = p->pad_after[a] = l->padding[a];
    }
}

static int create_plan(worker *w, const bench_layer *l)
{
    convolution *c = w->state;
    clconv_error err;
    clconv_problem problem;
    clconv_plan_options options;
    clconv_plan_info info;
    set_problem(l, &problem);
    clconv_plan_options_init(&options);
    options.packed_weights = l->made != WEIGHT_TENSOR;
    options.algorithm = c->algorithm;
    if (check(w, clconv_plan_create(c->context, c->op, &problem, &options, &c->plan, &err), &err)) return 1;
    clconv_plan_get_info(c->plan, &info);
    if (c->algorithm)
        snprintf(w->note, sizeof w->note, "%.4f", 1e3 * info.estimated_seconds);
    else
        snprintf(w->note, sizeof w->note, "%s", info.algorithm);
    return 0;
}

static int create_tensor(worker *w, const bench_layer *l, int tensor)
{
    convolution *c = w->state;
    cl_mem *memory = &c->buffers[tensor].memory;
    if (tensor == l->made) return create_buffer(w, (size_t)l->sizes[tensor] * sizeof(float), NULL, memory);
    if (tensor == WEIGHT_TENSOR) return pack_weight(w, l->sizes[tensor]);
    return create_filled(w, l->sizes[tensor], (uint32_t)tensor, memory);
}

static int prepare(worker *w, const bench_layer *l)
{
    static const clconv_op ops[BENCH_OPS] = {CLCONV_FORWARD, CLCONV_BACKWARD_INPUT, CLCONV_BACKWARD_WEIGHT};
    convolution *c = w->state;
    c->op = ops[l->op];
    c->made = l->made;
    int failed = create_plan(w, l);
    for (int i = 0; i < BENCH_TENSORS && !failed; i++)
        failed = create_tensor(w, l, i);
    size_t workspace = failed ? 0 : clconv_plan_workspace_size(c->plan);
    return failed || (workspace && create_buffer(w, workspace, NULL, &c->workspace.memory));
}

/* The plan takes what its op reads and writes; the same buffer is a tensor or its gradient. */
static clconv_tensors tensors_of(const convolution *c)
{
    const clconv_buffer *b = c->buffers;
    if (c->op == CLCONV_BACKWARD_INPUT) {
        return (clconv_tensors){
            .weight = b[WEIGHT_TENSOR], .grad_output = b[OUTPUT_TENSOR], .grad_input = b[INPUT_TENSOR]};
    }
    if (c->op == CLCONV_BACKWARD_WEIGHT) {
        return (clconv_tensors){
            .input = b[INPUT_TENSOR], .grad_output = b[OUTPUT_TENSOR], .grad_weight = b[WEIGHT_TENSOR]};
    }
    return (clconv_tensors){.input = b[INPUT_TENSOR], .weight = b[WEIGHT_TENSOR], .output = b[OUTPUT_TENSOR]};
}

static int run(worker *w)
{
    convolution *c = w->state;
    clconv_error err;
    const clconv_buffer *workspace = c->workspace.memory ? &c->workspace : NULL;
    clconv_tensors tensors = tensors_of(c);
    clconv_status status = clconv_plan_enqueue(c->plan, c->queue, &tensors, workspace, 0, NULL, NULL, &err);
    cl_int code = clFinish(c->queue);
    if (check(w, status, &err)) return 1;
    return code ? worker_fail(w, "clFinish: error %d", code) : 0;
}

static int read_made(worker *w, float *made, size_t count)
{
    const convolution *c = w->state;
    cl_int code = clEnqueueReadBuffer(c->queue, c->buffers[c->made].memory, CL_TRUE, 0, count * sizeof *made,
                                      made, 0, NULL, NULL);
    return code ? worker_fail(w, "clEnqueueReadBuffer: error %d", code) : 0;
}

static void release(worker *w)
{
    convolution *c = w->state;
    for (int i = 0; i < BENCH_TENSORS; i++) {
        if (c->buffers[i].memory) clReleaseMemObject(c->buffers[i].memory);
    }
    if (c->workspace.memory) clReleaseMemObject(c->workspace.memory);
    memset(c->buffers, 0, sizeof c->buffers);
    memset(&c->workspace, 0, sizeof c->workspace);
    clconv_plan_release(c->plan);
    c->plan = NULL;
}

int main(int argc, char **argv)
{
    clconv_error err;
    convolution c = {.algorithm = argc > 1 ? argv[1] : NULL};
    worker w = {clconv_version(), &c, "", "", 0, prepare, run, read_made, release};
    int status = EXIT_FAILURE;
    if (clconv_context_create_selected(NULL, NULL, &c.context, &err)) {
        fprintf(stderr, "%s\n", err.message);
        goto done;
    }
    cl_int code;
    c.queue = clCreateCommandQueue(clconv_context_opencl(c.context),
                                   clconv_context_device_info(c.context)->device, 0, &code);
    if (code) {
        fprintf(stderr, "clCreateCommandQueue: error %d\n", code);
        goto done;
    }
    status = worker_serve(&w);
done:
    if (c.queue) clReleaseCommandQueue(c.queue);
    clconv_context_release(c.context);
    return status;
}
