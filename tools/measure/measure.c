/* The timing of one layer. What is outside of the times: filling tensors, packing weights, the first run,
 * which has a figure of its own. */
#include "measure/measure.h"

#include "common/tool.h"
#include "measure/compute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_RUNS = 3, MAX_RUNS = 100000 };

typedef struct bench_run {
    clconv_context *context;
    cl_command_queue queue;
    clconv_plan *plan;
    clconv_tensors tensors;
    clconv_buffer workspace;
    double *times; /* `runs` of them in use */
    int64_t runs, capacity;
} bench_run;

/* A tensor of values in -1 .. 1 that no algorithm finds easier than others. */
static clconv_status create_tensor(bench_run *run, int64_t elements, clconv_dtype dtype, cl_mem *buffer,
                                   clconv_error *err)
{
    size_t bytes = (size_t)elements * (dtype == CLCONV_FLOAT64 ? sizeof(double) : sizeof(float));
    void *data = malloc(bytes ? bytes : 1);
    if (!data) {
        *err = (clconv_error){CLCONV_OUT_OF_MEMORY, CL_SUCCESS, "host memory is exhausted"};
        return err->status;
    }
    uint32_t state = 1;
    for (int64_t i = 0; i < elements; i++) {
        state = state * 1664525u + 1013904223u;
        double value = (double)(state >> 8) / (1 << 23) - 1;
        if (dtype == CLCONV_FLOAT64) ((double *)data)[i] = value;
        if (dtype == CLCONV_FLOAT32) ((float *)data)[i] = (float)value;
    }
    clconv_status status = clconv_buffer_create(run->context, bytes, data, buffer, err);
    free(data);
    return status;
}

/* Replaces the weights by their packed form. */
static clconv_status pack_weight(bench_run *run, clconv_error *err)
{
    cl_mem packed = NULL;
    clconv_status status =
        clconv_buffer_create(run->context, clconv_plan_packed_weight_size(run->plan), NULL, &packed, err);
    if (status) return status;
    status = clconv_plan_pack_weight(run->plan, run->queue, run->tensors.weight, (clconv_buffer){packed, 0},
                                     0, NULL, NULL, err);
    cl_int code = clFinish(run->queue);
    if (!status && code) status = compute_fail(err, code, "clFinish");
    clReleaseMemObject(status ? packed : run->tensors.weight.memory);
    if (!status) run->tensors.weight.memory = packed;
    return status;
}

/* A tensor of an op: where it goes, and its elements, 0 if the problem has none. */
typedef struct op_tensor {
    clconv_buffer *buffer;
    int64_t elements;
} op_tensor;

enum { OP_TENSORS = 5 };

/* What the op reads and writes, as clconv_tensors tells it. */
static void list_tensors(clconv_op op, const clconv_problem *problem, const clconv_tensor_sizes *sizes,
                         clconv_tensors *t, op_tensor list[OP_TENSORS])
{
    int64_t filters = problem->out_channels;
    const op_tensor tensors[][OP_TENSORS] = {
        [CLCONV_FORWARD] = {{&t->input, sizes->input},
                            {&t->weight, sizes->weight},
                            {&t->bias, sizes->bias},
                            {&t->residual, sizes->residual},
                            {&t->output, sizes->output}},
        [CLCONV_BACKWARD_INPUT] = {{&t->weight, sizes->weight},
                                   {&t->grad_output, sizes->output},
                                   {&t->grad_input, sizes->input}},
        [CLCONV_BACKWARD_WEIGHT] = {{&t->input, sizes->input},
                                    {&t->grad_output, sizes->output},
                                    {&t->grad_weight, sizes->weight}},
        [CLCONV_BACKWARD_BIAS] = {{&t->grad_output, sizes->output}, {&t->grad_bias, filters}},
        [CLCONV_TRANSPOSED] = {{&t->input, sizes->output},
                               {&t->weight, sizes->weight},
                               {&t->bias, problem->has_bias ? problem->in_channels : 0},
                               {&t->output, sizes->input}},
    };
    memcpy(list, tensors[op], sizeof tensors[op]);
}

static clconv_status create_tensors(bench_run *run, const clconv_problem *problem,
                                    const measure_options *options, clconv_error *err)
{
    clconv_tensor_sizes sizes;
    op_tensor list[OP_TENSORS];
    size_t workspace = clconv_plan_workspace_size(run->plan);
    clconv_status status = clconv_problem_tensor_sizes(problem, &sizes, err);
    if (status) return status;
    list_tensors(options->op, problem, &sizes, &run->tensors, list);
    for (int i = 0; i < OP_TENSORS && !status; i++) {
        if (!list[i].buffer || !list[i].elements) continue;
        status = create_tensor(run, list[i].elements, problem->dtype, &list[i].buffer->memory, err);
    }
    if (!status && workspace) {
        status = clconv_buffer_create(run->context, workspace, NULL, &run->workspace.memory, err);
    }
    if (!status && options->plan.packed_weights) status = pack_weight(run, err);
    return status;
}

