"""Tensor files as users have them: what numpy, nibabel and Python 2 write is read to the values that numpy and nibabel
read; what loses bits is said once; all else is refused in one line."""
import io
import zipfile

import nibabel

from cli import *


class Reader(ToolTest):
    """Reads a tensor with the tool, by convolving it with a kernel that is 1."""

    def setUp(self):
        super().setUp()
        self.save("one32.npy", np.ones((1, 1, 1, 1, 1), np.float32))
        self.save("one64.npy", np.ones((1, 1, 1, 1, 1)))

    def run_on(self, path, *options, wide=False):
        return self.tool("run", "--input", path, "--weight", "one64.npy" if wide else "one32.npy", "--output", "y.npy",
                         "--algorithm", "direct_indexed", *options)

    def check(self, path, expected, *options, warning=None):
        """The file holds the values, to the bit; one warning or none."""
        result = self.run_on(path, *options, wide=expected.dtype == np.float64)
        self.assertEqual(result.returncode, 0, (path, result.stderr))
        if warning is None:
            self.assertEqual(result.stderr, "", path)
        else:
            self.assertRegex(result.stderr, r"\Aclconv: warning: [^\n]*%s[^\n]*\n\Z" % warning)
        y = self.load("y.npy")
        self.assertEqual(y.dtype, expected.dtype)
        np.testing.assert_array_equal(y.reshape(expected.shape), expected, path)

    def refuse(self, message, path, *options):
        self.refused(2, message, "run", "--input", path, "--weight", "one32.npy", "--output", "y.npy", *options)


