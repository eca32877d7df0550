/* How runs are enqueued, by every algorithm: events in and out, both kinds of queue, tensors in one buffer,
 * and several contexts and threads. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"
#include "job.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char problem[] = "mb2ic5id6ih7iw18oc7kd3pd1";

static test_device device;

static void open_device(void)
{
    CU_ASSERT_FATAL(test_device_open(&device));
}

static void close_device(void)
{
    test_device_close(&device);
}

static cl_command_queue make_queue(cl_command_queue_properties properties)
{
    cl_int code = CL_SUCCESS;
    cl_command_queue queue = clCreateCommandQueue(device.opencl, device.device, properties, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    return queue;
}

static cl_command_queue make_unordered_queue(void)
{
    cl_command_queue_properties able = 0;
    clGetDeviceInfo(device.device, CL_DEVICE_QUEUE_PROPERTIES, sizeof able, &able, NULL);
    return make_queue(able & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
}

static void sleep_milliseconds(long count)
{
    nanosleep(&(struct timespec){.tv_nsec = count * 1000000}, NULL);
}

static bool is_complete(cl_event event)
{
    cl_int state = CL_QUEUED;
    clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    return state == CL_COMPLETE;
}

/* Nothing of a run happens before the events of its wait list; `done` comes after all of it. */
static void expect_gated(job *j, cl_command_queue queue, cl_command_queue other)
{
    cl_int code = CL_SUCCESS;
    clconv_error err = {.message = ""};
    cl_event gates[2] = {clCreateUserEvent(device.opencl, &code), clCreateUserEvent(device.opencl, &code)};
    cl_event done = NULL;
    CU_ASSERT_EQUAL_FATAL(job_enqueue(j, queue, 2, gates, &done, &err), CLCONV_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(done);
    clFlush(queue);
    clSetUserEventStatus(gates[0], CL_COMPLETE);
    sleep_milliseconds(20);
    CU_ASSERT_FALSE(is_complete(done));
    CU_ASSERT(job_is_untouched(j, other));
    clSetUserEventStatus(gates[1], CL_COMPLETE);
    CU_ASSERT_EQUAL(clWaitForEvents(1, &done), CL_SUCCESS);
    CU_ASSERT(job_is_done(j, other));
    clReleaseEvent(done);
    clReleaseEvent(gates[0]);
    clReleaseEvent(gates[1]);
}

/* A job of the algorithm at `index`, on a problem that it does. */
static bool open_job(const test_device *on, size_t index, uint64_t seed, job *j)
{
    const char *algorithm = clconv_algorithm_name(index);
    return job_open(on, job_problem(&device, algorithm), algorithm, seed, j);
}

static void test_wait_lists(void)
{
    cl_command_queue other = make_queue(0), unordered = make_unordered_queue();
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        job j;
        CU_ASSERT_FATAL(open_job(&device, a, a, &j));
        expect_gated(&j, device.queue, other);
        job_reset(&j);
        expect_gated(&j, unordered, other);
        job_close(&j);
    }
    clReleaseCommandQueue(unordered);
    clReleaseCommandQueue(other);
}

/* Runs on an out-of-order queue that share a workspace and are ordered by events alone. */
static void test_chain(void)
{
    enum { LINKS = 6, ROUNDS = 5 };
    cl_command_queue unordered = make_unordered_queue();
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        job links[LINKS];
        for (int i = 0; i < LINKS; i++)
            CU_ASSERT_FATAL(open_job(&device, a, (uint64_t)(100 + i), &links[i]));
        for (int round = 0; round < ROUNDS; round++) {
            cl_event before = NULL, done = NULL;
            for (int i = 0; i < LINKS; i++) {
                job shared = links[i];
                clconv_error err = {.message = ""};
                shared.workspace = links[0].workspace;
                CU_ASSERT_EQUAL(job_enqueue(&shared, unordered, before != NULL,
                                            before != NULL ? &before : NULL, &done, &err),
                                CLCONV_SUCCESS);
                if (before != NULL) clReleaseEvent(before);
                before = done;
            }
            clWaitForEvents(1, &before);
            clReleaseEvent(before);
            for (int i = 0; i < LINKS; i++) {
                CU_ASSERT(job_is_done(&links[i], device.queue));
                job_reset(&links[i]);
            }
        }
        for (int i = 0; i < LINKS; i++)
            job_close(&links[i]);
    }
    clReleaseCommandQueue(unordered);
}

/* An in-order queue needs no events: not between runs, nor between a run and what follows. */
static void test_in_order(void)
{
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        job j;
        CU_ASSERT_FATAL(open_job(&device, a, a, &j));
        clconv_error err = {.message = ""};
        for (int i = 0; i < 10; i++)
            CU_ASSERT_EQUAL(job_enqueue(&j, device.queue, 0, NULL, NULL, &err), CLCONV_SUCCESS);
        CU_ASSERT(job_is_done(&j, device.queue));
        job_close(&j);
    }
}

/* A plan may be released while its run is waiting. */
static void test_release_early(void)
{
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        job j;
        cl_int code = CL_SUCCESS;
        clconv_error err = {.message = ""};
        CU_ASSERT_FATAL(open_job(&device, a, a, &j));
        cl_event gate = clCreateUserEvent(device.opencl, &code);
        CU_ASSERT_EQUAL(job_enqueue(&j, device.queue, 1, &gate, NULL, &err), CLCONV_SUCCESS);
        clconv_plan_release(j.plan.plan);
        j.plan.plan = NULL;
        clSetUserEventStatus(gate, CL_COMPLETE);
        CU_ASSERT(job_is_done(&j, device.queue));
        clReleaseEvent(gate);
        job_close(&j);
    }
}

