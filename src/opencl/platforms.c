/* The table of implementations: see platforms.h. docs/portability.md says what runs where. */
#include "opencl/platforms.h"

#include "opencl/pocl.h"

#include <string.h>

#define CLANG " -DCLANG_BUILTINS"

const platform_entry platform_table[] = {
    {POCL_PLATFORM, CL_DEVICE_TYPE_CPU, CLANG,
     "its compiler is clang, for the processor itself: builtins become prefetches, stores past the caches "
     "and shuffles",
     "label device, PoCL 3.1 with LLVM 15 (Debian 12)"},
    {"Intel(R) OpenCL", CL_DEVICE_TYPE_CPU, CLANG,
     "its compiler is clang, for the processor itself, and keeps what SPIR-V has no word for",
     "clconv check, 2026.2 (PyPI's intel-opencl-rt)"},
    {"Intel(R) FPGA Emulation Platform for OpenCL(TM)", CL_DEVICE_TYPE_ACCELERATOR, " -Dchannel=channel_",
     "channel is a keyword of its OpenCL C, and a usual name for a channel in kernels",
     "\"expected identifier\" in 13 files of cl/, 2025.0.5 (PyPI's intel-opencl-fpga-emu-rt)"},
    {NULL, 0, NULL, NULL, NULL},
};

const char *platform_options(const clconv_device_info *info)
{
    for (const platform_entry *p = platform_table; p->name != NULL; p++)
        if (strcmp(p->name, info->platform_name) == 0 && (p->type & info->type) != 0) return p->options;
    return "";
}
