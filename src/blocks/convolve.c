/* Computing in blocks: see convolve.h. A block's tensors are gathered in host memory of its size, so that of arrays that
 * are mapped files no more than that is needed. The host gathers a block and stores another while the device computes. */
#include "blocks/convolve.h"

#include "base/arith.h"
#include "base/error.h"
#include "blocks/slot.h"
#include "opencl/memory.h"

#include <string.h>

enum { SLOTS = 2, PLANS = 12 };

/* A plan and the problem that it is for. */
typedef struct block_plan {
    clconv_problem problem;
    clconv_plan *plan;
} block_plan;

typedef struct block_run {
    clconv_context *context;
    clconv_op op;
    block_copy whole;
    const block_arrays *arrays;
    clconv_plan_options options;
    block_size size;
    tensor_use uses[BLOCK_TENSORS];
    bool adds,
        is_filled; /* the input's gradient: blocks share its elements; it has been set to what they are added to */
    cl_mem workspace;
    size_t workspace_bytes;
    slot_queues queues;
    block_slot slots[SLOTS];
    int slot_count;
    block_plan plans[PLANS];
    int next_plan;
} block_run;

static const tensor_use uses_of_ops[][BLOCK_TENSORS] = {
    [CLCONV_FORWARD] = {USE_READ, USE_READ, USE_READ, USE_READ, USE_MADE},
    [CLCONV_BACKWARD_INPUT] = {USE_MADE, USE_READ, USE_NONE, USE_NONE, USE_READ},
    [CLCONV_BACKWARD_WEIGHT] = {USE_READ, USE_MADE, USE_NONE, USE_NONE, USE_READ},
    [CLCONV_BACKWARD_BIAS] = {USE_NONE, USE_NONE, USE_MADE, USE_NONE, USE_READ},
    [CLCONV_TRANSPOSED] = {USE_MADE, USE_READ, USE_READ, USE_NONE, USE_READ},
};

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

bool blocks_needed(const clconv_context *context, const clconv_problem *problem, const geometry *g,
                   int copies)
{
    const block_limits l = blocks_limits(context);
    const block_size whole = {max_i64(problem->batch, 1), problem->out_channels, g->output[0], g->output[1]};
    int64_t largest, bytes = blocks_bytes(problem, g, &whole, &largest);
    return context->rt.options.memory_limit > 0 || bytes > l.total / copies || largest > l.tensor;
}

/* Elements of the block's tensors. */
static clconv_status count_elements(const block_run *run, const block *b, int64_t *elements,
                                    clconv_error *err)
{
    clconv_tensor_sizes n;
    clconv_status status = clconv_problem_tensor_sizes(&b->problem, &n, err);
    if (status != CLCONV_SUCCESS) return status;
    int64_t bias = run->op == CLCONV_BACKWARD_BIAS ? b->problem.out_channels
                   : run->op == CLCONV_TRANSPOSED  ? b->problem.in_channels
                                                   : n.bias;
    const int64_t all[] = {n.input, n.weight, bias, n.residual, n.output};
    for (int t = 0; t < BLOCK_TENSORS; t++)
        elements[t] = run->uses[t] != USE_NONE ? all[t] : 0;
    return CLCONV_SUCCESS;
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
    clconv_status status = clconv_plan_create(run->context, run->op, problem, &run->options, &p->plan, err);
    if (status == CLCONV_SUCCESS) *plan = p->plan;
    return status;
}

static clconv_status reserve_workspace(block_run *run, size_t bytes, clconv_error *err)
{
    if (bytes <= run->workspace_bytes) return CLCONV_SUCCESS;
    clFinish(run->queues.compute); /* so that there are never two of them */
    if (run->workspace != NULL) clReleaseMemObject(run->workspace);
    run->workspace = NULL;
    run->workspace_bytes = 0;
    clconv_status status = memory_create(&run->context->rt, "workspace", bytes, NULL, &run->workspace, err);
    if (status == CLCONV_SUCCESS) run->workspace_bytes = bytes;
    return status;
}

