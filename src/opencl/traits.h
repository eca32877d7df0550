/* What the shape of a kernel and its cost depend on, gathered once for a device. Derived from its kind and
 * its vector width alone, never from a measurement, so that a choice is reproducible. `slices` alone depends on how
 * many compute units there are, and with it how much workspace is used: neither the choice nor any result. */
#ifndef CLCONV_OPENCL_TRAITS_H
#define CLCONV_OPENCL_TRAITS_H

#include "machine/machine.h"

#include <stdbool.h>

typedef struct device_traits {
    bool is_cpu; /* work-items are threads with vector registers, not lanes */
    bool has_fp64;
    int vector_bits; /* of the registers that a kernel should use explicitly; 32 where lanes are work-items */
    int registers;   /* vector registers a work-item may count on */
    int local_size;  /* work-items of a work-group along positions */
    int64_t slices;  /* work-groups that keep all units busy where each has a part of the workspace */
    int64_t compute_units;     /* only for how well a grid fills them */
    int64_t work_group;        /* work-items of one at most */
    int64_t local_memory;      /* bytes that one has */
    int64_t max_allocation;    /* bytes */
    int64_t address_alignment; /* bytes: of a sub-buffer's origin */
    const machine_gpu *gpu;    /* what is known of a device of lanes; NULL: it has none */
    const machine *machine;    /* of the device's family, */
    bool has_gemm;             /* CLBlast may be used, which compiles kernels of its own */
    double speed;              /* and how many times as fast as its usual device */
} device_traits;

void traits_derive(const clconv_device_info *info, device_traits *traits);

/* Elements of `size` bytes in a vector register; at least 1. */
int traits_vector_width(const device_traits *traits, int64_t element_size);

#endif
