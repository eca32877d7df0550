/* Mesa 22.3, rusticl on llvmpipe: a product with a zero that the compiler knows is 0 whatever the other factor is, where
 * OpenCL C asks for NaN if that is inf or NaN. Prints two such products; ends with status 1 where one is wrong.
 *
 *     cc rusticl-inf-times-zero.c -lOpenCL
 *     RUSTICL_ENABLE=llvmpipe OCL_ICD_VENDORS=/etc/OpenCL/vendors/rusticl.icd ./a.out
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <math.h>
#include <stdio.h>

static const char *const source = "kernel void products(global const float *a, global float *out)\n"
                                  "{\n"
                                  "    out[0] = a[0] * 0.0f;\n"
                                  "    out[1] = a[0] * (a[1] > 0 ? a[1] : 0);\n"
                                  "}\n";

int main(void)
{
    float a[2] = {INFINITY, -1}, out[2] = {1, 1};
    const size_t one = 1;
    cl_platform_id platform;
    cl_device_id device;
    if (clGetPlatformIDs(1, &platform, NULL) != CL_SUCCESS ||
        clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL) != CL_SUCCESS)
        return 2;
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, NULL);
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, NULL);
    cl_program program = clCreateProgramWithSource(context, 1, (const char **)&source, NULL, NULL);
    if (clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL) != CL_SUCCESS) return 2;
    cl_kernel kernel = clCreateKernel(program, "products", NULL);
    cl_mem from = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof a, a, NULL);
    cl_mem to = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof out, NULL, NULL);
    clSetKernelArg(kernel, 0, sizeof from, &from);
    clSetKernelArg(kernel, 1, sizeof to, &to);
    clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &one, &one, 0, NULL, NULL);
    clEnqueueReadBuffer(queue, to, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    printf("inf * 0 = %g, inf * (-1 > 0 ? -1 : 0) = %g\n", (double)out[0], (double)out[1]);
    return isnan(out[0]) && isnan(out[1]) ? 0 : 1;
}
