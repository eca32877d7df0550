/* A machine whose OpenCL loader finds no driver: an empty list and CLCONV_NO_DEVICE, never a failure of
 * another kind. A program of its own, since the loader looks only once in a process. */
#define _POSIX_C_SOURCE 200809L
#include "clconv.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static void hide_drivers(void)
{
    setenv("OCL_ICD_VENDORS", "/nonexistent/", 1);
    setenv("OCL_ICD_FILENAMES", "", 1);
    setenv("OPENCL_VENDOR_PATH", "/nonexistent/", 1);
}

static void test_list(void)
{
    hide_drivers();
    clconv_device_info *devices = NULL;
    size_t count = 7;
    clconv_error err;
    CU_ASSERT_EQUAL(clconv_list_devices(&devices, &count, &err), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(count, 0);
    clconv_free(devices);
}

static void test_select(void)
{
    hide_drivers();
    static const char *const selectors[] = {NULL, "", "cpu", "0:0"};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        cl_platform_id platform = NULL;
        cl_device_id device = NULL;
        clconv_error err;
        CU_ASSERT_EQUAL(clconv_select_device(selectors[i], &platform, &device, &err), CLCONV_NO_DEVICE);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "there is no OpenCL device"));
        clconv_context *context = NULL;
        CU_ASSERT_EQUAL(clconv_context_create_selected(selectors[i], NULL, &context, &err), CLCONV_NO_DEVICE);
        CU_ASSERT_PTR_NULL(context);
    }
}

const char test_suite_name[] = "no devices";
const test_entry test_suite[] = {
    {"the list is empty", test_list},
    {"nothing can be selected", test_select},
    {NULL, NULL},
};
