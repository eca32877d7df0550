/* Statuses, their names, and filling a caller's clconv_error: see error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *clconv_status_name(clconv_status status)
{
    switch (status) {
#define STATUS_NAME(name, value, text) \
    case name:                         \
        return #name;
        CLCONV_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    default:
        return "unknown status";
    }
}

const char *clconv_status_text(clconv_status status)
{
    switch (status) {
#define STATUS_TEXT(name, value, text) \
    case name:                         \
        return text;
        CLCONV_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    default:
        return "unknown status";
    }
}

/* A message is one line, whatever a driver's name or a caller's text holds. */
static void keep_one_line(char *message)
{
    for (; *message != '\0'; message++)
        if ((unsigned char)*message < ' ') *message = ' ';
}

clconv_status error_set(clconv_error *err, clconv_status status, const char *format, ...)
{
    if (err == NULL) return status;
    char message[CLCONV_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    keep_one_line(message);
    err->status = status;
    err->opencl_code = CL_SUCCESS;
    memcpy(err->message, message, sizeof message);
    return status;
}

static clconv_status status_of_opencl(cl_int code)
{
    switch (code) {
    case CL_OUT_OF_HOST_MEMORY:
        return CLCONV_OUT_OF_MEMORY;
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_OUT_OF_RESOURCES:
    case CL_INVALID_BUFFER_SIZE:
        return CLCONV_OUT_OF_DEVICE_MEMORY;
    case CL_DEVICE_NOT_FOUND:
    case CL_DEVICE_NOT_AVAILABLE:
        return CLCONV_NO_DEVICE;
    default:
        return CLCONV_OPENCL_FAILED;
    }
}

clconv_status error_set_opencl(clconv_error *err, cl_int code, const char *call)
{
    clconv_status status =
        error_set(err, status_of_opencl(code), "%s: %s (%d)", call, error_opencl_name(code), (int)code);
    if (err != NULL) err->opencl_code = code;
    return status;
}

/* Codes of the OpenCL 1.2 specification, and of the loader. */
#define OPENCL_CODES(X)                             \
    X(CL_DEVICE_NOT_FOUND)                          \
    X(CL_DEVICE_NOT_AVAILABLE)                      \
    X(CL_COMPILER_NOT_AVAILABLE)                    \
    X(CL_MEM_OBJECT_ALLOCATION_FAILURE)             \
    X(CL_OUT_OF_RESOURCES)                          \
    X(CL_OUT_OF_HOST_MEMORY)                        \
    X(CL_PROFILING_INFO_NOT_AVAILABLE)              \
    X(CL_MEM_COPY_OVERLAP)                          \
    X(CL_BUILD_PROGRAM_FAILURE)                     \
    X(CL_MAP_FAILURE)                               \
    X(CL_MISALIGNED_SUB_BUFFER_OFFSET)              \
    X(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST) \
    X(CL_COMPILE_PROGRAM_FAILURE)                   \
    X(CL_LINKER_NOT_AVAILABLE)                      \
    X(CL_LINK_PROGRAM_FAILURE)                      \
    X(CL_INVALID_VALUE)                             \
    X(CL_INVALID_DEVICE_TYPE)                       \
    X(CL_INVALID_PLATFORM)                          \
    X(CL_INVALID_DEVICE)                            \
    X(CL_INVALID_CONTEXT)                           \
    X(CL_INVALID_QUEUE_PROPERTIES)                  \
    X(CL_INVALID_COMMAND_QUEUE)                     \
    X(CL_INVALID_HOST_PTR)                          \
    X(CL_INVALID_MEM_OBJECT)                        \
    X(CL_INVALID_BINARY)                            \
    X(CL_INVALID_BUILD_OPTIONS)                     \
    X(CL_INVALID_PROGRAM)                           \
    X(CL_INVALID_PROGRAM_EXECUTABLE)                \
    X(CL_INVALID_KERNEL_NAME)                       \
    X(CL_INVALID_KERNEL_DEFINITION)                 \
    X(CL_INVALID_KERNEL)                            \
    X(CL_INVALID_ARG_INDEX)                         \
    X(CL_INVALID_ARG_VALUE)                         \
    X(CL_INVALID_ARG_SIZE)                          \
    X(CL_INVALID_KERNEL_ARGS)                       \
    X(CL_INVALID_WORK_DIMENSION)                    \
    X(CL_INVALID_WORK_GROUP_SIZE)                   \
    X(CL_INVALID_WORK_ITEM_SIZE)                    \
    X(CL_INVALID_GLOBAL_OFFSET)                     \
    X(CL_INVALID_EVENT_WAIT_LIST)                   \
    X(CL_INVALID_EVENT)                             \
    X(CL_INVALID_OPERATION)                         \
    X(CL_INVALID_BUFFER_SIZE)                       \
    X(CL_INVALID_GLOBAL_WORK_SIZE)                  \
    X(CL_INVALID_PROPERTY)                          \
    X(CL_INVALID_COMPILER_OPTIONS)                  \
    X(CL_INVALID_LINKER_OPTIONS)

const char *error_opencl_name(cl_int code)
{
    switch (code) {
    case CL_SUCCESS:
        return "CL_SUCCESS";
    case -1001:
        return "CL_PLATFORM_NOT_FOUND_KHR";
#define CODE_NAME(name) \
    case name:          \
        return #name;
        OPENCL_CODES(CODE_NAME)
#undef CODE_NAME
    default:
        return "unknown OpenCL error";
    }
}