class Arrays(Reader):
    def store(self, array):
        np.save(self.path("x.npy"), array, allow_pickle=False)
        return "x.npy"

    def test_orders_byte_orders_and_views(self):
        for dtype in ["<f4", "<f8", ">f4", ">f8", "=f4"]:
            x = self.random.standard_normal((1, 1, 3, 4, 5)).astype(dtype)
            for form, array in {"C": x, "Fortran": np.asfortranarray(x), "reversed": x[..., ::-1],
                                "strided": self.normal(1, 1, 6, 4, 10, dtype=dtype)[:, :, ::2, :, 1::2],
                                "transposed": np.ascontiguousarray(x).transpose(0, 1, 4, 3, 2),
                                "permuted": x.transpose(0, 1, 4, 2, 3), "one line": x[:, :, :1, :1]}.items():
                with self.subTest(dtype, form=form):
                    self.check(self.store(array), array.astype(array.dtype.newbyteorder("=")))

    def test_fortran_order_larger_than_a_block(self):
        x = np.asfortranarray(self.normal(2, 1, 19, 23, 29, dtype=">f8"))
        self.check(self.store(x), x.astype(np.float64))
        self.check("x.npy", x.astype(np.float32), "--dtype", "float32")

    def test_empty_batch_in_fortran_order(self):
        self.write("x.npy", npy_bytes(descr=">f8", fortran="True", shape=(0, 1, 3, 4, 5), data=b""))
        self.check("x.npy", np.zeros((0, 1, 3, 4, 5)))

    def test_headers_of_python_2(self):
        x = self.normal(1, 1, 2, 3, 4)
        for version in [1, 2]:
            for header in ["{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 1L, 2L, 3L, 4L), }          \n",
                           "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1L, 2, 3L, 4), }\n"]:
                self.write("x.npy", npy_bytes(header=header, data=x.tobytes(), version=version))
                np.testing.assert_array_equal(np.load(self.path("x.npy"), allow_pickle=True), x)  # numpy agrees
                self.check("x.npy", x)

    def test_other_types_by_dtype(self):
        for dtype in ["|i1", "<i2", ">i2", "<i4", ">i4", "<i8", ">i8", "|u1", "<u2", ">u2", "<u4", ">u4", "<u8", ">u8",
                      "|b1", "<f2", ">f2"]:
            x = self.random.integers(0, 2**15, (1, 1, 3, 4, 5)).astype(dtype)
            with self.subTest(dtype):
                self.refuse("x.npy.*'%s'.*--dtype float32" % re.escape(dtype), self.store(x))
                self.check("x.npy", x.astype(np.float32), "--dtype", "float32")
                self.check("x.npy", x.astype(np.float64), "--dtype", "float64")

    def test_float16_of_every_kind(self):
        x = np.array([1, -0.0, 65504, 2**-24, -(2**-14), np.inf, -np.inf, np.nan], np.float16).reshape(1, 1, 2, 2, 2)
        self.check(self.store(x), x.astype(np.float32), "--dtype", "float32")

    def test_floats_by_dtype(self):
        x = self.normal(1, 1, 3, 4, 5, dtype=np.float64)
        self.check(self.store(x), x.astype(np.float32), "--dtype", "float32")
        self.check(self.store(x.astype(np.float32)), x.astype(np.float32).astype(np.float64), "--dtype", "float64")
        x[0, 0, 1] = 1e39
        x[0, 0, 2] = np.inf
        with np.errstate(over="ignore"):
            self.check(self.store(x), x.astype(np.float32), "--dtype", "float32", warning="20 of 60 values.*infinite")

    def test_integers_of_too_many_bits(self):
        x = np.array([0, 2**24, 2**24 + 1, -(2**24) - 3, 2**24 + 2, 2**30, 2**31 - 1, 5]).reshape(1, 1, 2, 2, 2)
        self.check(self.store(x.astype(">i4")), x.astype(np.float32), "--dtype", "float32",
                   warning="'x.npy': 3 of 8 integers.*24.*--dtype float64")
        self.check("x.npy", x.astype(np.float64), "--dtype", "float64")
        x = np.array([2**53, 2**53 + 1, 2**63, 2**64 - 1, 1, 2, 3, 4], np.uint64).reshape(1, 1, 2, 2, 2)
        self.check(self.store(x), x.astype(np.float64), "--dtype", "float64", warning="2 of 8 integers.*53 of float64")

    def test_refusals_with_a_dtype(self):
        structured = np.zeros(3, [("a", "<f4")])
        for name, array in {"complex": np.zeros((1, 1, 2, 2, 2), "<c8"), "text": np.zeros((2,), "<U4"),
                            "time": np.zeros((2,), "<M8[s]"), "structured": structured}.items():
            with self.subTest(name):
                self.refuse("--input: 'x.npy' holds .*dtype", self.store(array), "--dtype", "float32")
        np.save(self.path("x.npy"), np.array([{}], dtype=object), allow_pickle=True)
        self.refuse("objects", "x.npy", "--dtype", "float64")
        for value in ["float16", "f4", "", "double"]:
            self.refuse("--dtype is '%s'; it must be" % value, "one32.npy", "--dtype", value)


