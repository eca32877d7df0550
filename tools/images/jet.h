/* The local jet of a volume: Gaussian derivatives up to second order as one bank of 3D kernels, and measures
 * made from their responses at one voxel. Kernels are separable products of 1D kernels whose discrete moments
 * are corrected, so that they are exact on polynomials: smoothing keeps constants, a first derivative is 1 on
 * its ramp and 0 on constants, a second one is 1 on x^2/2 (or x*y) and 0 on constants and ramps.
 *
 * References: Koenderink and van Doorn, "Representation of local geometry in the visual system", 1987 (the
 * jet); Sato et al., "Tissue classification based on three-dimensional local intensity structures", 2000 (the
 * sheet). */
#ifndef CLCONV_TOOLS_IMAGES_JET_H
#define CLCONV_TOOLS_IMAGES_JET_H

#include <stdint.h>

/* Channels of the output, in order: the bank's responses, then the measures. Axes are named in voxels: x is
 * W, y is H, z is D. X(name, order in z, order in y, order in x). */
#define JET_FILTER_LIST(X) \
    X("smoothed", 0, 0, 0) \
    X("d/dx", 0, 0, 1)     \
    X("d/dy", 0, 1, 0)     \
    X("d/dz", 1, 0, 0)     \
    X("d2/dx2", 0, 0, 2)   \
    X("d2/dx dy", 0, 1, 1) \
    X("d2/dx dz", 1, 0, 1) \
    X("d2/dy2", 0, 2, 0)   \
    X("d2/dy dz", 1, 1, 0) \
    X("d2/dz2", 2, 0, 0)

enum { JET_FILTERS = 10, JET_GRADIENT = 10, JET_LAPLACIAN = 11, JET_SHEET = 12, JET_CHANNELS = 13 };

/* 2 * ceil(3 * sigma) + 1 */
int64_t jet_default_size(double sigma);

/* Writes the bank as weights of a Conv3d, (JET_FILTERS, 1, size, size, size). `size` is odd and at least 3,
 * sigma (in voxels) at least 0.1. Returns 0 if memory is out. */
int jet_fill(double sigma, int64_t size, double *weights);

/* Eigenvalues of a symmetric 3 x 3 matrix {xx, xy, xz, yy, yz, zz}, sorted by magnitude, the smallest first.
 */
void jet_eigenvalues(const double matrix[6], double values[3]);

/* Measures of one voxel from its JET_FILTERS responses: gradient magnitude, Laplacian, and the sheet measure
 *     -sign(l3) * |l3| * (1 - |l2| / |l3|) * (1 - |l1| / |l3|),   |l1| <= |l2| <= |l3| of the Hessian:
 * Sato's with both exponents 1, signed: above 0 on bright sheets, below on dark ones, 0 on tubes and blobs.
 */
void jet_measure(const double responses[JET_FILTERS], double measures[JET_CHANNELS - JET_FILTERS]);

#endif
