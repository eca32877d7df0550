/* The table of families, and which one a device belongs to: see machine.h. */
#include "machine/machine.h"

#include "base/text.h"

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

/* The rates of a mid-range device. No ratio is measured. */
static const machine gpu = {
    .name = "gpu",
    .flops_per_second = 10e12,
    .bytes_per_second = 400e9,
    .launch_seconds = 8e-6,
    .cache_way = 16 << 10,
    .core_cache = 1 << 20,
    .shared_cache = 16 << 20,
    .between_steps = 256 << 20,
#include "machine/families/cpu.inc"
    .plain.gemm_share = 0.6,
    .plain.implicit_share = 0.6,
};

/* NOLINTEND(readability-duplicate-include) */

/* A family is the first whose width of vectors a device has at least, and whose vendor it names, if there is one. */
typedef struct family {
    const machine *machine;
    int vector_bits;
    const char *vendor; /* a part of the vendor's or device's name; NULL: any */
} family;

static const family cpus[] = {
    {&zen4, 512, "AMD"},   {&xeon, 512, "INTEL"}, {&cpu_512, 512, NULL},
    {&cpu_256, 256, NULL}, {&cpu_128, 0, NULL},
};

static bool names(const clconv_device_info *info, const char *vendor)
{
    size_t length = strlen(vendor);
    return text_holds(info->vendor, vendor, length) || text_holds(info->name, vendor, length);
}

const machine *machine_of(const clconv_device_info *info)
{
    if ((info->type & CL_DEVICE_TYPE_GPU) != 0) return &gpu;
    const family *f = cpus;
    while (info->vector_bits < f->vector_bits || (f->vendor != NULL && !names(info, f->vendor)))
        f++;
    return f->machine;
}
