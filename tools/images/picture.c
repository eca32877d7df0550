/* Draws the picture of picture.h. A window, the range of values that a row's colours span, comes from
 * percentiles of the slices shown, so that a few extreme voxels do not darken the rest. Left is the subject's
 * left, up is up or to the front. */
#include "images/picture.h"

#include "images/canvas.h"
#include "images/font.h"

#include <math.h>
#include <stdlib.h>

enum { COLUMNS = 3, MARGIN = 28, GAP = 12, PANEL = 250, BAR_WIDTH = 120, BAR_HEIGHT = 9, HEADER = 140 };

static const colour background = {15, 17, 21}, bright = {235, 237, 241}, dim = {138, 145, 158};

/* World axes: 0 to the right, 1 to the front, 2 up. */
static const struct {
    const char *name;
    int across, upwards, through;
    const char *sides[2];
} views[COLUMNS] = {
    {.name = "axial", .across = 0, .upwards = 1, .through = 2, .sides = {"L", "R"}},
    {.name = "coronal", .across = 0, .upwards = 2, .through = 1, .sides = {"L", "R"}},
    {.name = "sagittal", .across = 1, .upwards = 2, .through = 0, .sides = {"P", "A"}},
};

typedef struct window {
    double low, high;
} window;

typedef struct layout {
    double pixels_per_unit; /* of the voxel spacing */
    int column_x[COLUMNS + 1], column_width[COLUMNS], panel_width[COLUMNS], panel_height[COLUMNS];
    int row_height, width, height;
} layout;

/* A slice: where its first voxel is, and how far apart its rows and columns are. */
typedef struct slice {
    int64_t start, across_step, up_step, across_size, up_size;
} slice;

static slice get_slice(const picture *p, int view)
{
    const int64_t strides[3] = {p->shape[1] * p->shape[2], p->shape[2], 1};
    int a = p->frame.axis[views[view].across], u = p->frame.axis[views[view].upwards];
    int t = p->frame.axis[views[view].through];
    slice s = {.start = p->shape[t] / 2 * strides[t],
               .across_step = strides[a],
               .up_step = strides[u],
               .across_size = p->shape[a],
               .up_size = p->shape[u]};
    if (p->frame.reversed[views[view].across]) {
        s.start += (s.across_size - 1) * s.across_step;
        s.across_step = -s.across_step;
    }
    if (p->frame.reversed[views[view].upwards]) {
        s.start += (s.up_size - 1) * s.up_step;
        s.up_step = -s.up_step;
    }
    return s;
}

static double value_at(const picture *p, const void *values, int64_t index)
{
    return p->dtype == CLCONV_FLOAT64 ? ((const double *)values)[index]
                                      : (double)((const float *)values)[index];
}

