"""Blocks and scipy's conventions: bit for bit what the whole volume gives, on integers."""
import itertools
import os
import tempfile
import unittest

import numpy as np
from needs import REQUIRED

import clconv
from clconv import blocks, ndimage

MODES = ["zeros", "reflect", "replicate", "circular", "symmetric"]


class Blocks(unittest.TestCase):
    def test_blocks_are_the_whole(self):
        rng = np.random.default_rng(1)
        x = rng.integers(-3, 4, (2, 7, 9, 11)).astype(np.float32)
        for mode, stride, dilation, kernel in itertools.product(MODES, [1, 2, 3], [1, 2], [(3, 2, 3), (2, 3, 1)]):
            w = rng.integers(-3, 4, (3, 2, *kernel)).astype(np.float32)
            pads = (2, 1, 0, 2, 3, 1)
            more = {"padding_mode": mode, "algorithm": "direct_indexed"}
            right = clconv.conv3d(x, w, None, stride, pads, dilation, **more)
            for chunks in [(2, 3, 4), (1, 2, 3), (5, 50, 2)]:
                got = np.full(right.shape, np.nan, np.float32)
                blocks.correlate(x, got, w, None, stride, pads, dilation, chunks=chunks, **more)
                np.testing.assert_array_equal(got, right, f"{mode} {stride} {dilation} {kernel} {chunks}")

    def test_memory_and_resuming(self):
        with tempfile.TemporaryDirectory() as folder:
            x = np.memmap(os.path.join(folder, "x"), np.int16, "w+", shape=(40, 20, 20))
            x[...] = np.random.default_rng(2).integers(-9, 9, x.shape)
            y = np.memmap(os.path.join(folder, "y"), np.float32, "w+", shape=x.shape)
            w, state = np.ones((3, 3, 3), np.float32), os.path.join(folder, "state.json")
            made = blocks.correlate(x, y, w, memory=1 << 16, resume=state)
            self.assertGreater(made, 4)
            np.testing.assert_array_equal(y, clconv.conv3d(x[None].astype("f4"), w[None, None], padding=1)[0])
            self.assertEqual(blocks.correlate(x, y, w, memory=1 << 16, resume=state), 0)
            with self.assertRaisesRegex(ValueError, "another convolution"):
                blocks.correlate(x, y, w, memory=1 << 16, resume=state, padding_mode="reflect")


class Scipy(unittest.TestCase):
    def test_conventions(self):
        try:
            from scipy import ndimage as theirs
        except ImportError:
            if REQUIRED:
                raise
            self.skipTest("no scipy")
        rng = np.random.default_rng(3)
        x = rng.integers(-3, 4, (6, 5, 7)).astype(np.float64)
        for mode in ["reflect", "mirror", "nearest", "wrap", "constant"]:
            for size, origin in [((3, 3, 3), 0), ((2, 3, 4), 0), ((5, 3, 1), (1, -1, 0)), ((4, 11, 3), 0)]:
                w = rng.integers(-3, 4, size).astype(np.float64)
                for name in ("correlate", "convolve"):
                    right = getattr(theirs, name)(x, w, mode=mode, cval=2.0, origin=origin)
                    got = getattr(ndimage, name)(x, w, mode=mode, cval=2.0, origin=origin, algorithm="direct_indexed")
                    np.testing.assert_array_equal(got, right, f"{name} {mode} {size} {origin}")

    def test_banks(self):
        rng = np.random.default_rng(4)
        x, bank = rng.standard_normal((6, 5, 7)), rng.standard_normal((4, 3, 3, 3))
        got = ndimage.correlate(x, bank, algorithm="direct_indexed")
        for i in range(4):
            np.testing.assert_allclose(got[i], ndimage.correlate(x, bank[i], algorithm="direct_indexed"), rtol=0, atol=1e-13)


if __name__ == "__main__":
    unittest.main()
