/* Contenders and their times: see runs.h. */
#include "search/runs.h"

#include "base/error.h"
#include "base/system.h"
#include "opencl/memory.h"

#include <math.h>
#include <stdlib.h>

/* Values in -1 .. 1 that no algorithm finds easier than others. */
static clconv_status make_tensor(const arena *a, int64_t elements, cl_mem *memory, clconv_error *err)
{
    const bool is_wide = a->problem->dtype == CLCONV_FLOAT64;
    const size_t bytes = (size_t)elements * (is_wide ? sizeof(double) : sizeof(float));
    void *values = malloc(bytes > 0 ? bytes : 1);
    if (values == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a tensor to tune with");
    uint32_t state = 1;
    for (int64_t i = 0; i < elements; i++) {
        state = state * 1664525U + 1013904223U;
        double value = (double)(state >> 8) / (1 << 23) - 1;
        if (is_wide) ((double *)values)[i] = value;
        if (!is_wide) ((float *)values)[i] = (float)value;
    }
    clconv_status status = memory_create(&a->context->rt, "a tensor", bytes, values, memory, err);
    free(values);
    return status;
}

clconv_status arena_create(clconv_context *context, clconv_op op, const clconv_problem *problem, arena *a,
                           clconv_error *err)
{
    clconv_tensor_sizes n;
    clconv_tensors *t = &a->tensors;
    *a = (arena){.context = context, .op = op, .problem = problem};
    clconv_status status = clconv_problem_tensor_sizes(problem, &n, err);
    const struct {
        clconv_buffer *buffer;
        int64_t elements;
    } tensors[][5] = {
        [CLCONV_FORWARD] = {{&t->input, n.input},
                            {&t->weight, n.weight},
                            {&t->bias, n.bias},
                            {&t->residual, n.residual},
                            {&t->output, n.output}},
        [CLCONV_BACKWARD_INPUT] = {{&t->weight, n.weight},
                                   {&t->grad_output, n.output},
                                   {&t->grad_input, n.input}},
        [CLCONV_BACKWARD_WEIGHT] = {{&t->input, n.input},
                                    {&t->grad_output, n.output},
                                    {&t->grad_weight, n.weight}},
        [CLCONV_BACKWARD_BIAS] = {{&t->grad_output, n.output}, {&t->grad_bias, problem->out_channels}},
        [CLCONV_TRANSPOSED] = {{&t->input, n.output},
                               {&t->weight, n.weight},
                               {&t->bias, problem->has_bias ? problem->in_channels : 0},
                               {&t->output, n.input}},
    };
    for (int i = 0; i < 5 && status == CLCONV_SUCCESS; i++)
        if (tensors[op][i].buffer != NULL && tensors[op][i].elements > 0)
            status = make_tensor(a, tensors[op][i].elements, &tensors[op][i].buffer->memory, err);
    if (status != CLCONV_SUCCESS) arena_release(a);
    return status;
}

void arena_release(arena *a)
{
    clconv_tensors *t = &a->tensors;
    clconv_buffer *const buffers[] = {&t->input,      &t->weight,      &t->bias,
                                      &t->residual,   &t->output,      &t->grad_output,
                                      &t->grad_input, &t->grad_weight, &t->grad_bias};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        if (buffers[i]->memory != NULL) clReleaseMemObject(buffers[i]->memory);
        buffers[i]->memory = NULL;
    }
}

static clconv_status finish(const arena *a, clconv_error *err)
{
    cl_int code = clFinish(a->context->rt.queue);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clFinish");
}

static clconv_status pack(const arena *a, contender *c, clconv_error *err)
{
    const runtime *rt = &a->context->rt;
    size_t bytes = clconv_plan_packed_weight_size(c->plan);
    clconv_status status = memory_create(rt, "the packed weight", bytes, NULL, &c->packed, err);
    if (status == CLCONV_SUCCESS)
        status = clconv_plan_pack_weight(c->plan, rt->queue, a->tensors.weight, (clconv_buffer){c->packed, 0},
                                         0, NULL, NULL, err);
    return status == CLCONV_SUCCESS ? finish(a, err) : status;
}

