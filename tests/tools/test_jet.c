/* The bank is exact on polynomials, the measures have the values that geometry gives them, and the phantom is
 * the head of the books. Kernels are applied by plain sums in double, as Conv3d would: correlation. */
#include "harness.h"
#include "images/jet.h"
#include "images/phantom.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char test_suite_name[] = "tools/jet";

/* x^a * y^b * z^c */
typedef struct monomial {
    int x, y, z;
} monomial;

static double value_of(monomial m, double x, double y, double z)
{
    return pow(x, m.x) * pow(y, m.y) * pow(z, m.z);
}

/* The response of filter `f` to the monomial, at the origin. */
static double respond(const double *bank, int f, int64_t size, monomial m)
{
    double sum = 0;
    const double *taps = bank + f * size * size * size;
    int64_t r = size / 2;
    for (int64_t z = -r; z <= r; z++)
        for (int64_t y = -r; y <= r; y++)
            for (int64_t x = -r; x <= r; x++)
                sum += *taps++ * value_of(m, (double)x, (double)y, (double)z);
    return sum;
}

/* Sum of magnitudes of what respond() adds: what rounding is measured by. */
static double weigh(const double *bank, int f, int64_t size, monomial m)
{
    double sum = 0;
    const double *taps = bank + f * size * size * size;
    int64_t r = size / 2;
    for (int64_t z = -r; z <= r; z++)
        for (int64_t y = -r; y <= r; y++)
            for (int64_t x = -r; x <= r; x++)
                sum += fabs(*taps++ * value_of(m, (double)x, (double)y, (double)z));
    return sum;
}

/* Derivatives at the origin of all monomials up to second order, by filter: 1 where orders agree (2 for a
 * square), else 0; smoothing a square gives the kernel's variance, which is not asked here. */
static void check_bank(double sigma, int64_t size)
{
    static const monomial orders[JET_FILTERS] = {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {2, 0, 0},
                                                 {1, 1, 0}, {1, 0, 1}, {0, 2, 0}, {0, 1, 1}, {0, 0, 2}};
    int64_t taps = size * size * size;
    double *bank = calloc((size_t)(JET_FILTERS * taps), sizeof *bank);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bank);
    CU_ASSERT_FATAL(jet_fill(sigma, size, bank));
    for (int f = 0; f < JET_FILTERS; f++) {
        for (int m = 0; m < JET_FILTERS; m++) {
            bool square = m == 4 || m == 7 || m == 9;
            if (f == 0 && square) continue;
            double expected = f != m ? 0 : square ? 2 : 1;
            double allowed = (double)(taps + 16) * 0x1p-53 * weigh(bank, f, size, orders[m]);
            CU_ASSERT(fabs(respond(bank, f, size, orders[m]) - expected) <= allowed);
        }
    }
    free(bank);
}

static void the_bank_is_exact_on_polynomials(void)
{
    static const double sigmas[] = {0.3, 0.5, 1, 1.5, 2.25};
    for (size_t i = 0; i < sizeof sigmas / sizeof sigmas[0]; i++) {
        check_bank(sigmas[i], jet_default_size(sigmas[i]));
        check_bank(sigmas[i], 3);
        check_bank(sigmas[i], 9);
    }
    CU_ASSERT_EQUAL(jet_default_size(1), 7);
    CU_ASSERT_EQUAL(jet_default_size(1.5), 11);
    CU_ASSERT_EQUAL(jet_default_size(0.1), 3);
}

static void smoothing_has_the_variance_of_its_sigma(void)
{
    double *bank = calloc(JET_FILTERS * 19 * 19 * 19, sizeof *bank);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bank);
    CU_ASSERT_FATAL(jet_fill(1.5, 19, bank));
    CU_ASSERT_DOUBLE_EQUAL(respond(bank, 0, 19, (monomial){2, 0, 0}), 2.25, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(respond(bank, 0, 19, (monomial){0, 0, 2}), 2.25, 1e-6);
    free(bank);
}

/* q * diag(values) * q^T for a rotation q by Euler angles. */
static void rotate(const double values[3], const double angles[3], double m[6])
{
    double c[3], s[3];
    for (int i = 0; i < 3; i++) {
        c[i] = cos(angles[i]);
        s[i] = sin(angles[i]);
    }
    double q[3][3] = {
        {c[0] * c[1], c[0] * s[1] * s[2] - s[0] * c[2], c[0] * s[1] * c[2] + s[0] * s[2]},
        {s[0] * c[1], s[0] * s[1] * s[2] + c[0] * c[2], s[0] * s[1] * c[2] - c[0] * s[2]},
        {-s[1], c[1] * s[2], c[1] * c[2]},
    };
    int at = 0;
    for (int i = 0; i < 3; i++) {
        for (int j = i; j < 3; j++, at++) {
            m[at] = 0;
            for (int k = 0; k < 3; k++)
                m[at] += q[i][k] * values[k] * q[j][k];
        }
    }
}

