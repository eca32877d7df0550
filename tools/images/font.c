/* The stroke font; see font.h. A glyph is a list of strokes separated by blanks, a stroke a list of points, a
 * point two digits: x from the left, y from the lowest descender (baseline 2, x-height 6, capitals 8). A
 * stroke that opens with '(' is a curve drawn inside its corners; if it ends where it starts it is closed. A
 * single point is a dot. */
#include "images/font.h"

#include <math.h>
#include <string.h>

enum { FIRST = ' ', LAST = '~', BASELINE = 2, CAPITAL = 6, GAP = 2, BLANK = 3, POINTS = 96, CORNER_CUTS = 3 };

static const char box[] = "02 0222422802";

static const char *const glyphs[LAST - FIRST + 1] = {
    [' ' - FIRST] = "",
    ['!' - FIRST] = "0804 02",
    ['"' - FIRST] = "0806 2826",
    ['#' - FIRST] = "1228 3248 0454 0656",
    ['%' - FIRST] = "0258 (2808062628 (5434325254",
    ['&' - FIRST] = "(521608282604022254",
    ['\'' - FIRST] = "0806",
    ['(' - FIRST] = "(29070321",
    [')' - FIRST] = "(09272301",
    ['*' - FIRST] = "2824 0735 0537",
    ['+' - FIRST] = "0444 2622",
    [',' - FIRST] = "1201",
    ['-' - FIRST] = "0434",
    ['.' - FIRST] = "02",
    ['/' - FIRST] = "0139",
    ['0' - FIRST] = "(4808024248",
    ['1' - FIRST] = "061812",
    ['2' - FIRST] = "(07084845240302 0242",
    ['3' - FIRST] = "(0708484525 (2545420203",
    ['4' - FIRST] = "32380444",
    ['5' - FIRST] = "480805 (0526454202 (02020203",
    ['6' - FIRST] = "(38180804 (4505024245",
    ['7' - FIRST] = "084812",
    ['8' - FIRST] = "(4808054548 (4505024245",
    ['9' - FIRST] = "(4808054548 (46423212",
    [':' - FIRST] = "02 05",
    [';' - FIRST] = "1201 15",
    ['<' - FIRST] = "360432",
    ['=' - FIRST] = "0343 0545",
    ['>' - FIRST] = "063402",
    ['?' - FIRST] = "(0708484424 2423 22",
    ['A' - FIRST] = "022842 1434",
    ['B' - FIRST] = "0802 (08484505 (05555202",
    ['C' - FIRST] = "(575808025253",
    ['D' - FIRST] = "0802 (08585202",
    ['E' - FIRST] = "48080242 0535",
    ['F' - FIRST] = "480802 0535",
    ['G' - FIRST] = "(5758080252545535",
    ['H' - FIRST] = "0802 5852 0555",
    ['I' - FIRST] = "0802",
    ['J' - FIRST] = "(3834320203",
    ['K' - FIRST] = "0802 4804 1552",
    ['L' - FIRST] = "080242",
    ['M' - FIRST] = "0208346862",
    ['N' - FIRST] = "02085258",
    ['O' - FIRST] = "(5808025258",
    ['P' - FIRST] = "0802 (08484404",
    ['Q' - FIRST] = "(5808025258 3351",
    ['R' - FIRST] = "0802 (08484404 2442",
    ['S' - FIRST] = "(4748080545420203",
    ['T' - FIRST] = "0848 2822",
    ['U' - FIRST] = "(080402424448",
    ['V' - FIRST] = "082248",
    ['W' - FIRST] = "0812365268",
    ['X' - FIRST] = "0842 4802",
    ['Y' - FIRST] = "082548 2522",
    ['Z' - FIRST] = "08480242",
    ['[' - FIRST] = "29090121",
    ['\\' - FIRST] = "0931",
    [']' - FIRST] = "09292101",
    ['^' - FIRST] = "062846",
    ['_' - FIRST] = "0141",
    ['`' - FIRST] = "0817",
    ['a' - FIRST] = "(4606024246 4642",
    ['b' - FIRST] = "0802 (4606024246",
    ['c' - FIRST] = "(454606024243",
    ['d' - FIRST] = "4842 (4606024246",
    ['e' - FIRST] = "0444 (444606024243",
    ['f' - FIRST] = "(38181512 0636",
    ['g' - FIRST] = "(4606024246 (4642400001",
    ['h' - FIRST] = "0802 (0406464442 4442",
    ['i' - FIRST] = "0602 08",
    ['j' - FIRST] = "(16121000 18",
    ['k' - FIRST] = "0802 3603 1432",
    ['l' - FIRST] = "0802",
    ['m' - FIRST] = "0602 (0406363432 3432 (3436666462 6462",
    ['n' - FIRST] = "0602 (0406464442 4442",
    ['o' - FIRST] = "(4606024246",
    ['p' - FIRST] = "0600 (4606024246",
    ['q' - FIRST] = "4640 (4606024246",
    ['r' - FIRST] = "0602 (040626",
    ['s' - FIRST] = "(3536060434320203",
    ['t' - FIRST] = "(18141232 0636",
    ['u' - FIRST] = "(0604024244 4642",
    ['v' - FIRST] = "062246",
    ['w' - FIRST] = "0612355266",
    ['x' - FIRST] = "0642 4602",
    ['y' - FIRST] = "0622 4610",
    ['z' - FIRST] = "06460242",
    ['|' - FIRST] = "0901",
    ['~' - FIRST] = "(0405254445",
};

