/* Enumeration and facts of devices: see devices.h. A first failed query of a device fails the whole of it:
 * there are no half-known devices. */
#include "opencl/devices.h"

#include "base/environment.h"
#include "base/error.h"
#include "opencl/pocl.h"
#include "opencl/runtime.h"
#include "opencl/selector.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The loader's answer without any platform (cl_khr_icd). */
#define NO_PLATFORM (-1001)

/* Facts of one device; the first failure sticks. */
typedef struct query {
    cl_platform_id platform;
    cl_device_id device;
    cl_int code;
} query;

static void query_value(query *q, cl_device_info what, void *value, size_t size)
{
    if (q->code == CL_SUCCESS) q->code = clGetDeviceInfo(q->device, what, size, value, NULL);
}

static int64_t query_uint(query *q, cl_device_info what)
{
    cl_uint value = 0;
    query_value(q, what, &value, sizeof value);
    return value;
}

static int64_t query_ulong(query *q, cl_device_info what)
{
    cl_ulong value = 0;
    query_value(q, what, &value, sizeof value);
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int query_bool(query *q, cl_device_info what)
{
    cl_bool value = CL_FALSE;
    query_value(q, what, &value, sizeof value);
    return value == CL_TRUE;
}

static cl_int get_text(const query *q, bool of_platform, cl_uint what, size_t size, char *text,
                       size_t *needed)
{
    return of_platform ? clGetPlatformInfo(q->platform, what, size, text, needed)
                       : clGetDeviceInfo(q->device, what, size, text, needed);
}

/* A text of any length, to be freed; NULL after a failure. */
static char *query_whole_text(query *q, bool of_platform, cl_uint what)
{
    size_t size = 0;
    if (q->code == CL_SUCCESS) q->code = get_text(q, of_platform, what, 0, NULL, &size);
    if (q->code != CL_SUCCESS) return NULL;
    char *text = calloc(size + 1, 1);
    if (text == NULL)
        q->code = CL_OUT_OF_HOST_MEMORY;
    else if (size > 0)
        q->code = get_text(q, of_platform, what, size, text, NULL);
    if (q->code == CL_SUCCESS) return text;
    free(text);
    return NULL;
}

/* Copies what fits, without blanks at the ends; control characters become blanks, since messages and tables
 * hold these texts on one line. */
static void query_text(query *q, bool of_platform, cl_uint what, char *out, size_t size)
{
    char *text = query_whole_text(q, of_platform, what);
    if (text == NULL) return;
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
    snprintf(out, size, "%s", text + strspn(text, " "));
    size_t length = strlen(out);
    while (length > 0 && out[length - 1] == ' ')
        out[--length] = '\0';
    free(text);
}

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) return true;
    return false;
}

/* A device tells of doubles by the extension or, from OpenCL 1.2 on, by a configuration that is not 0. */
static int query_fp64(query *q)
{
    char *extensions = query_whole_text(q, false, CL_DEVICE_EXTENSIONS);
    bool has = extensions != NULL && has_word(extensions, "cl_khr_fp64");
    free(extensions);
    cl_device_fp_config config = 0;
    if (!has &&
        clGetDeviceInfo(q->device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof config, &config, NULL) == CL_SUCCESS)
        has = config != 0;
    return has;
}

/* What the vendors' extensions number their queries. */
enum {
    NV_CAPABILITY_MAJOR = 0x4000,
    NV_CAPABILITY_MINOR = 0x4001,
    AMD_GFXIP_MAJOR = 0x404A,
    AMD_GFXIP_MINOR = 0x404B,
    INTEL_SUB_GROUP_SIZES = 0x4108
};

/* A number, 0 where the device does not know the query: for what may be missing. */
static unsigned query_optional(const query *q, cl_device_info what)
{
    cl_uint value = 0;
    return clGetDeviceInfo(q->device, what, sizeof value, &value, NULL) == CL_SUCCESS ? value : 0;
}

