/* What is known of implementations (opencl/platforms.h). */
#include "harness.h"
#include "opencl/platforms.h"

#include <stdio.h>
#include <string.h>

static const char *options_of(const char *platform, cl_device_type type)
{
    clconv_device_info info = {.type = type};
    snprintf(info.platform_name, sizeof info.platform_name, "%s", platform);
    return platform_of(&info)->options;
}

/* Each line says why and how that was found, and its options can follow others. */
static void test_table(void)
{
    for (const platform_entry *p = platform_table; p->name != NULL; p++) {
        CU_ASSERT(strlen(p->reason) > 20);
        CU_ASSERT(strlen(p->evidence) > 20);
        CU_ASSERT(p->options[0] == '\0' || strncmp(p->options, " -D", 3) == 0);
        CU_ASSERT_STRING_EQUAL(options_of(p->name, p->type), p->options);
        CU_ASSERT_STRING_EQUAL(options_of(p->name, 0), "");
    }
}

/* Builtins of clang are for compilers that make code for a CPU, and for no other platform. */
static void test_builtins(void)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(options_of("Portable Computing Language", CL_DEVICE_TYPE_CPU), "CLANG"));
    CU_ASSERT_PTR_NOT_NULL(strstr(options_of("Intel(R) OpenCL", CL_DEVICE_TYPE_CPU), "CLANG"));
    CU_ASSERT_PTR_NULL(strstr(options_of("Portable Computing Language", CL_DEVICE_TYPE_GPU), "CLANG"));
    CU_ASSERT_STRING_EQUAL(options_of("rusticl", CL_DEVICE_TYPE_CPU), "");
    CU_ASSERT_STRING_EQUAL(options_of("Portable Computing Language 2", CL_DEVICE_TYPE_CPU), "");
}

const char test_suite_name[] = "implementations";
const test_entry test_suite[] = {
    {"the table", test_table},
    {"builtins of clang", test_builtins},
    {NULL, NULL},
};
