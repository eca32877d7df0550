/* The phantom; see phantom.h. Each voxel is the mean of 8 points, so that edges are not stairs. Coordinates
 * run from -1 to 1: x is W, to the right; y is H, to the front; z is D, upwards. */
#include "images/phantom.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ellipsoid {
    double tenths, axis[3], centre[3],
        turn; /* value, in tenths; half-axes and centre x, y, z; degrees about z */
} ellipsoid;

static const ellipsoid ellipsoids[] = {
    {10, {0.6900, 0.920, 0.810}, {0, 0, 0}, 0},       {-8, {0.6624, 0.874, 0.780}, {0, -0.0184, 0}, 0},
    {-2, {0.1100, 0.310, 0.220}, {0.22, 0, 0}, -18},  {-2, {0.1600, 0.410, 0.280}, {-0.22, 0, 0}, 18},
    {1, {0.2100, 0.250, 0.410}, {0, 0.35, -0.15}, 0}, {1, {0.0460, 0.046, 0.050}, {0, 0.1, 0.25}, 0},
    {1, {0.0460, 0.046, 0.050}, {0, -0.1, 0.25}, 0},  {1, {0.0460, 0.023, 0.050}, {-0.08, -0.605, 0}, 0},
    {1, {0.0230, 0.023, 0.020}, {0, -0.606, 0}, 0},   {1, {0.0230, 0.046, 0.020}, {0.06, -0.605, 0}, 0},
};
enum { ELLIPSOIDS = sizeof ellipsoids / sizeof ellipsoids[0] };

/* Sine and cosine of the turns, taken once. */
typedef struct turns {
    double sine[ELLIPSOIDS], cosine[ELLIPSOIDS];
} turns;

static double tenths_at(const turns *turned, double x, double y, double z)
{
    double sum = 0;
    for (int i = 0; i < ELLIPSOIDS; i++) {
        const ellipsoid *e = &ellipsoids[i];
        double dx = x - e->centre[0], dy = y - e->centre[1];
        double u = (turned->cosine[i] * dx + turned->sine[i] * dy) / e->axis[0];
        double v = (turned->cosine[i] * dy - turned->sine[i] * dx) / e->axis[1];
        double w = (z - e->centre[2]) / e->axis[2];
        if (u * u + v * v + w * w <= 1) sum += e->tenths;
    }
    return sum;
}

static double voxel_mean(const turns *turned, int64_t size, int64_t z, int64_t y, int64_t x)
{
    double sum = 0, points = (double)(2 * size);
    for (int64_t k = 0; k < 8; k++) {
        double at[3] = {(double)(2 * x + k % 2), (double)(2 * y + k / 2 % 2), (double)(2 * z + k / 4)};
        for (int i = 0; i < 3; i++)
            at[i] = (2 * at[i] + 1) / points - 1;
        sum += tenths_at(turned, at[0], at[1], at[2]);
    }
    return sum / 80;
}

static void fill(tensor *t, int64_t size)
{
    double *wide = t->data;
    float *narrow = t->data;
    turns turned;
    for (int i = 0; i < ELLIPSOIDS; i++) {
        double radians = ellipsoids[i].turn * 0.01745329251994329577;
        turned.sine[i] = sin(radians);
        turned.cosine[i] = cos(radians);
    }
    for (int64_t z = 0; z < size; z++)
        for (int64_t y = 0; y < size; y++)
            for (int64_t x = 0; x < size; x++)
                if (t->dtype == CLCONV_FLOAT64)
                    *wide++ = voxel_mean(&turned, size, z, y, x);
                else
                    *narrow++ = (float)voxel_mean(&turned, size, z, y, x);
}

bool phantom_read(const char *name, const char *text, tensor_dtype dtype, tensor *t, int *status)
{
    static const char prefix[] = "phantom:";
    if (strncmp(text, prefix, sizeof prefix - 1) != 0) return false;
    const char *digits = text + sizeof prefix - 1;
    char *end;
    long size = strtol(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end != '\0' || size < PHANTOM_SMALLEST || size > PHANTOM_LARGEST) {
        *status = tool_fail(EXIT_WRONG_USE, "%s: '%s'; a phantom's size must be an integer from %d to %d",
                            name, text, (int)PHANTOM_SMALLEST, (int)PHANTOM_LARGEST);
        return true;
    }
    int64_t shape[5] = {1, 1, size, size, size};
    *status = tensor_create(tensor_dtype_choose(dtype, false), 5, shape, t);
    if (*status == EXIT_DONE) fill(t, size);
    return true;
}
