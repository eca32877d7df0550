/* Filling channels with their bias or with zero (cl/any/fill.cl), as a step. */
#ifndef CLCONV_STEPS_FILL_H
#define CLCONV_STEPS_FILL_H

#include "opencl/traits.h"
#include "steps/step.h"

/* Fills `planes` planes of `elements` elements of the output, those of channel c with bias c if there is one.
 */
void fill_append(recipe *r, clconv_dtype dtype, int64_t planes, int64_t channels, int64_t elements,
                 bool has_bias, const device_traits *traits);

#endif
