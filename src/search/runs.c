/* Contenders and their times: see runs.h. */
#include "search/runs.h"

#include "base/error.h"
#include "base/system.h"
#include "opencl/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t bytes_of(const clconv_problem *problem, int64_t elements)
{
    return (size_t)elements * (problem->dtype == CLCONV_FLOAT64 ? sizeof(double) : sizeof(float));
}

static clconv_status make_tensor(const arena *a, sample_tensor which, int64_t elements, cl_mem *memory,
                                 clconv_error *err)
{
    const bool is_wide = a->problem->dtype == CLCONV_FLOAT64;
    const size_t bytes = bytes_of(a->problem, elements);
    void *values = malloc(bytes > 0 ? bytes : 1);
    if (values == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a tensor to tune with");
    for (int64_t i = 0; i < elements; i++) {
        if (is_wide) ((double *)values)[i] = sample_value(which, i);
        if (!is_wide) ((float *)values)[i] = (float)sample_value(which, i);
    }
    clconv_status status = memory_create(&a->context->rt, "a tensor", bytes, values, memory, err);
    free(values);
    return status;
}

/* What the op reads and, last, writes. */
enum { ARENA_TENSORS = 5 };
typedef struct arena_tensor {
    clconv_buffer *buffer; /* NULL: the op has none */
    int64_t elements;
    sample_tensor which;
} arena_tensor;

static void list_tensors(arena *a, const clconv_tensor_sizes *n, int64_t made,
                         arena_tensor list[ARENA_TENSORS])
{
    clconv_tensors *t = &a->tensors;
    const clconv_problem *p = a->problem;
    const arena_tensor tensors[][ARENA_TENSORS] = {
        [CLCONV_FORWARD] = {{&t->input, n->input, SAMPLE_INPUT},
                            {&t->weight, n->weight, SAMPLE_WEIGHT},
                            {&t->bias, n->bias, SAMPLE_BIAS},
                            {&t->residual, n->residual, SAMPLE_RESIDUAL},
                            {&t->output, made, SAMPLE_INPUT}},
        [CLCONV_BACKWARD_INPUT] = {{&t->weight, n->weight, SAMPLE_WEIGHT},
                                   {&t->grad_output, n->output, SAMPLE_OUTPUT_LIKE},
                                   [ARENA_TENSORS - 1] = {&t->grad_input, made, SAMPLE_INPUT}},
        [CLCONV_BACKWARD_WEIGHT] = {{&t->input, n->input, SAMPLE_INPUT},
                                    {&t->grad_output, n->output, SAMPLE_OUTPUT_LIKE},
                                    [ARENA_TENSORS - 1] = {&t->grad_weight, made, SAMPLE_INPUT}},
        [CLCONV_BACKWARD_BIAS] = {{&t->grad_output, n->output, SAMPLE_OUTPUT_LIKE},
                                  [ARENA_TENSORS - 1] = {&t->grad_bias, made, SAMPLE_INPUT}},
        [CLCONV_TRANSPOSED] = {{&t->input, n->output, SAMPLE_OUTPUT_LIKE},
                               {&t->weight, n->weight, SAMPLE_WEIGHT},
                               {&t->bias, p->has_bias ? p->in_channels : 0, SAMPLE_BIAS},
                               [ARENA_TENSORS - 1] = {&t->output, made, SAMPLE_INPUT}},
    };
    memcpy(list, tensors[a->op], sizeof tensors[a->op]);
}

clconv_status arena_create(clconv_context *context, clconv_op op, const clconv_problem *problem, arena *a,
                           clconv_error *err)
{
    clconv_tensor_sizes n;
    arena_tensor list[ARENA_TENSORS];
    *a = (arena){.context = context, .op = op, .problem = problem};
    clconv_status status = clconv_problem_tensor_sizes(problem, &n, err);
    if (status == CLCONV_SUCCESS) status = sample_create(op, problem, &a->answer, err);
    if (status != CLCONV_SUCCESS) return status;
    const int64_t made = geometry_made(problem, &a->answer.g, op);
    list_tensors(a, &n, made, list);
    a->host = calloc((size_t)made, bytes_of(problem, 1));
    if (a->host == NULL) status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a tensor to tune with");
    for (int i = 0; i < ARENA_TENSORS && status == CLCONV_SUCCESS; i++)
        if (list[i].buffer != NULL && list[i].elements > 0)
            status = make_tensor(a, list[i].which, list[i].elements, &list[i].buffer->memory, err);
    a->made = list[ARENA_TENSORS - 1].buffer->memory;
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
    free(a->host);
    a->host = NULL;
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
    *c = (contender){.plan = NULL};
    clconv_status status = clconv_plan_create(a->context, a->op, a->problem, options, &c->plan, err);
    size_t bytes = clconv_plan_workspace_size(c->plan);
    if (status == CLCONV_SUCCESS && bytes > 0)
        status = memory_create(&a->context->rt, "the workspace", bytes, NULL, &c->workspace, err);
    if (status == CLCONV_SUCCESS && options->packed_weights != 0) status = pack(a, c, err);
    if (status != CLCONV_SUCCESS) contender_release(c);
    return status;
}

clconv_status contender_check(const arena *a, const contender *c, bool accumulates_directly, double *worst,
                              clconv_error *err)
{
    cl_command_queue queue = a->context->rt.queue;
    const int64_t made = geometry_made(a->problem, &a->answer.g, a->op);
    const size_t bytes = bytes_of(a->problem, made);
    double seconds;
    for (int64_t i = 0; i < made; i++) {
        if (a->problem->dtype == CLCONV_FLOAT64) ((double *)a->host)[i] = NAN;
        if (a->problem->dtype == CLCONV_FLOAT32) ((float *)a->host)[i] = NAN;
    }
    cl_int code = clEnqueueWriteBuffer(queue, a->made, CL_TRUE, 0, bytes, a->host, 0, NULL, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clEnqueueWriteBuffer");
    clconv_status status = contender_run(a, c, &seconds, err);
    if (status != CLCONV_SUCCESS) return status;
    code = clEnqueueReadBuffer(queue, a->made, CL_TRUE, 0, bytes, a->host, 0, NULL, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clEnqueueReadBuffer");
    *worst = sample_worst(&a->answer, a->host, accumulates_directly);
    return CLCONV_SUCCESS;
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
    double sorted[2 * TURNS_MOST] = {0};
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
        all[i] = first[i];
        all[rounds + i] = second[i];
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
    double first[TURNS_MOST] = {0}, second[TURNS_MOST] = {0}, others[TURNS_MOST] = {0};
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
