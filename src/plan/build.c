/* Building a plan's kernels, and warming what a driver would otherwise compile at the first run. */
#include "base/arith.h"
#include "base/error.h"
#include "base/parallel.h"
#include "opencl/program.h"
#include "opencl/progress.h"
#include "plan/arguments.h"
#include "plan/missing.h"
#include "steps/gemm.h"
#include "steps/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_kernel(const step *a, const step *b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): every kernel is made for a step */
    return launch_same_program(&a->launch, &b->launch) && strcmp(a->launch.kernel, b->launch.kernel) == 0;
}

/* At a launch that code is of the kernel, not of memory that is out: it needs more registers or local memory than
 * there are for its work-groups. */
static clconv_status refuse_launch(const step *s, cl_int code, clconv_error *err)
{
    const size_t *local = s->launch.local;
    clconv_status status =
        error_set(err, CLCONV_UNSUPPORTED,
                  "kernel %s cannot be run on this device with work-groups of %zu x %zu x %zu: %s",
                  s->launch.kernel, local[0], local[1], local[2], error_opencl_name(code));
    if (err != NULL) err->opencl_code = code;
    return status;
}

/* Runs a kernel with zero for every scalar, which does nothing, at the local size that the plan uses: PoCL
 * compiles a kernel for each local size when it is first enqueued. */
static clconv_status warm_kernel(const runtime *rt, const step *s, cl_kernel kernel, clconv_error *err)
{
    clconv_status status = arguments_set(s, NULL, kernel, err);
    if (status != CLCONV_SUCCESS) return status;
    cl_int code =
        clEnqueueNDRangeKernel(rt->queue, kernel, 3, NULL, s->launch.local, s->launch.local, 0, NULL, NULL);
    if (code == CL_OUT_OF_RESOURCES) return refuse_launch(s, code, err);
    if (code == CL_SUCCESS) code = clFinish(rt->queue);
    return code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clEnqueueNDRangeKernel");
}

/* Bytes of what arguments_set() sets. */
static size_t argument_bytes(const step *s)
{
    return (size_t)s->buffer_count * (sizeof(cl_mem) + sizeof(cl_long)) +
           (size_t)s->launch.scalar_count * sizeof(cl_long);
}

static clconv_status check_arguments(const runtime *rt, const step *s, clconv_error *err)
{
    size_t most = 0, needed = argument_bytes(s);
    cl_int code = clGetDeviceInfo(rt->device, CL_DEVICE_MAX_PARAMETER_SIZE, sizeof most, &most, NULL);
    if (code != CL_SUCCESS)
        return error_set_opencl(err, code, "clGetDeviceInfo(CL_DEVICE_MAX_PARAMETER_SIZE)");
    if (needed <= most) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_UNSUPPORTED, "kernel %s needs %zu bytes of arguments; this device takes %zu",
                     s->launch.kernel, needed, most);
}

