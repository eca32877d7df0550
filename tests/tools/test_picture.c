/* Pictures: proportions, sides, windows and colours, read back from the PNG; and the letters of the font. */
#include "harness.h"
#include "images/font.h"
#include "images/picture.h"
#include "scratch.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

const char test_suite_name[] = "tools/picture";

enum { D = 8, H = 12, W = 16 };

static int brightness(const canvas *c, int x, int y)
{
    colour p = c->pixels[y * c->width + x];
    return p.red + p.green + p.blue;
}

/* Draws one grey row of a (D, H, W) volume and reads the PNG back. */
static canvas draw(const float *values, volume_frame frame, picture_scale scale)
{
    scratch s;
    canvas c = {0};
    png_image image = {.version = PNG_IMAGE_VERSION};
    picture_row row = {"row", scale, values};
    picture p = {.title = "title",
                 .lines = {"one", "two"},
                 .shape = {D, H, W},
                 .frame = frame,
                 .row_count = 1,
                 .rows = &row};
    scratch_open(&s);
    const char *path = scratch_path(&s, "p.png");
    FILE *file = fopen(path, "wb");
    CU_ASSERT(picture_write(&p, file));
    fclose(file);
    CU_ASSERT_FATAL(png_image_begin_read_from_file(&image, path) != 0);
    image.format = PNG_FORMAT_RGB;
    CU_ASSERT_FATAL(canvas_create((int)image.width, (int)image.height, (colour){0, 0, 0}, &c));
    CU_ASSERT(png_image_finish_read(&image, NULL, c.pixels, 0, NULL) != 0);
    scratch_close(&s);
    return c;
}

typedef struct area {
    int left, right, top, bottom;
} area;

/* The bounding box of full white to the right of the labels, in the columns from `from` to `to`. */
static area find_white(const canvas *c, int from, int to)
{
    area a = {c->width, -1, c->height, -1};
    for (int y = 130; y < c->height; y++) {
        for (int x = from; x < to; x++) {
            if (brightness(c, x, y) < 3 * 250) continue;
            if (x < a.left) a.left = x;
            if (x > a.right) a.right = x;
            if (y < a.top) a.top = y;
            if (y > a.bottom) a.bottom = y;
        }
    }
    return a;
}

static const volume_frame plain = {{1, 1, 1}, {2, 1, 0}, {false, false, false}};
enum { LABELS = 172 };

