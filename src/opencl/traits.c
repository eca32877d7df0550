/* Traits by kind of device: see traits.h. */
#include "opencl/traits.h"

#include "base/arith.h"
#include "opencl/platforms.h"

/* More slices than twice the units would share work out better still, but each starts in memory that no cache of
 * its unit holds. */
enum { FEWEST_SLICES = 4, MOST_SLICES = 1024 };

static void derive_cpu(const clconv_device_info *info, device_traits *t)
{
    t->vector_bits = info->vector_bits < 128 ? 128 : info->vector_bits;
    t->registers = t->vector_bits >= 512 ? 32 : 16;
    t->local_size = 1;
    t->slices = max_i64(FEWEST_SLICES, min_i64(2 * info->compute_units, MOST_SLICES));
}

static void derive_gpu(const clconv_device_info *info, device_traits *t)
{
    static const clconv_device_info unknown = {.type = CL_DEVICE_TYPE_GPU};
    t->gpu = t->machine->gpu != NULL ? t->machine->gpu : machine_of_gpu(&unknown)->gpu;
    t->vector_bits = 32;
    t->registers = 64;
    t->local_size = info->max_work_group_size >= 64 ? 64 : 1;
    t->slices = MOST_SLICES;
}

void traits_derive(const clconv_device_info *info, device_traits *traits)
{
    *traits = (device_traits){
        .is_cpu = (info->type & CL_DEVICE_TYPE_GPU) == 0 && !platform_of(info)->has_lanes,
        .has_fp64 = info->has_fp64 != 0,
        .has_gemm = info->has_compiler != 0,
        .compute_units = max_i64(info->compute_units, 1),
        .work_group = info->max_work_group_size,
        .local_memory = info->local_memory_bytes,
        .max_allocation = info->max_allocation_bytes,
        .address_alignment = max_i64(info->address_alignment_bits / 8, 8),
        .machine = machine_of(info),
    };
    traits->speed = machine_speed(traits->machine, info);
    if (traits->is_cpu)
        derive_cpu(info, traits);
    else
        derive_gpu(info, traits);
}

int traits_vector_width(const device_traits *traits, int64_t element_size)
{
    int64_t width = traits->vector_bits / (8 * element_size);
    return width < 1 ? 1 : (int)width;
}
