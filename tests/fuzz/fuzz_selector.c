/* Device selectors: one that is there, or an error. */
#include "fuzz.h"

#include "opencl/selector.h"

#include <stdlib.h>

static const clconv_device_info devices[] = {
    {.platform_index = 0,
     .device_index = 0,
     .platform_name = "Portable Computing Language",
     .name = "pthread-EPYC",
     .vendor = "AuthenticAMD",
     .type = CL_DEVICE_TYPE_CPU,
     .has_compiler = 1,
     .compute_units = 2,
     .clock_mhz = 3000},
    {.platform_index = 1,
     .device_index = 0,
     .platform_name = "NVIDIA CUDA",
     .name = "H200",
     .vendor = "NVIDIA Corporation",
     .type = CL_DEVICE_TYPE_GPU,
     .has_compiler = 1,
     .compute_units = 132,
     .clock_mhz = 1980},
    {.platform_index = 2,
     .device_index = 1,
     .platform_name = "FPGA",
     .name = "Emulator",
     .vendor = "Intel",
     .type = CL_DEVICE_TYPE_ACCELERATOR,
     .has_compiler = 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { DEVICES = sizeof devices / sizeof devices[0] };
    char *text = fuzz_text(data, size);
    clconv_error err;
    size_t chosen = DEVICES;
    clconv_status status = selector_choose("selector", text, devices, DEVICES, &chosen, &err);
    FUZZ_REQUIRE(status == CLCONV_SUCCESS ? chosen < DEVICES : chosen == DEVICES && err.message[0] != '\0');
    free(text);
    return 0;
}
