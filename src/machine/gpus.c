/* The families of GPUs, and which one a device belongs to: see machine.h. Tiles, shares and balances are what other
 * libraries are known to reach on such devices; nothing is measured. */
#include "machine/machine.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two FLOPs for each multiply-add of the usual device. */
#define GPU_PEAK(units, clock, multiply_adds) (2e6 * (units) * (clock) * (multiply_adds))

/* Compute units, MHz and multiply-adds of a unit in a clock of a family's usual device. */
#define NVIDIA 132, 1700, 128
#define GCN 64, 1500, 64
#define RDNA 36, 2200, 128
#define INTEL 512, 2100, 8
#define XE_HPC 448, 1550, 16
#define MALI 10, 850, 64
#define ADRENO 12, 700, 128
#define APPLE 10, 1300, 128
#define UNKNOWN 32, 1500, 64

/* The rates of a family, with bytes of memory for each FLOP; after its ratios, the shares of the peak that implicit_gemm's
 * tiles and CLBlast reach. */
#define GPU_RATES(...) GPU_RATES_OF(__VA_ARGS__)
#define GPU_RATES_OF(units, clock, multiply_adds, balance)                                         \
    .flops_per_second = GPU_PEAK(units, clock, multiply_adds),                                     \
    .bytes_per_second = GPU_PEAK(units, clock, multiply_adds) * (balance), .launch_seconds = 8e-6, \
    .cache_way = 16 << 10, .core_cache = 1 << 20, .shared_cache = 16 << 20, .between_steps = 64 << 20
#define GPU_SHARES(implicit, gemm) .plain.gemm_share = (gemm), .plain.implicit_share = (implicit)

/* The units of a family: those of GPU_RATES, lanes, the largest work-group, KiB of local memory, registers. */
#define GPU_UNITS(...) GPU_UNITS_OF(__VA_ARGS__)
#define GPU_UNITS_OF(number, clock, adds, step, group, kib, all)                       \
    .units = (number), .clock_mhz = (clock), .multiply_adds = (adds), .lanes = (step), \
    .work_group = (group), .local_memory = (kib) << 10, .registers = (all)

/* Tiles of few output channels, which every family has. */
#define GPU_SMALL_TILES                     \
    {32, 128, 16, 4, 8}, {32, 32, 8, 4, 4}, \
    {                                       \
        16, 64, 8, 4, 4                     \
    }

static const machine_gpu nvidia_gpu = {
    GPU_UNITS(NVIDIA, 32, 1024, 48, 128),
    .local_pays = true,
    .tiles = {{128, 128, 8, 8, 8}, {64, 128, 8, 8, 8}, {64, 64, 16, 4, 8}, GPU_SMALL_TILES},
};
static const machine_gpu gcn_gpu = {
    GPU_UNITS(GCN, 64, 256, 64, 128),
    .local_pays = true,
    .tiles = {{64, 64, 16, 4, 4}, {64, 128, 8, 8, 8}, GPU_SMALL_TILES},
};
static const machine_gpu rdna_gpu = {
    GPU_UNITS(RDNA, 32, 256, 64, 192),
    .local_pays = true,
    .tiles = {{128, 128, 8, 8, 8}, {128, 64, 8, 8, 8}, {64, 64, 8, 4, 8}, GPU_SMALL_TILES},
};
static const machine_gpu intel_gpu = {
    GPU_UNITS(INTEL, 8, 512, 64, 128),
    .tiles = {{64, 64, 8, 4, 8}, {64, 64, 8, 4, 4}, GPU_SMALL_TILES},
};
static const machine_gpu xe_hpc_gpu = {
    GPU_UNITS(XE_HPC, 16, 1024, 64, 128),
    .tiles = {{64, 64, 8, 4, 8}, {64, 64, 8, 4, 4}, GPU_SMALL_TILES},
};
static const machine_gpu mali_gpu = {
    GPU_UNITS(MALI, 16, 512, 32, 32),
    .tiles = {{32, 32, 8, 4, 4}, {16, 64, 8, 4, 4}},
};
static const machine_gpu adreno_gpu = {
    GPU_UNITS(ADRENO, 64, 1024, 32, 64),
    .tiles = {{32, 64, 8, 4, 4}, {32, 32, 8, 4, 4}, {16, 64, 8, 4, 4}},
};
static const machine_gpu apple_gpu = {
    GPU_UNITS(APPLE, 32, 256, 32, 96),
    .local_pays = true,
    .tiles = {{32, 32, 16, 4, 4}, {64, 64, 8, 4, 4}, {16, 64, 8, 4, 4}},
};
static const machine_gpu other_gpu = {
    GPU_UNITS(UNKNOWN, 32, 256, 32, 128),
    .local_pays = true,
    .tiles = {{64, 64, 16, 4, 8}, {64, 64, 8, 4, 4}, GPU_SMALL_TILES},
};

