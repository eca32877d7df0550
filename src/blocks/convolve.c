/* Computing in blocks: see convolve.h. A block's tensors are gathered in host memory of its size, so that of arrays that
 * are mapped files no more than that is needed. */
#include "blocks/convolve.h"

#include "base/arith.h"
#include "base/error.h"
#include "opencl/memory.h"

#include <stdlib.h>
#include <string.h>

enum { INPUT, WEIGHT, BIAS, RESIDUAL, OUTPUT, TENSORS, PLANS = 12 };
static const char *const names[] = {"input", "weight", "bias", "residual", "output"};

/* A plan and the problem that it is for. */
typedef struct block_plan {
    clconv_problem problem;
    clconv_plan *plan;
} block_plan;

typedef struct block_run {
    clconv_context *context;
    const clconv_problem *problem;
    const geometry *geometry;
    const clconv_host_tensors *tensors;
    clconv_plan_options options;
    cl_mem memory[TENSORS], workspace;
    size_t bytes[TENSORS], workspace_bytes;
    char *stage;     /* host memory of the largest tensor of a block */
    int64_t channel; /* whose weights are on the device; -1: none */
    block_plan plans[PLANS];
    int next_plan;
} block_run;

block_limits blocks_limits(const clconv_context *context)
{
    const clconv_device_info *info = &context->rt.info;
    uint64_t limit = context->rt.options.memory_limit;
    block_limits l = {info->global_memory_bytes > 0 ? info->global_memory_bytes : INT64_MAX,
                      info->max_allocation_bytes};
    if (limit > 0 && limit < (uint64_t)l.total) l.total = (int64_t)limit;
    l.tensor = min_i64(l.tensor, l.total);
    return l;
}

bool blocks_needed(const clconv_context *context, const clconv_problem *problem, const geometry *g)
{
    const block_limits l = blocks_limits(context);
    const block_size whole = {max_i64(problem->batch, 1), problem->out_channels, g->output[0], g->output[1]};
    int64_t largest, bytes = blocks_bytes(problem, g, &whole, &largest);
    return context->rt.options.memory_limit > 0 || bytes > l.total || largest > l.tensor;
}

/* Whether two blocks of one run are of one problem. */
static bool same_block(const clconv_problem *a, const clconv_problem *b)
{
    bool same = a->batch == b->batch && a->groups == b->groups && a->in_channels == b->in_channels &&
                a->out_channels == b->out_channels;
    for (int axis = 0; axis < 2; axis++)
        same = same && a->input[axis] == b->input[axis] && a->pad_before[axis] == b->pad_before[axis] &&
               a->pad_after[axis] == b->pad_after[axis] && a->output_padding[axis] == b->output_padding[axis];
    return same;
}

/* The plan of a block's problem: there are few problems, but each may come again. */
static clconv_status find_plan(block_run *run, const clconv_problem *problem, clconv_plan **plan,
                               clconv_error *err)
{
    for (int i = 0; i < PLANS; i++)
        if (run->plans[i].plan != NULL && same_block(&run->plans[i].problem, problem)) {
            *plan = run->plans[i].plan;
            return CLCONV_SUCCESS;
        }
    block_plan *p = &run->plans[run->next_plan];
    run->next_plan = (run->next_plan + 1) % PLANS;
    clconv_plan_release(p->plan);
    p->plan = NULL;
    p->problem = *problem;
    clconv_status status =
        clconv_plan_create(run->context, CLCONV_FORWARD, problem, &run->options, &p->plan, err);
    if (status == CLCONV_SUCCESS) *plan = p->plan;
    return status;
}

static clconv_status reserve_workspace(block_run *run, size_t bytes, clconv_error *err)
{
    if (bytes <= run->workspace_bytes) return CLCONV_SUCCESS;
    if (run->workspace != NULL) clReleaseMemObject(run->workspace);
    run->workspace = NULL;
    run->workspace_bytes = 0;
    clconv_status status = memory_create(&run->context->rt, "workspace", bytes, NULL, &run->workspace, err);
    if (status == CLCONV_SUCCESS) run->workspace_bytes = bytes;
    return status;
}

/* A row of the input, or zeros where padding is read. */
static void copy_row(const block_run *run, const char *channel, int64_t z, int64_t y, char *to)
{
    const clconv_problem *p = run->problem;
    size_t row = (size_t)(p->input[2] * run->geometry->element_size);
    int64_t from_z = geometry_source(p->padding_mode, z, p->input[0]);
    int64_t from_y = geometry_source(p->padding_mode, y, p->input[1]);
    if (from_z < 0 || from_y < 0)
        memset(to, 0, row);
    else
        memcpy(to, channel + (size_t)(from_z * p->input[1] + from_y) * row, row);
}

