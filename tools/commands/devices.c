/* clconv devices: what there is, and what would be chosen. */
#include "commands/commands.h"
#include "common/json.h"
#include "options/options.h"

#include <stdio.h>

typedef struct devices_options {
    common_options common;
    int json;
} devices_options;

static const option_spec devices_table[] = {
    {.name = "json",
     .help = "prints one JSON object for each device",
     .parse = option_flag,
     .offset = offsetof(devices_options, json)},
    {.name = NULL},
};

static const command_help devices_help = {
    "devices", "[--device SELECTOR] [--json]",
    "Lists the devices of every OpenCL platform with what matters here and the two selectors\n"
    "that pick each, its number and P:D, and marks the one that is chosen now.",
    0};

static const char *type_name(cl_device_type type)
{
    return type & CL_DEVICE_TYPE_GPU           ? "gpu"
           : type & CL_DEVICE_TYPE_CPU         ? "cpu"
           : type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator"
                                               : "other";
}

static void print_device(const clconv_device_info *d, size_t number, int chosen)
{
    static const double mebibyte = 1 << 20;
    printf("%s %zu  %-5s %s\n", chosen ? "*" : " ", number, d->selector, d->name);
    printf("        type        %s, %lld compute units, %lld MHz\n", type_name(d->type),
           (long long)d->compute_units, (long long)d->clock_mhz);
    printf("        vendor      %s\n", d->vendor);
    printf("        platform    %s, %s\n", d->platform_name, d->platform_version);
    printf("        version     %s, driver %s\n", d->device_version, d->driver_version);
    printf("        memory      %.0f MiB, at most %.0f MiB in one buffer, %.0f KiB local\n",
           (double)d->global_memory_bytes / mebibyte, (double)d->max_allocation_bytes / mebibyte,
           (double)d->local_memory_bytes / 1024);
    printf("        kernels     %d-bit vectors, work-groups up to %lld, fp64 %s, compiler %s\n",
           d->vector_bits, (long long)d->max_work_group_size, d->has_fp64 ? "yes" : "no",
           d->has_compiler ? "yes" : "no");
}

static void add_texts(cJSON *object, const clconv_device_info *d)
{
    cJSON_AddStringToObject(object, "selector", d->selector);
    cJSON_AddStringToObject(object, "name", d->name);
    cJSON_AddStringToObject(object, "type", type_name(d->type));
    cJSON_AddStringToObject(object, "vendor", d->vendor);
    cJSON_AddStringToObject(object, "platform", d->platform_name);
    cJSON_AddStringToObject(object, "platform_version", d->platform_version);
    cJSON_AddStringToObject(object, "device_version", d->device_version);
    cJSON_AddStringToObject(object, "driver_version", d->driver_version);
}

static int print_device_json(const clconv_device_info *d, size_t number, int chosen)
{
    cJSON *object = cJSON_CreateObject();
    add_texts(object, d);
    cJSON_AddNumberToObject(object, "number", (double)number);
    cJSON_AddNumberToObject(object, "platform_index", d->platform_index);
    cJSON_AddNumberToObject(object, "device_index", d->device_index);
    cJSON_AddNumberToObject(object, "compute_units", (double)d->compute_units);
    cJSON_AddNumberToObject(object, "clock_mhz", (double)d->clock_mhz);
    cJSON_AddNumberToObject(object, "global_memory_bytes", (double)d->global_memory_bytes);
    cJSON_AddNumberToObject(object, "max_allocation_bytes", (double)d->max_allocation_bytes);
    cJSON_AddNumberToObject(object, "local_memory_bytes", (double)d->local_memory_bytes);
    cJSON_AddNumberToObject(object, "max_work_group_size", (double)d->max_work_group_size);
    cJSON_AddNumberToObject(object, "vector_bits", d->vector_bits);
    cJSON_AddBoolToObject(object, "fp64", d->has_fp64);
    cJSON_AddBoolToObject(object, "compiler", d->has_compiler);
    cJSON_AddBoolToObject(object, "chosen", chosen);
    return json_print(object);
}

int cmd_devices(int argc, char **argv)
{
    devices_options options = {0};
    common_options_init(&options.common);
    const option_group groups[] = {{"options", devices_table, &options},
                                   {"device", device_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&devices_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;

    clconv_error err;
    clconv_device_info *devices;
    size_t count;
    cl_platform_id platform;
    cl_device_id chosen = NULL;
    if (clconv_list_devices(&devices, &count, &err)) return tool_fail_library(NULL, &err);
    clconv_status selected = clconv_select_device(options.common.device, &platform, &chosen, &err);
    status = EXIT_DONE;
    for (size_t i = 0; !status && i < count; i++) {
        int is_chosen = !selected && devices[i].device == chosen;
        if (options.json) status = print_device_json(&devices[i], i, is_chosen);
        if (!options.json) print_device(&devices[i], i, is_chosen);
    }
    clconv_free(devices);
    if (!status && selected) status = tool_fail_library(NULL, &err);
    if (!status && !options.json)
        printf("\n* is chosen now; a number or P:D as --device or CLCONV_DEVICE chooses another.\n");
    return status;
}
