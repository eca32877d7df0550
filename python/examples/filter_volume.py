"""Filters a NIfTI volume by the derivatives of a Gaussian up to the second order: filter_volume.py IN OUT [SIGMA]."""
import sys

import nibabel
import numpy as np

import clconv.ndimage


def main(source, destination, sigma=2.0):
    image = nibabel.load(source)
    volume = np.asarray(image.dataobj, np.float32)
    jet = clconv.ndimage.gaussian_jet(volume, float(sigma))  # (10, D, H, W): ten filters in one call
    nibabel.save(nibabel.Nifti1Image(np.moveaxis(jet, 0, -1), image.affine), destination)  # NIfTI's fourth axis
    return jet


if __name__ == "__main__":
    print(main(*sys.argv[1:]).shape)
