/* Every call of OpenCL, memory and files that a function of the API makes fails, once and for good: the function says so or
 * does its work all the same, leaks nothing, does not hang, and with the fault gone it works in the same context.
 *   sweep sites [USE]     each call site once, where it is first met (short)
 *   sweep all [USE]       each call, in each use of the API
 * prints the sites that failed as "site FUNCTION OFFSET", and exits with 1 if there is a finding. */
#define _GNU_SOURCE
#include "faults.h"

#include <clconv.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 4, CHANNELS = 2, EDGE = 6, VOLUME = EDGE * EDGE * EDGE, TENSOR = BATCH * CHANNELS * VOLUME };
enum { TAPS = CHANNELS * CHANNELS * 27, MADE = 3, LONGEST_HANG = 120 };

typedef struct state {
    clconv_context *context;
    clconv_problem problem;
    float x[TENSOR], w[TAPS], b[CHANNELS], made[MADE][TENSOR];
} state;

/* One use of the API, which fills `made` and releases what it made but for the context. */
typedef struct use {
    const char *name;
    clconv_status (*run)(state *s, clconv_error *err);
    uint64_t memory_limit;
    bool without_context;
} use;

static clconv_status convolve(state *s, clconv_error *err)
{
    clconv_plan_options o;
    clconv_plan_options_init(&o);
    o.algorithm = "direct";
    const clconv_host_tensors t = {.input = s->x, .weight = s->w, .bias = s->b, .output = s->made[0]};
    return clconv_conv3d_host(s->context, &s->problem, &o, &t, err);
}

static clconv_status transpose(state *s, clconv_error *err)
{
    clconv_plan_options o;
    clconv_plan_options_init(&o);
    o.algorithm = "input_indexed";
    const clconv_host_tensors t = {.input = s->x, .weight = s->w, .bias = s->b, .output = s->made[0]};
    return clconv_conv_transpose3d_host(s->context, &s->problem, &o, &t, err);
}

static clconv_status differentiate(state *s, clconv_error *err)
{
    clconv_plan_options o;
    clconv_plan_options_init(&o);
    o.algorithm = "input_indexed";
    const clconv_host_gradients t = {.input = s->x,
                                     .weight = s->w,
                                     .grad_output = s->x,
                                     .grad_input = s->made[0],
                                     .grad_weight = s->made[1],
                                     .grad_bias = s->made[2]};
    return clconv_conv3d_grad_host(s->context, &s->problem, &o, &t, err);
}

static clconv_status backward(state *s, clconv_error *err)
{
    clconv_backward *b = NULL;
    const clconv_host_gradients t = {.input = s->x,
                                     .weight = s->w,
                                     .grad_output = s->x,
                                     .grad_input = s->made[0],
                                     .grad_weight = s->made[1],
                                     .grad_bias = s->made[2],
                                     .weight_version = 1};
    clconv_status status = clconv_backward_create(
        s->context, &s->problem, CLCONV_GRAD_INPUT | CLCONV_GRAD_WEIGHT | CLCONV_GRAD_BIAS, NULL, &b, err);
    for (int i = 0; i < 2 && !status; i++)
        status = clconv_backward_run_host(b, &t, err);
    clconv_backward_release(b);
    return status;
}

static clconv_status run_plan(state *s, clconv_error *err)
{
    clconv_plan *p = NULL;
    const clconv_host_tensors t = {
        .input = s->x, .weight = s->w, .bias = s->b, .output = s->made[0], .weight_version = 1};
    clconv_status status = clconv_plan_create(s->context, CLCONV_FORWARD, &s->problem, NULL, &p, err);
    for (int i = 0; i < 2 && !status; i++)
        status = clconv_plan_run_host(p, &t, err);
    clconv_plan_release(p);
    return status;
}

/* Weights packed beforehand, buffers, events, a profile: all that a program with a queue of its own calls. */
typedef struct own_buffers {
    clconv_plan *plan;
    cl_mem x, w, b, y, packed, workspace;
    cl_event packed_event, done;
} own_buffers;