class Archives(Reader):
    def test_members_of_both_kinds(self):
        arrays = {"x": self.normal(1, 1, 3, 4, 5), "big": np.asfortranarray(self.normal(1, 1, 20, 21, 22, dtype=">f8")),
                  "with space": self.normal(1, 1, 2, 2, 2), "a.b": self.normal(1, 1, 2, 2, 3),
                  "zeros": np.zeros((1, 1, 30, 30, 30), np.float32), "\u00e9t\u00e9": self.normal(1, 1, 1, 2, 2),
                  "folder/x": self.normal(1, 1, 1, 1, 3)}
        for save in [np.savez, np.savez_compressed]:
            save(self.path("x.npz"), **arrays)
            for name, array in arrays.items():
                with self.subTest(name, save=save.__name__):
                    self.check("x.npz:" + name, array.astype(array.dtype.newbyteorder("=")))
        self.check("x.npz:x.npy", arrays["x"])

    def test_a_stream_that_could_not_seek(self):
        class Stream(io.RawIOBase):  # sizes then follow the data
            def __init__(self):
                self.bytes = bytearray()

            def writable(self):
                return True

            def write(self, more):
                self.bytes += more
                return len(more)

        for method in [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]:
            stream, x = Stream(), self.normal(1, 1, 3, 4, 5)
            with zipfile.ZipFile(stream, "w", method) as archive:
                with archive.open("x.npy", "w", force_zip64=True) as f:
                    f.write(npy_bytes(x))
            self.write("x.npz", bytes(stream.bytes))
            self.check("x.npz:x", x)

    def test_all_tensors_of_a_call(self):
        x, w, b = self.normal(1, 2, 5, 6, 7), self.normal(3, 2, 3, 3, 3), self.normal(3)
        np.savez_compressed(self.path("model.npz"), x=x, w=w, b=b.astype(np.float64), n=np.arange(3))
        run = ["run", "--input", "model.npz:x", "--weight", "model.npz:w", "--output", "y.npy"]
        self.refused(2, "bias type .float64. should be the same; --dtype", *run, "--bias", "model.npz:b")
        self.refused(2, "--bias: 'model.npz:n' holds dtype '<i8'", *run, "--bias", "model.npz:n")
        self.done(*run, "--bias", "model.npz:b", "--dtype", "float64")
        exact, scale = conv3d(x, w, b)
        y = self.load("y.npy")
        self.assertEqual(y.dtype, np.float64)
        self.assertLessEqual(worst_share(y, exact, scale, w[0].size), 1.0)

    def test_refusals(self):
        np.savez(self.path("x.npz"), x=np.zeros((1, 1, 2, 2, 2), np.float32), y=np.arange(3))
        self.refuse("--input: 'x.npz' has no member 'z'.*2: x, y", "x.npz:z")
        self.refuse("'x.npz'.*no member is named.*2: x, y", "x.npz")
        self.refuse("'x.npz:y' holds dtype '<i8'.*--dtype", "x.npz:y")
        self.write("empty.npz", b"PK\5\6" + b"\0" * 18)
        self.refuse("'empty.npz' has no member 'x'.*has 0", "empty.npz:x")
        for data in [b"", b"PK", b"no archive", self.read("x.npz")[:-30]]:
            self.write("t.npz", data)
            self.refuse("'t.npz' is no .npz archive, or damaged", "t.npz:x")
        self.refused(1, "'missing.npz'", "run", "--input", "missing.npz:x", "--weight", "one32.npy", "--output", "y.npy")
        for output in ["y.npz", "y.npz:y", "y.npz:y.npy"]:
            self.refused(2, "--output: '%s' is an archive" % output, "run", "--input", "x.npz:x", "--weight",
                         "one32.npy", "--output", output)

    def test_a_small_archive_cannot_claim_gigabytes(self):
        header = npy_bytes(shape=(1, 1, 4096, 4096, 64), data=b"")
        with zipfile.ZipFile(self.path("x.npz"), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", header + b"\0" * 100000)
        self.refuse("'x.npz:x' is truncated: shape .* needs 4294967296 bytes", "x.npz:x")


class Volumes(Reader):
    def store(self, volume, name="x.nii", slope=None, intercept=None):
        """nibabel's file of an array in x, y, z order."""
        image = nibabel.Nifti1Image(volume, np.diag([2.0, 2, 2, 1]), dtype=volume.dtype)
        if slope is not None:
            image.header.set_slope_inter(slope, intercept)
        nibabel.save(image, self.path(name))
        return name

    def loaded(self, name):
        """What nibabel reads, in the order of the tool's tensors."""
        return np.asanyarray(nibabel.load(self.path(name)).dataobj).T[None, None]

    def test_every_type_is_read_without_a_warning(self):
        for dtype in ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]:
            for order in "<>":
                for name in ["x.nii", "x.nii.gz"] if dtype in ["i2", "f4"] else ["x.nii"]:
                    volume = self.random.integers(0, 100, (5, 4, 3)).astype(order + dtype)
                    with self.subTest(order + dtype, name=name):
                        self.store(volume, name)
                        self.check(name, self.loaded(name).astype(np.float64 if dtype == "f8" else np.float32))
                        if name == "x.nii" and order == ">":
                            self.check(name, self.loaded(name).astype(np.float64), "--dtype", "float64")

    def test_integers_of_too_many_bits(self):
        volume = self.random.integers(0, 2**20, (5, 4, 3)).astype(np.int32)
        volume[0, 0, 0], volume[1, 2, 1] = 2**24 + 1, -(2**30) - 1
        for name in ["x.nii", "x.nii.gz"]:
            self.store(volume, name)
            self.check(name, self.loaded(name).astype(np.float32),
                       warning="--input: '%s': 2 of 60 integers.*float32.*--dtype float64" % name)
            self.check(name, self.loaded(name).astype(np.float64), "--dtype", "float64")

    def test_slopes_are_applied_in_double(self):
        volume = self.random.integers(-30000, 30000, (5, 4, 3)).astype(np.int16)
        self.store(volume, slope=0.1, intercept=1000.7)
        slope, intercept = np.float32(0.1).astype(np.float64), np.float32(1000.7).astype(np.float64)
        exact = (volume * slope + intercept).T[None, None]
        self.check("x.nii", exact.astype(np.float32))
        self.check("x.nii", exact, "--dtype", "float64")
        np.testing.assert_allclose(self.loaded("x.nii"), exact, rtol=1e-15)  # nibabel agrees

    def test_fdata_as_numpy_saves_it(self):
        self.store(self.random.integers(0, 1000, (5, 4, 3)).astype(np.int16))
        data = nibabel.load(self.path("x.nii")).get_fdata()
        self.assertTrue(data.flags.f_contiguous and not data.flags.c_contiguous)
        np.save(self.path("x.npy"), data[None, None])
        self.check("x.npy", data[None, None])

    def test_what_is_written_is_read_by_nibabel(self):
        x = self.normal(1, 1, 50, 60, 70)
        x[:, :, :20] = 0
        self.save("x.npy", x)
        for name in ["y.nii", "y.nii.gz"]:
            self.done("run", "--input", "x.npy", "--weight", "one32.npy", "--output", name)
            np.testing.assert_array_equal(self.loaded(name), x)


