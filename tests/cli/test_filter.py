"""clconv filter: what its channels mean on volumes whose derivatives are known, its files, and its refusals."""
from cli import *


class Filter(ToolTest):
    def jet(self, volume, *options):
        self.save("in.npy", volume)
        self.assertEqual(self.done("filter", "in.npy", "out.npy", "--bank", "jet", *options), "")
        return self.load("out.npy").astype(np.float64)

    def inside(self, channel, margin=3):
        return channel[margin:-margin, margin:-margin, margin:-margin]

    def test_quadratic_volume(self):
        z, y, x = np.meshgrid(*map(np.arange, (10, 11, 12)), indexing="ij")
        volume = 2 + x - 2 * y + 3 * z + 0.5 * x * x + 0.25 * x * y - y * z + 1.5 * z * z
        out = self.jet(volume.astype(np.float32), "--sigma", "0.8")
        self.assertEqual(out.shape, (13, 10, 11, 12))
        zero = 0 * x
        gradient = [1 + x + 0.25 * y, -2 + 0.25 * x - z, 3 - y + 3 * z]
        second = [1 + zero, 0.25 + zero, zero, zero, -1 + zero, 3 + zero]
        expected = [*gradient, *second, np.sqrt(sum(g * g for g in gradient)), 4 + zero]
        for channel, values in enumerate(expected, start=1):
            np.testing.assert_allclose(self.inside(out[channel]), self.inside(values), atol=1e-3, err_msg=str(channel))

    def test_constant_volume_under_reflection(self):
        out = self.jet(np.full((7, 8, 9), 5, np.float32))
        rounding = (7**3 + 1) * 2.0**-24  # of a sum of so many products, times their absolute values
        np.testing.assert_allclose(out[0], 5, rtol=rounding)
        np.testing.assert_allclose(out[1:], 0, atol=3 * 5 * rounding)

    def test_sheet_measure_tells_bright_from_dark_and_sheets_from_blobs(self):
        sheet = np.zeros((15, 15, 15), np.float32)
        sheet[7] = 1
        measure = self.jet(sheet)[12][7, 7, 7]
        self.assertGreater(measure, 0.1)
        self.assertAlmostEqual(self.jet(-sheet)[12][7, 7, 7], -measure, places=5)
        blob = np.zeros((15, 15, 15), np.float32)
        blob[7, 7, 7] = 1
        self.assertAlmostEqual(self.jet(blob)[12][7, 7, 7], 0, places=5)

    def test_volume_keeps_its_grid(self):
        affine = np.array([[-2.0, 0, 0, 90], [0, 2.5, 0.5, -126], [0, -0.5, 3.0, -72], [0, 0, 0, 1]])
        self.write("in.nii.gz", gzip.compress(nifti_bytes(self.normal(8, 9, 10), affine)))
        self.done("filter", "in.nii.gz", "out.nii.gz", "--bank", "jet")
        out, found, _, _ = nifti_parse(gzip.decompress(self.read("out.nii.gz")))
        self.assertEqual(out.shape, (13, 8, 9, 10))
        np.testing.assert_allclose(found, affine, rtol=1e-6, atol=1e-5)

    def test_phantom_picture_and_the_same_bits(self):
        files = []
        for _ in range(2):
            result = self.tool("filter", "phantom:16", "out.npy", "--bank", "jet", "--png", "out.png")
            self.assertEqual(result.returncode, 0)
            self.assertRegex(result.stderr, r"\Aclconv: [^\n]*phantom[^\n]*\n\Z")
            files.append(self.snapshot())
        self.assertEqual(files[0], files[1])
        self.assertEqual(set(files[0]), {"out.npy", "out.png"})
        self.assertEqual(self.load("out.npy").shape, (13, 16, 16, 16))
        width, height = struct.unpack(">II", files[0]["out.png"][16:24])
        self.assertEqual(files[0]["out.png"][:8], b"\x89PNG\r\n\x1a\n")
        self.assertGreater(min(width, height), 16)

    def test_refusals(self):
        self.save("in.npy", self.normal(8, 8, 8))
        self.write("out.npy", b"an old file")
        good = ["filter", "in.npy", "out.npy"]
        self.refused(2, "--bank", *good)
        self.refused(2, "--bank.*'gabor'", *good, "--bank", "gabor")
        self.refused(2, "needs 2 arguments", "filter", "in.npy", "--bank", "jet")
        self.refused(2, "unexpected argument 'more'", *good, "more", "--bank", "jet")
        jet = [*good, "--bank", "jet"]
        for sigma in ["0", "-1", "0.01", "21", "nan", "x", ""]:
            self.refused(2, "--sigma.*'?%s" % sigma, *jet, "--sigma", sigma)
        for size in ["0", "-3", "4", "x", "2.5"]:
            self.refused(2, "--size.*%s" % size, *jet, "--size", size)
        self.refused(2, "--padding-mode is 'mirror'", *jet, "--padding-mode", "mirror")
        self.refused(2, "reflect|padding", *jet, "--size", "17")
        for name in ["phantom:7", "phantom:513", "phantom:", "phantom:x"]:
            self.refused(2, re.escape(name) + "|phantom", "filter", name, "out.npy", "--bank", "jet")
        self.refused(1, "'missing.npy'", "filter", "missing.npy", "out.npy", "--bank", "jet")
        self.refused(1, "'missing/out.npy'", "filter", "in.npy", "missing/out.npy", "--bank", "jet")
        self.refused(1, "--png: .*'missing/out.png'", *jet, "--png", "missing/out.png")
        self.refused(2, "--png: .*'out.jpg'", *jet, "--png", "out.jpg")
        self.save("in.npy", self.normal(2, 2, 8, 8, 8))
        self.refused(2, "'in.npy' holds 4 volumes", *jet)


if __name__ == "__main__":
    unittest.main()