static void gather_input(const block_run *run, const block *b)
{
    const clconv_problem *p = run->problem, *q = &b->problem;
    int64_t element = run->geometry->element_size;
    size_t row = (size_t)(p->input[2] * element);
    size_t channel_bytes = (size_t)(run->geometry->input_plane * element);
    bool is_whole =
        q->input[0] == p->input[0] && q->input[1] == p->input[1] && b->first[0] == 0 && b->first[1] == 0;
    char *to = run->stage;
    for (int64_t n = 0; n < q->batch; n++)
        for (int64_t c = 0; c < q->in_channels; c++) {
            int64_t volume = (b->sample + n) * p->in_channels + b->in_channel + c;
            const char *channel = (const char *)run->tensors->input + (size_t)volume * channel_bytes;
            if (is_whole) memcpy(to, channel, channel_bytes);
            for (int64_t z = 0; z < q->input[0] && !is_whole; z++)
                for (int64_t y = 0; y < q->input[1]; y++)
                    copy_row(run, channel, b->first[0] + z, b->first[1] + y,
                             to + (size_t)(z * q->input[1] + y) * row);
            to += (size_t)(q->input[0] * q->input[1]) * row;
        }
}

/* Rows of a tensor of the output's shape, to the stage or from it. */
static void copy_output(const block_run *run, const block *b, char *tensor, bool to_stage)
{
    const clconv_problem *p = run->problem, *q = &b->problem;
    const geometry *g = run->geometry;
    size_t row = (size_t)(g->output[2] * g->element_size), run_bytes = (size_t)b->output[1] * row;
    char *stage = run->stage;
    for (int64_t n = 0; n < q->batch; n++)
        for (int64_t c = 0; c < q->out_channels; c++)
            for (int64_t z = 0; z < b->output[0]; z++, stage += run_bytes) {
                int64_t volume = (b->sample + n) * p->out_channels + b->channel + c;
                int64_t plane = volume * g->output[0] + b->at[0] + z;
                char *at = tensor + (size_t)(plane * g->output[1] + b->at[1]) * row;
                if (to_stage)
                    memcpy(stage, at, run_bytes);
                else
                    memcpy(at, stage, run_bytes);
            }
}

static clconv_status write(const block_run *run, int tensor, const void *from, size_t bytes,
                           clconv_error *err)
{
    if (bytes == 0) return CLCONV_SUCCESS;
    cl_int code = clEnqueueWriteBuffer(run->context->rt.queue, run->memory[tensor], CL_TRUE, 0, bytes, from,
                                       0, NULL, NULL);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueWriteBuffer");
}

/* Weights and biases of the block's channels, unless the block before had the same. */
static clconv_status write_weights(block_run *run, const block *b, clconv_error *err)
{
    const geometry *g = run->geometry;
    if (run->channel == b->channel) return CLCONV_SUCCESS;
    size_t filter = (size_t)(g->reduction * g->element_size), element = (size_t)g->element_size;
    size_t first = (size_t)b->channel, count = (size_t)b->problem.out_channels;
    clconv_status status =
        write(run, WEIGHT, (const char *)run->tensors->weight + first * filter, count * filter, err);
    if (status == CLCONV_SUCCESS && run->problem->has_bias)
        status = write(run, BIAS, (const char *)run->tensors->bias + first * element, count * element, err);
    if (status == CLCONV_SUCCESS) run->channel = b->channel;
    return status;
}

static clconv_status enqueue(block_run *run, clconv_plan *plan, clconv_error *err)
{
    clconv_tensors t = {.input = {run->memory[INPUT], 0},
                        .weight = {run->memory[WEIGHT], 0},
                        .bias = {run->memory[BIAS], 0},
                        .residual = {run->memory[RESIDUAL], 0},
                        .output = {run->memory[OUTPUT], 0}};
    const clconv_buffer workspace = {run->workspace, 0};
    return clconv_plan_enqueue(plan, run->context->rt.queue, &t, &workspace, 0, NULL, NULL, err);
}