static clconv_status run_once(bench_run *run, double *seconds, clconv_error *err)
{
    const clconv_buffer *workspace = run->workspace.memory ? &run->workspace : NULL;
    double start = tool_seconds();
    clconv_status status =
        clconv_plan_enqueue(run->plan, run->queue, &run->tensors, workspace, 0, NULL, NULL, err);
    cl_int code = clFinish(run->queue);
    *seconds = tool_seconds() - start;
    return !status && code ? compute_fail(err, code, "clFinish") : status;
}

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static clconv_status run_often(bench_run *run, double budget, clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    double end = tool_seconds() + budget;
    for (; !status && run->runs < run->capacity; run->runs++) {
        if (budget > 0 && run->runs >= MIN_RUNS && tool_seconds() >= end) break;
        status = run_once(run, &run->times[run->runs], err);
    }
    qsort(run->times, (size_t)run->runs, sizeof *run->times, compare_times);
    return status;
}

static void summarise(const bench_run *run, measurement *m)
{
    clconv_plan_info info;
    clconv_plan_get_info(run->plan, &info);
    snprintf(m->algorithm, sizeof m->algorithm, "%s", info.algorithm);
    snprintf(m->parameters, sizeof m->parameters, "%s", info.parameters);
    m->flops = info.flops;
    m->workspace_bytes = info.workspace_size;
    m->runs = run->runs;
    m->min_seconds = run->times[0];
    m->median_seconds = (run->times[(run->runs - 1) / 2] + run->times[run->runs / 2]) / 2;
}

static clconv_status no_memory(clconv_error *err)
{
    *err = (clconv_error){CLCONV_OUT_OF_MEMORY, CL_SUCCESS, "host memory is exhausted"};
    return err->status;
}

/* The medians of a few profiles; the plan goes with them. */
static clconv_status profile_steps(bench_run *run, measurement *m, clconv_error *err)
{
    enum { PROFILES = 5 };
    clconv_plan_info info;
    const clconv_buffer *workspace = run->workspace.memory ? &run->workspace : NULL;
    clconv_plan_get_info(run->plan, &info);
    double *all = calloc(PROFILES * (info.steps + 1), sizeof *all);
    double *medians = calloc(info.steps + 1, sizeof *medians);
    clconv_status status = all && medians ? CLCONV_SUCCESS : no_memory(err);
    for (size_t p = 0; p < PROFILES && !status; p++)
        status = clconv_plan_profile(run->plan, &run->tensors, workspace, all + p * info.steps, err);
    for (size_t i = 0; i < info.steps && !status; i++) {
        double times[PROFILES];
        for (size_t p = 0; p < PROFILES; p++)
            times[p] = all[p * info.steps + i];
        qsort(times, PROFILES, sizeof *times, compare_times);
        medians[i] = times[PROFILES / 2];
    }
    free(all);
    if (status) {
        free(medians);
        return status;
    }
    m->plan = run->plan;
    m->step_seconds = medians;
    m->steps = info.steps;
    run->plan = NULL;
    return status;
}

void measurement_release(measurement *m)
{
    clconv_plan_release(m->plan);
    free(m->step_seconds);
    m->plan = NULL;
    m->step_seconds = NULL;
}

static void release(bench_run *run)
{
    const cl_mem buffers[] = {run->tensors.input.memory,       run->tensors.weight.memory,
                              run->tensors.bias.memory,        run->tensors.residual.memory,
                              run->tensors.output.memory,      run->workspace.memory,
                              run->tensors.grad_output.memory, run->tensors.grad_input.memory,
                              run->tensors.grad_weight.memory, run->tensors.grad_bias.memory};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        if (buffers[i]) clReleaseMemObject(buffers[i]);
    }
    clconv_plan_release(run->plan);
    if (run->queue) clReleaseCommandQueue(run->queue);
    free(run->times);
}

clconv_status measure_layer(clconv_context *context, const clconv_problem *problem,
                            const measure_options *options, measurement *result, clconv_error *err)
{
    measurement m = {0};
    bench_run run = {.context = context, .capacity = options->runs ? options->runs : MAX_RUNS};
    clconv_status status = compute_queue(context, &run.queue, err);
    if (status) goto done;
    double start = tool_seconds();
    status = clconv_plan_create(context, options->op, problem, &options->plan, &run.plan, err);
    m.plan_seconds = tool_seconds() - start;
    if (status) goto done;
    status = create_tensors(&run, problem, options, err);
    if (status) goto done;
    run.times = calloc((size_t)run.capacity, sizeof *run.times);
    if (!run.times) {
        status = no_memory(err);
        goto done;
    }
    status = run_once(&run, &m.first_seconds, err);
    if (!status) status = run_often(&run, options->runs ? 0 : options->seconds, err);
    if (status) goto done;
    summarise(&run, &m);
    if (options->steps) status = profile_steps(&run, &m, err);
    if (!status) *result = m;
done:
    release(&run);
    return status;
}