/* Bilinear; coordinates in voxels from the slice's lower left, clamped to it. */
static double sample(const picture *p, const void *values, const slice *s, double across, double up)
{
    across = fmin(fmax(across, 0), (double)(s->across_size - 1));
    up = fmin(fmax(up, 0), (double)(s->up_size - 1));
    int64_t a = (int64_t)across, u = (int64_t)up;
    int64_t next_a = a + 1 < s->across_size ? s->across_step : 0,
            next_u = u + 1 < s->up_size ? s->up_step : 0;
    int64_t at = s->start + a * s->across_step + u * s->up_step;
    double fa = across - (double)a, fu = up - (double)u;
    double below = value_at(p, values, at) * (1 - fa) + value_at(p, values, at + next_a) * fa;
    double above =
        value_at(p, values, at + next_u) * (1 - fa) + value_at(p, values, at + next_u + next_a) * fa;
    return below * (1 - fu) + above * fu;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The finite values of the three slices, magnitudes if the scale is signed; returns how many. */
static size_t gather(const picture *p, const picture_row *row, double *to)
{
    size_t count = 0;
    for (int view = 0; view < COLUMNS; view++) {
        slice s = get_slice(p, view);
        for (int64_t u = 0; u < s.up_size; u++) {
            for (int64_t a = 0; a < s.across_size; a++) {
                double v = value_at(p, row->values, s.start + u * s.up_step + a * s.across_step);
                if (isfinite(v)) to[count++] = row->scale == PICTURE_SIGNED ? fabs(v) : v;
            }
        }
    }
    return count;
}

static bool find_window(const picture *p, const picture_row *row, window *w)
{
    size_t room = 0;
    for (int view = 0; view < COLUMNS; view++) {
        slice s = get_slice(p, view);
        room += (size_t)(s.across_size * s.up_size);
    }
    double *values = malloc(room * sizeof *values);
    if (values == NULL) return false;
    size_t count = gather(p, row, values);
    qsort(values, count, sizeof *values, compare_doubles);
    w->high = count == 0 ? 1 : values[(size_t)(0.995 * (double)(count - 1))];
    w->low = count == 0 ? 0 : values[(size_t)(0.01 * (double)(count - 1))];
    free(values);
    if (row->scale == PICTURE_SIGNED) w->low = -w->high;
    if (row->scale == PICTURE_HEAT) w->low = 0;
    if (!(w->high > w->low)) w->high = w->low + 1;
    return true;
}

/* `share` of the way through a scale's colours. */
static colour scale_colour(picture_scale scale, double share)
{
    enum { STOPS = 5 };
    static const uint8_t ramps[3][STOPS][3] = {
        {{0, 0, 0}, {64, 64, 64}, {128, 128, 128}, {191, 191, 191}, {255, 255, 255}},
        {{4, 4, 6}, {72, 22, 92}, {176, 48, 84}, {243, 128, 54}, {253, 226, 150}},
        {{150, 228, 255}, {34, 118, 206}, {4, 4, 6}, {222, 92, 32}, {255, 218, 150}}};
    if (isnan(share)) return background;
    share = fmin(fmax(share, 0), 1) * (STOPS - 1);
    int stop = share >= STOPS - 1 ? STOPS - 2 : (int)share;
    const uint8_t *from = ramps[scale][stop], *to = ramps[scale][stop + 1];
    uint8_t mixed[3];
    for (int i = 0; i < 3; i++)
        mixed[i] = (uint8_t)(from[i] + (to[i] - from[i]) * (share - stop) + 0.5);
    return (colour){mixed[0], mixed[1], mixed[2]};
}

static void draw_panel(canvas *c, const picture *p, const picture_row *row, window w, int view,
                       const layout *l, int left, int top)
{
    slice s = get_slice(p, view);
    int width = l->panel_width[view], height = l->panel_height[view];
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            double across = (x + 0.5) / width * (double)s.across_size - 0.5;
            double up = (height - y - 0.5) / height * (double)s.up_size - 0.5;
            double share = (sample(p, row->values, &s, across, up) - w.low) / (w.high - w.low);
            canvas_blend(c, left + x, top + y, scale_colour(row->scale, share), 1);
        }
    }
}

/* The row's name, and its colours with the values at their ends. */
static void draw_label(canvas *c, const picture_row *row, window w, int middle)
{
    char low[32], high[32];
    snprintf(low, sizeof low, "%.3g", w.low);
    snprintf(high, sizeof high, "%.3g", w.high);
    font_draw(c, MARGIN, middle - 12, 11, 1.5, bright, row->label);
    for (int x = 0; x < BAR_WIDTH; x++)
        canvas_fill(c, MARGIN + x, middle, 1, BAR_HEIGHT, scale_colour(row->scale, x / (BAR_WIDTH - 1.0)));
    font_draw(c, MARGIN, middle + BAR_HEIGHT + 16, 9, 1.2, dim, low);
    font_draw(c, MARGIN + BAR_WIDTH - font_width(9, high), middle + BAR_HEIGHT + 16, 9, 1.2, dim, high);
}