static clconv_status make_buffers(state *s, own_buffers *o, clconv_error *err)
{
    clconv_plan_options how;
    clconv_plan_options_init(&how);
    how.packed_weights = 1;
    how.algorithm = "direct";
    clconv_status status = clconv_plan_create(s->context, CLCONV_FORWARD, &s->problem, &how, &o->plan, err);
    if (!status) status = clconv_buffer_create(s->context, sizeof s->x, s->x, &o->x, err);
    if (!status) status = clconv_buffer_create(s->context, sizeof s->w, s->w, &o->w, err);
    if (!status) status = clconv_buffer_wrap(s->context, s->b, sizeof s->b, 0, &o->b, err);
    if (!status) status = clconv_buffer_create(s->context, sizeof s->x, NULL, &o->y, err);
    if (!status)
        status =
            clconv_buffer_create(s->context, clconv_plan_packed_weight_size(o->plan), NULL, &o->packed, err);
    if (!status)
        status =
            clconv_buffer_create(s->context, clconv_plan_workspace_size(o->plan), NULL, &o->workspace, err);
    return status;
}

static clconv_status enqueue_plan(state *s, own_buffers *o, clconv_error *err)
{
    cl_command_queue queue = clconv_context_queue(s->context);
    const clconv_buffer workspace = {o->workspace, 0};
    const clconv_tensors t = {
        .input = {o->x, 0}, .weight = {o->packed, 0}, .bias = {o->b, 0}, .output = {o->y, 0}};
    double seconds[16];
    clconv_status status =
        clconv_plan_pack_weight(o->plan, queue, (clconv_buffer){o->w, 0}, (clconv_buffer){o->packed, 0}, 0,
                                NULL, &o->packed_event, err);
    if (!status)
        status = clconv_plan_enqueue(o->plan, queue, &t, &workspace, 1, &o->packed_event, &o->done, err);
    if (!status) status = clconv_plan_profile(o->plan, &t, &workspace, seconds, err);
    faults_disarm();
    if (!status && clEnqueueReadBuffer(queue, o->y, CL_TRUE, 0, sizeof s->x, s->made[0], 0, NULL, NULL))
        status = CLCONV_OPENCL_FAILED;
    return status;
}

/* Large ones lie in huge pages. */
static clconv_status create_buffer(state *s, clconv_error *err)
{
    enum { LARGE = 4 << 20 };
    cl_mem memory = NULL;
    clconv_status status = clconv_buffer_create(s->context, LARGE, NULL, &memory, err);
    if (memory != NULL) clReleaseMemObject(memory);
    return status;
}

static clconv_status enqueue(state *s, clconv_error *err)
{
    own_buffers o = {NULL};
    clconv_status status = make_buffers(s, &o, err);
    if (!status) status = enqueue_plan(s, &o, err);
    faults_disarm();
    clFinish(clconv_context_queue(s->context));
    const cl_mem all[] = {o.x, o.w, o.b, o.y, o.packed, o.workspace};
    for (int i = 0; i < 6; i++)
        if (all[i] != NULL) clReleaseMemObject(all[i]);
    if (o.packed_event != NULL) clReleaseEvent(o.packed_event);
    if (o.done != NULL) clReleaseEvent(o.done);
    clconv_plan_release(o.plan);
    return status;
}

/* Contexts, which find devices and the cache of programs; the second reads what the first has saved. */
static clconv_status open_contexts(state *s, clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < 2 && !status; i++) {
        int64_t saved;
        clconv_plan *p = NULL;
        clconv_context *c = NULL;
        status = clconv_context_create_selected(NULL, NULL, &c, err);
        if (!status) status = clconv_plan_create(c, CLCONV_FORWARD, &s->problem, NULL, &p, err);
        if (!status) status = clconv_cache_fill(c, &saved, err);
        clconv_plan_release(p);
        clconv_context_release(c);
    }
    clconv_device_info *devices = NULL;
    size_t count = 0;
    if (!status) status = clconv_list_devices(&devices, &count, err);
    clconv_free(devices);
    return status;
}

static int visit(void *user, const clconv_cache_entry *entry)
{
    (void)user, (void)entry;
    return 0;
}