/* The narrowest sub-group that a kernel can ask for; 0 if the device does not tell. */
static size_t query_narrowest(const query *q)
{
    size_t sizes[8] = {0}, bytes = 0, least = 0;
    if (clGetDeviceInfo(q->device, INTEL_SUB_GROUP_SIZES, sizeof sizes, sizes, &bytes) != CL_SUCCESS)
        return 0;
    for (size_t i = 0; i < bytes / sizeof sizes[0] && i < sizeof sizes / sizeof sizes[0]; i++)
        if (least == 0 || sizes[i] < least) least = sizes[i];
    return least;
}

static void query_architecture(query *q, clconv_device_info *d)
{
    char *extensions = query_whole_text(q, false, CL_DEVICE_EXTENSIONS);
    size_t size = sizeof d->architecture;
    if (extensions == NULL) return;
    if (has_word(extensions, "cl_nv_device_attribute_query"))
        snprintf(d->architecture, size, "sm_%u%u", query_optional(q, NV_CAPABILITY_MAJOR),
                 query_optional(q, NV_CAPABILITY_MINOR));
    else if (has_word(extensions, "cl_amd_device_attribute_query"))
        snprintf(d->architecture, size, "gfx%u%u0", query_optional(q, AMD_GFXIP_MAJOR),
                 query_optional(q, AMD_GFXIP_MINOR));
    else if (has_word(extensions, "cl_intel_required_subgroup_size"))
        snprintf(d->architecture, size, "simd%zu", query_narrowest(q));
    free(extensions);
}

static int query_vector_bits(query *q)
{
    int64_t bits = 32 * query_uint(q, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    for (int width = 512; width >= 128; width /= 2)
        if (bits >= width) return width;
    return 32;
}

static void query_texts(query *q, clconv_device_info *d)
{
    query_text(q, true, CL_PLATFORM_NAME, d->platform_name, sizeof d->platform_name);
    query_text(q, true, CL_PLATFORM_VERSION, d->platform_version, sizeof d->platform_version);
    query_text(q, false, CL_DEVICE_NAME, d->name, sizeof d->name);
    query_text(q, false, CL_DEVICE_VENDOR, d->vendor, sizeof d->vendor);
    query_text(q, false, CL_DEVICE_VERSION, d->device_version, sizeof d->device_version);
    query_text(q, false, CL_DRIVER_VERSION, d->driver_version, sizeof d->driver_version);
}

static void query_numbers(query *q, clconv_device_info *d)
{
    size_t work_group = 0;
    query_value(q, CL_DEVICE_TYPE, &d->type, sizeof d->type);
    d->compute_units = query_uint(q, CL_DEVICE_MAX_COMPUTE_UNITS);
    d->clock_mhz = query_uint(q, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    d->global_memory_bytes = query_ulong(q, CL_DEVICE_GLOBAL_MEM_SIZE);
    d->max_allocation_bytes = query_ulong(q, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    d->local_memory_bytes = query_ulong(q, CL_DEVICE_LOCAL_MEM_SIZE);
    query_value(q, CL_DEVICE_MAX_WORK_GROUP_SIZE, &work_group, sizeof work_group);
    d->max_work_group_size = (int64_t)work_group;
    d->address_alignment_bits = query_uint(q, CL_DEVICE_MEM_BASE_ADDR_ALIGN);
    d->shares_host_memory = query_bool(q, CL_DEVICE_HOST_UNIFIED_MEMORY);
    d->vector_bits = query_vector_bits(q);
    d->has_fp64 = query_fp64(q);
    d->has_compiler = query_bool(q, CL_DEVICE_COMPILER_AVAILABLE);
    d->is_little_endian = query_bool(q, CL_DEVICE_ENDIAN_LITTLE);
}

/* All platforms, to be freed. None is a success. */
static cl_int get_platforms(cl_platform_id **platforms, cl_uint *count)
{
    *platforms = NULL;
    *count = 0;
    cl_int code = clGetPlatformIDs(0, NULL, count);
    if (code == NO_PLATFORM) *count = 0;
    if (code == NO_PLATFORM || (code == CL_SUCCESS && *count == 0)) return CL_SUCCESS;
    if (code != CL_SUCCESS) return code;
    *platforms = calloc(*count, sizeof **platforms);
    if (*platforms == NULL) return CL_OUT_OF_HOST_MEMORY;
    return clGetPlatformIDs(*count, *platforms, NULL);
}

static bool has_pocl(void)
{
    cl_platform_id *platforms = NULL;
    cl_uint count = 0;
    bool found = false;
    if (get_platforms(&platforms, &count) != CL_SUCCESS) count = 0;
    for (cl_uint p = 0; p < count && !found; p++) {
        char name[64] = "";
        query q = {.platform = platforms[p]};
        query_text(&q, true, CL_PLATFORM_NAME, name, sizeof name);
        found = pocl_is_platform(name);
    }
    free(platforms);
    return found;
}

/* All devices of a platform, to be freed; none if it fails to tell, so that one broken driver hides no other.
 */
static cl_uint get_devices(cl_platform_id platform, cl_device_id **devices)
{
    cl_uint count = 0;
    *devices = NULL;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count) != CL_SUCCESS || count == 0) return 0;
    *devices = calloc(count, sizeof **devices);
    if (*devices == NULL) return 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, *devices, NULL) == CL_SUCCESS) return count;
    free(*devices);
    *devices = NULL;
    return 0;
}

