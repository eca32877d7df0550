/* Device selectors on a made-up machine: every form of DESIGN.md §5, every refusal, and the property that
 * each device's own selectors, its number and P:D, pick exactly it. */
#include "harness.h"
#include "opencl/selector.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define GPU CL_DEVICE_TYPE_GPU
#define CPU CL_DEVICE_TYPE_CPU
#define ACCELERATOR CL_DEVICE_TYPE_ACCELERATOR

enum { DEVICES = 9 };

/* Platform 1 has no device: the loader lists it, so that the indices skip it. */
static const clconv_device_info machine[DEVICES] = {
    {.selector = "0:0",
     .platform_index = 0,
     .device_index = 0,
     .platform_name = "Portable Computing Language",
     .vendor = "AuthenticAMD",
     .name = "pthread-AMD EPYC 9R14",
     .type = CPU,
     .compute_units = 64,
     .clock_mhz = 3700,
     .has_compiler = 1},
    {.selector = "2:0",
     .platform_index = 2,
     .device_index = 0,
     .platform_name = "NVIDIA CUDA",
     .vendor = "NVIDIA Corporation",
     .name = "NVIDIA GeForce RTX 3060",
     .type = GPU,
     .compute_units = 28,
     .clock_mhz = 1777,
     .has_compiler = 1},
    {.selector = "2:1",
     .platform_index = 2,
     .device_index = 1,
     .platform_name = "NVIDIA CUDA",
     .vendor = "NVIDIA Corporation",
     .name = "NVIDIA GeForce RTX 4090",
     .type = GPU,
     .compute_units = 128,
     .clock_mhz = 2520,
     .has_compiler = 1},
    {.selector = "3:0",
     .platform_index = 3,
     .device_index = 0,
     .platform_name = "AMD Accelerated Parallel Processing",
     .vendor = "Advanced Micro Devices, Inc.",
     .name = "gfx1030",
     .type = GPU,
     .compute_units = 36,
     .clock_mhz = 2300,
     .has_compiler = 1},
    {.selector = "3:1",
     .platform_index = 3,
     .device_index = 1,
     .platform_name = "AMD Accelerated Parallel Processing",
     .vendor = "Advanced Micro Devices, Inc.",
     .name = "gfx90a",
     .type = GPU | CL_DEVICE_TYPE_DEFAULT,
     .compute_units = 128,
     .clock_mhz = 2520,
     .has_compiler = 1},
    {.selector = "4:0",
     .platform_index = 4,
     .device_index = 0,
     .platform_name = "Intel(R) FPGA SDK for OpenCL(TM)",
     .vendor = "Intel(R) Corporation",
     .name = "a10gx : Arria 10 board",
     .type = ACCELERATOR,
     .compute_units = 1,
     .clock_mhz = 1000},
    {.selector = "5:0",
     .platform_index = 5,
     .device_index = 0,
     .platform_name = "Intel(R) OpenCL",
     .vendor = "Intel(R) Corporation",
     .name = "AMD EPYC 9R14",
     .type = CPU,
     .compute_units = 64,
     .clock_mhz = 3800,
     .has_compiler = 1},
    {.selector = "10:0",
     .platform_index = 10,
     .device_index = 0,
     .platform_name = "rusticl",
     .vendor = "Mesa/X.org",
     .name = "llvmpipe",
     .type = CPU,
     .compute_units = 1,
     .clock_mhz = 100,
     .has_compiler = 1},
    {.selector = "10:12",
     .platform_index = 10,
     .device_index = 12,
     .platform_name = "rusticl",
     .vendor = "Mesa/X.org",
     .name = "dsp",
     .type = CL_DEVICE_TYPE_CUSTOM,
     .compute_units = 9999,
     .clock_mhz = 9999,
     .has_compiler = 1},
};

/* What `selector` picks: a device's own selector, or the name of the status. */
static const char *pick(const char *selector, const clconv_device_info *devices, size_t count)
{
    size_t chosen = count;
    clconv_error err = {.status = CLCONV_SUCCESS};
    clconv_status status = selector_choose("selector", selector, devices, count, &chosen, &err);
    CU_ASSERT_EQUAL(status, err.status);
    CU_ASSERT_EQUAL(status == CLCONV_SUCCESS, chosen < count);
    if (status != CLCONV_SUCCESS) return clconv_status_name(status);
    return devices[chosen].selector;
}

static void expect(const char *selector, const char *picked)
{
    const char *got = pick(selector, machine, DEVICES);
    if (strcmp(got, picked) != 0)
        printf("\n  \"%s\" picks %s, not %s", selector != NULL ? selector : "", got, picked);
    CU_ASSERT_STRING_EQUAL(got, picked);
}

