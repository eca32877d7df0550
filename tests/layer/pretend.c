/* A device that is not there. The variables below change what a device says of itself; a launch, a buffer, a queue or a
 * program beyond what it says then fails, with the code that a real driver gives. Values are numbers, or texts; the type is
 * cpu, gpu or accelerator. */
#include "layer.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum value_kind { TEXT, TYPE, UINT, ULONG, SIZE } value_kind;

typedef struct pretence {
    cl_uint what;
    value_kind kind;
    const char *variable;
} pretence;

static const pretence of_platform[] = {
    {CL_PLATFORM_NAME, TEXT, "LAYER_PLATFORM"},
    {0, TEXT, NULL},
};

static const pretence of_device[] = {
    {CL_DEVICE_TYPE, TYPE, "LAYER_TYPE"},
    {CL_DEVICE_NAME, TEXT, "LAYER_NAME"},
    {CL_DEVICE_VENDOR, TEXT, "LAYER_VENDOR"},
    {CL_DRIVER_VERSION, TEXT, "LAYER_DRIVER"},
    {CL_DEVICE_EXTENSIONS, TEXT, "LAYER_EXTENSIONS"},
    {CL_DEVICE_MAX_COMPUTE_UNITS, UINT, "LAYER_COMPUTE_UNITS"},
    {CL_DEVICE_MAX_WORK_GROUP_SIZE, SIZE, "LAYER_WORK_GROUP"},
    {CL_DEVICE_LOCAL_MEM_SIZE, ULONG, "LAYER_LOCAL_MEMORY"},
    {CL_DEVICE_MAX_MEM_ALLOC_SIZE, ULONG, "LAYER_ALLOCATION"},
    {CL_DEVICE_GLOBAL_MEM_SIZE, ULONG, "LAYER_MEMORY"},
    {CL_DEVICE_MAX_PARAMETER_SIZE, SIZE, "LAYER_PARAMETERS"},
    {CL_DEVICE_ADDRESS_BITS, UINT, "LAYER_ADDRESS_BITS"},
    {CL_DEVICE_MEM_BASE_ADDR_ALIGN, UINT, "LAYER_ALIGNMENT_BITS"},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, UINT, "LAYER_VECTOR_WIDTH"},
    {CL_DEVICE_COMPILER_AVAILABLE, UINT, "LAYER_COMPILER"},
    {CL_DEVICE_HOST_UNIFIED_MEMORY, UINT, "LAYER_HOST_MEMORY"},
    {CL_DEVICE_QUEUE_PROPERTIES, ULONG, "LAYER_QUEUES"},
    {0, TEXT, NULL},
};

static cl_device_type type_of(const char *name)
{
    if (strcmp(name, "gpu") == 0) return CL_DEVICE_TYPE_GPU;
    if (strcmp(name, "accelerator") == 0) return CL_DEVICE_TYPE_ACCELERATOR;
    return CL_DEVICE_TYPE_CPU;
}

/* The answer of the table, if it has one. */
static bool answer(const pretence *table, cl_uint what, size_t size, void *value, size_t *needed,
                   cl_int *code)
{
    while (table->variable != NULL && (table->what != what || layer_text(table->variable) == NULL))
        table++;
    if (table->variable == NULL) return false;
    const char *text = layer_text(table->variable);
    const cl_ulong number = layer_number(table->variable, 0);
    const cl_uint narrow = (cl_uint)number;
    const size_t length = (size_t)number;
    const cl_device_type type = type_of(text);
    const struct {
        const void *from;
        size_t length;
    } values[] = {
        [TEXT] = {text, strlen(text) + 1}, [TYPE] = {&type, sizeof type},
        [UINT] = {&narrow, sizeof narrow}, [ULONG] = {&number, sizeof number},
        [SIZE] = {&length, sizeof length},
    };
    *code = layer_give(values[table->kind].from, values[table->kind].length, size, value, needed);
    return true;
}

static CL_API_ENTRY cl_int CL_API_CALL get_platform_info(cl_platform_id platform, cl_platform_info what,
                                                         size_t size, void *value, size_t *needed)
{
    cl_int code;
    if (answer(of_platform, what, size, value, needed, &code)) return code;
    return layer_target->clGetPlatformInfo(platform, what, size, value, needed);
}

static bool has_fp64(void)
{
    const char *extensions = layer_text("LAYER_EXTENSIONS");
    return extensions == NULL || strstr(extensions, "cl_khr_fp64") != NULL;
}