/* Where a block's weights, or biases, are in the whole, which are dense. */
static char *dense_part(const block_run *run, const block *b, int tensor)
{
    const geometry *g = run->whole.geometry;
    int64_t at = tensor == BLOCK_WEIGHT         ? b->channel * g->reduction
                 : run->op == CLCONV_TRANSPOSED ? b->in_channel
                                                : b->channel;
    return (char *)run->arrays->whole[tensor] + (size_t)(at * g->element_size);
}

/* Gathers a tensor that the block reads and copies it to the device, unless that is there from the block before. */
static clconv_status read_tensor(block_run *run, block_slot *slot, int tensor, size_t bytes,
                                 clconv_error *err)
{
    const block *b = &slot->block;
    const void *from = slot->stage[tensor], *whole = run->arrays->whole[tensor];
    if (bytes == 0) return CLCONV_SUCCESS;
    if (tensor == BLOCK_WEIGHT || tensor == BLOCK_BIAS) {
        if (slot->channel == b->channel) return CLCONV_SUCCESS;
        from = dense_part(run, b, tensor);
    } else if (tensor == BLOCK_INPUT) {
        copy_gather_input(&run->whole, b, whole, slot->stage[tensor]);
    } else {
        copy_gather_output(&run->whole, b, whole, slot->stage[tensor]);
    }
    return slot_write(slot, &run->queues, tensor, from, bytes, err);
}

static clconv_status enqueue(const block_run *run, clconv_plan *plan, block_slot *slot, clconv_error *err)
{
    const cl_mem *m = slot->memory;
    bool is_transposed = run->op == CLCONV_TRANSPOSED;
    clconv_tensors t = {.input = {m[is_transposed ? BLOCK_OUTPUT : BLOCK_INPUT], 0},
                        .weight = {m[BLOCK_WEIGHT], 0},
                        .bias = {m[BLOCK_BIAS], 0},
                        .residual = {m[BLOCK_RESIDUAL], 0},
                        .output = {m[is_transposed ? BLOCK_INPUT : BLOCK_OUTPUT], 0},
                        .grad_output = {m[BLOCK_OUTPUT], 0},
                        .grad_input = {m[BLOCK_INPUT], 0},
                        .grad_weight = {m[BLOCK_WEIGHT], 0},
                        .grad_bias = {m[BLOCK_BIAS], 0}};
    const clconv_buffer workspace = {run->workspace, 0};
    return clconv_plan_enqueue(plan, run->queues.compute, &t, &workspace, slot->written != NULL,
                               slot->written != NULL ? &slot->written : NULL, &slot->computed, err);
}

static int made_tensor(const block_run *run)
{
    int made = 0;
    while (run->uses[made] != USE_MADE)
        made++;
    return made;
}

/* Gathers a block and enqueues all that is to be done with it. */
static clconv_status start_block(block_run *run, block_slot *slot, int64_t index, clconv_error *err)
{
    clconv_plan *plan = NULL;
    int64_t elements[BLOCK_TENSORS], element = run->whole.geometry->element_size;
    slot->block = blocks_at(run->whole.problem, run->whole.geometry, &run->size, index);
    clconv_status status = count_elements(run, &slot->block, elements, err);
    if (status == CLCONV_SUCCESS) status = find_plan(run, &slot->block.problem, &plan, err);
    if (status == CLCONV_SUCCESS) status = reserve_workspace(run, clconv_plan_workspace_size(plan), err);
    for (int t = 0; t < BLOCK_TENSORS && status == CLCONV_SUCCESS; t++)
        if (run->uses[t] == USE_READ)
            status = read_tensor(run, slot, t, (size_t)(elements[t] * element), err);
    if (status != CLCONV_SUCCESS) return status;
    slot->channel = slot->block.channel;
    status = enqueue(run, plan, slot, err);
    int made = made_tensor(run);
    if (status == CLCONV_SUCCESS)
        status = slot_read(slot, &run->queues, made, (size_t)(elements[made] * element), err);
    slot->is_busy = status == CLCONV_SUCCESS;
    return status;
}