static void eigenvalues_come_back_sorted_by_magnitude(void)
{
    static const double sets[][3] = {{1, -2, 5},   {0, 0, -3},   {2, 2, 2},      {0, 0, 0},
                                     {0, -1, 1.5}, {-4, -5, -6}, {1e-8, 1, 1.1}, {1e20, 2e20, -3e20},
                                     {1, 1, -8},   {3, 3, 4}};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        for (int turn = 0; turn < 7; turn++) {
            double m[6], found[3], angles[3] = {0.3 * turn, 0.7 * turn, 1.1 * turn};
            rotate(sets[i], angles, m);
            jet_eigenvalues(m, found);
            for (int k = 0; k < 3; k++)
                CU_ASSERT_DOUBLE_EQUAL(found[k], sets[i][k], 1e-7 * fabs(sets[i][2]));
        }
    }
}

/* Responses whose Hessian has these eigenvalues. */
static void measure_hessian(const double values[3], double measures[3])
{
    static const double angles[3] = {0.4, -0.9, 0.2};
    double responses[JET_FILTERS] = {100, 1, -2, 2};
    rotate(values, angles, responses + 4);
    jet_measure(responses, measures);
}

static void measures_know_sheets_tubes_and_blobs(void)
{
    static const struct {
        double values[3], sheet;
    } cases[] = {{{0, 0, -4}, 4},    {{0, 0, 4}, -4},   {{0, -4, -4}, 0}, {{-4, -4, -4}, 0}, {{0, 1, -4}, 3},
                 {{1, -2, -4}, 1.5}, {{1, 2, 4}, -1.5}, {{0, 4, -4}, 0},  {{0, 0, 0}, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double measures[3];
        const double *v = cases[i].values;
        measure_hessian(v, measures);
        CU_ASSERT_DOUBLE_EQUAL(measures[0], 3, 1e-12);
        CU_ASSERT_DOUBLE_EQUAL(measures[1], v[0] + v[1] + v[2], 1e-12);
        CU_ASSERT_DOUBLE_EQUAL(measures[2], cases[i].sheet, 1e-6);
    }
}

static float voxel_at(const tensor *t, double x, double y, double z)
{
    int64_t n = t->shape[4];
    double at[3] = {z, y, x};
    int64_t index = 0;
    for (int i = 0; i < 3; i++)
        index = index * n + (int64_t)((at[i] + 1) / 2 * (double)n);
    return ((const float *)t->data)[index];
}

static void the_phantom_has_skull_brain_and_ventricles(void)
{
    tensor t = {0};
    int status = EXIT_FAILED;
    CU_ASSERT(phantom_read("IN", "phantom:64", TENSOR_DTYPE_STORED, &t, &status));
    CU_ASSERT_EQUAL_FATAL(status, EXIT_DONE);
    CU_ASSERT_EQUAL(t.elements, 64 * 64 * 64);
    CU_ASSERT_EQUAL(voxel_at(&t, -0.95, -0.95, -0.95), 0);
    CU_ASSERT_EQUAL(voxel_at(&t, 0, 0.9, 0), 1.0f);      /* skull */
    CU_ASSERT_EQUAL(voxel_at(&t, 0, -0.3, 0), 0.2f);     /* brain */
    CU_ASSERT_EQUAL(voxel_at(&t, 0.22, 0, 0), 0.0f);     /* right ventricle */
    CU_ASSERT_EQUAL(voxel_at(&t, -0.22, 0, 0), 0.0f);    /* left ventricle */
    CU_ASSERT_EQUAL(voxel_at(&t, 0, 0.45, -0.15), 0.3f); /* the large ellipsoid in front */
    tensor_release(&t);
}

static void a_path_is_no_phantom(void)
{
    tensor t = {0};
    int status = EXIT_DONE;
    CU_ASSERT_FALSE(phantom_read("IN", "phantom.nii", TENSOR_DTYPE_STORED, &t, &status));
    CU_ASSERT_FALSE(phantom_read("IN", "/tmp/phantom:9", TENSOR_DTYPE_STORED, &t, &status));
}

const test_entry test_suite[] = {
    {"the bank is exact on polynomials", the_bank_is_exact_on_polynomials},
    {"smoothing has the variance of its sigma", smoothing_has_the_variance_of_its_sigma},
    {"eigenvalues come back sorted by magnitude", eigenvalues_come_back_sorted_by_magnitude},
    {"measures know sheets, tubes and blobs", measures_know_sheets_tubes_and_blobs},
    {"the phantom has skull, brain and ventricles", the_phantom_has_skull_brain_and_ventricles},
    {"a path is no phantom", a_path_is_no_phantom},
    {NULL, NULL}};
