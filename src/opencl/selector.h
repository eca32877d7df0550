/* Choosing a device from a list by a selector (DESIGN.md §5), as pure text matching: no OpenCL call is made
 * here.
 *
 *   selector    preference, preference, ...            the first that matches wins; blanks around it are ignored
 *   preference  N | P:D | A | A:N | A:B | A:B:N        A, B: a type word or a part of a name
 *
 * A part of digits is always a number, never text: alone it is a place in the list, two are the indices of
 * platform and device, one behind words is the N-th match, all from 0; elsewhere it is refused, as is any
 * other part without a letter: "-1" would match many a name. An empty preference or part is refused wherever
 * it stands, since it would match anything. */
#ifndef CLCONV_OPENCL_SELECTOR_H
#define CLCONV_OPENCL_SELECTOR_H

#include "clconv.h"

/* *chosen is an index into `devices`. NULL and "" mean the default order. Devices without a compiler are
 * chosen only if the selector matches them. Messages call the selector `name`. */
clconv_status selector_choose(const char *name, const char *selector, const clconv_device_info *devices,
                              size_t count, size_t *chosen, clconv_error *err);

#endif
