/* What tuning data are of: a problem's class, its sizes, and how far the sizes of two problems of one class are apart. */
#ifndef CLCONV_TUNING_CLASS_H
#define CLCONV_TUNING_CLASS_H

#include "clconv.h"

#include <stdbool.h>

enum { TUNING_MANNER = 64 };

/* Bias, residual and activation are no part of it: they change neither the choice nor the programs by much. */
typedef struct tuning_class {
    clconv_op op;
    clconv_dtype dtype;
    bool pads_zeros; /* padding mode zeros; else one that repeats elements */
    bool packed;     /* the weight is packed beforehand */
    bool strict;
    clconv_problem sizes; /* of the text: padding before holds on both sides */
    char problem[CLCONV_PROBLEM_TEXT_SIZE];
} tuning_class;

/* The class of a valid problem. */
clconv_status tuning_class_of(clconv_op op, const clconv_problem *problem, bool packed, bool strict,
                              tuning_class *c, clconv_error *err);

/* "float32 zeros packed", and " strict" after it: all but op and sizes. */
void tuning_manner_format(const tuning_class *c, char manner[TUNING_MANNER]);

/* From the three texts of a file; false if they are none. */
bool tuning_class_parse(const char *op, const char *manner, const char *problem, tuning_class *c);

/* The sum over batch, groups, channels of a group on either side, and the input's extents, of how often one must be doubled to
 * become the other: 0 for equal sizes, 1 where one size is twice the other. Infinite if the classes differ: in op, manner,
 * kernel, stride, dilation, in which axes are padded, or in being depthwise. */
double tuning_distance(const tuning_class *a, const tuning_class *b);

/* Whether op, manner and text are equal. */
bool tuning_class_equals(const tuning_class *a, const tuning_class *b);

#endif
