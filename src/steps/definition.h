/* Outputs by the definition (cl/common/definition.clh): what transforms fall back on where what they make cannot be trusted. */
#ifndef CLCONV_STEPS_DEFINITION_H
#define CLCONV_STEPS_DEFINITION_H

#include "opencl/traits.h"
#include "problem/geometry.h"
#include "steps/step.h"

/* Where runs find the weight as it is: the caller's, or with `copies`, where runs are given packed weights alone, a copy
 * that is appended to the packed one. False if its size overflows. */
bool definition_append_filters(recipe *r, const geometry *g, bool copies, step_buffer *filters);

/* Elements for the windows that are multiplied at once. */
int64_t definition_window(const geometry *g);

/* Workspace of a step of its own: what kernels before it doubt, `sets` times the output's planes (none on devices where
 * planes are shared by work-items), and a window for each of its workers. */
typedef struct definition_memory {
    int64_t sets, workers;
    int64_t doubts_at, columns_at; /* bytes */
} definition_memory;

int64_t definition_doubts(const clconv_problem *problem, const geometry *g, int64_t set, int64_t sample);
definition_memory definition_reserve(recipe *r, const clconv_problem *problem, const geometry *g,
                                     int64_t sets, const device_traits *traits);

/* Appends the step that makes the outputs that are NaN. */
void definition_append(recipe *r, const clconv_problem *problem, const geometry *g, step_buffer filters,
                       const definition_memory *memory, const device_traits *traits);

#endif
