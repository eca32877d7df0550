/* The programs of plans, to be taken to a device without a compiler: as a bundle (opencl/bundle.h), or as sources. */
#ifndef CLCONV_PLAN_EXPORT_H
#define CLCONV_PLAN_EXPORT_H

#include "plan/plan.h"

/* The plans are of one context, at least one, and built. */
clconv_status export_bundle(clconv_plan *const *plans, size_t count, const char *path, clconv_error *err);

/* Need not be built. Into the folder, which is made unless it is there: a file NAME.cl for each program and the file
 * "manifest", which names them all and is to be packed once a vendor's tools have made the binaries. */
clconv_status export_sources(clconv_plan *const *plans, size_t count, const char *folder, clconv_error *err);

/* A manifest with the files that it names becomes a bundle. */
clconv_status export_pack(const char *manifest, const char *path, clconv_error *err);

#endif