static bool draw_row(canvas *c, const picture *p, const layout *l, int index)
{
    const picture_row *row = &p->rows[index];
    int middle = HEADER + index * (l->row_height + GAP) + l->row_height / 2;
    window w;
    if (!find_window(p, row, &w)) return false;
    draw_label(c, row, w, middle);
    for (int view = 0; view < COLUMNS; view++) {
        int left = l->column_x[view] + (l->column_width[view] - l->panel_width[view]) / 2;
        draw_panel(c, p, row, w, view, l, left, middle - l->panel_height[view] / 2);
    }
    return true;
}

static void draw_header(canvas *c, const picture *p, const layout *l)
{
    static const char axis_names[] = "zyx";
    int baseline = HEADER - 14;
    font_draw(c, MARGIN, MARGIN + 16, 16, 2.2, bright, p->title);
    for (int i = 0; i < 2; i++)
        font_draw(c, MARGIN, MARGIN + 40 + 20 * i, 9, 1.2, dim, p->lines[i]);
    for (int view = 0; view < COLUMNS; view++) {
        int axis = p->frame.axis[views[view].through], x = l->column_x[view], width = l->column_width[view];
        char place[48];
        snprintf(place, sizeof place, "%c = %lld", axis_names[axis], (long long)(p->shape[axis] / 2));
        double name_width = font_width(12, views[view].name), both = name_width + 12 + font_width(9, place);
        double start = x + (width - both) / 2;
        font_draw(c, start, baseline, 12, 1.6, bright, views[view].name);
        font_draw(c, start + name_width + 12, baseline, 9, 1.2, dim, place);
        if (!p->oriented) continue;
        int inset = (width - l->panel_width[view]) / 2;
        font_draw(c, x + inset + 2, baseline, 9, 1.2, dim, views[view].sides[0]);
        font_draw(c, x + width - inset - 2 - font_width(9, views[view].sides[1]), baseline, 9, 1.2, dim,
                  views[view].sides[1]);
    }
}

static int pixels_of(double length, double pixels_per_unit)
{
    return (int)fmin(fmax(1, floor(length * pixels_per_unit + 0.5)), PANEL);
}

static layout make_layout(const picture *p)
{
    layout l = {.row_height = 72};
    double length[3], longest = 0, labels = BAR_WIDTH;
    for (int i = 0; i < 3; i++) {
        int axis = p->frame.axis[i];
        length[i] = (double)p->shape[axis] * p->frame.spacing[axis];
        longest = fmax(longest, length[i]);
    }
    for (int i = 0; i < p->row_count; i++)
        labels = fmax(labels, font_width(11, p->rows[i].label));
    l.pixels_per_unit = PANEL / longest;
    l.column_x[0] = MARGIN + (int)labels + 2 * GAP;
    for (int view = 0; view < COLUMNS; view++) {
        l.panel_width[view] = pixels_of(length[views[view].across], l.pixels_per_unit);
        l.panel_height[view] = pixels_of(length[views[view].upwards], l.pixels_per_unit);
        l.column_width[view] = l.panel_width[view] < 180 ? 180 : l.panel_width[view];
        l.column_x[view + 1] = l.column_x[view] + l.column_width[view] + GAP;
        if (l.panel_height[view] > l.row_height) l.row_height = l.panel_height[view];
    }
    l.width = l.column_x[COLUMNS] - GAP + MARGIN;
    l.height = HEADER + p->row_count * (l.row_height + GAP) - GAP + MARGIN;
    return l;
}

bool picture_write(const picture *p, FILE *file)
{
    canvas c = {0};
    layout l = make_layout(p);
    bool good = canvas_create(l.width, l.height, background, &c);
    if (good) draw_header(&c, p, &l);
    for (int i = 0; good && i < p->row_count; i++)
        good = draw_row(&c, p, &l, i);
    good = good && canvas_write_png(&c, file);
    canvas_release(&c);
    return good;
}
