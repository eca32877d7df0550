/* The table of implementations: see platforms.h. docs/portability.md says what runs where. */
#include "opencl/platforms.h"

#include "opencl/pocl.h"

#include <string.h>

const platform_entry platform_table[] = {
    {.name = POCL_PLATFORM,
     .type = CL_DEVICE_TYPE_CPU,
     .options = " -DCLANG_BUILTINS",
     .compiles_for_binaries = true,
     .builds_serially = true,
     .reason = "its compiler is clang, for the processor itself: builtins become prefetches, stores past the "
               "caches and shuffles; into a binary it puts each kernel for any local size too; one lock is "
               "held while anything is compiled",
     .evidence = "label device, PoCL 3.1 with LLVM 15 (Debian 12); 2.6 s of processor time for the binary of "
                 "cl/any/winograd.cl, which compiles in 3.3 s"},
    {.name = "Intel(R) OpenCL",
     .type = CL_DEVICE_TYPE_CPU,
     .options = " -DCLANG_BUILTINS",
     .reason = "its compiler is clang, for the processor itself, and keeps what SPIR-V has no word for",
     .evidence = "clconv check, 2026.2 (PyPI's intel-opencl-rt)"},
    {.name = "Intel(R) FPGA Emulation Platform for OpenCL(TM)",
     .type = CL_DEVICE_TYPE_ACCELERATOR,
     .options = " -Dchannel=channel_",
     .reason = "channel is a keyword of its OpenCL C, and a usual name for a channel in kernels",
     .evidence = "\"expected identifier\" in 13 files of cl/, 2025.0.5 (PyPI's intel-opencl-fpga-emu-rt)"},
    {.name = "Oclgrind",
     .type = CL_DEVICE_TYPE_ALL,
     .options = "",
     .builds_serially = true,
     .reason = "two programs that are built at a time end the process",
     .evidence = "SIGSEGV or \"double free or corruption\" in tests/matrix/tiny.c, 21.10 (Debian 12)"},
    {.name = "rusticl",
     .type = CL_DEVICE_TYPE_CPU,
     .options = "",
     .has_lanes = true,
     .misstates_groups = true,
     .reason =
         "llvmpipe makes vectors of work-items, and takes minutes, or makes wrong code, for kernels that "
         "have vectors of their own; it says 32 of each kernel's work-groups, and runs 64 right",
     .evidence = "tests/matrix/tiny.c as cpu:128 and as gpu, Mesa 22.3 (Debian 12)"},
    {.name = NULL},
};

const platform_entry *platform_of(const clconv_device_info *info)
{
    static const platform_entry unknown = {.name = "", .options = "", .reason = "", .evidence = ""};
    for (const platform_entry *p = platform_table; p->name != NULL; p++)
        if (strcmp(p->name, info->platform_name) == 0 && (p->type & info->type) != 0) return p;
    return &unknown;
}
