/* Runs of plans on arrays in host memory: used where they lie if the device shares that memory, else copied. */
#ifndef CLCONV_API_RUN_HOST_H
#define CLCONV_API_RUN_HOST_H

#include "api/group.h"
#include "plan/kept.h"

/* The arrays of a run by slot (KEPT_INPUT and so on); the slots of what is made are KEPT_MADE + i for plan i. */
typedef struct host_arrays {
    const void *read[KEPT_MADE];
    void *made[BIND_PLANS];
    uint64_t weight_version;
} host_arrays;

/* Runs the plans one after the other and waits. */
clconv_status run_host(const plan_group *group, const host_arrays *arrays, kept_memory *kept,
                       clconv_error *err);

#endif