class Commands(Reader):
    def test_filter(self):
        volume = self.random.integers(0, 100, (8, 9, 10))
        self.save("x.npy", volume.astype(np.uint8))
        self.save("d.npy", volume.astype(np.float64))
        self.refused(2, "'x.npy' holds dtype '|u1'", "filter", "x.npy", "y.npy", "--bank", "jet")
        self.done("filter", "x.npy", "y.npy", "--bank", "jet", "--dtype", "float64")
        self.done("filter", "d.npy", "z.npy", "--bank", "jet")
        self.assertEqual(self.load("y.npy").dtype, np.float64)
        np.testing.assert_array_equal(self.load("y.npy"), self.load("z.npy"))
        self.assertEqual(self.tool("filter", "phantom:16", "p.npy", "--bank", "jet", "--dtype", "float64").returncode, 0)
        self.assertEqual(self.load("p.npy").dtype, np.float64)

    def test_grad(self):
        x, w = self.normal(1, 2, 4, 5, 6), self.random.integers(-4, 5, (3, 2, 1, 1, 1))
        g = self.normal(1, 3, 4, 5, 6, dtype=np.float64)
        np.savez(self.path("t.npz"), x=x, w=w, g=g)
        self.done("grad", "--input", "t.npz:x", "--weight", "t.npz:w", "--grad-output", "t.npz:g", "--dtype", "float64",
                  "--grad-input", "dx.npy", "--grad-bias", "db.npy")
        np.testing.assert_allclose(self.load("dx.npy"), np.einsum("oi,nodhw->nidhw", w[:, :, 0, 0, 0], g), atol=1e-12)
        np.testing.assert_allclose(self.load("db.npy"), g.sum((0, 2, 3, 4)), atol=1e-12)


if __name__ == "__main__":
    unittest.main()