static void test_own_selector(void)
{
    for (size_t i = 0; i < DEVICES; i++)
        expect(machine[i].selector, machine[i].selector);
}

/* A number is the place in the list, whatever digits the names hold. */
static void test_numbers(void)
{
    for (size_t i = 0; i < DEVICES; i++) {
        char number[32];
        snprintf(number, sizeof number, "%zu", i);
        expect(number, machine[i].selector);
        snprintf(number, sizeof number, " 000%zu\t", i);
        expect(number, machine[i].selector);
        snprintf(number, sizeof number, "99,%zu,0", i);
        expect(number, machine[i].selector);
    }
}

static void test_single_preferences(void)
{
    expect("gpu", "2:0");
    expect("cpu", "0:0");
    expect("accelerator", "4:0");
    expect("GPU", "2:0");
    expect("nvidia", "2:0");
    expect("RTX 4090", "2:1");
    expect("x 4090", "2:1");
    expect("9r14", "0:0");
    expect("amd", "0:0");
    expect("advanced micro", "3:0");
    expect("GFX90A", "3:1");
    expect("portable", "0:0");
    expect("mesa/x", "10:0");
    expect("dsp", "10:12");
    expect("03:001", "3:1");
}

static void test_joined_preferences(void)
{
    expect("gpu:amd", "3:0");
    expect("amd:gpu", "3:0");
    expect("cpu:portable", "0:0");
    expect("cpu:intel", "5:0");
    expect("intel:epyc", "5:0");
    expect("gpu:0", "2:0");
    expect("gpu:1", "2:1");
    expect("gpu:3", "3:1");
    expect("cpu:2", "10:0");
    expect("geforce:1", "2:1");
    expect("gpu:amd:1", "3:1");
    expect("gpu:rtx 4090:0", "2:1");
    expect("9r14:1", "5:0");
}

static void test_lists(void)
{
    expect("nosuch,cpu", "0:0");
    expect("7:0,accelerator,gpu", "4:0");
    expect("gpu:9,gpu:amd:7,llvm", "10:0");
    expect("cpu,gpu", "0:0");
    expect("  nosuch , gpu : amd\t, cpu ", "3:0");
    expect("10:12,0:0", "10:12");
    expect("9,4090,2", "2:1");
    expect("nosuch,7", "10:0");
}

static void test_no_match(void)
{
    static const char *const selectors[] = {"nosuch",
                                            "9",
                                            "30",
                                            "4090",
                                            "18446744073709551616",
                                            "99,4090",
                                            "1:0",
                                            "0:1",
                                            "10:1",
                                            "gpu:4",
                                            "cpu:nvidia",
                                            "gpu:cpu",
                                            "accelerator:1",
                                            "gpu:amd:2",
                                            "6:0,nosuch",
                                            "cpus",
                                            "0x0:0",
                                            "99999999999999999999:0",
                                            "18446744073709551616:0",
                                            "4294967296:0",
                                            "gpu:18446744073709551616"};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++)
        expect(selectors[i], "CLCONV_NO_DEVICE");
}

/* Refused whole, even where an earlier preference would match. */
static void test_malformed(void)
{
    static const char *const selectors[] = {",",          " ",       "gpu,",          ",gpu",    "gpu,,cpu",
                                            ":",          "gpu:",    ":gpu",          "0:",      ":0",
                                            "0:0,",       "::",      "a::b",          "gpu:a:b", "0:0:x",
                                            "a:b:c:0",    "0:0:0:0", "cpu,gpu:amd:x", "5:gpu",   "4090:gpu",
                                            "gpu:4090:0", "0:0:0",   "0:gpu:0",       "-1",      "+1",
                                            "1.0",        "4090 30", "-1:0",          "0:-1",    "gpu:-1",
                                            "gpu:+1",     "gpu:1:0", "cpu,0:cpu"};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++)
        expect(selectors[i], "CLCONV_INVALID_ARGUMENT");
}

static void test_default_order(void)
{
    expect(NULL, "2:1"); /* 2:1 and 3:1 are equal: the first */
    expect("", "2:1");
    clconv_device_info some[DEVICES];
    memcpy(some, machine, sizeof some);
    some[4].clock_mhz++;
    CU_ASSERT_STRING_EQUAL(pick(NULL, some, DEVICES), "3:1");
    for (size_t i = 0; i < DEVICES; i++)
        if (some[i].type & GPU) some[i].has_compiler = 0;
    CU_ASSERT_STRING_EQUAL(pick(NULL, some, DEVICES), "5:0");
    CU_ASSERT_STRING_EQUAL(pick("gpu", some, DEVICES), "2:0");
    for (size_t i = 0; i < DEVICES; i++)
        some[i].has_compiler = some[i].type == ACCELERATOR;
    CU_ASSERT_STRING_EQUAL(pick(NULL, some, DEVICES), "4:0");
    for (size_t i = 0; i < DEVICES; i++)
        some[i].has_compiler = some[i].type == CL_DEVICE_TYPE_CUSTOM;
    CU_ASSERT_STRING_EQUAL(pick(NULL, some, DEVICES), "CLCONV_NO_DEVICE");
}