static clconv_status run_block(block_run *run, const block *b, clconv_error *err)
{
    const clconv_problem *q = &b->problem;
    clconv_plan *plan = NULL;
    clconv_tensor_sizes n;
    size_t element = (size_t)run->geometry->element_size;
    clconv_status status = clconv_problem_tensor_sizes(q, &n, err);
    if (status == CLCONV_SUCCESS) status = find_plan(run, q, &plan, err);
    if (status == CLCONV_SUCCESS) status = reserve_workspace(run, clconv_plan_workspace_size(plan), err);
    if (status == CLCONV_SUCCESS) status = write_weights(run, b, err);
    if (status != CLCONV_SUCCESS) return status;
    gather_input(run, b);
    status = write(run, INPUT, run->stage, (size_t)n.input * element, err);
    if (status == CLCONV_SUCCESS && q->has_residual) {
        copy_output(run, b, (char *)(uintptr_t)run->tensors->residual, true);
        status = write(run, RESIDUAL, run->stage, (size_t)n.residual * element, err);
    }
    if (status == CLCONV_SUCCESS) status = enqueue(run, plan, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_int code = clEnqueueReadBuffer(run->context->rt.queue, run->memory[OUTPUT], CL_TRUE, 0,
                                      (size_t)n.output * element, run->stage, 0, NULL, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clEnqueueReadBuffer");
    copy_output(run, b, run->tensors->output, false);
    return CLCONV_SUCCESS;
}

/* Buffers for the largest block, and the workspace that is left. */
static clconv_status reserve(block_run *run, const block_size *size, const block_limits *limits,
                             clconv_error *err)
{
    int64_t largest = 0, count = blocks_count(run->problem, run->geometry, size);
    for (int64_t i = 0; i < count; i++) {
        block b = blocks_at(run->problem, run->geometry, size, i);
        clconv_tensor_sizes n;
        clconv_status status = clconv_problem_tensor_sizes(&b.problem, &n, err);
        if (status != CLCONV_SUCCESS) return status;
        const int64_t elements[] = {n.input, n.weight, n.bias, n.residual, n.output};
        for (int t = 0; t < TENSORS; t++) {
            size_t bytes = (size_t)(elements[t] * run->geometry->element_size);
            if (run->bytes[t] < bytes) run->bytes[t] = bytes;
            largest = max_i64(largest, (int64_t)bytes);
        }
    }
    clconv_status status = CLCONV_SUCCESS;
    int64_t total = 0;
    for (int t = 0; t < TENSORS && status == CLCONV_SUCCESS; t++) {
        total += (int64_t)run->bytes[t];
        if (run->bytes[t] > 0)
            status = memory_create(&run->context->rt, names[t], run->bytes[t], NULL, &run->memory[t], err);
    }
    uint64_t left = (uint64_t)max_i64(limits->total - total, 0);
    if (left < run->options.workspace_limit) run->options.workspace_limit = left;
    if (status == CLCONV_SUCCESS) run->stage = malloc((size_t)max_i64(largest, 1));
    if (status == CLCONV_SUCCESS && run->stage == NULL)
        status =
            error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a block of %lld bytes", (long long)largest);
    return status;
}

static void release(block_run *run)
{
    clFinish(run->context->rt.queue);
    for (int i = 0; i < PLANS; i++)
        clconv_plan_release(run->plans[i].plan);
    for (int t = 0; t < TENSORS; t++)
        if (run->memory[t] != NULL) clReleaseMemObject(run->memory[t]);
    if (run->workspace != NULL) clReleaseMemObject(run->workspace);
    free(run->stage);
}

clconv_status blocks_convolve(clconv_context *context, const clconv_problem *problem, const geometry *g,
                              const clconv_plan_options *options, const clconv_host_tensors *tensors,
                              clconv_error *err)
{
    block_run run = {
        .context = context, .problem = problem, .geometry = g, .tensors = tensors, .channel = -1};
    clconv_plan_options_init(&run.options);
    if (options != NULL) run.options = *options;
    const block_limits limits = blocks_limits(context);
    /* Half for tensors, so that algorithms with a workspace have room; all if that is not enough, since some need none. */
    const block_limits half = {limits.total / 2, limits.tensor};
    block_size size;
    clconv_status status = blocks_choose(problem, g, &half, &size, NULL);
    if (status != CLCONV_SUCCESS) status = blocks_choose(problem, g, &limits, &size, err);
    if (status == CLCONV_SUCCESS) status = reserve(&run, &size, &limits, err);
    int64_t count = status == CLCONV_SUCCESS ? blocks_count(problem, g, &size) : 0;
    for (int64_t i = 0; i < count && status == CLCONV_SUCCESS; i++) {
        const block b = blocks_at(problem, g, &size, i);
        status = run_block(&run, &b, err);
    }
    release(&run);
    return status;
}
