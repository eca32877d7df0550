/* Text on a canvas, in a stroke font of the tool's own: smooth at any size, nothing to install. */
#ifndef CLCONV_TOOLS_IMAGES_FONT_H
#define CLCONV_TOOLS_IMAGES_FONT_H

#include "images/canvas.h"

/* Draws printable ASCII with its baseline at `y`; anything else becomes an empty box. `height` is that of a
 * capital letter, in pixels, `weight` the width of a stroke. */
void font_draw(canvas *c, double x, double y, double height, double weight, colour ink, const char *text);

/* The width that font_draw() would take. */
double font_width(double height, const char *text);

#endif
