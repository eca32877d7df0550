"""The examples, on small data. Those whose packages are not installed are skipped."""
import contextlib
import importlib
import io
import os
import sys
import tempfile
import unittest

import numpy as np
from needs import REQUIRED

import clconv
from clconv import ndimage

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "examples")
sys.path.insert(0, EXAMPLES)


class Examples(unittest.TestCase):
    def example(self, name):
        try:
            return importlib.import_module(name)
        except ImportError as reason:
            if REQUIRED and reason.name != "monai":  # which no package of Debian has
                raise
            self.skipTest(str(reason))

    def run_quietly(self, function, *arguments, **keywords):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            return function(*arguments, **keywords), said.getvalue()

    def test_filter_volume(self):
        example = self.example("filter_volume")
        import nibabel

        volume = np.random.default_rng(1).integers(-99, 99, (9, 10, 11)).astype(np.int16)
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("in.nii.gz", "out.nii.gz")]
            nibabel.save(nibabel.Nifti1Image(volume, np.diag([2, 1, 1, 1])), paths[0])
            example.main(*paths, 1.0)
            made = nibabel.load(paths[1])
            self.assertEqual(made.affine[0, 0], 2)
            right = ndimage.gaussian_jet(volume.astype(np.float32), 1.0)
            np.testing.assert_array_equal(np.moveaxis(np.asarray(made.dataobj), -1, 0), right)

    def test_own_pyopencl(self):
        example = self.example("own_pyopencl")
        _, _, queue = clconv.opencl.objects(clconv.default_context())
        x = np.random.default_rng(2).integers(-3, 4, (1, 1, 5, 6, 7)).astype(np.float32)
        w = np.ones((2, 1, 3, 3, 3), np.float32)
        np.testing.assert_array_equal(example.main(queue, x, w), clconv.conv3d(x * x, w, padding=1) ** 2)

    def test_r3d18(self):
        example = self.example("r3d18")
        (right, *ours), said = self.run_quietly(example.main, frames=2, size=16)
        self.assertIn("converted 20, left 0", said)
        for made in ours:
            self.assertLess(float((made - right).abs().max()), 1e-4 * float(right.abs().max()) + 1e-4)

    def test_monai(self):
        (right, made), said = self.run_quietly(self.example("monai_sliding_window").main, 20, 16)
        self.assertIn("left 0", said)
        self.assertLess(float((made - right).abs().max()), 1e-4)

    def test_zarr(self):
        example = self.example("zarr_out_of_core")
        import zarr

        volume = np.random.default_rng(3).standard_normal((20, 18, 16), np.float32)
        with tempfile.TemporaryDirectory() as folder:
            source, destination = (os.path.join(folder, name) for name in ("in.zarr", "out.zarr"))
            zarr.open(source, mode="w", shape=volume.shape, chunks=(8, 8, 8), dtype="f4")[...] = volume
            made, said = self.run_quietly(example.main, source, destination, 1 << 19)
            self.assertGreater(int(said.split()[0]), 1)
            right = ndimage.correlate(volume, ndimage.jet_filters(1.0).astype(np.float32))
            np.testing.assert_allclose(made[...], right, rtol=0, atol=1e-5)
            self.assertEqual(self.run_quietly(example.main, source, destination, 1 << 19)[1].split()[0], "0")

    def test_train_unet(self):
        example = self.example("train_unet")
        import PIL.Image

        with tempfile.TemporaryDirectory() as folder:
            picture = os.path.join(folder, "unet.png")
            data = os.path.join(os.environ["SOURCE_DIR"], "data")
            call = ["--data", data, "--size", "16", "--part", "48", "--steps"]
            made, said = self.run_quietly(example.main, [*call, "20", "--torch-steps", "10", "--picture", picture])
            again, _ = self.run_quietly(example.main, [*call, "20", "--torch-steps", "0"])
            with PIL.Image.open(picture) as image:
                self.assertGreater(image.size[0], 100)
        self.assertIn("converted 13, left 0", said)
        self.assertLess(made["apart"], 1e-3)
        self.assertEqual(made["digest"], again["digest"])
        self.assertEqual(len(set(made["losses"])), 20)  # it moves; what it learns takes more steps than a test has


if __name__ == "__main__":
    unittest.main()