clconv_status contender_create(const arena *a, const clconv_plan_options *options, contender *c,
                               clconv_error *err)
{
    double seconds;
    *c = (contender){.plan = NULL};
    clconv_status status = clconv_plan_create(a->context, a->op, a->problem, options, &c->plan, err);
    size_t bytes = clconv_plan_workspace_size(c->plan);
    if (status == CLCONV_SUCCESS && bytes > 0)
        status = memory_create(&a->context->rt, "the workspace", bytes, NULL, &c->workspace, err);
    if (status == CLCONV_SUCCESS && options->packed_weights != 0) status = pack(a, c, err);
    if (status == CLCONV_SUCCESS) status = contender_run(a, c, &seconds, err);
    if (status != CLCONV_SUCCESS) contender_release(c);
    return status;
}

void contender_release(contender *c)
{
    if (c->workspace != NULL) clReleaseMemObject(c->workspace);
    if (c->packed != NULL) clReleaseMemObject(c->packed);
    clconv_plan_release(c->plan);
    *c = (contender){.plan = NULL};
}

clconv_status contender_run(const arena *a, const contender *c, double *seconds, clconv_error *err)
{
    clconv_tensors tensors = a->tensors;
    const clconv_buffer workspace = {c->workspace, 0};
    if (c->packed != NULL) tensors.weight.memory = c->packed;
    const double start = clock_seconds();
    clconv_status status = clconv_plan_enqueue(c->plan, a->context->rt.queue, &tensors,
                                               c->workspace != NULL ? &workspace : NULL, 0, NULL, NULL, err);
    clconv_error after;
    clconv_status ended = finish(a, &after);
    *seconds = clock_seconds() - start;
    if (status == CLCONV_SUCCESS && ended != CLCONV_SUCCESS && err != NULL) *err = after;
    return status != CLCONV_SUCCESS ? status : ended;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Of a copy, so that the order of the runs stays. */
static double median(const double *times, int count)
{
    double sorted[2 * TURNS_MOST];
    for (int i = 0; i < count; i++)
        sorted[i] = times[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    return count > 0 ? (sorted[(count - 1) / 2] + sorted[count / 2]) / 2 : 0;
}

/* `first` and `second` are the usual's runs before and after the other's. The error of a median of n normal values is 1.25
 * sigma / sqrt(n), and sigma 1.48 times the median deviation. */
static void summarize(const double *first, const double *second, const double *other, int rounds, turns *t)
{
    double all[2 * TURNS_MOST], deviations[2 * TURNS_MOST];
    for (int i = 0; i < rounds; i++) {
        all[2 * i] = first[i];
        all[2 * i + 1] = second[i];
    }
    *t = (turns){.usual = median(all, 2 * rounds), .other = median(other, rounds)};
    if (t->usual <= 0) return;
    for (int i = 0; i < 2 * rounds; i++)
        deviations[i] = fabs(all[i] - t->usual);
    double spread = 1.25 * 1.48 * median(deviations, 2 * rounds) / sqrt(2.0 * rounds);
    double apart = fabs(median(first, rounds) - median(second, rounds));
    t->noise = (spread + apart) / t->usual;
}

clconv_status turns_take(const arena *a, const contender *usual, const contender *other, int least,
                         double seconds, bool screens, turns *t, clconv_error *err)
{
    static const double hopeless = 2;
    double first[TURNS_MOST] = {0}, second[TURNS_MOST] = {0}, others[TURNS_MOST];
    const double end = clock_seconds() + seconds;
    clconv_status status = CLCONV_SUCCESS;
    int rounds = 0;
    while (status == CLCONV_SUCCESS && rounds < TURNS_MOST && (rounds < least || clock_seconds() < end)) {
        if (usual != NULL) status = contender_run(a, usual, &first[rounds], err);
        if (status == CLCONV_SUCCESS) status = contender_run(a, other, &others[rounds], err);
        if (status == CLCONV_SUCCESS && usual != NULL) status = contender_run(a, usual, &second[rounds], err);
        rounds++;
        if (screens && usual != NULL &&
            others[rounds - 1] > hopeless * fmin(first[rounds - 1], second[rounds - 1]))
            break;
    }
    if (status == CLCONV_SUCCESS) summarize(first, second, others, rounds, t);
    return status;
}