/* NOLINTBEGIN(readability-duplicate-include): ratios of kernels that are made for CPUs are the same */
static const machine nvidia = {
    .name = "nvidia",
    .gpu = &nvidia_gpu,
    GPU_RATES(NVIDIA, 0.04),
#include "machine/families/gpu.inc"
    GPU_SHARES(0.6, 0.4),
};
static const machine gcn = {
    .name = "gcn",
    .gpu = &gcn_gpu,
    GPU_RATES(GCN, 0.045),
#include "machine/families/gpu.inc"
    GPU_SHARES(0.45, 0.3),
};
static const machine rdna = {
    .name = "rdna",
    .gpu = &rdna_gpu,
    GPU_RATES(RDNA, 0.03),
#include "machine/families/gpu.inc"
    GPU_SHARES(0.45, 0.3),
};
static const machine intel = {
    .name = "intel",
    .gpu = &intel_gpu,
    GPU_RATES(INTEL, 0.028),
#include "machine/families/gpu.inc"
    GPU_SHARES(0.45, 0.3),
};
static const machine xe_hpc = {
    .name = "xe-hpc",
    .gpu = &xe_hpc_gpu,
    GPU_RATES(XE_HPC, 0.06),
#include "machine/families/gpu.inc"
    GPU_SHARES(0.45, 0.3),
};
static const machine mali = {
    .name = "mali",
    .gpu = &mali_gpu,
    GPU_RATES(MALI, 0.03),
#include "machine/families/gpu.inc"
    GPU_SHARES(0.3, 0.15),
};
static const machine adreno = {
    .name = "adreno",
    .gpu = &adreno_gpu,
    GPU_RATES(ADRENO, 0.03),
#include "machine/families/gpu.inc"
    GPU_SHARES(0.3, 0.15),
};
static const machine apple = {
    .name = "apple",
    .gpu = &apple_gpu,
    GPU_RATES(APPLE, 0.04),
#include "machine/families/gpu.inc"
    GPU_SHARES(0.35, 0.3),
};
static const machine gpu = {
    .name = "gpu",
    .gpu = &other_gpu,
    GPU_RATES(UNKNOWN, 0.04),
#include "machine/families/gpu.inc"
    GPU_SHARES(0.4, 0.25),
};
/* NOLINTEND(readability-duplicate-include) */

/* A family is the first one of whose vendor's words is in a device's names, and whose architecture it has. */
typedef struct family {
    const machine *machine;
    const char *words[3];     /* the first is the example's vendor; none: any device */
    const char *architecture; /* what devices of the family say, as an example; NULL: nothing or anything */
    int64_t least;            /* number in the architecture's name at least */
} family;

static const family families[] = {
    {&nvidia, {"NVIDIA"}, NULL, 0},
    {&rdna, {"AMD", "Advanced Micro Devices"}, "gfx1030", 1000},
    {&gcn, {"AMD", "Advanced Micro Devices"}, NULL, 0},
    {&xe_hpc, {"Intel"}, "simd16", 16},
    {&intel, {"Intel"}, NULL, 0},
    {&mali, {"ARM", "Mali"}, NULL, 0},
    {&adreno, {"QUALCOMM", "Adreno"}, NULL, 0},
    {&apple, {"Apple"}, NULL, 0},
    {&gpu, {NULL}, NULL, 0},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

/* The number after the letters of an architecture, such as gfx1030, in a device's architecture or name; 0: it has none.
 * Letters after digits, as in gfx90a, end it. */
static int64_t number_of(const clconv_device_info *info, const char *architecture)
{
    size_t letters = strcspn(architecture, "0123456789");
    const char *const texts[] = {info->architecture, info->name};
    for (int i = 0; i < 2; i++)
        for (const char *at = texts[i]; *at != '\0'; at++)
            if (strncmp(at, architecture, letters) == 0) return strtoll(at + letters, NULL, 10);
    return 0;
}

static bool belongs(const clconv_device_info *info, const family *f)
{
    bool is_named = f->words[0] == NULL;
    for (int i = 0; f->words[i] != NULL; i++)
        is_named = is_named || machine_has_word(info, f->words[i]);
    return is_named && (f->architecture == NULL || number_of(info, f->architecture) >= f->least);
}

const machine *machine_of_gpu(const clconv_device_info *info)
{
    const family *f = families;
    while (!belongs(info, f))
        f++;
    return f->machine;
}

/* Units of NVIDIA before compute capability 8.6, and that of 8.0, have half the lanes. */
static double multiply_adds(const machine *m, const clconv_device_info *info)
{
    enum { FIRST_WIDE = 86 };
    int64_t capability = m == &nvidia ? number_of(info, "sm_0") : 0;
    return capability > 0 && capability < FIRST_WIDE ? m->gpu->multiply_adds / 2 : m->gpu->multiply_adds;
}

double machine_speed(const machine *m, const clconv_device_info *info)
{
    if (m->gpu == NULL || info->compute_units <= 0 || info->clock_mhz <= 0) return 1;
    return GPU_PEAK((double)info->compute_units, (double)info->clock_mhz, multiply_adds(m, info)) /
           m->flops_per_second;
}

const char *machine_name_gpu(size_t index)
{
    return index < FAMILIES ? families[index].machine->name : NULL;
}

bool machine_example_gpu(const char *name, clconv_device_info *info)
{
    const family *f = families;
    while (f < families + FAMILIES && strcmp(f->machine->name, name) != 0)
        f++;
    if (f == families + FAMILIES) return false;
    const machine_gpu *g = f->machine->gpu;
    info->type = CL_DEVICE_TYPE_GPU;
    info->vector_bits = 32;
    info->compute_units = g->units;
    info->clock_mhz = g->clock_mhz;
    info->local_memory_bytes = g->local_memory;
    info->max_work_group_size = g->work_group;
    snprintf(info->vendor, sizeof info->vendor, "%s", f->words[0] != NULL ? f->words[0] : "someone");
    snprintf(info->architecture, sizeof info->architecture, "%s",
             f->architecture != NULL ? f->architecture : "");
    return true;
}