/* The first block of its channels writes their gradient, the others add theirs. */
static void store_dense(const block_run *run, const block *b, int tensor, const char *from)
{
    char *to = dense_part(run, b, tensor);
    int64_t count = b->problem.out_channels * (tensor == BLOCK_WEIGHT ? run->whole.geometry->reduction : 1);
    if (b->sample == 0 && b->at[0] == 0 && b->at[1] == 0)
        memcpy(to, from, (size_t)(count * run->whole.geometry->element_size));
    else
        copy_add(run->whole.problem->dtype, count, from, to);
}

/* Waits for a block, if one is under way, and stores what it made. */
static clconv_status finish_block(block_run *run, block_slot *slot, clconv_error *err)
{
    if (!slot->is_busy) return CLCONV_SUCCESS;
    int made = made_tensor(run);
    void *whole = run->arrays->whole[made];
    slot->is_busy = false;
    clconv_status status = slot_wait(slot, err);
    if (status != CLCONV_SUCCESS) return status;
    if (made == BLOCK_OUTPUT) {
        copy_scatter_output(&run->whole, &slot->block, slot->stage[made], whole);
    } else if (made == BLOCK_INPUT) {
        if (run->adds && !run->is_filled) copy_fill_input(&run->whole, run->arrays->whole[BLOCK_BIAS], whole);
        run->is_filled = true;
        copy_scatter_input(&run->whole, &slot->block, slot->stage[made], whole, run->adds);
    } else {
        store_dense(run, &slot->block, made, slot->stage[made]);
    }
    return CLCONV_SUCCESS;
}

/* Bytes of each tensor of the largest block. */
static clconv_status measure_blocks(const block_run *run, size_t *bytes, clconv_error *err)
{
    int64_t count = blocks_count(run->whole.problem, run->whole.geometry, &run->size);
    clconv_status status = CLCONV_SUCCESS;
    for (int64_t i = 0; i < count && status == CLCONV_SUCCESS; i++) {
        int64_t elements[BLOCK_TENSORS];
        block b = blocks_at(run->whole.problem, run->whole.geometry, &run->size, i);
        status = count_elements(run, &b, elements, err);
        for (int t = 0; t < BLOCK_TENSORS && status == CLCONV_SUCCESS; t++) {
            size_t needed = (size_t)(elements[t] * run->whole.geometry->element_size);
            if (bytes[t] < needed) bytes[t] = needed;
        }
    }
    return status;
}

static clconv_status create_queues(block_run *run, clconv_error *err)
{
    const runtime *rt = &run->context->rt;
    cl_int code = CL_SUCCESS;
    run->queues.up = clCreateCommandQueue(rt->context, rt->device, 0, &code);
    if (code == CL_SUCCESS) run->queues.down = clCreateCommandQueue(rt->context, rt->device, 0, &code);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clCreateCommandQueue");
}

/* Queues, buffers for the largest block, and the workspace that is left. */
static clconv_status reserve(block_run *run, int64_t total, clconv_error *err)
{
    size_t bytes[BLOCK_TENSORS] = {0};
    clconv_status status = create_queues(run, err);
    if (status == CLCONV_SUCCESS) status = measure_blocks(run, bytes, err);
    for (int i = 0; i < run->slot_count && status == CLCONV_SUCCESS; i++) {
        status = slot_reserve(&run->context->rt, run->uses, bytes, &run->slots[i], err);
        for (int t = 0; t < BLOCK_TENSORS; t++)
            total -= (int64_t)bytes[t];
    }
    uint64_t left = (uint64_t)max_i64(total, 0);
    if (left < run->options.workspace_limit) run->options.workspace_limit = left;
    return status;
}

