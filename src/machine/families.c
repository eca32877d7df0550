/* The table of families, and which one a device belongs to: see machine.h. */
#include "machine/machine.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Caches of a server's CPU. */
#define CPU_CACHES \
    .cache_way = 16 << 10, .core_cache = 1 << 20, .shared_cache = 16 << 20, .between_steps = 8 << 20

/* Its nominal rates are those of two cores, whose multiply-adds go by the width of their vectors. */
#define CPU_RATES(bits) \
    .flops_per_second = 0.5e9 * (bits), .bytes_per_second = 20e9, .launch_seconds = 15e-6, CPU_CACHES

/* NOLINTBEGIN(readability-duplicate-include): their ratios are the same, but for CLBlast's */
#define CPU_GEMM_SHARE .plain.gemm_share = 0.07, .plain.implicit_share = 1

static const machine cpu_128 = {
    .name = "cpu-128",
    CPU_RATES(128),
#include "machine/families/cpu.inc"
    CPU_GEMM_SHARE,
};

static const machine cpu_256 = {
    .name = "cpu-256",
    CPU_RATES(256),
#include "machine/families/cpu.inc"
    CPU_GEMM_SHARE,
};

static const machine cpu_512 = {
    .name = "cpu-512",
    CPU_RATES(512),
#include "machine/families/cpu.inc"
    CPU_GEMM_SHARE,
};

static const machine zen4 = {
    .name = "zen4",
    CPU_RATES(512),
#include "machine/families/cpu.inc"
    CPU_GEMM_SHARE,
};

/* Its second cache holds 2 MiB; the blocks of 1 MiB are those of the timings. */
static const machine xeon = {
    .name = "xeon",
    CPU_CACHES,
#include "machine/families/xeon.inc"
};

/* FPGAs and such: nothing is known of them. */
static const machine accelerator = {
    .name = "accelerator",
    CPU_RATES(128),
#include "machine/families/cpu.inc"
    CPU_GEMM_SHARE,
};

/* NOLINTEND(readability-duplicate-include) */

/* A family is the first of a device's type whose width of vectors it has at least, and whose vendor it names, if there is
 * one. */
typedef struct family {
    const machine *machine;
    cl_device_type type; /* 0: any */
    int vector_bits;
    const char *vendor; /* a part of the vendor's or device's name; NULL: any */
} family;

static const family families[] = {
    {&accelerator, CL_DEVICE_TYPE_ACCELERATOR, 0, NULL},
    {&zen4, 0, 512, "AMD"},
    {&xeon, 0, 512, "INTEL"},
    {&cpu_512, 0, 512, NULL},
    {&cpu_256, 0, 256, NULL},
    {&cpu_128, 0, 0, NULL},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

bool machine_has_word(const clconv_device_info *info, const char *word)
{
    size_t length = strlen(word);
    return text_holds(info->vendor, word, length) || text_holds(info->name, word, length);
}

const machine *machine_of(const clconv_device_info *info)
{
    if ((info->type & CL_DEVICE_TYPE_GPU) != 0) return machine_of_gpu(info);
    const family *f = families;
    while ((f->type != 0 && (info->type & f->type) == 0) || info->vector_bits < f->vector_bits ||
           (f->vendor != NULL && !machine_has_word(info, f->vendor)))
        f++;
    return f->machine;
}

const char *machine_name(size_t index)
{
    return index < FAMILIES ? families[index].machine->name : machine_name_gpu(index - FAMILIES);
}

bool machine_example(const char *name, clconv_device_info *info)
{
    *info = (clconv_device_info){.has_fp64 = 1,
                                 .has_compiler = 1,
                                 .is_little_endian = 1,
                                 .global_memory_bytes = INT64_C(32) << 30,
                                 .max_allocation_bytes = INT64_C(8) << 30,
                                 .local_memory_bytes = 48 << 10,
                                 .max_work_group_size = 1024,
                                 .address_alignment_bits = 1024};
    snprintf(info->name, sizeof info->name, "a device of the family %s that is not there", name);
    if (machine_example_gpu(name, info)) return true;
    const family *f = families;
    while (f < families + FAMILIES && strcmp(f->machine->name, name) != 0)
        f++;
    if (f == families + FAMILIES) return false;
    info->type = f->type != 0 ? f->type : CL_DEVICE_TYPE_CPU;
    info->compute_units = 2;
    info->vector_bits = f->vector_bits;
    snprintf(info->vendor, sizeof info->vendor, "%s", f->vendor != NULL ? f->vendor : "someone");
    return true;
}