/* The workspace and all tensors in one buffer, side by side. */
static void test_one_buffer(void)
{
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        job j;
        CU_ASSERT_FATAL(open_job(&device, a, a, &j));
        clconv_buffer *parts[] = {&j.workspace, &j.tensors.input, &j.tensors.weight, &j.tensors.bias,
                                  &j.tensors.output};
        const clconv_tensor_sizes *e = &j.plan.geometry.elements;
        size_t sizes[] = {clconv_plan_workspace_size(j.plan.plan), (size_t)e->input * 4,
                          (size_t)e->weight * 4, (size_t)e->bias * 4, (size_t)e->output * 4};
        size_t total = 0;
        for (int i = 0; i < 5; i++)
            total += sizes[i];
        cl_mem whole = job_buffer(&j, total, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
        size_t offset = 0;
        for (int i = 0; i < 5; i++) {
            if (sizes[i] > 0)
                clEnqueueCopyBuffer(device.queue, parts[i]->memory, whole, 0, offset, sizes[i], 0, NULL,
                                    NULL);
            clFinish(device.queue);
            if (parts[i]->memory != NULL) clReleaseMemObject(parts[i]->memory);
            clRetainMemObject(whole);
            *parts[i] = (clconv_buffer){whole, offset};
            offset += sizes[i];
        }
        clconv_error err = {.message = ""};
        CU_ASSERT_EQUAL(job_enqueue(&j, device.queue, 0, NULL, NULL, &err), CLCONV_SUCCESS);
        if (err.message[0] != '\0') printf("\n  %s: %s", clconv_algorithm_name(a), err.message);
        CU_ASSERT(job_is_done(&j, device.queue));
        clReleaseMemObject(whole);
        job_close(&j);
    }
}

static void test_two_contexts(void)
{
    test_device second;
    CU_ASSERT_FATAL(test_device_open(&second));
    CU_ASSERT_NOT_EQUAL(second.context, device.context);
    for (size_t a = 0; a < forward_algorithm_count(); a++) {
        if (!job_is_for(&device, a)) continue;
        job one, two;
        clconv_error err = {.message = ""};
        CU_ASSERT_FATAL(open_job(&device, a, 1, &one));
        CU_ASSERT_FATAL(open_job(&second, a, 2, &two));
        CU_ASSERT_EQUAL(job_enqueue(&one, device.queue, 0, NULL, NULL, &err), CLCONV_SUCCESS);
        CU_ASSERT_EQUAL(job_enqueue(&two, second.queue, 0, NULL, NULL, &err), CLCONV_SUCCESS);
        CU_ASSERT(job_is_done(&one, device.queue));
        CU_ASSERT(job_is_done(&two, second.queue));
        job_close(&two);
        job_close(&one);
    }
    test_device_close(&second);
}

/* Threads share a context, and each has plans and a queue of its own. CUnit is not for threads: they count.
 */
typedef struct worker {
    pthread_t thread;
    uint64_t number;
    int right, wrong, skipped;
} worker;

static void work(worker *w, cl_command_queue queue, const char *text, const char *algorithm)
{
    job j;
    clconv_error err = {.message = ""};
    if (!job_is_possible(&device, text, algorithm)) {
        w->skipped++;
        return;
    }
    if (!job_open(&device, text, algorithm, w->number, &j)) {
        w->wrong++;
        return;
    }
    for (int i = 0; i < 5; i++) {
        bool ok = job_enqueue(&j, queue, 0, NULL, NULL, &err) == CLCONV_SUCCESS && job_is_done(&j, queue);
        w->right += ok;
        w->wrong += !ok;
    }
    job_close(&j);
}

static void *work_all(void *argument)
{
    static const char *const problems[] = {problem, "ic4id5ih6iw20oc8kd3pd1", "ic5id3ih3iw9oc7kd1",
                                           "ic3id6ih6iw20oc4kd3sd2pd1"};
    worker *w = argument;
    cl_int code = CL_SUCCESS;
    cl_command_queue queue = clCreateCommandQueue(device.opencl, device.device, 0, &code);
    for (size_t i = 0; i < 4 * clconv_algorithm_count(); i++)
        work(w, queue, problems[(i + w->number) % 4], clconv_algorithm_name(i / 4));
    clReleaseCommandQueue(queue);
    return NULL;
}

static void test_threads(void)
{
    enum { THREADS = 4 };
    worker workers[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){.number = i};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&workers[i].thread, NULL, work_all, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        CU_ASSERT_EQUAL(workers[i].wrong, 0);
        CU_ASSERT_EQUAL((size_t)(workers[i].right + 5 * workers[i].skipped), 20 * clconv_algorithm_count());
        CU_ASSERT(workers[i].right > 0);
    }
}

const char test_suite_name[] = "enqueue";
const test_entry test_suite[] = {
    {"the device is opened", open_device},
    {"wait lists and events", test_wait_lists},
    {"a chain of events on an out-of-order queue", test_chain},
    {"an in-order queue without events", test_in_order},
    {"a plan released before its run", test_release_early},
    {"all tensors in one buffer", test_one_buffer},
    {"two contexts", test_two_contexts},
    {"threads that share a context", test_threads},
    {"the device is closed", close_device},
    {NULL, NULL},
};
