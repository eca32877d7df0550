/* The input gradient by volumes, each a convolution of the output's gradient with some of the taps.
 *
 * On one axis, position x of the padded input is read through tap t by output o where x = o * stride + t *
 * dilation. So positions of one remainder modulo the stride belong to taps of their own, e, e + step, ...:
 * residue e. Cell c of it is position (e * dilation) % stride + c * stride, and its gradient a convolution of
 * stride 1 with those taps turned around: of output c + start + j * dilation, for tap j of count.
 * Where the taps of a kernel do not overlap, each makes a volume of its own instead, of one cell for each
 * output. pad_backward gathers the volumes (cl/any/adjoint.cl). */
#ifndef CLCONV_STEPS_ADJOINT_H
#define CLCONV_STEPS_ADJOINT_H

#include "base/text.h"
#include "opencl/traits.h"
#include "problem/geometry.h"
#include "steps/step.h"

/* One axis: `residues` volumes, each of `count` cells from the first that is position `low` or more. */
typedef struct adjoint_axis {
    int64_t residues, low, count;
    int64_t step; /* from one tap of a residue to the next */
} adjoint_axis;

/* Members of an argument struct from the axes D, H and W: their volumes and the cells of these. */
#define ADJOINT_CELLS(x)                                                                         \
    .residues_d = (x)[0].residues, .residues_h = (x)[1].residues, .residues_w = (x)[2].residues, \
    .count_d = (x)[0].count, .count_h = (x)[1].count, .count_w = (x)[2].count

/* The taps of a residue, what they read, and its volume's first cell. */
typedef struct adjoint_taps {
    int64_t count, last; /* the last one of the weight */
    int64_t start, dilation;
    int64_t first;
} adjoint_taps;

adjoint_taps adjoint_taps_of(const clconv_problem *problem, int axis, const adjoint_axis *a, int64_t residue);

/* Whether a gradient's volumes are `most` or fewer, or the reason: what is asked of the axes below takes as long as
 * they have residues. */
bool adjoint_is_few(const clconv_problem *problem, int64_t most, text *why);

/* The cells that hold every position that the gradient needs. */
adjoint_axis adjoint_span(const clconv_problem *problem, const geometry *g, int axis);

/* The outputs [*first, *end) that cells of all residues read, those that do not exist included. */
void adjoint_reads(const clconv_problem *problem, int axis, const adjoint_axis *a, int64_t *first,
                   int64_t *end);

/* All volumes of a gradient in the workspace. */
typedef struct adjoint_volumes {
    adjoint_axis axis[3];
    bool scatters;   /* each tap makes its own */
    int64_t pitch;   /* elements from row to row, */
    int64_t volume;  /* from volume to volume, */
    int64_t channel; /* and from channel to channel */
    int64_t bytes;
    int64_t offset; /* bytes, in the workspace */
} adjoint_volumes;

int64_t adjoint_volume_count(const adjoint_volumes *v);

/* Limits to the convolutions of a gradient, and to its volumes where one kernel makes all. */
enum { ADJOINT_MAX_CONVOLUTIONS = 64, ADJOINT_MAX_VOLUMES = 4096 };

/* Sets the strides and the size of volumes, of `batch` samples, whose axes and pitch are set. False, with the
 * reason, if they overflow. */
bool adjoint_lay_out(const clconv_problem *problem, const geometry *g, int64_t batch, adjoint_volumes *v,
                     text *why);

/* The convolution that makes the volumes of residues e of the axes, without its padding. */
clconv_problem adjoint_convolution(const clconv_problem *problem, const geometry *g, const adjoint_volumes *v,
                                   const int64_t e[3]);

/* Appends the step that packs the weights of all residues at once, in blocks of so many channels of the
 * gradient, in place of adjoint_append_transpose() and a pack for each. False, with the reason, if they overflow. */
bool adjoint_append_pack(recipe *r, const clconv_problem *problem, const geometry *g,
                         const adjoint_volumes *v, int64_t out_channels, const device_traits *traits,
                         text *why);

/* Bytes from the start of that packed weight to the part of residues e. */
int64_t adjoint_packed_at(const clconv_problem *problem, const geometry *g, const adjoint_volumes *v,
                          const int64_t e[3], int64_t out_channels);

/* Where the buffers of a convolution's steps lie among those of the whole. */
typedef struct adjoint_place {
    int64_t weight_at, packed_at;
    step_buffer output;
    int64_t scratch_at;
} adjoint_place;

/* Appends the step that makes the weight of that convolution, of `bytes`, to the end of the packed weight; the
 * place has where it lies, and where the convolution's own packed weight is to follow. */
adjoint_place adjoint_append_transpose(recipe *r, const clconv_problem *problem, const geometry *g,
                                       const adjoint_volumes *v, const int64_t e[3], int64_t bytes,
                                       const device_traits *traits);

/* Appends the steps of the convolution, and its packed weight, at their place. */
void adjoint_append_part(recipe *r, const recipe *part, const adjoint_place *where);

/* Appends the step that gathers the volumes, which start with sample `sample`, to the gradient of so many
 * samples, and adds a bias to the channels if there is one. */
void adjoint_append_gather(recipe *r, const clconv_problem *problem, const geometry *g,
                           const adjoint_volumes *v, int64_t sample, int64_t samples, bool has_bias,
                           const device_traits *traits);

#endif
