/* Pixels and PNG; see canvas.h. libpng's simplified interface does the encoding. */
#include "images/canvas.h"

#include <png.h>
#include <stdlib.h>

bool canvas_create(int width, int height, colour background, canvas *c)
{
    colour *pixels = calloc((size_t)width * (size_t)height, sizeof *pixels);
    if (pixels == NULL) return false;
    *c = (canvas){width, height, pixels};
    canvas_fill(c, 0, 0, width, height, background);
    return true;
}

void canvas_release(canvas *c)
{
    free(c->pixels);
    *c = (canvas){0};
}

static uint8_t mix(uint8_t from, uint8_t to, double share)
{
    return (uint8_t)((double)from + ((double)to - (double)from) * share + 0.5);
}

void canvas_blend(canvas *c, int x, int y, colour ink, double share)
{
    if (x < 0 || y < 0 || x >= c->width || y >= c->height) return;
    colour *at = &c->pixels[(size_t)y * (size_t)c->width + (size_t)x];
    *at = (colour){mix(at->red, ink.red, share), mix(at->green, ink.green, share),
                   mix(at->blue, ink.blue, share)};
}

void canvas_fill(canvas *c, int x, int y, int width, int height, colour ink)
{
    for (int row = y; row < y + height; row++)
        for (int column = x; column < x + width; column++)
            canvas_blend(c, column, row, ink, 1);
}

bool canvas_write_png(const canvas *c, FILE *file)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)c->width,
                       .height = (png_uint_32)c->height,
                       .format = PNG_FORMAT_RGB};
    return png_image_write_to_stdio(&image, file, 0, c->pixels, 0, NULL) != 0;
}
