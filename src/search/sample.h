/* Some elements of what an op makes, by the definition, on tensors whose values are a function of their index: so a candidate is
 * checked on the very problem that is tuned, at little cost. */
#ifndef CLCONV_SEARCH_SAMPLE_H
#define CLCONV_SEARCH_SAMPLE_H

#include "problem/geometry.h"

/* Tensors by their shape in the problem: what has the output's shape and is read is OUTPUT_LIKE. */
typedef enum sample_tensor {
    SAMPLE_INPUT,
    SAMPLE_WEIGHT,
    SAMPLE_BIAS,
    SAMPLE_RESIDUAL,
    SAMPLE_OUTPUT_LIKE
} sample_tensor;

/* The value of an element, in (-1, 1), which floats hold exactly. */
double sample_value(sample_tensor tensor, int64_t index);

enum { SAMPLE_MOST = 256 };

typedef struct sample {
    clconv_op op;
    const clconv_problem *problem;
    geometry g;
    int count;
    int64_t
        index[SAMPLE_MOST]; /* of the elements in what is made: its first and last, and others at random */
    double exact[SAMPLE_MOST], magnitude[SAMPLE_MOST];
} sample;

/* As many as take a fraction of a second. */
clconv_status sample_create(clconv_op op, const clconv_problem *problem, sample *s, clconv_error *err);

/* The largest error of what was made, of the problem's type, as a share of the bound. */
double sample_worst(const sample *s, const void *made, bool accumulates_directly);

#endif
