/* The scratch volume that the direct kernels read (cl/pad.cl draws it), and the step that fills it. */
#ifndef CLCONV_STEPS_SCRATCH_H
#define CLCONV_STEPS_SCRATCH_H

#include "problem/geometry.h"
#include "steps/step.h"

typedef struct scratch_layout {
    int64_t padded_depth; /* planes of a channel */
    int64_t clip_depth; /* zero padding before the first plane that is not stored: kernels clip their range of
                           kd instead */
    int64_t rows;       /* of a phase plane */
    int64_t pitch;      /* elements from row to row */
    int64_t phase_pitch;  /* elements from phase plane to phase plane */
    int64_t plane_size;   /* elements of all phase planes of a plane */
    int64_t channel_size; /* elements of a channel */
    int64_t sample_size;  /* elements of a sample */
} scratch_layout;

/* `store_zeros`: materialise padded zeros on the depth axis too, so that they are multiplied. False if a
 * plane has 2^31 elements or more, which kernels do not index, or if a sample's size overflows. */
bool scratch_layout_compute(const clconv_problem *problem, const geometry *g, bool store_zeros,
                            scratch_layout *layout);

/* Pads samples [first, first + count) of the input into the workspace at `offset` bytes. */
void scratch_append_pad(recipe *r, const clconv_problem *problem, const geometry *g,
                        const scratch_layout *layout, int64_t first, int64_t count, int64_t offset,
                        int local_size);

#endif
