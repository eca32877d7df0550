/* The extents that follow from a problem, and PyTorch's rule for what a padded position reads. */
#ifndef CLCONV_PROBLEM_GEOMETRY_H
#define CLCONV_PROBLEM_GEOMETRY_H

#include "clconv.h"

#include <stdbool.h>

typedef struct geometry {
    int64_t padded[3]; /* input + pad_before + pad_after */
    int64_t output[3];
    int64_t group_in;     /* in_channels / groups */
    int64_t group_out;    /* out_channels / groups */
    int64_t taps;         /* kD * kH * kW */
    int64_t reduction;    /* K = group_in * taps: products summed into one output */
    int64_t input_plane;  /* D * H * W */
    int64_t output_plane; /* Do * Ho * Wo */
    int64_t element_size; /* bytes */
    clconv_tensor_sizes elements;
} geometry;

/* Validates every rule (DESIGN.md §4), then computes; all products are checked against 2^63 - 1 bytes. On
 * failure *g is untouched. */
clconv_status geometry_compute(const clconv_problem *problem, geometry *g, clconv_error *err);

/* Elements of what an op makes. */
int64_t geometry_made(const clconv_problem *problem, const geometry *g, clconv_op op);

/* The input index that `position` (an index on the padded axis minus pad_before, so it may be negative or
 * past the end) reads on an axis of `size` elements; -1 for a padded zero. */
int64_t geometry_source(clconv_padding_mode mode, int64_t position, int64_t size);

/* Whether each output of an axis sums the input of its own place alone, and each input has an output: strides,
 * padding and output_padding all may change that, and two of them may leave the extents equal. */
bool geometry_is_identity(const clconv_problem *problem, const geometry *g, int axis);

/* The fewest products other than with padded zeros that an output sums; 0 if one sums none. */
int64_t geometry_fewest_products(const clconv_problem *problem, const geometry *g);

/* Whether padded zeros may be all that the window of some output holds; true for a few problems where they are not. */
bool geometry_may_read_zeros_alone(const clconv_problem *problem);

/* Input planes that output planes read, counted as padding does: plane 0 is the input's first. */
typedef struct depth_span {
    int64_t first, last; /* [first, last) */
} depth_span;

/* The planes that output planes [z, z + count) read; with `clip` only those inside the input, maybe none. */
depth_span geometry_depth_span(const clconv_problem *problem, int64_t z, int64_t count, bool clip);

/* The most planes that `count` neighbouring output planes read. */
int64_t geometry_planes_read(const clconv_problem *problem, int64_t count, bool clip);

/* Output planes, at least 1, that read no more than `planes` planes, if 1 does. */
int64_t geometry_planes_made(const clconv_problem *problem, const geometry *g, int64_t planes, bool clip);

/* The share of the input's positions along an axis that some window meets: strides may leap over the others; and of its
 * rows. */
double geometry_axis_met(const clconv_problem *problem, int axis);
double geometry_rows_met(const clconv_problem *problem);

#endif
