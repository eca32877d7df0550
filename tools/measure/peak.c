/* Runs peak.cl in the shape that suits the kind of device: on a GPU lanes are work-items, elsewhere a
 * work-item is a thread with vector registers. The best of many short runs counts: what disturbs a run only
 * slows it. */
#include "measure/peak.h"

#include "common/tool.h"
#include "measure/compute.h"

#include <stdio.h>

typedef struct peak_run {
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
    cl_mem result;
    int width, chains; /* lanes of a vector, vectors of a work-item */
    size_t global, local;
} peak_run;

static void peak_shape(const clconv_device_info *info, peak_run *run)
{
    int gpu = (info->type & CL_DEVICE_TYPE_GPU) != 0;
    int lanes = info->vector_bits / 32;
    run->width = gpu || lanes < 4 ? 1 : lanes >= 16 ? 16 : lanes >= 8 ? 8 : 4;
    run->chains = run->width == 16 || gpu ? 16 : 12; /* narrower vectors come with fewer registers */
    run->local = gpu && info->max_work_group_size >= 64 ? 64 : 1;
    size_t units = info->compute_units > 0 ? (size_t)info->compute_units : 1;
    run->global = gpu ? 2048 * units : units < 8 ? 512 : 64 * units;
}

static clconv_status peak_build(clconv_context *context, peak_run *run, clconv_error *err)
{
    cl_int code;
    char options[64];
    cl_device_id device = clconv_context_device(context);
    const char *source = peak_kernel;
    if (run->width > 1) {
        snprintf(options, sizeof options, "-DVECTOR=float%d -DCHAINS=%d", run->width, run->chains);
    } else {
        snprintf(options, sizeof options, "-DVECTOR=float -DCHAINS=%d", run->chains);
    }
    run->program = clCreateProgramWithSource(clconv_context_opencl(context), 1, &source, NULL, &code);
    if (code != CL_SUCCESS) return compute_fail(err, code, "clCreateProgramWithSource of peak.cl");
    code = clBuildProgram(run->program, 1, &device, options, NULL, NULL);
    if (code != CL_SUCCESS) return compute_fail(err, code, "clBuildProgram of peak.cl");
    run->kernel = clCreateKernel(run->program, "peak", &code);
    if (code != CL_SUCCESS) return compute_fail(err, code, "clCreateKernel of peak.cl");
    return CLCONV_SUCCESS;
}

static clconv_status peak_time(const peak_run *run, cl_int rounds, double *seconds, clconv_error *err)
{
    static const float factor = 0.999f, term = 0.001f;
    cl_int code = clSetKernelArg(run->kernel, 0, sizeof run->result, &run->result);
    if (!code) code = clSetKernelArg(run->kernel, 1, sizeof factor, &factor);
    if (!code) code = clSetKernelArg(run->kernel, 2, sizeof term, &term);
    if (!code) code = clSetKernelArg(run->kernel, 3, sizeof rounds, &rounds);
    if (code) return compute_fail(err, code, "clSetKernelArg of peak.cl");
    double start = tool_seconds();
    code = clEnqueueNDRangeKernel(run->queue, run->kernel, 1, NULL, &run->global, &run->local, 0, NULL, NULL);
    if (!code) code = clFinish(run->queue);
    if (code) return compute_fail(err, code, "running peak.cl");
    *seconds = tool_seconds() - start;
    return CLCONV_SUCCESS;
}

/* Runs long enough that a launch does not count, then the best of those that fit the budget. */
static clconv_status peak_best(const peak_run *run, double *gflops, clconv_error *err)
{
    static const double run_seconds = 0.01, budget_seconds = 0.2;
    cl_int rounds = 64;
    double seconds = 0, best = 0;
    clconv_status status = peak_time(run, rounds, &seconds, err); /* compiles */
    while (!status && (status = peak_time(run, rounds, &seconds, err)) == CLCONV_SUCCESS &&
           seconds < run_seconds && rounds < 1 << 24) {
        rounds *= 2;
    }
    double flops = 2.0 * rounds * run->chains * run->width * (double)run->global;
    for (double end = tool_seconds() + budget_seconds; !status && tool_seconds() < end;) {
        if (flops / seconds > best) best = flops / seconds;
        status = peak_time(run, rounds, &seconds, err);
    }
    if (!status) *gflops = 1e-9 * best;
    return status;
}

double peak_share(double gflops, double peak)
{
    return peak > 0 ? gflops / peak : 0;
}

clconv_status peak_measure(clconv_context *context, double *gflops, clconv_error *err)
{
    peak_run run = {0};
    if (!clconv_context_device_info(context)->has_compiler) {
        *gflops = 0;
        return CLCONV_SUCCESS;
    }
    peak_shape(clconv_context_device_info(context), &run);
    size_t bytes = run.global * (size_t)run.width * sizeof(float);
    clconv_status status = peak_build(context, &run, err);
    if (!status) status = clconv_buffer_create(context, bytes, NULL, &run.result, err);
    if (!status) status = compute_queue(context, &run.queue, err);
    if (!status) status = peak_best(&run, gflops, err);
    if (run.queue) clReleaseCommandQueue(run.queue);
    if (run.result) clReleaseMemObject(run.result);
    if (run.kernel) clReleaseKernel(run.kernel);
    if (run.program) clReleaseProgram(run.program);
    return status;
}