static CL_API_ENTRY cl_int CL_API_CALL get_device_info(cl_device_id device, cl_device_info what, size_t size,
                                                       void *value, size_t *needed)
{
    cl_int code;
    if (answer(of_device, what, size, value, needed, &code)) return code;
    if (what == CL_DEVICE_DOUBLE_FP_CONFIG && !has_fp64()) {
        const cl_device_fp_config none = 0;
        return layer_give(&none, sizeof none, size, value, needed);
    }
    code = layer_target->clGetDeviceInfo(device, what, size, value, needed);
    const size_t most = (size_t)layer_number("LAYER_WORK_GROUP", SIZE_MAX);
    if (code != CL_SUCCESS || what != CL_DEVICE_MAX_WORK_ITEM_SIZES || value == NULL) return code;
    for (size_t axis = 0; axis < 3; axis++)
        if (((size_t *)value)[axis] > most) ((size_t *)value)[axis] = most;
    return code;
}

static CL_API_ENTRY cl_int CL_API_CALL get_device_ids(cl_platform_id platform, cl_device_type type,
                                                      cl_uint entries, cl_device_id *devices, cl_uint *count)
{
    const char *own = layer_text("LAYER_TYPE");
    if (own == NULL || (type & CL_DEVICE_TYPE_DEFAULT) != 0)
        return layer_target->clGetDeviceIDs(platform, type, entries, devices, count);
    if ((type & type_of(own)) == 0) return CL_DEVICE_NOT_FOUND;
    return layer_target->clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, entries, devices, count);
}

static CL_API_ENTRY cl_int CL_API_CALL get_kernel_work_group_info(cl_kernel kernel, cl_device_id device,
                                                                  cl_kernel_work_group_info what, size_t size,
                                                                  void *value, size_t *needed)
{
    cl_int code = layer_target->clGetKernelWorkGroupInfo(kernel, device, what, size, value, needed);
    size_t most = (size_t)layer_number("LAYER_WORK_GROUP", SIZE_MAX);
    most = (size_t)layer_number("LAYER_KERNEL_WORK_GROUP", most);
    if (code == CL_SUCCESS && what == CL_KERNEL_WORK_GROUP_SIZE && value != NULL && *(size_t *)value > most)
        *(size_t *)value = most;
    return code;
}

/* The sizes of what each kernel was given, to add them up at a launch. */
enum { MOST_ARGUMENTS = 128 };

typedef struct kernel_record {
    cl_kernel kernel;
    size_t sizes[MOST_ARGUMENTS];
    struct kernel_record *next;
} kernel_record;

static kernel_record *records;
static pthread_mutex_t records_lock = PTHREAD_MUTEX_INITIALIZER;

static kernel_record **find_record(cl_kernel kernel)
{
    kernel_record **at = &records;
    while (*at != NULL && (*at)->kernel != kernel)
        at = &(*at)->next;
    return at;
}

static CL_API_ENTRY cl_int CL_API_CALL set_kernel_arg(cl_kernel kernel, cl_uint index, size_t size,
                                                      const void *value)
{
    pthread_mutex_lock(&records_lock);
    kernel_record **at = find_record(kernel);
    if (*at == NULL && (*at = calloc(1, sizeof **at)) != NULL) (*at)->kernel = kernel;
    if (*at != NULL && index < MOST_ARGUMENTS) (*at)->sizes[index] = size;
    pthread_mutex_unlock(&records_lock);
    return layer_target->clSetKernelArg(kernel, index, size, value);
}

static CL_API_ENTRY cl_int CL_API_CALL release_kernel(cl_kernel kernel)
{
    cl_uint references = 0;
    layer_target->clGetKernelInfo(kernel, CL_KERNEL_REFERENCE_COUNT, sizeof references, &references, NULL);
    pthread_mutex_lock(&records_lock);
    kernel_record **at = find_record(kernel), *gone = *at;
    if (references == 1 && gone != NULL) {
        *at = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&records_lock);
    return layer_target->clReleaseKernel(kernel);
}

static size_t argument_bytes(cl_kernel kernel)
{
    size_t bytes = 0;
    pthread_mutex_lock(&records_lock);
    const kernel_record *r = *find_record(kernel);
    for (size_t i = 0; r != NULL && i < MOST_ARGUMENTS; i++)
        bytes += r->sizes[i];
    pthread_mutex_unlock(&records_lock);
    return bytes;
}