/* What is done with each device; anything but success ends the enumeration. */
typedef clconv_status (*device_visitor)(void *user, cl_platform_id platform, int platform_index,
                                        cl_device_id device, int device_index, clconv_error *err);

static clconv_status visit_devices(device_visitor visit, void *user, clconv_error *err)
{
    cl_platform_id *platforms = NULL;
    cl_uint platform_count = 0;
    cl_int code = get_platforms(&platforms, &platform_count);
    clconv_status status =
        code == CL_SUCCESS ? CLCONV_SUCCESS : error_set_opencl(err, code, "clGetPlatformIDs");
    for (cl_uint p = 0; p < platform_count && status == CLCONV_SUCCESS; p++) {
        cl_device_id *devices = NULL;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a failure is no success */
        cl_uint device_count = get_devices(platforms[p], &devices);
        for (cl_uint d = 0; d < device_count && status == CLCONV_SUCCESS; d++)
            status = visit(user, platforms[p], (int)p, devices[d], (int)d, err);
        free(devices);
    }
    free(platforms);
    return status;
}

/* Where a device stands in the enumeration; -1 while it is not found. */
typedef struct device_place {
    cl_device_id device;
    int platform_index, device_index;
} device_place;

static clconv_status visit_place(void *user, cl_platform_id platform, int platform_index, cl_device_id device,
                                 int device_index, clconv_error *err)
{
    (void)platform, (void)err;
    device_place *place = user;
    if (device == place->device) {
        place->platform_index = platform_index;
        place->device_index = device_index;
    }
    return CLCONV_SUCCESS;
}

clconv_status device_info_query(cl_platform_id platform, int platform_index, cl_device_id device,
                                int device_index, clconv_device_info *info, clconv_error *err)
{
    device_place place = {device, platform_index, device_index};
    if (platform_index < 0 || device_index < 0) {
        place = (device_place){device, -1, -1};
        clconv_status status = visit_devices(visit_place, &place, err);
        if (status != CLCONV_SUCCESS) return status;
    }
    query q = {platform, device, CL_SUCCESS};
    clconv_device_info made = {.platform = platform,
                               .device = device,
                               .platform_index = place.platform_index,
                               .device_index = place.device_index};
    query_texts(&q, &made);
    query_numbers(&q, &made);
    if ((made.type & CL_DEVICE_TYPE_GPU) != 0) query_architecture(&q, &made);
    if (q.code != CL_SUCCESS) return error_set_opencl(err, q.code, "clGetDeviceInfo");
    if (made.platform_index >= 0)
        snprintf(made.selector, sizeof made.selector, "%d:%d", made.platform_index, made.device_index);
    *info = made;
    return CLCONV_SUCCESS;
}

