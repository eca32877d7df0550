/* Devices of this machine: what is listed is sane and agrees with OpenCL, and every way of choosing gives the
 * device it should. PoCL is asked for two devices, so that indices other than 0 are seen. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"
#include "opencl/devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct machine {
    clconv_device_info *devices;
    size_t count;
} machine;

static machine list_machine(void)
{
    setenv("POCL_DEVICES", "pthread basic", 1);
    machine m = {NULL, 0};
    clconv_error err;
    CU_ASSERT_EQUAL_FATAL(clconv_list_devices(&m.devices, &m.count, &err), CLCONV_SUCCESS);
    CU_ASSERT_FATAL(m.count >= 1);
    return m;
}

static void test_facts(void)
{
    machine m = list_machine();
    for (size_t i = 0; i < m.count; i++) {
        const clconv_device_info *d = &m.devices[i];
        CU_ASSERT_PTR_NOT_NULL(d->platform);
        CU_ASSERT_PTR_NOT_NULL(d->device);
        CU_ASSERT(d->platform_index >= 0 && d->device_index >= 0);
        CU_ASSERT(strlen(d->name) > 0 && strlen(d->platform_name) > 0 && strlen(d->driver_version) > 0);
        CU_ASSERT_EQUAL(strncmp(d->device_version, "OpenCL ", 7), 0);
        CU_ASSERT_EQUAL(strncmp(d->platform_version, "OpenCL ", 7), 0);
        CU_ASSERT_NOT_EQUAL(d->type, 0);
        CU_ASSERT(d->compute_units >= 1);
        CU_ASSERT(d->max_work_group_size >= 1);
        CU_ASSERT(d->max_allocation_bytes >= 1 << 20);
        CU_ASSERT(d->global_memory_bytes >= d->max_allocation_bytes);
        CU_ASSERT(d->local_memory_bytes >= 1024);
        CU_ASSERT(d->address_alignment_bits >= 64 && d->address_alignment_bits <= 1 << 16);
        CU_ASSERT(d->vector_bits == 32 || d->vector_bits == 128 || d->vector_bits == 256 ||
                  d->vector_bits == 512);
        cl_bool is_little_endian = !d->is_little_endian;
        clGetDeviceInfo(d->device, CL_DEVICE_ENDIAN_LITTLE, sizeof is_little_endian, &is_little_endian, NULL);
        CU_ASSERT_EQUAL(d->is_little_endian, is_little_endian == CL_TRUE);
    }
    clconv_free(m.devices);
}

/* has_fp64 and has_compiler are what a compiler says. */
static void test_compiler(void)
{
    machine m = list_machine();
    for (size_t i = 0; i < m.count; i++) {
        const clconv_device_info *d = &m.devices[i];
        const char *source = "kernel void f(global double *x) { x[0] *= 3; }";
        cl_int code = CL_SUCCESS;
        cl_context context = clCreateContext(NULL, 1, &d->device, NULL, NULL, &code);
        CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
        cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
        CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
        code = clBuildProgram(program, 1, &d->device, "-cl-std=CL1.2", NULL, NULL);
        CU_ASSERT_EQUAL(code == CL_SUCCESS, d->has_compiler && d->has_fp64);
        clReleaseProgram(program);
        clReleaseContext(context);
    }
    clconv_free(m.devices);
}

static void test_query_one(void)
{
    machine m = list_machine();
    for (size_t i = 0; i < m.count; i++) {
        clconv_device_info info;
        clconv_error err;
        memset(&info, 0xff, sizeof info);
        CU_ASSERT_EQUAL_FATAL(device_info_query_one(m.devices[i].device, &info, &err), CLCONV_SUCCESS);
        CU_ASSERT_EQUAL(info.platform, m.devices[i].platform);
        CU_ASSERT_STRING_EQUAL(info.selector, m.devices[i].selector);
        CU_ASSERT_STRING_EQUAL(info.name, m.devices[i].name);
        CU_ASSERT_EQUAL(info.max_allocation_bytes, m.devices[i].max_allocation_bytes);
    }
    clconv_free(m.devices);
}

static cl_device_id select_device(const char *selector)
{
    cl_platform_id platform = NULL;
    cl_device_id device = NULL;
    clconv_error err;
    CU_ASSERT_EQUAL(clconv_select_device(selector, &platform, &device, &err), CLCONV_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(platform);
    return device;
}

static void test_select(void)
{
    machine m = list_machine();
    for (size_t i = 0; i < m.count; i++) {
        const clconv_device_info *d = &m.devices[i];
        const clconv_device_info *other = &m.devices[(i + 1) % m.count];
        unsetenv("CLCONV_DEVICE");
        CU_ASSERT_EQUAL(select_device(d->selector), d->device);
        setenv("CLCONV_DEVICE", d->selector, 1);
        CU_ASSERT_EQUAL(select_device(NULL), d->device);
        CU_ASSERT_EQUAL(select_device(""), d->device);
        CU_ASSERT_EQUAL(select_device(other->selector), other->device);
        char number[32];
        snprintf(number, sizeof number, "%zu", i);
        CU_ASSERT_EQUAL(select_device(number), d->device);
        setenv("CLCONV_DEVICE", number, 1);
        CU_ASSERT_EQUAL(select_device(NULL), d->device);
    }
    setenv("CLCONV_DEVICE", "", 1);
    cl_device_id chosen = select_device(NULL);
    unsetenv("CLCONV_DEVICE");
    CU_ASSERT_EQUAL(select_device(NULL), chosen);
    clconv_free(m.devices);
}

static void test_refusals(void)
{
    machine m = list_machine();
    cl_platform_id platform = NULL;
    cl_device_id device = NULL;
    clconv_error err;
    setenv("CLCONV_DEVICE", "no such device", 1);
    CU_ASSERT_EQUAL(clconv_select_device(NULL, &platform, &device, &err), CLCONV_NO_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "CLCONV_DEVICE is \"no such device\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, m.devices[0].selector));
    unsetenv("CLCONV_DEVICE");
    CU_ASSERT_EQUAL(clconv_select_device("99:0", &platform, &device, &err), CLCONV_NO_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "selector is \"99:0\""));
    for (int number = (int)m.count; number < 1000; number++) { /* digits of any processor's name */
        char selector[32];
        snprintf(selector, sizeof selector, "%d", number);
        CU_ASSERT_EQUAL(clconv_select_device(selector, &platform, &device, &err), CLCONV_NO_DEVICE);
    }
    CU_ASSERT_EQUAL(clconv_select_device("cpu,", &platform, &device, &err), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_PTR_NULL(platform);
    CU_ASSERT_PTR_NULL(device);
    CU_ASSERT_EQUAL(clconv_select_device(NULL, NULL, &device, &err), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_select_device(NULL, &platform, NULL, &err), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_list_devices(NULL, &m.count, &err), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_list_devices(&m.devices, NULL, &err), CLCONV_INVALID_ARGUMENT);
    clconv_free(m.devices);
}

const char test_suite_name[] = "devices";
const test_entry test_suite[] = {
    {"facts are sane", test_facts},
    {"the compiler and doubles are as told", test_compiler},
    {"a device alone is known by its id", test_query_one},
    {"selectors and CLCONV_DEVICE", test_select},
    {"refusals", test_refusals},
    {NULL, NULL},
};