static void finish_queue(cl_command_queue queue, bool is_own)
{
    if (queue == NULL) return;
    clFinish(queue);
    if (is_own) clReleaseCommandQueue(queue);
}

static void release(block_run *run)
{
    finish_queue(run->queues.up, true);
    finish_queue(run->queues.compute, false);
    finish_queue(run->queues.down, true);
    for (int i = 0; i < PLANS; i++)
        clconv_plan_release(run->plans[i].plan);
    for (int i = 0; i < run->slot_count; i++)
        slot_release(&run->slots[i]);
    if (run->workspace != NULL) clReleaseMemObject(run->workspace);
}

/* Half of the memory is for tensors, so that algorithms with a workspace have room, all if that is not enough, since some
 * need none; two blocks at a time, unless one is all there is or two have no room. */
static clconv_status choose_size(block_run *run, const block_limits *limits, clconv_error *err)
{
    const clconv_problem *p = run->whole.problem;
    const geometry *g = run->whole.geometry;
    const block_limits half = {limits->total / 2, limits->tensor},
                       quarter = {limits->total / 2 / SLOTS, limits->tensor};
    run->slot_count = 1;
    clconv_status status = blocks_choose(p, g, &half, &run->size, NULL);
    if (status != CLCONV_SUCCESS) return blocks_choose(p, g, limits, &run->size, err);
    if (blocks_count(p, g, &run->size) > 1 &&
        blocks_choose(p, g, &quarter, &run->size, NULL) == CLCONV_SUCCESS)
        run->slot_count = SLOTS;
    return CLCONV_SUCCESS;
}

/* Of rows that several blocks read the gradients are added here, and then so is a bias, which each block would add. */
static void choose_adding(block_run *run, clconv_problem *without_bias)
{
    const geometry *g = run->whole.geometry;
    run->adds = run->size.depth < g->output[0] || run->size.rows < g->output[1] ||
                run->size.channels % g->group_out != 0;
    if (run->op != CLCONV_TRANSPOSED) return;
    if (run->adds || !run->whole.problem->has_bias) run->op = CLCONV_BACKWARD_INPUT;
    if (!run->adds) return;
    without_bias->has_bias = 0;
    run->whole.problem = without_bias;
}

static clconv_status run_all(block_run *run, clconv_error *err)
{
    int64_t count = blocks_count(run->whole.problem, run->whole.geometry, &run->size);
    clconv_status status = CLCONV_SUCCESS;
    for (int64_t i = 0; i < count + run->slot_count && status == CLCONV_SUCCESS; i++) {
        block_slot *slot = &run->slots[i % run->slot_count];
        status = finish_block(run, slot, err);
        if (status == CLCONV_SUCCESS && i < count) status = start_block(run, slot, i, err);
    }
    return status;
}

clconv_status blocks_run(clconv_context *context, clconv_op op, const clconv_problem *problem,
                         const geometry *g, const clconv_plan_options *options, const block_arrays *arrays,
                         clconv_error *err)
{
    block_run run = {.context = context,
                     .op = op,
                     .whole = {problem, g},
                     .arrays = arrays,
                     .queues.compute = context->rt.queue};
    clconv_problem without_bias = *problem;
    clconv_plan_options_init(&run.options);
    if (options != NULL) run.options = *options;
    const block_limits limits = blocks_limits(context);
    clconv_status status = choose_size(&run, &limits, err);
    if (status != CLCONV_SUCCESS) return status;
    choose_adding(&run, &without_bias);
    memcpy(run.uses, uses_of_ops[run.op], sizeof run.uses);
    if (arrays->whole[BLOCK_BIAS] == NULL) run.uses[BLOCK_BIAS] = USE_NONE;
    if (arrays->whole[BLOCK_RESIDUAL] == NULL) run.uses[BLOCK_RESIDUAL] = USE_NONE;
    status = reserve(&run, limits.total, err);
    if (status == CLCONV_SUCCESS) status = run_all(&run, err);
    release(&run);
    return status;
}
