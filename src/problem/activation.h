/* The activations as functions of a double, by the formulas of torch.nn.functional, and what they do to an
 * error. */
#ifndef CLCONV_PROBLEM_ACTIVATION_H
#define CLCONV_PROBLEM_ACTIVATION_H

#include "clconv.h"

#include <stdbool.h>

/* What bounds the error of an activation f: |f'| is at most `slope`; a device computes f within `roundings`
 * unit roundoffs of |f(x)|, or of |x| if `of_input`, where terms cancel. */
typedef struct activation_error {
    double slope, roundings;
    bool of_input;
} activation_error;

/* PyTorch's name; NULL if there is no such activation. */
const char *activation_name(clconv_activation activation);

/* Refuses an unknown activation, and a slope that leaky_relu cannot use. */
clconv_status activation_check(const clconv_problem *problem, clconv_error *err);

double activation_apply(const clconv_problem *problem, double x);
activation_error activation_error_of(const clconv_problem *problem);

#endif