static clconv_status use_cache(state *s, clconv_error *err)
{
    clconv_cache_info info;
    int64_t removed;
    (void)s;
    clconv_status status = clconv_cache_get_info(&info, err);
    if (!status) status = clconv_cache_visit(visit, NULL, err);
    if (!status) status = clconv_cache_clear(&removed, err);
    return status;
}

/* What no measurement is needed for: a candidate is excluded, which the file then says, and it is read again. */
static clconv_status use_tuning(state *s, clconv_error *err)
{
    static const char path[] = "fault-sweep.tuning";
    clconv_status status = clconv_tune_exclude(s->context, CLCONV_FORWARD, &s->problem, NULL,
                                               "direct_indexed", "", "it is only a test", err);
    if (!status) status = clconv_tuning_save(s->context, path, err);
    if (!status) status = clconv_tuning_load(s->context, path, err);
    return status;
}

/* A plan's programs go to a bundle, and come from it in another context. */
static clconv_status use_bundle(state *s, clconv_error *err)
{
    static const char path[] = "fault-sweep.bundle";
    clconv_plan_options p;
    clconv_context_options o;
    clconv_context *contexts[2] = {NULL};
    clconv_plan *plans[2] = {NULL};
    clconv_error errors[1];
    clconv_plan_options_init(&p);
    clconv_context_options_init(&o);
    p.algorithm = "direct_indexed";
    o.exportable = 1;
    const clconv_plan_request request = {CLCONV_FORWARD, s->problem, &p};
    const clconv_host_tensors t = {.input = s->x, .weight = s->w, .bias = s->b, .output = s->made[0]};
    clconv_status status = CLCONV_SUCCESS;
    for (int i = 0; i < 2 && !status; i++) {
        o.bundle = i > 0 ? path : NULL;
        status = clconv_context_create_selected(NULL, &o, &contexts[i], err);
        if (!status && (status = clconv_plans_prepare(contexts[i], &request, 1, &plans[i], errors)))
            *err = errors[0];
        if (!status && i == 0) status = clconv_programs_export(plans, 1, path, err);
        if (!status) status = clconv_plan_run_host(plans[i], &t, err);
    }
    for (int i = 0; i < 2; i++) {
        clconv_plan_release(plans[i]);
        clconv_context_release(contexts[i]);
    }
    return status;
}

static const use uses[] = {
    {.name = "conv3d_host", .run = convolve},
    {.name = "conv3d_host in blocks", .run = convolve, .memory_limit = 12000},
    {.name = "conv_transpose3d_host", .run = transpose},
    {.name = "conv_transpose3d_host in blocks", .run = transpose, .memory_limit = 12000},
    {.name = "conv3d_grad_host", .run = differentiate},
    {.name = "conv3d_grad_host in blocks", .run = differentiate, .memory_limit = 12000},
    {.name = "plan_run_host", .run = run_plan},
    {.name = "backward_run_host", .run = backward},
    {.name = "enqueue", .run = enqueue},
    {.name = "buffer_create", .run = create_buffer},
    {.name = "contexts", .run = open_contexts, .without_context = true},
    {.name = "cache", .run = use_cache, .without_context = true},
    {.name = "tuning", .run = use_tuning},
    {.name = "bundle", .run = use_bundle, .without_context = true},
};
enum { USES = sizeof uses / sizeof uses[0] };

static int findings;

static void report(const use *u, fault_site site, int64_t call, bool for_good, const char *what)
{
    printf("finding: %s: %s at 0x%" PRIxPTR " (call %" PRId64 ", %s): %s\n", u->name, site.function, site.at,
           call, for_good ? "for good" : "once", what);
    findings++;
}

static bool open_state(const use *u, state *s)
{
    clconv_context_options o;
    clconv_error err;
    clconv_context_options_init(&o);
    o.memory_limit = u->memory_limit;
    s->context = NULL;
    return u->without_context || !clconv_context_create_selected(NULL, &o, &s->context, &err);
}

