/* A 3D Shepp-Logan head phantom: a volume for when no real one is at hand. Ten ellipsoids whose values add
 * up. References: Kak and Slaney, "Principles of computerized tomographic imaging", 1988 (the ellipsoids);
 * Toft, "The Radon transform", 1996 (the values, which show more contrast). */
#ifndef CLCONV_TOOLS_IMAGES_PHANTOM_H
#define CLCONV_TOOLS_IMAGES_PHANTOM_H

#include "files/tensor.h"

enum { PHANTOM_SMALLEST = 8, PHANTOM_LARGEST = 512 };

/* If `text` is "phantom:SIZE", makes *t a volume of that type, float32 by default, of (1, 1, SIZE, SIZE, SIZE) and returns true;
 * *status is the exit status, a failure having been reported as one of `name`. Any other text is a path:
 * false. */
bool phantom_read(const char *name, const char *text, tensor_dtype dtype, tensor *t, int *status);

#endif