typedef struct stroke {
    int count;
    double x[POINTS], y[POINTS];
} stroke;

static const char *glyph_of(char c)
{
    const char *strokes = c < FIRST || c > LAST ? NULL : glyphs[c - FIRST];
    return strokes == NULL ? box : strokes;
}

/* Chaikin's corner cutting: each corner gives way to two points on its sides; the ends of an open stroke
 * stay. */
static void cut_corners(stroke *s)
{
    stroke from = *s;
    bool closed = from.x[0] == from.x[from.count - 1] && from.y[0] == from.y[from.count - 1];
    int n = 0;
    if (2 * from.count > POINTS) return;
    for (int i = 0; i + 1 < from.count; i++) {
        double near[2] = {!closed && i == 0 ? 0 : 0.25, !closed && i + 2 == from.count ? 1 : 0.75};
        for (int j = 0; j < 2; j++, n++) {
            s->x[n] = from.x[i] + near[j] * (from.x[i + 1] - from.x[i]);
            s->y[n] = from.y[i] + near[j] * (from.y[i + 1] - from.y[i]);
        }
    }
    if (closed) {
        s->x[n] = s->x[0];
        s->y[n++] = s->y[0];
    }
    s->count = n;
}

/* Takes the next stroke of a glyph; false at the end. */
static bool next_stroke(const char **at, stroke *s)
{
    while (**at == ' ')
        ++*at;
    if (**at == '\0') return false;
    bool curved = **at == '(';
    *at += curved ? 1 : 0;
    for (s->count = 0; **at != ' ' && **at != '\0'; *at += 2, s->count++) {
        s->x[s->count] = (*at)[0] - '0';
        s->y[s->count] = (*at)[1] - '0' - BASELINE;
    }
    for (int i = 0; curved && i < CORNER_CUTS; i++)
        cut_corners(s);
    return true;
}

static double glyph_width(char c)
{
    double widest = 0;
    const char *at = glyph_of(c);
    if (c == ' ') return BLANK;
    for (stroke s; next_stroke(&at, &s);)
        for (int i = 0; i < s.count; i++)
            widest = fmax(widest, s.x[i]);
    return widest + GAP;
}

/* Distance from a point to the nearest segment of a stroke. */
static double distance_to(const stroke *s, double x, double y)
{
    double nearest = hypot(x - s->x[0], y - s->y[0]);
    for (int i = 0; i + 1 < s->count; i++) {
        double dx = s->x[i + 1] - s->x[i], dy = s->y[i + 1] - s->y[i], length = dx * dx + dy * dy;
        double along = length == 0 ? 0 : ((x - s->x[i]) * dx + (y - s->y[i]) * dy) / length;
        along = fmin(1, fmax(0, along));
        nearest = fmin(nearest, hypot(x - s->x[i] - along * dx, y - s->y[i] - along * dy));
    }
    return nearest;
}

/* One glyph with the left end of its baseline at (x, y). A pixel takes its darkest stroke, so that crossings
 * do not stand out. */
static void draw_glyph(canvas *c, double x, double y, double height, double weight, colour ink, char letter)
{
    double unit = height / CAPITAL;
    int right = (int)ceil(glyph_width(letter) * unit), up = (int)ceil(height + 2 * unit),
        down = (int)ceil(3 * unit);
    for (int py = (int)y - up; py <= (int)y + down; py++) {
        for (int px = (int)x - 2; px <= (int)x + right; px++) {
            double darkest = 0;
            const char *at = glyph_of(letter);
            for (stroke s; next_stroke(&at, &s);) {
                double away = unit * distance_to(&s, (px + 0.5 - x) / unit, (y - py - 0.5) / unit);
                double wide = s.count == 1 ? weight * 1.3 : weight;
                darkest = fmax(darkest, fmin(1, wide / 2 + 0.5 - away));
            }
            if (darkest > 0) canvas_blend(c, px, py, ink, darkest);
        }
    }
}

void font_draw(canvas *c, double x, double y, double height, double weight, colour ink, const char *text)
{
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text & 0xC0) == 0x80) continue; /* the rest of a UTF-8 character */
        draw_glyph(c, x, y, height, weight, ink, *text);
        x += glyph_width(*text) * height / CAPITAL;
    }
}

double font_width(double height, const char *text)
{
    double units = 0;
    for (; *text != '\0'; text++)
        if (((unsigned char)*text & 0xC0) != 0x80) units += glyph_width(*text);
    return units * height / CAPITAL;
}