clconv_status device_info_query_one(cl_device_id device, clconv_device_info *info, clconv_error *err)
{
    cl_platform_id platform = NULL;
    cl_int code = clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    if (code != CL_SUCCESS) return error_set_opencl(err, code, "clGetDeviceInfo(CL_DEVICE_PLATFORM)");
    return device_info_query(platform, -1, device, -1, info, err);
}

typedef struct device_list {
    clconv_device_info *items;
    size_t count;
} device_list;

static clconv_status visit_list(void *user, cl_platform_id platform, int platform_index, cl_device_id device,
                                int device_index, clconv_error *err)
{
    device_list *list = user;
    clconv_device_info info;
    if (device_info_query(platform, platform_index, device, device_index, &info, NULL) != CLCONV_SUCCESS)
        return CLCONV_SUCCESS;
    clconv_device_info *grown = realloc(list->items, (list->count + 1) * sizeof *grown);
    if (grown == NULL) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the list of devices");
    list->items = grown;
    list->items[list->count++] = info;
    return CLCONV_SUCCESS;
}

clconv_status clconv_list_devices(clconv_device_info **devices, size_t *count, clconv_error *err)
{
    if (devices == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "devices is NULL");
    if (count == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "count is NULL");
    device_list list = {NULL, 0};
    clconv_status status = runtime_check_process(err);
    if (status == CLCONV_SUCCESS) status = visit_devices(visit_list, &list, err);
    if (status != CLCONV_SUCCESS) {
        free(list.items);
        return status;
    }
    *devices = list.items;
    *count = list.count;
    return CLCONV_SUCCESS;
}

void clconv_free(void *memory)
{
    free(memory);
}

static clconv_status no_device(clconv_error *err)
{
    char fault[POCL_FAULT_SIZE] = "";
    if (has_pocl()) pocl_cache_fault(fault);
    return error_set(err, CLCONV_NO_DEVICE, "there is no OpenCL device: %s",
                     fault[0] != '\0' ? fault : "no platform, or none with one");
}

/* Those without a compiler that the bundle of the environment is for may be chosen by default, as if they had one. */
static void admit_bundled(clconv_device_info *devices, size_t count)
{
    char why[BUNDLE_WHY];
    const char *path = environment_get("CLCONV_BUNDLE");
    bundle *b = path != NULL ? bundle_open(path, why) : NULL;
    for (size_t i = 0; b != NULL && i < count; i++) {
        char *device = cache_device(&devices[i], platform_of(&devices[i])->options);
        if (device != NULL && bundle_is_for(b, device, why)) devices[i].has_compiler = 1;
        free(device);
    }
    bundle_release(b);
}

clconv_status clconv_select_device(const char *selector, cl_platform_id *platform, cl_device_id *device,
                                   clconv_error *err)
{
    if (platform == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "platform is NULL");
    if (device == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "device is NULL");
    const char *name = "selector";
    if (selector == NULL || selector[0] == '\0') {
        name = "CLCONV_DEVICE";
        selector = environment_get(name);
    }
    clconv_device_info *devices = NULL;
    size_t count = 0, chosen = 0;
    clconv_status status = clconv_list_devices(&devices, &count, err);
    if (status == CLCONV_SUCCESS) admit_bundled(devices, count);
    if (status == CLCONV_SUCCESS) status = selector_choose(name, selector, devices, count, &chosen, err);
    if (status == CLCONV_NO_DEVICE && count == 0) status = no_device(err);
    if (status == CLCONV_SUCCESS) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): of none, none is chosen */
        *platform = devices[chosen].platform;
        *device = devices[chosen].device;
    }
    free(devices);
    return status;
}
