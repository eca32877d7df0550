/* One problem's plan with integer data on the device, in buffers of exactly the needed size, and the answer:
 * for tests of how runs are enqueued. The output starts as NaN everywhere. */
#ifndef CLCONV_TESTS_DEVICE_JOB_H
#define CLCONV_TESTS_DEVICE_JOB_H

#include "runner.h"

typedef struct job {
    const test_device *device;
    const char *algorithm;
    test_plan plan;
    test_data data;
    test_reference expected;
    clconv_tensors tensors;
    clconv_buffer workspace; /* {NULL, 0} if none is needed */
} job;

/* Whether the algorithm at `index` is for devices of this kind. */
bool job_is_for(const test_device *device, size_t index);

/* A problem that the algorithm does: small, with a batch, padding, a bias and more than one group or none. */
const char *job_problem(const test_device *device, const char *algorithm);

/* Whether the algorithm does this problem. */
bool job_is_possible(const test_device *device, const char *problem, const char *algorithm);

/* `seed` makes the data. False after a failure, which is printed. */
bool job_open(const test_device *device, const char *problem, const char *algorithm, uint64_t seed, job *j);
void job_close(job *j);

cl_mem job_buffer(const job *j, size_t bytes, const void *content);

/* Fills the output with NaN again. */
void job_reset(job *j);

/* What the output holds now, read by `queue`: the answer, or still NaN everywhere. */
bool job_is_done(const job *j, cl_command_queue queue);
bool job_is_untouched(const job *j, cl_command_queue queue);

clconv_status job_enqueue(const job *j, cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                          cl_event *done, clconv_error *err);

#endif
