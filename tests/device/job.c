/* Plans with their data on the device: see job.h. */
#include "job.h"

#include "algorithms/registry.h"
#include "plan/context.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

cl_mem job_buffer(const job *j, size_t bytes, const void *content)
{
    cl_mem memory = NULL;
    (void)clconv_buffer_create(j->device->context, bytes, content, &memory, NULL);
    return memory;
}

/* `count` floats on the device: `values`, or NaN. */
static cl_mem upload(const job *j, const double *values, int64_t count)
{
    float *narrow = malloc((size_t)(count + 1) * sizeof *narrow);
    if (narrow == NULL) return NULL;
    for (int64_t i = 0; i < count; i++)
        narrow[i] = values != NULL ? (float)values[i] : NAN;
    cl_mem memory = job_buffer(j, (size_t)count * sizeof *narrow, narrow);
    free(narrow);
    return memory;
}

static bool job_upload(job *j)
{
    const clconv_tensor_sizes *e = &j->plan.geometry.elements;
    j->tensors.input.memory = upload(j, j->data.input, e->input);
    j->tensors.weight.memory = upload(j, j->data.weight, e->weight);
    if (j->plan.problem.has_bias) j->tensors.bias.memory = upload(j, j->data.bias, e->bias);
    j->tensors.output.memory = upload(j, NULL, e->output);
    size_t bytes = clconv_plan_workspace_size(j->plan.plan);
    if (bytes > 0) j->workspace.memory = job_buffer(j, bytes, NULL);
    return j->tensors.input.memory != NULL && j->tensors.weight.memory != NULL &&
           j->tensors.output.memory != NULL && (bytes == 0 || j->workspace.memory != NULL);
}

bool job_is_for(const test_device *device, size_t index)
{
    return registry_is_for(registry_at(index), &device->context->rt.traits);
}

bool job_is_possible(const test_device *device, const char *problem, const char *algorithm)
{
    clconv_problem p;
    clconv_plan *plan = NULL;
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    options.algorithm = algorithm;
    bool ok =
        clconv_problem_parse(problem, &p, NULL) == CLCONV_SUCCESS &&
        clconv_plan_create(device->context, CLCONV_FORWARD, &p, &options, &plan, NULL) == CLCONV_SUCCESS;
    clconv_plan_release(plan);
    return ok;
}

const char *job_problem(const test_device *device, const char *algorithm)
{
    static const char *const problems[] = {"mb2ic6id6ih7iw18oc8kd3pd1g2",
                                           "mb2ic6id6ih7iw18oc12kd3pd1g6",
                                           "mb2ic6id6ih7iw18oc7kd1",
                                           "mb2ic6id6ih8iw18oc7kd2sd2",
                                           "mb2ic6id6ih7iw18oc8kd3kh1kw1pd1ph0pw0",
                                           "mb2ic6id6ih7iw18oc8kd6kh7kw18"};
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        if (job_is_possible(device, problems[i], algorithm)) return problems[i];
    return "no problem of job_problem() suits the algorithm";
}

bool job_open(const test_device *device, const char *problem, const char *algorithm, uint64_t seed, job *j)
{
    clconv_error err = {.message = "no memory"};
    clconv_problem p;
    *j = (job){.device = device, .algorithm = algorithm};
    bool ok = clconv_problem_parse(problem, &p, &err) == CLCONV_SUCCESS;
    p.has_bias = 1;
    ok = ok && test_plan_create(device, &p, algorithm, false, false, CLCONV_WORKSPACE_UNLIMITED, &j->plan,
                                &err) == CLCONV_SUCCESS;
    ok = ok && test_data_integers(&p, seed, &j->data) && test_reference_compute(&p, &j->data, &j->expected);
    ok = ok && job_upload(j);
    if (ok) return true;
    printf("\n  %s on \"%s\": %s\n", algorithm, problem, err.message);
    job_close(j);
    return false;
}

void job_close(job *j)
{
    cl_mem memories[] = {j->tensors.input.memory, j->tensors.weight.memory, j->tensors.bias.memory,
                         j->tensors.output.memory, j->workspace.memory};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++)
        if (memories[i] != NULL) clReleaseMemObject(memories[i]);
    test_plan_release(&j->plan);
    test_data_release(&j->data);
    free(j->expected.output);
    *j = (job){0};
}

void job_reset(job *j)
{
    const float nan = NAN;
    size_t bytes = (size_t)j->expected.count * sizeof nan;
    clEnqueueFillBuffer(j->device->queue, j->tensors.output.memory, &nan, sizeof nan,
                        j->tensors.output.offset, bytes, 0, NULL, NULL);
    clFinish(j->device->queue);
}

/* Integers are exact, but for an algorithm that does not accumulate directly. */
static double allowed_error(const job *j, int64_t i)
{
    if (algorithm_is_direct(j->algorithm)) return 0;
    return algorithm_bound(j->algorithm, &j->plan.problem, j->expected.magnitude[i]);
}

/* Counts the elements that equal the answer, and those that are NaN; false if they cannot be read. */
static bool count_elements(const job *j, cl_command_queue queue, int64_t *right, int64_t *nan)
{
    size_t bytes = (size_t)j->expected.count * sizeof(float);
    float *got = malloc(bytes);
    bool ok =
        got != NULL && clEnqueueReadBuffer(queue, j->tensors.output.memory, CL_TRUE, j->tensors.output.offset,
                                           bytes, got, 0, NULL, NULL) == CL_SUCCESS;
    *right = *nan = 0;
    for (int64_t i = 0; ok && i < j->expected.count; i++) {
        *right += fabs(got[i] - j->expected.output[i]) <= allowed_error(j, i);
        *nan += isnan(got[i]) != 0;
    }
    free(got);
    return ok;
}

bool job_is_done(const job *j, cl_command_queue queue)
{
    int64_t right, nan;
    return count_elements(j, queue, &right, &nan) && right == j->expected.count;
}

bool job_is_untouched(const job *j, cl_command_queue queue)
{
    int64_t right, nan;
    return count_elements(j, queue, &right, &nan) && nan == j->expected.count;
}

clconv_status job_enqueue(const job *j, cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                          cl_event *done, clconv_error *err)
{
    return clconv_plan_enqueue(j->plan.plan, queue, &j->tensors,
                               j->workspace.memory != NULL ? &j->workspace : NULL, n_wait, wait, done, err);
}