/* One run with a fault, and one without in the same context. */
static void try_call(const use *u, state *s, const state *right, int64_t call, bool for_good)
{
    clconv_error err = {.message = ""};
    const int64_t objects = faults_objects(), allocations = faults_allocations();
    if (!open_state(u, s)) exit(2);
    memset(s->made, 0, sizeof s->made);
    alarm(LONGEST_HANG);
    faults_arm(call, for_good);
    clconv_status status = u->run(s, &err);
    faults_disarm();
    if (faults_count() <= call) call = faults_count() > 0 ? faults_count() - 1 : 0;
    const fault_site site = faults_site(call < FAULT_CALLS ? call : 0);
    if (status && err.message[0] == '\0') report(u, site, call, for_good, "no message");
    if (!status && memcmp(s->made, right->made, sizeof s->made) != 0)
        report(u, site, call, for_good, "success and a wrong result");
    memset(s->made, 0, sizeof s->made);
    err.message[0] = '\0';
    if (u->run(s, &err) || memcmp(s->made, right->made, sizeof s->made) != 0)
        report(u, site, call, for_good, err.message[0] ? err.message : "wrong afterwards");
    clconv_context_release(s->context);
    if (faults_objects() != objects) report(u, site, call, for_good, "an object of OpenCL leaks");
    if (faults_allocations() != allocations) report(u, site, call, for_good, "memory leaks");
}

static bool is_known(const fault_site *known, size_t count, fault_site site)
{
    for (size_t i = 0; i < count; i++)
        if (known[i].at == site.at && strcmp(known[i].function, site.function) == 0) return true;
    return false;
}

static void sweep(const use *u, state *s, bool all)
{
    enum { KNOWN = 4096 };
    static fault_site calls[FAULT_CALLS], known[KNOWN];
    static size_t known_count;
    static state right;
    clconv_error err;
    size_t tried = 0;
    right = *s;
    memset(right.made, 0, sizeof right.made);
    for (int i = 0; i < 2; i++) { /* the second time what a cache keeps is there */
        if (!open_state(u, &right)) exit(2);
        faults_arm(-1, false);
        clconv_status status = u->run(&right, &err);
        faults_disarm();
        if (status) {
            printf("%s: %s\n", u->name, err.message);
            exit(2);
        }
        clconv_context_release(right.context);
    }
    int64_t count = faults_count() < FAULT_CALLS ? faults_count() : FAULT_CALLS;
    for (int64_t i = 0; i < count; i++)
        calls[i] = faults_site(i);
    for (int64_t i = 0; i < count; i++) {
        bool is_new = !is_known(known, known_count, calls[i]);
        if (!is_new && !all) continue;
        if (is_new && known_count < KNOWN) {
            known[known_count++] = calls[i];
            printf("site %s %" PRIxPTR "\n", calls[i].function, calls[i].at);
        }
        try_call(u, s, &right, i, false);
        try_call(u, s, &right, i, true);
        tried += 2;
    }
    printf("use %s: %" PRId64 " calls, %zu sites so far, %zu faults\n", u->name, count, known_count, tried);
    fflush(stdout);
}

int main(int count, char **arguments)
{
    static state s;
    bool all = count > 1 && strcmp(arguments[1], "all") == 0;
    const char *only = count > 2 ? arguments[2] : NULL;
    clconv_problem_init(&s.problem);
    s.problem.batch = BATCH;
    s.problem.in_channels = s.problem.out_channels = CHANNELS;
    s.problem.has_bias = 1;
    for (int axis = 0; axis < 3; axis++) {
        s.problem.input[axis] = EDGE;
        s.problem.kernel[axis] = 3;
        s.problem.pad_before[axis] = s.problem.pad_after[axis] = 1;
    }
    for (int i = 0; i < TENSOR; i++)
        s.x[i] = (float)(i * 7 % 11 - 5);
    for (int i = 0; i < TAPS; i++)
        s.w[i] = (float)(i * 5 % 7 - 3);
    s.b[0] = 1, s.b[1] = -2;
    for (int i = 0; i < USES; i++)
        if (only == NULL || strcmp(only, uses[i].name) == 0) sweep(&uses[i], &s, all);
    printf("%d findings\n", findings);
    return findings > 0;
}
