/* The scratch volume that the direct kernels read (cl/any/pad.cl draws it), and the step that fills it. */
#ifndef CLCONV_STEPS_SCRATCH_H
#define CLCONV_STEPS_SCRATCH_H

#include "opencl/traits.h"
#include "problem/geometry.h"
#include "steps/step.h"

typedef struct scratch_layout {
    int64_t padded_depth; /* planes of a channel */
    bool clips_depth;    /* zeros before the first plane and after the last are not stored: kernels clip their
                            range    of kd instead */
    int64_t phases[3];   /* of each axis that some tap reads: the first so many remainders of its stride */
    int64_t rows;        /* of a phase plane */
    int64_t pitch;       /* elements from row to row */
    int64_t phase_pitch; /* elements from phase plane to phase plane */
    int64_t plane_size;  /* elements of all phase planes of a plane */
    int64_t channel_size; /* elements of a channel */
    int64_t sample_size;  /* elements of a sample */
} scratch_layout;

/* `store_zeros`: materialise padded zeros on the depth axis too, so that they are multiplied. False if a
 * plane has 2^31 elements or more or a stride is as large, which kernels do not count, or if a sample's size
 * overflows. */
bool scratch_layout_compute(const clconv_problem *problem, const geometry *g, bool store_zeros,
                            scratch_layout *layout);

/* Adds zeros to the end of each phase plane, so that vectors of so many elements from any position stay
 * inside it. */
void scratch_layout_widen(scratch_layout *layout, const clconv_problem *problem, int64_t elements);

/* A part of the scratch volume: `span` of samples [sample, sample + samples). Its layout has as many planes.
 */
typedef struct scratch_part {
    scratch_layout layout;
    buffer_role role; /* of the tensor that is padded: BUFFER_INPUT unless set */
    int64_t sample, samples;
    depth_span span;
} scratch_part;

scratch_part scratch_part_of(const clconv_problem *problem, const scratch_layout *whole, int64_t sample,
                             int64_t samples, depth_span span);

/* Pads a part of the input into the workspace at `offset` bytes. */
void scratch_append_pad(recipe *r, const clconv_problem *problem, const geometry *g, const scratch_part *part,
                        int64_t offset, const device_traits *traits);

#endif