/* No sum or product of 32-bit facts may overflow in the comparison. */
static void test_huge_devices(void)
{
    clconv_device_info two[2] = {machine[1], machine[2]};
    two[0].compute_units = two[0].clock_mhz = UINT32_MAX;
    CU_ASSERT_STRING_EQUAL(pick(NULL, two, 2), "2:0");
}

static bool refuses(const char *selector, clconv_status status, const char *part)
{
    clconv_error err;
    size_t chosen;
    CU_ASSERT_EQUAL(selector_choose("selector", selector, machine, DEVICES, &chosen, &err), status);
    bool tells = strstr(err.message, part) != NULL;
    if (!tells) printf("\n  \"%s\": %s", selector, err.message);
    return tells;
}

static void test_messages(void)
{
    clconv_error err;
    size_t chosen;
    CU_ASSERT(refuses("no\nsuch", CLCONV_NO_DEVICE, "selector is \"no?such\""));
    CU_ASSERT(refuses("nosuch", CLCONV_NO_DEVICE,
                      "0 or 0:0 (cpu, pthread-AMD EPYC 9R14, Portable Computing Language), "));
    CU_ASSERT(refuses("nosuch", CLCONV_NO_DEVICE, "8 or 10:12 (custom, dsp, rusticl)"));
    CU_ASSERT(refuses("4090", CLCONV_NO_DEVICE, "there are 9, numbered from 0: "));
    CU_ASSERT(refuses("gpu,", CLCONV_INVALID_ARGUMENT, "\"gpu,\", which has an empty part"));
    CU_ASSERT(refuses("gpu:4090:0", CLCONV_INVALID_ARGUMENT, "without a letter"));
    CU_ASSERT_EQUAL(selector_choose("CLCONV_DEVICE", "1", machine, 1, &chosen, &err), CLCONV_NO_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "CLCONV_DEVICE is \"1\", which matches no OpenCL device; "
                                               "there is 1, numbered from 0: 0 or 0:0 (cpu"));
    CU_ASSERT_EQUAL(selector_choose("selector", NULL, NULL, 0, &chosen, &err), CLCONV_NO_DEVICE);
    CU_ASSERT_EQUAL(selector_choose("selector", "gpu", NULL, 0, &chosen, &err), CLCONV_NO_DEVICE);
    CU_ASSERT_EQUAL(selector_choose("selector", "gpu", NULL, 0, &chosen, NULL), CLCONV_NO_DEVICE);
}

/* A list that does not fit ends in the number of devices left out. */
static void test_long_messages(void)
{
    enum { MANY = 60 };
    static clconv_device_info many[MANY];
    for (int i = 0; i < MANY; i++) {
        many[i] = machine[2];
        snprintf(many[i].selector, sizeof many[i].selector, "2:%d", i);
        memset(many[i].name, 'x', i % 2 ? sizeof many[i].name - 1 : 7);
    }
    char selector[4000];
    memset(selector, 'y', sizeof selector - 1);
    selector[sizeof selector - 1] = '\0';
    clconv_error err;
    size_t chosen;
    CU_ASSERT_EQUAL(selector_choose("selector", selector, many, MANY, &chosen, &err), CLCONV_NO_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(memchr(err.message, '\0', sizeof err.message));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "yyy...\""));
    int listed = 0, left = 0;
    for (const char *at = err.message; (at = strstr(at, " or 2:")) != NULL; at += 2)
        listed++;
    const char *end = strstr(err.message, ") and ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_EQUAL(sscanf(end, ") and %d more", &left), 1);
    CU_ASSERT_STRING_EQUAL(end + strlen(end) - 5, " more");
    CU_ASSERT(listed > 1 && listed + left == MANY);
}

const char test_suite_name[] = "selector";
const test_entry test_suite[] = {
    {"a device's own selector picks it", test_own_selector},
    {"a number picks the device at that place", test_numbers},
    {"single preferences", test_single_preferences},
    {"joined and numbered preferences", test_joined_preferences},
    {"the first preference of a list that matches", test_lists},
    {"selectors that match nothing", test_no_match},
    {"malformed selectors", test_malformed},
    {"the order without a selector", test_default_order},
    {"comparison of huge devices", test_huge_devices},
    {"messages", test_messages},
    {"messages that are too long", test_long_messages},
    {NULL, NULL},
};
