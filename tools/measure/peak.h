/* The rate of fused multiply-adds that a device reaches when nothing else is to do: what a layer's rate is a
 * share of. Measured, since no query tells it. */
#ifndef CLCONV_TOOLS_MEASURE_PEAK_H
#define CLCONV_TOOLS_MEASURE_PEAK_H

#include <clconv.h>

extern const char peak_kernel[]; /* the source, peak.cl */

/* GFLOP/s in float, two for each multiply-add; the best of several runs, some 0.2 s in all. 0: not known, since the device has
 * no compiler. */
clconv_status peak_measure(clconv_context *context, double *gflops, clconv_error *err);

/* Of the peak; 0 if that is not known. */
double peak_share(double gflops, double peak);

#endif
