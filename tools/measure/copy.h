/* The rate at which a device's memory is copied: what traffic is a share of. */
#ifndef CLCONV_TOOLS_MEASURE_COPY_H
#define CLCONV_TOOLS_MEASURE_COPY_H

#include <clconv.h>

/* GB/s, read and written together; the best of several copies, some 0.2 s in all. */
clconv_status copy_measure(clconv_context *context, double *gigabytes, clconv_error *err);

#endif