/* The drivers' limits for this kernel, which they do not all check themselves. */
static clconv_status check_limits(const runtime *rt, const step *s, cl_kernel kernel, clconv_error *err)
{
    size_t most = 0, needed = 1;
    cl_ulong local_memory = 0;
    cl_int code =
        clGetKernelWorkGroupInfo(kernel, rt->device, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    if (code == CL_SUCCESS)
        code = clGetKernelWorkGroupInfo(kernel, rt->device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local_memory,
                                        &local_memory, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clGetKernelWorkGroupInfo");
    for (int axis = 0; axis < 3; axis++)
        needed *= s->launch.local[axis];
    if (rt->platform->misstates_groups) most = (size_t)rt->info.max_work_group_size;
    if (needed > most)
        return error_set(err, CLCONV_UNSUPPORTED,
                         "kernel %s needs work-groups of %zu; this device runs it with %zu", s->launch.kernel,
                         needed, most);
    if (local_memory > (cl_ulong)rt->info.local_memory_bytes)
        return error_set(err, CLCONV_UNSUPPORTED,
                         "kernel %s needs %llu bytes of local memory; this device has %lld", s->launch.kernel,
                         (unsigned long long)local_memory, (long long)rt->info.local_memory_bytes);
    return check_arguments(rt, s, err);
}

/* Adds to what is said of a program that is not to be had what makes it. */
static clconv_status tell_missing(const clconv_plan *plan, clconv_status status, clconv_error *err)
{
    clconv_error first;
    text command = {0};
    if (err == NULL || plan->context->rt.info.has_compiler) return status;
    first = *err;
    missing_append_command(plan->op, &plan->problem, &command);
    error_set(err, status, "%.*s; where there is a compiler for it: %s", CLCONV_MESSAGE_SIZE / 2,
              first.message, command.failed ? "clconv compile" : command.data);
    err->opencl_code = first.opencl_code;
    text_release(&command);
    return status;
}

static clconv_status make_kernel(clconv_plan *plan, const step *s, clconv_error *err)
{
    runtime *rt = &plan->context->rt;
    kernel_record *cold = NULL;
    plan_kernel *k = &plan->kernels[plan->kernel_count];
    clconv_status status =
        program_get_kernel(rt, s->launch.source, s->launch.kernel, s->launch.options, &k->kernel, &cold, err);
    if (status != CLCONV_SUCCESS) return tell_missing(plan, status, err);
    k->made_for = s;
    plan->kernel_count++;
    status = check_limits(rt, s, k->kernel, err);
    if (status != CLCONV_SUCCESS || cold == NULL) return status;
    status = warm_kernel(rt, s, k->kernel, err);
    if (status == CLCONV_SUCCESS) program_set_warm(rt, cold, s->launch.local);
    return status;
}

static clconv_status build_kernel(clconv_plan *plan, const step *s, size_t *index, clconv_error *err)
{
    for (*index = 0; *index < plan->kernel_count; ++*index)
        if (same_kernel(plan->kernels[*index].made_for, s)) return CLCONV_SUCCESS;
    if (!plan->context->rt.options.progress ||
        program_is_warm(&plan->context->rt, s->launch.source, s->launch.kernel, s->launch.options))
        return make_kernel(plan, s, err);
    char what[160];
    snprintf(what, sizeof what, "cl/%s", s->launch.source);
    progress_begin(&plan->context->rt, what);
    clconv_status status = make_kernel(plan, s, err);
    const int64_t done = plan->cold_kernels > 0 ? 1 : 0;
    plan->cold_kernels -= done;
    progress_end(&plan->context->rt, done);
    return status;
}

static bool same_product(const gemm_call *a, const gemm_call *b)
{
    return a->m == b->m && a->n == b->n && a->k == b->k;
}

/* Runs a GEMM of the same extents on a zeroed buffer, the factors from its start and the product after them: CLBlast
 * and the driver compile by size. */
static clconv_status warm_gemm(const runtime *rt, const step *s, clconv_error *err)
{
    const gemm_call *g = &s->gemm;
    const int64_t product = max_i64(g->m * g->lda, g->k * g->ldb) * s->element_size;
    size_t bytes = (size_t)(product + g->m * g->ldc * s->element_size);
    cl_int code = CL_SUCCESS;
    clconv_status status = CLCONV_SUCCESS;
    cl_mem operand = clCreateBuffer(rt->context, CL_MEM_READ_WRITE, bytes, NULL, &code), temporary = NULL;
    if (code == CL_SUCCESS && g->temporary_bytes > 0)
        temporary = clCreateBuffer(rt->context, CL_MEM_READ_WRITE, (size_t)g->temporary_bytes, NULL, &code);
    const double zero = 0;
    if (code == CL_SUCCESS)
        code =
            clEnqueueFillBuffer(rt->queue, operand, &zero, (size_t)s->element_size, 0, bytes, 0, NULL, NULL);
    if (code != CL_SUCCESS) {
        status = error_set_opencl(err, code, "clCreateBuffer");
        goto done;
    }
    const cl_mem operands[] = {operand, operand, operand};
    status = gemm_enqueue(s, rt->queue, operands, (const int64_t[]){0, 0, product}, temporary, NULL, err);
    code = clFinish(rt->queue);
    if (status == CLCONV_SUCCESS && code != CL_SUCCESS) status = error_set_opencl(err, code, "clFinish");
done:
    if (temporary != NULL) clReleaseMemObject(temporary);
    if (operand != NULL) clReleaseMemObject(operand);
    return status;
}

/* Most chunks have the size of the first, which the search finds at once. */
static clconv_status warm_if_new(clconv_plan *plan, size_t index, clconv_error *err)
{
    const step *steps = plan->recipe.run;
    for (size_t i = 0; i < index; i++)
        if (steps[i].kind == STEP_GEMM && same_product(&steps[i].gemm, &steps[index].gemm))
            return CLCONV_SUCCESS;
    runtime *rt = &plan->context->rt;
    progress_begin(rt, "CLBlast's kernels");
    clconv_status status = warm_gemm(rt, &steps[index], err);
    progress_end(rt, 0);
    return status;
}

static clconv_status build_steps(clconv_plan *plan, const step *steps, size_t count, size_t **kernels,
                                 clconv_error *err)
{
    *kernels = calloc(count + 1, sizeof **kernels);
    if (*kernels == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    clconv_status status = CLCONV_SUCCESS;
    for (size_t i = 0; i < count && status == CLCONV_SUCCESS; i++) {
        if (steps[i].kind == STEP_KERNEL) status = build_kernel(plan, &steps[i], &(*kernels)[i], err);
        if (steps[i].kind == STEP_GEMM) status = warm_if_new(plan, i, err);
    }
    return status;
}

/* OpenCL's codes for kernels that a driver does not take. */
static bool is_of_kernels(cl_int code)
{
    switch (code) {
    case CL_BUILD_PROGRAM_FAILURE:
    case CL_INVALID_PROGRAM_EXECUTABLE:
    case CL_INVALID_KERNEL_NAME:
    case CL_INVALID_KERNEL_DEFINITION:
    case CL_INVALID_WORK_GROUP_SIZE:
    case CL_INVALID_WORK_ITEM_SIZE:
        return true;
    default:
        return false;
    }
}

bool build_failure_is_of_kernels(const clconv_error *failure)
{
    cl_int code = failure->opencl_code;
    switch (failure->status) {
    case CLCONV_UNSUPPORTED:
        return true;
    case CLCONV_BUILD_FAILED:
        return code != CL_OUT_OF_HOST_MEMORY && code != CL_DEVICE_NOT_AVAILABLE;
    case CLCONV_OPENCL_FAILED:
        return is_of_kernels(code) || code == CL_SUCCESS; /* CLBlast's own codes */
    default:
        return false;
    }
}

/* Programs of a plan that are not there, among the first of its steps: later ones repeat them. */
enum { MOST_STEPS = 64, MOST_MISSING = 16 };
typedef struct missing_programs {
    runtime *rt;
    const step *steps[MOST_MISSING];
    clconv_error failures[MOST_MISSING];
    size_t count;
} missing_programs;

static void add_missing(missing_programs *m, const step *steps, size_t count)
{
    for (size_t i = 0; i < count && i < MOST_STEPS && m->count < MOST_MISSING; i++) {
        const kernel_launch *l = &steps[i].launch;
        bool is_known = steps[i].kind != STEP_KERNEL;
        for (size_t k = 0; k < m->count && !is_known; k++)
            is_known = launch_same_program(&m->steps[k]->launch, l);
        if (!is_known && !program_is_there(m->rt, l->source, l->options)) m->steps[m->count++] = &steps[i];
    }
}

static void build_missing(void *user, size_t index)
{
    missing_programs *m = user;
    const kernel_launch *l = &m->steps[index]->launch;
    kernel_record *cold = NULL;
    cl_kernel kernel;
    progress_begin(m->rt, l->source);
    m->failures[index].status =
        program_get_kernel(m->rt, l->source, l->kernel, l->options, &kernel, &cold, &m->failures[index]);
    if (m->failures[index].status == CLCONV_SUCCESS) clReleaseKernel(kernel);
    progress_end(m->rt, 0);
}

/* Builds what the plan needs on several threads, if that is more than one program. */
static clconv_status build_ahead(clconv_plan *plan, clconv_error *err)
{
    const recipe *r = &plan->recipe;
    missing_programs m = {.rt = &plan->context->rt};
    if (m.rt->platform->builds_serially) return CLCONV_SUCCESS;
    add_missing(&m, r->pack, r->pack_count);
    add_missing(&m, r->run, r->run_count);
    if (m.count > 1) parallel_run(m.count, parallel_processors(), build_missing, &m);
    for (size_t i = 0; i < m.count; i++) {
        if (m.failures[i].status == CLCONV_SUCCESS) continue;
        if (err != NULL) *err = m.failures[i];
        return tell_missing(plan, m.failures[i].status, err);
    }
    return CLCONV_SUCCESS;
}

/* Of the first of these steps: how many have a kernel that no earlier one of them has, and that the context has not run. */
static int64_t count_cold_of(runtime *rt, const step *steps, size_t count)
{
    int64_t cold = 0;
    for (size_t i = 0; i < count && i < MOST_STEPS; i++) {
        const kernel_launch *l = &steps[i].launch;
        bool is_known = steps[i].kind != STEP_KERNEL || program_is_warm(rt, l->source, l->kernel, l->options);
        for (size_t k = 0; k < i && !is_known; k++)
            is_known = steps[k].kind == STEP_KERNEL && same_kernel(&steps[k], &steps[i]);
        cold += !is_known;
    }
    return cold;
}

/* If somebody is to be told. */
static int64_t count_cold(clconv_plan *plan)
{
    const recipe *r = &plan->recipe;
    runtime *rt = &plan->context->rt;
    if (!rt->options.progress) return 0;
    return count_cold_of(rt, r->pack, r->pack_count) + count_cold_of(rt, r->run, r->run_count);
}

clconv_status plan_build(clconv_plan *plan, clconv_error *err)
{
    const recipe *r = &plan->recipe;
    plan->kernels = calloc(r->run_count + r->pack_count + 1, sizeof *plan->kernels);
    if (plan->kernels == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    plan->cold_kernels = count_cold(plan);
    progress_open(&plan->context->rt, plan->cold_kernels);
    clconv_status status = build_ahead(plan, err);
    if (status == CLCONV_SUCCESS)
        status = build_steps(plan, r->pack, r->pack_count, &plan->pack_kernels, err);
    if (status == CLCONV_SUCCESS) status = build_steps(plan, r->run, r->run_count, &plan->run_kernels, err);
    progress_close(&plan->context->rt, plan->cold_kernels);
    return status;
}
