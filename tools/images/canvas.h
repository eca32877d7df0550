/* A picture in memory, 8-bit RGB rows from the top, and writing it as PNG. Drawing outside is clipped. */
#ifndef CLCONV_TOOLS_IMAGES_CANVAS_H
#define CLCONV_TOOLS_IMAGES_CANVAS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct colour {
    uint8_t red, green, blue;
} colour;

typedef struct canvas {
    int width, height;
    colour *pixels; /* owned */
} canvas;

/* Filled with one colour; false if memory is out. */
bool canvas_create(int width, int height, colour background, canvas *c);
void canvas_release(canvas *c); /* a zeroed canvas may be released */

/* Mixes `ink` into a pixel, `share` from 0 to 1. */
void canvas_blend(canvas *c, int x, int y, colour ink, double share);
void canvas_fill(canvas *c, int x, int y, int width, int height, colour ink);

/* False if the file could not be written. */
bool canvas_write_png(const canvas *c, FILE *file);

#endif
