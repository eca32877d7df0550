/* Building a plan's kernels, and warming what a driver would otherwise compile at the first run. */
#include "base/arith.h"
#include "base/error.h"
#include "opencl/program.h"
#include "plan/arguments.h"
#include "plan/missing.h"
#include "steps/gemm.h"

#include <stdlib.h>
#include <string.h>

static bool same_kernel(const step *a, const step *b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): every kernel is made for a step */
    return strcmp(a->launch.source, b->launch.source) == 0 &&
           strcmp(a->launch.kernel, b->launch.kernel) == 0 &&
           strcmp(a->launch.options, b->launch.options) == 0;
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

static clconv_status build_kernel(clconv_plan *plan, const step *s, size_t *index, clconv_error *err)
{
    for (*index = 0; *index < plan->kernel_count; ++*index)
        if (same_kernel(plan->kernels[*index].made_for, s)) return CLCONV_SUCCESS;
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
static clconv_status warm_if_new(const clconv_plan *plan, size_t index, clconv_error *err)
{
    const step *steps = plan->recipe.run;
    for (size_t i = 0; i < index; i++)
        if (steps[i].kind == STEP_GEMM && same_product(&steps[i].gemm, &steps[index].gemm))
            return CLCONV_SUCCESS;
    return warm_gemm(&plan->context->rt, &steps[index], err);
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

clconv_status plan_build(clconv_plan *plan, clconv_error *err)
{
    const recipe *r = &plan->recipe;
    plan->kernels = calloc(r->run_count + r->pack_count + 1, sizeof *plan->kernels);
    if (plan->kernels == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for a plan");
    clconv_status status = build_steps(plan, r->pack, r->pack_count, &plan->pack_kernels, err);
    if (status == CLCONV_SUCCESS) status = build_steps(plan, r->run, r->run_count, &plan->run_kernels, err);
    return status;
}
