/* Times one layer on a device: from the enqueue of a run to its completion, tensors on the device. */
#ifndef CLCONV_TOOLS_MEASURE_MEASURE_H
#define CLCONV_TOOLS_MEASURE_MEASURE_H

#include <clconv.h>

typedef struct measure_options {
    clconv_op op;
    clconv_plan_options plan; /* packed_weights: packed beforehand, outside of the times */
    int64_t runs;             /* 0: as many as fit into `seconds`, at least 3 */
    double seconds;
    int steps; /* times each step too */
} measure_options;

typedef struct measurement {
    char algorithm[64];
    char parameters[256];
    double plan_seconds;  /* making the plan */
    double first_seconds; /* the first run */
    double median_seconds, min_seconds;
    int64_t runs; /* after the first */
    double flops; /* of the definition */
    size_t workspace_bytes;
    /* If steps are timed, owned, else NULL: the plan that was, and the median of each of its steps. */
    clconv_plan *plan;
    double *step_seconds;
    size_t steps;
} measurement;

void measurement_release(measurement *m);

clconv_status measure_layer(clconv_context *context, const clconv_problem *problem,
                            const measure_options *options, measurement *result, clconv_error *err);

#endif
