"""clconv run: values against the definition, shapes, types, NIfTI geometry, and the same bits in two runs."""
from cli import *


class Run(ToolTest):
    def convolve(self, x, w, b=None, stride=(1, 1, 1), pad=((0, 0),) * 3, dilation=(1, 1, 1), groups=1, mode="zeros",
                 more=()):
        """Runs the tool and compares with the definition; returns the output."""
        self.save("x.npy", x)
        self.save("w.npy", w)
        arguments = ["run", "--input", "x.npy", "--weight", "w.npy", "--output", "y.npy"]
        arguments += ["--stride", ",".join(map(str, stride)), "--dilation", ",".join(map(str, dilation))]
        arguments += ["--padding", ",".join(str(p) for pair in pad for p in pair), "--groups", str(groups)]
        arguments += ["--padding-mode", mode, *more]
        if b is not None:
            arguments += ["--bias", self.save("b.npy", b)]
        self.assertEqual(self.done(*arguments), "")
        y = self.load("y.npy")
        batched = x if x.ndim == 5 else x[None]
        exact, scale = conv3d(batched, w, b, stride, pad, dilation, groups, mode)
        self.assertEqual(y.dtype, x.dtype)
        self.assertEqual(y.shape, exact.shape if x.ndim == 5 else exact.shape[1:])
        share = worst_share(y.reshape(exact.shape), exact, scale, w[0].size)
        self.assertLessEqual(share, 1.0)
        return y

    def test_default(self):
        self.convolve(self.normal(2, 3, 6, 7, 8), self.normal(4, 3, 3, 3, 3))

    def test_everything_at_once(self):
        self.convolve(self.normal(2, 4, 7, 9, 11), self.normal(6, 2, 2, 3, 1), self.normal(6), stride=(1, 2, 3),
                      pad=((1, 0), (2, 3), (0, 4)), dilation=(3, 2, 1), groups=2)

    def test_padding_modes(self):
        for mode in PAD_MODES:
            with self.subTest(mode):
                self.convolve(self.normal(1, 2, 5, 6, 7), self.normal(3, 2, 3, 3, 3), pad=((1, 2), (4, 0), (3, 3)),
                              mode=mode)

    def test_every_algorithm(self):
        for algorithm in ["auto", "direct", "direct_indexed", "unfold", "im2col_gemm"]:
            with self.subTest(algorithm):
                self.convolve(self.normal(2, 3, 6, 7, 8), self.normal(5, 3, 3, 2, 3), self.normal(5),
                              pad=((1, 1),) * 3, more=["--algorithm", algorithm])

    def test_strict_and_without_workspace(self):
        self.convolve(self.normal(1, 3, 6, 7, 8), self.normal(5, 3, 3, 2, 3), pad=((1, 1),) * 3,
                      more=["--strict", "--workspace-limit", "0"])

    def test_unbatched(self):
        self.convolve(self.normal(3, 6, 7, 8), self.normal(4, 3, 3, 3, 3), self.normal(4))

    def test_depthwise(self):
        self.convolve(self.normal(1, 5, 6, 7, 8), self.normal(10, 1, 3, 3, 3), groups=5, pad=((1, 1),) * 3)

    def test_double(self):
        self.convolve(self.normal(1, 2, 5, 5, 5, dtype=np.float64), self.normal(2, 2, 3, 3, 3, dtype=np.float64),
                      self.normal(2, dtype=np.float64))

    def test_empty_batch(self):
        y = self.convolve(np.zeros((0, 3, 6, 7, 8), np.float32), self.normal(4, 3, 3, 3, 3), stride=(2, 2, 2))
        self.assertEqual(y.shape, (0, 4, 2, 3, 3))

    def test_words_and_short_forms_of_padding(self):
        x, w = self.normal(1, 2, 6, 7, 8), self.normal(2, 2, 3, 4, 2)
        self.save("x.npy", x)
        self.save("w.npy", w)
        same = tuple((2 * (k - 1) // 2, 2 * (k - 1) - 2 * (k - 1) // 2) for k in w.shape[2:])
        cases = [("valid", ((0, 0),) * 3, 1), ("2", ((2, 2),) * 3, 1), ("1,0,2", ((1, 1), (0, 0), (2, 2)), 1),
                 ("same", same, 2)]
        for text, pad, dilation in cases:
            with self.subTest(text):
                self.done("run", "--input", "x.npy", "--weight", "w.npy", "--padding", text, "--dilation",
                          str(dilation), "--output", "y.npy")
                exact, scale = conv3d(x, w, pad=pad, dilation=(dilation,) * 3)
                y = self.load("y.npy")
                self.assertEqual(y.shape, exact.shape)
                self.assertLessEqual(worst_share(y, exact, scale, w[0].size), 1.0)
        self.assertEqual(y.shape[2:], x.shape[2:])

    def test_same_of_odd_total_pads_more_after(self):
        self.save("x.npy", np.arange(1, 5, dtype=np.float32).reshape(1, 1, 1, 1, 4))
        self.save("w.npy", np.ones((1, 1, 1, 1, 2), np.float32))
        self.done("run", "--input", "x.npy", "--weight", "w.npy", "--padding", "same", "--output", "y.npy")
        self.assertEqual(self.load("y.npy").ravel().tolist(), [3, 5, 7, 4])

    def epilogue(self, activation, residual=None, slope=0.01):
        """Runs with an activation against numpy, on small integers, whose sums are exact."""
        x = self.random.integers(-3, 4, (2, 3, 5, 6, 7)).astype(np.float32)
        w = self.random.integers(-3, 4, (5, 3, 3, 3, 3)).astype(np.float32) / 4
        arguments = ["--input", self.save("x.npy", x), "--weight", self.save("w.npy", w), "--activation", activation]
        exact, _ = conv3d(x, w)
        if residual is not None:
            arguments += ["--residual", self.save("r.npy", residual)]
            exact = exact + residual
        self.done("run", *arguments, "--output", "y.npy")
        y = self.load("y.npy")
        self.assertEqual((y.dtype, y.shape), (np.float32, exact.shape))
        return y, exact

    def test_activations_that_are_exact(self):
        for activation, function in {"none": lambda v: v, "relu": lambda v: np.maximum(v, 0),
                                     "leaky_relu:0.25": lambda v: np.where(v < 0, v / 4, v),
                                     "leaky_relu:-2": lambda v: np.where(v < 0, -2 * v, v)}.items():
            for residual in [None, self.random.integers(-9, 10, (2, 5, 3, 4, 5)).astype(np.float32)]:
                with self.subTest(activation, residual=residual is not None):
                    y, exact = self.epilogue(activation, residual)
                    np.testing.assert_array_equal(y, function(exact))

    def test_activations_that_round(self):
        erf = np.vectorize(math.erf)
        for activation, function in {"leaky_relu": lambda v: np.where(v < 0, 0.01 * v, v),
                                     "silu": lambda v: v / (1 + np.exp(-v)), "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
                                     "tanh": np.tanh, "gelu": lambda v: v / 2 * (1 + erf(v / 2**0.5))}.items():
            with self.subTest(activation):
                y, exact = self.epilogue(activation, self.normal(2, 5, 3, 4, 5))
                np.testing.assert_allclose(y, function(exact), rtol=4e-6, atol=4e-6)

    def test_unbatched_residual(self):
        x, w, r = self.normal(2, 4, 4, 4), self.normal(3, 2, 1, 1, 1), self.normal(3, 4, 4, 4)
        for name, array in [("x.npy", x), ("w.npy", np.zeros_like(w)), ("r.npy", r)]:
            self.save(name, array)
        self.done("run", "--input", "x.npy", "--weight", "w.npy", "--residual", "r.npy", "--output", "y.npy")
        np.testing.assert_array_equal(self.load("y.npy"), r)

    def test_two_runs_give_the_same_bits(self):
        self.save("x.npy", self.normal(1, 16, 9, 20, 21))
        self.save("w.npy", self.normal(24, 16, 3, 3, 3))
        outputs = set()
        for name in ["a.npy", "b.npy"]:
            self.done("run", "--input", "x.npy", "--weight", "w.npy", "--padding", "1", "--output", name)
            outputs.add(self.read(name))
        self.assertEqual(len(outputs), 1)

    def test_output_replaces_an_old_file_or_its_own_input(self):
        x, w = self.normal(1, 1, 4, 4, 4), self.normal(1, 1, 1, 1, 1)
        self.save("x.npy", x)
        self.save("w.npy", w)
        self.done("run", "--input", "x.npy", "--weight", "w.npy", "--output", "x.npy")
        np.testing.assert_array_equal(self.load("x.npy"), x * w)
        self.assertEqual(sorted(os.listdir(self.folder)), ["w.npy", "x.npy"])


class Volumes(ToolTest):
    affine = np.array([[-2.0, 0, 0, 90], [0, 2.5, 0.5, -126], [0, -0.5, 3.0, -72], [0, 0, 0, 1]])

    def test_integer_volume_becomes_float_by_slope_and_intercept(self):
        stored = self.random.integers(-100, 100, (5, 6, 7)).astype("<i2")
        self.write("x.nii.gz", gzip.compress(nifti_bytes(stored, self.affine, slope=0.5, intercept=3)))
        self.save("w.npy", np.ones((1, 1, 1, 1, 1), np.float32))
        self.done("run", "--input", "x.nii.gz", "--weight", "w.npy", "--output", "y.npy")
        y = self.load("y.npy")
        self.assertEqual((y.dtype, y.shape), (np.float32, (1, 1, 5, 6, 7)))
        np.testing.assert_array_equal(y[0, 0], stored * 0.5 + 3)

    def test_geometry_follows_padding_stride_and_dilation(self):
        x = self.normal(10, 11, 12)
        self.write("x.nii", nifti_bytes(x, self.affine))
        w = self.normal(2, 1, 3, 2, 4)
        self.save("w.npy", w)
        stride, pad, dilation = (2, 3, 1), ((1, 2), (0, 1), (4, 0)), (2, 1, 3)
        for name in ["y.nii", "y.nii.gz"]:
            self.done("run", "--input", "x.nii", "--weight", "w.npy", "--stride", "2,3,1", "--padding", "1,2,0,1,4,0",
                      "--dilation", "2,1,3", "--output", name)
            data = gzip.decompress(self.read(name)) if name.endswith("gz") else self.read(name)
            y, affine, pixdim, sform_code = nifti_parse(data)
            exact, scale = conv3d(x[None, None], w, stride=stride, pad=pad, dilation=dilation)
            self.assertEqual(y.shape, exact.shape[1:])
            self.assertLessEqual(worst_share(y, exact[0], scale[0], w[0].size), 1.0)
            # The middle of the window of output voxel 0, in x, y, z order of the input.
            origin = [(dilation[a] * (w.shape[2 + a] - 1)) / 2 - pad[a][0] for a in (2, 1, 0)]
            expected = self.affine.copy()
            expected[:3, :3] *= np.array(stride[::-1])
            expected[:3, 3] = (self.affine @ np.array(origin + [1.0]))[:3]
            np.testing.assert_allclose(affine, expected, rtol=1e-6, atol=1e-4)
            np.testing.assert_allclose(pixdim, np.linalg.norm(expected[:3, :3], axis=0), rtol=1e-6)
            self.assertEqual(sform_code, 2)

    def test_array_to_volume_and_back(self):
        x = self.normal(1, 1, 4, 5, 6)
        self.save("x.npy", x)
        self.save("w.npy", np.ones((1, 1, 1, 1, 1), np.float32))
        self.done("run", "--input", "x.npy", "--weight", "w.npy", "--output", "y.nii.gz")
        self.done("run", "--input", "y.nii.gz", "--weight", "w.npy", "--output", "z.npy")
        np.testing.assert_array_equal(self.load("z.npy"), x)


if __name__ == "__main__":
    unittest.main()