/* A larger work-group than the device or the kernel has, or more local memory or arguments. */
cl_int pretend_check_launch(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *local)
{
    cl_device_id device = NULL;
    size_t items = 1, most = SIZE_MAX;
    cl_ulong local_memory = 0;
    cl_int code = layer_target->clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
    if (code == CL_SUCCESS)
        code =
            get_kernel_work_group_info(kernel, device, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    if (code == CL_SUCCESS)
        code = layer_target->clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_LOCAL_MEM_SIZE,
                                                      sizeof local_memory, &local_memory, NULL);
    if (code != CL_SUCCESS) return code;
    for (cl_uint axis = 0; local != NULL && axis < dimensions; axis++)
        items *= local[axis];
    if (items > most) return CL_INVALID_WORK_GROUP_SIZE;
    if (local_memory > layer_number("LAYER_LOCAL_MEMORY", UINT64_MAX)) return CL_OUT_OF_RESOURCES;
    if (argument_bytes(kernel) > layer_number("LAYER_PARAMETERS", UINT64_MAX)) return CL_OUT_OF_RESOURCES;
    return CL_SUCCESS;
}

static bool is_allocation(size_t size)
{
    const unsigned long long bits = layer_number("LAYER_ADDRESS_BITS", 64);
    return size <= layer_number("LAYER_ALLOCATION", UINT64_MAX) && (bits >= 64 || size < UINT64_C(1) << bits);
}

static CL_API_ENTRY cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                                     void *host, cl_int *code)
{
    if (is_allocation(size)) return layer_target->clCreateBuffer(context, flags, size, host, code);
    if (code != NULL) *code = CL_INVALID_BUFFER_SIZE;
    return NULL;
}

static CL_API_ENTRY cl_mem CL_API_CALL create_sub_buffer(cl_mem buffer, cl_mem_flags flags,
                                                         cl_buffer_create_type type, const void *region,
                                                         cl_int *code)
{
    const size_t alignment = (size_t)layer_number("LAYER_ALIGNMENT_BITS", 8) / 8;
    const cl_buffer_region *r = region;
    if (type != CL_BUFFER_CREATE_TYPE_REGION || r == NULL || r->origin % alignment == 0)
        return layer_target->clCreateSubBuffer(buffer, flags, type, region, code);
    if (code != NULL) *code = CL_MISALIGNED_SUB_BUFFER_OFFSET;
    return NULL;
}

static CL_API_ENTRY cl_command_queue CL_API_CALL create_queue(cl_context context, cl_device_id device,
                                                              cl_command_queue_properties properties,
                                                              cl_int *code)
{
    if ((properties & ~layer_number("LAYER_QUEUES", UINT64_MAX)) == 0)
        return layer_target->clCreateCommandQueue(context, device, properties, code);
    if (code != NULL) *code = CL_INVALID_QUEUE_PROPERTIES;
    return NULL;
}

/* Not of a binary. */
static bool is_of_source(cl_program program)
{
    size_t size = 0;
    return layer_target->clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &size) == CL_SUCCESS &&
           size > 1;
}

static bool has_option(const char *options, const char *option)
{
    return options != NULL && strstr(options, option) != NULL;
}

/* clconv's and CLBlast's programs for doubles say so in their options; without a compiler none is built of a source.
 * LAYER_BUILD_OPTIONS are added to those of clconv's programs: CLBlast's are few, and very slow as they are written. */
static CL_API_ENTRY cl_int CL_API_CALL build_program(cl_program program, cl_uint count,
                                                     const cl_device_id *devices, const char *options,
                                                     void(CL_CALLBACK *notify)(cl_program, void *),
                                                     void *user)
{
    const char *more = layer_text("LAYER_BUILD_OPTIONS");
    const bool is_double = has_option(options, "-DREAL_BITS=64") || has_option(options, "-DPRECISION=64");
    char all[2048];
    if (is_double && !has_fp64()) return CL_BUILD_PROGRAM_FAILURE;
    if (layer_number("LAYER_COMPILER", 1) == 0 && is_of_source(program)) return CL_COMPILER_NOT_AVAILABLE;
    if (more == NULL || !has_option(options, "-DREAL_BITS="))
        return layer_target->clBuildProgram(program, count, devices, options, notify, user);
    if (snprintf(all, sizeof all, "%s %s", options, more) >= (int)sizeof all) return CL_INVALID_BUILD_OPTIONS;
    return layer_target->clBuildProgram(program, count, devices, all, notify, user);
}

void pretend_install(struct _cl_icd_dispatch *own)
{
    own->clGetPlatformInfo = get_platform_info;
    own->clGetDeviceInfo = get_device_info;
    own->clGetDeviceIDs = get_device_ids;
    own->clGetKernelWorkGroupInfo = get_kernel_work_group_info;
    own->clSetKernelArg = set_kernel_arg;
    own->clReleaseKernel = release_kernel;
    own->clCreateBuffer = create_buffer;
    own->clCreateSubBuffer = create_sub_buffer;
    own->clCreateCommandQueue = create_queue;
    own->clBuildProgram = build_program;
}
