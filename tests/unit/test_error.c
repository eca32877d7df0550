/* Statuses and messages: every status has a name and a text of its own, a message is one line that fits, and
 * a failed OpenCL call keeps its code. */
#include "harness.h"

#include "base/error.h"

#include <string.h>

static const clconv_status statuses[] = {
#define STATUS(name, value, text) name,
    CLCONV_STATUS_LIST(STATUS)
#undef STATUS
};

enum { STATUSES = sizeof statuses / sizeof statuses[0] };

static void test_statuses(void)
{
    CU_ASSERT_EQUAL(CLCONV_SUCCESS, 0);
    CU_ASSERT_STRING_EQUAL(clconv_status_name(CLCONV_SUCCESS), "CLCONV_SUCCESS");
    CU_ASSERT_STRING_EQUAL(clconv_status_text(CLCONV_SUCCESS), "success");
    CU_ASSERT_STRING_EQUAL(clconv_status_name(CLCONV_FILE_FAILED), "CLCONV_FILE_FAILED");
    CU_ASSERT_STRING_EQUAL(clconv_status_name((clconv_status)12345), "unknown status");
    CU_ASSERT_STRING_EQUAL(clconv_status_text((clconv_status)12345), "unknown status");
    for (int i = 0; i < STATUSES; i++)
        for (int j = 0; j < i; j++) {
            CU_ASSERT_NOT_EQUAL(statuses[i], statuses[j]);
            CU_ASSERT_STRING_NOT_EQUAL(clconv_status_name(statuses[i]), clconv_status_name(statuses[j]));
            CU_ASSERT_STRING_NOT_EQUAL(clconv_status_text(statuses[i]), clconv_status_text(statuses[j]));
        }
}

static void test_messages(void)
{
    clconv_error err = {CLCONV_INTERNAL, -5, "before"};
    CU_ASSERT_EQUAL(error_set(&err, CLCONV_INVALID_ARGUMENT, "%s is %d", "size", -3),
                    CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(err.status, CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(err.opencl_code, CL_SUCCESS);
    CU_ASSERT_STRING_EQUAL(err.message, "size is -3");
    CU_ASSERT_EQUAL(error_set(NULL, CLCONV_UNSUPPORTED, "nobody asks"), CLCONV_UNSUPPORTED);
}

static void test_one_line(void)
{
    clconv_error err;
    error_set(&err, CLCONV_BUILD_FAILED, "%s", "one\ntwo\r\n\tthree\x1b[0m \xc3\xa9");
    CU_ASSERT_STRING_EQUAL(err.message, "one two   three [0m \xc3\xa9");
}

static void test_long_message(void)
{
    static char text[3 * CLCONV_MESSAGE_SIZE];
    clconv_error err;
    memset(text, 'x', sizeof text - 1);
    error_set(&err, CLCONV_INTERNAL, "%s", text);
    CU_ASSERT_EQUAL(strlen(err.message), CLCONV_MESSAGE_SIZE - 1);
}

/* An error may be made from the message of the one that it replaces. */
static void test_message_of_itself(void)
{
    clconv_error err = {.message = "the cause"};
    error_set(&err, CLCONV_INTERNAL, "the effect of %s", err.message);
    CU_ASSERT_STRING_EQUAL(err.message, "the effect of the cause");
}

static void test_opencl_codes(void)
{
    const struct {
        cl_int code;
        clconv_status status;
        const char *message;
    } cases[] = {
        {CL_OUT_OF_HOST_MEMORY, CLCONV_OUT_OF_MEMORY, "clF: CL_OUT_OF_HOST_MEMORY (-6)"},
        {CL_MEM_OBJECT_ALLOCATION_FAILURE, CLCONV_OUT_OF_DEVICE_MEMORY,
         "clF: CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)"},
        {CL_OUT_OF_RESOURCES, CLCONV_OUT_OF_DEVICE_MEMORY, "clF: CL_OUT_OF_RESOURCES (-5)"},
        {CL_INVALID_BUFFER_SIZE, CLCONV_OUT_OF_DEVICE_MEMORY, "clF: CL_INVALID_BUFFER_SIZE (-61)"},
        {CL_DEVICE_NOT_FOUND, CLCONV_NO_DEVICE, "clF: CL_DEVICE_NOT_FOUND (-1)"},
        {CL_INVALID_KERNEL_ARGS, CLCONV_OPENCL_FAILED, "clF: CL_INVALID_KERNEL_ARGS (-52)"},
        {-1001, CLCONV_OPENCL_FAILED, "clF: CL_PLATFORM_NOT_FOUND_KHR (-1001)"},
        {-9999, CLCONV_OPENCL_FAILED, "clF: unknown OpenCL error (-9999)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clconv_error err;
        CU_ASSERT_EQUAL(error_set_opencl(&err, cases[i].code, "clF"), cases[i].status);
        CU_ASSERT_EQUAL(error_set_opencl(NULL, cases[i].code, "clF"), cases[i].status);
        CU_ASSERT_EQUAL(err.status, cases[i].status);
        CU_ASSERT_EQUAL(err.opencl_code, cases[i].code);
        CU_ASSERT_STRING_EQUAL(err.message, cases[i].message);
    }
}

const char test_suite_name[] = "error";
const test_entry test_suite[] = {
    {"every status has a name and a text of its own", test_statuses},
    {"a message and its status", test_messages},
    {"a message is one line", test_one_line},
    {"a long message is cut", test_long_message},
    {"a message may hold the one before", test_message_of_itself},
    {"OpenCL's codes", test_opencl_codes},
    {NULL, NULL},
};
