/* The bank and its measures; see jet.h. Conv3d correlates: a kernel's tap at offset t multiplies the voxel t
 * ahead, so that a first derivative has its positive taps ahead. */
#include "images/jet.h"

#include <math.h>
#include <stdlib.h>

typedef struct jet_filter {
    const char *name;
    int order[3]; /* of the derivative in D, H, W */
} jet_filter;

#define JET_FILTER_ENTRY(name, z, y, x) {name, {z, y, x}},
static const jet_filter filters[JET_FILTERS] = {JET_FILTER_LIST(JET_FILTER_ENTRY)};
#undef JET_FILTER_ENTRY

int64_t jet_default_size(double sigma)
{
    return 2 * (int64_t)ceil(3 * sigma) + 1;
}

/* Sum of t^power times the taps. */
static double moment(const double *taps, int64_t size, int power)
{
    double sum = 0;
    for (int64_t i = 0; i < size; i++)
        sum += pow((double)(i - size / 2), power) * taps[i];
    return sum;
}

static void scale(double *taps, int64_t size, double factor)
{
    for (int64_t i = 0; i < size; i++)
        taps[i] *= factor;
}

/* The 1D kernel of a derivative. Odd moments of even kernels, and even ones of odd kernels, vanish by
 * symmetry; what is left to correct is the sum, and the moment that the derivative measures. */
static void fill_kernel(double sigma, int64_t size, int order, double *taps)
{
    for (int64_t i = 0; i < size; i++) {
        double t = (double)(i - size / 2);
        taps[i] = exp(-t * t / (2 * sigma * sigma));
    }
    double variance = moment(taps, size, 2) / moment(taps, size, 0);
    for (int64_t i = 0; i < size && order > 0; i++) {
        double t = (double)(i - size / 2);
        taps[i] *= order == 1 ? t : t * t - variance;
    }
    scale(taps, size, (order == 2 ? 2 : 1) / moment(taps, size, order));
}

int jet_fill(double sigma, int64_t size, double *weights)
{
    double *kernels = calloc((size_t)(3 * size), sizeof *kernels);
    if (kernels == NULL) return 0;
    for (int order = 0; order < 3; order++)
        fill_kernel(sigma, size, order, kernels + order * size);
    for (int f = 0; f < JET_FILTERS; f++) {
        const int *order = filters[f].order;
        for (int64_t z = 0; z < size; z++)
            for (int64_t y = 0; y < size; y++)
                for (int64_t x = 0; x < size; x++)
                    *weights++ = kernels[order[0] * size + z] * kernels[order[1] * size + y] *
                                 kernels[order[2] * size + x];
    }
    free(kernels);
    return 1;
}

static void swap_if_larger(double *a, double *b)
{
    double kept = *a;
    if (!(fabs(*a) > fabs(*b))) return;
    *a = *b;
    *b = kept;
}

/* The trigonometric solution of the characteristic cubic (Smith, "Eigenvalues of a symmetric 3 x 3 matrix",
 * 1961). */
void jet_eigenvalues(const double m[6], double values[3])
{
    const double third_turn = 2.09439510239319549231;
    double mean = (m[0] + m[3] + m[5]) / 3;
    double xx = m[0] - mean, yy = m[3] - mean, zz = m[5] - mean, xy = m[1], xz = m[2], yz = m[4];
    double radius = sqrt((xx * xx + yy * yy + zz * zz + 2 * (xy * xy + xz * xz + yz * yz)) / 6);
    double half_det = (xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)) / 2;
    double cosine = radius == 0 ? 1 : half_det / (radius * radius * radius);
    cosine = cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
    double angle = acos(cosine) / 3;
    values[0] = mean + 2 * radius * cos(angle);
    values[1] = mean + 2 * radius * cos(angle + third_turn);
    values[2] = 3 * mean - values[0] - values[1];
    swap_if_larger(&values[0], &values[1]);
    swap_if_larger(&values[1], &values[2]);
    swap_if_larger(&values[0], &values[1]);
}

/* Sato's weight with exponent 1 for an eigenvalue beside the largest. */
static double beside(double smaller, double largest)
{
    return 1 - fabs(smaller) / fabs(largest);
}

void jet_measure(const double r[JET_FILTERS], double measures[JET_CHANNELS - JET_FILTERS])
{
    double l[3];
    jet_eigenvalues(r + 4, l);
    measures[JET_GRADIENT - JET_FILTERS] = sqrt(r[1] * r[1] + r[2] * r[2] + r[3] * r[3]);
    measures[JET_LAPLACIAN - JET_FILTERS] = r[4] + r[7] + r[9];
    measures[JET_SHEET - JET_FILTERS] = l[2] == 0 ? 0 : -l[2] * beside(l[1], l[2]) * beside(l[0], l[2]);
}