/* Half of each axis is lit: a corner block, from 0 or to the end of W, of H, of D. */
static void fill_corner(float *values)
{
    for (int z = 0; z < D; z++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                values[(z * H + y) * W + x] = x >= W / 2 && y >= H / 2 && z >= D / 2 ? 1 : 0;
}

/* The axial panel is the first; the longest side of a volume takes 250 pixels. */
static area axial_white(const float *values, volume_frame frame, picture_scale scale)
{
    canvas c = draw(values, frame, scale);
    area a = find_white(&c, LABELS, LABELS + 250);
    canvas_release(&c);
    return a;
}

static void right_is_right_and_front_is_up(void)
{
    static float values[D * H * W];
    fill_corner(values);
    area a = axial_white(values, plain, PICTURE_GREY);
    volume_frame mirrored = plain;
    mirrored.reversed[0] = mirrored.reversed[1] = true;
    area b = axial_white(values, mirrored, PICTURE_GREY);
    CU_ASSERT(a.right > a.left && a.bottom > a.top);
    CU_ASSERT(b.right < a.left + 8); /* the lit quarter went to the other side */
    CU_ASSERT(b.top > a.bottom - 8); /* and from the top to the bottom */
    CU_ASSERT_EQUAL(b.right - b.left, a.right - a.left);
    CU_ASSERT_EQUAL(b.bottom - b.top, a.bottom - a.top);
}

static void panels_keep_the_proportions_of_voxels(void)
{
    static float values[D * H * W];
    fill_corner(values);
    area a = axial_white(values, plain, PICTURE_GREY);
    volume_frame flat = plain;
    flat.spacing[1] = 0.5; /* voxels half as deep in H */
    area b = axial_white(values, flat, PICTURE_GREY);
    double of_a = (double)(a.bottom - a.top) / (a.right - a.left),
           of_b = (double)(b.bottom - b.top) / (b.right - b.left);
    CU_ASSERT_DOUBLE_EQUAL(of_a, (double)H / W, 0.06);
    CU_ASSERT_DOUBLE_EQUAL(of_b, 0.5 * H / W, 0.06);
}

static void an_outlier_does_not_darken_the_rest(void)
{
    static float values[D * H * W];
    fill_corner(values);
    area a = axial_white(values, plain, PICTURE_GREY);
    values[((D / 2) * H + 0) * W + 0] = 1000;
    area b = axial_white(values, plain, PICTURE_GREY);
    CU_ASSERT_EQUAL(a.right, b.right);
    CU_ASSERT_EQUAL(a.top, b.top);
}

static void zero_is_dark_on_a_signed_scale(void)
{
    static float values[D * H * W];
    for (int i = 0; i < D * H * W; i++)
        values[i] = i % W < 4 ? -2.0f : i % W < 12 ? 0.0f : 2.0f;
    canvas c = draw(values, plain, PICTURE_SIGNED);
    int y = (c.height + 140 - 28) / 2 - 8, panel = LABELS, dark = 0, cold = 0, warm = 0;
    for (int x = panel; x < panel + 250 && x < c.width; x++) {
        colour p = c.pixels[y * c.width + x];
        dark += p.red + p.green + p.blue < 24;
        cold += p.blue > 200 && p.red < 200;
        warm += p.red > 200 && p.blue < 200;
    }
    CU_ASSERT(dark > 60);
    CU_ASSERT(cold > 20);
    CU_ASSERT(warm > 20);
    canvas_release(&c);
}

static void what_is_not_finite_is_drawn_too(void)
{
    static float values[D * H * W];
    const float zero = 0;
    for (int i = 0; i < D * H * W; i++)
        values[i] = i % 2 == 0 ? 0 / zero : 1 / zero;
    canvas c = draw(values, plain, PICTURE_GREY);
    CU_ASSERT(c.width > LABELS);
    canvas_release(&c);
}

/* Ink outside the box of (left, baseline - height - 2 units, left + width, baseline + 2 units), and all ink.
 */
static void measure_ink(const char *text, int *outside, int *all)
{
    canvas c = {0};
    CU_ASSERT_FATAL(canvas_create(600, 80, (colour){0, 0, 0}, &c));
    font_draw(&c, 20, 50, 18, 2, (colour){255, 255, 255}, text);
    double right = 20 + font_width(18, text);
    *outside = *all = 0;
    for (int y = 0; y < c.height; y++) {
        for (int x = 0; x < c.width; x++) {
            int ink = brightness(&c, x, y);
            *all += ink;
            if (x < 18 || x > right || y < 50 - 18 - 8 || y > 50 + 8) *outside += ink;
        }
    }
    canvas_release(&c);
}

static void every_character_has_ink_of_its_own_inside_its_box(void)
{
    int seen[128], count = 0;
    for (char c = '!'; c <= '~'; c++) {
        char text[2] = {c, '\0'};
        int outside, all;
        measure_ink(text, &outside, &all);
        CU_ASSERT(all > 0);
        CU_ASSERT_EQUAL(outside, 0);
        if (strchr("$@{}", c) == NULL) seen[count++] = all; /* those four are boxes */
    }
    int alike = 0;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++)
            alike += seen[i] == seen[j];
    CU_ASSERT(alike < count / 4); /* mirror images such as < and > may be */
}

static void widths_add_up(void)
{
    CU_ASSERT_DOUBLE_EQUAL(font_width(12, "sheet"), font_width(12, "she") + font_width(12, "et"), 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(font_width(24, "sheet"), 2 * font_width(12, "sheet"), 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(font_width(12, "\xc3\xa9"), font_width(12, "\x01"), 1e-9); /* one box */
}

const test_entry test_suite[] = {
    {"right is right and front is up", right_is_right_and_front_is_up},
    {"panels keep the proportions of voxels", panels_keep_the_proportions_of_voxels},
    {"an outlier does not darken the rest", an_outlier_does_not_darken_the_rest},
    {"zero is dark on a signed scale", zero_is_dark_on_a_signed_scale},
    {"what is not finite is drawn too", what_is_not_finite_is_drawn_too},
    {"every character has ink of its own inside its box", every_character_has_ink_of_its_own_inside_its_box},
    {"widths add up", widths_add_up},
    {NULL, NULL}};
