"""--memory-limit: computed in blocks, from mapped files into mapped files, with the bits of the whole on integers; and what
a disk or a limit has no room for."""
import gzip

from cli import *


class Limits(ToolTest):
    def integers(self, *shape):
        return self.random.integers(-9, 10, shape).astype("<f4")

    def whole_and_blocks(self, limit, *arguments):
        self.done(*arguments, "--output", "whole.npy")
        self.done(*arguments, "--output", "blocks.npy", "--memory-limit", limit)
        self.assertEqual(self.read("whole.npy"), self.read("blocks.npy"))

    def test_run(self):
        """2.6 MB of input and 5 MB of output: both are mapped."""
        x, w = self.integers(1, 2, 69, 69, 69), self.integers(4, 2, 3, 3, 3)
        self.save("x.npy", x)
        self.save("w.npy", w)
        for mode in ["zeros", "reflect"]:
            arguments = ["run", "--input", "x.npy", "--weight", "w.npy", "--padding", "1", "--padding-mode", mode,
                         "--algorithm", "direct_indexed"]
            self.whole_and_blocks("1M", *arguments)
        exact, _ = conv3d(x, w, pad=((1, 1),) * 3, mode="reflect")
        self.assertTrue(np.array_equal(self.load("blocks.npy"), exact.astype("<f4")))

    def test_transposed(self):
        self.save("x.npy", self.integers(1, 4, 30, 31, 32))
        self.save("w.npy", self.integers(4, 2, 3, 3, 3))
        self.save("b.npy", self.integers(2))
        self.whole_and_blocks("500K", "run", "--transposed", "--input", "x.npy", "--weight", "w.npy", "--bias", "b.npy",
                              "--stride", "2", "--output-padding", "1", "--algorithm", "input_indexed")

    def test_gradients(self):
        """The three of them, in blocks that share rows of the input."""
        self.save("x.npy", self.integers(1, 2, 69, 69, 69))
        self.save("w.npy", self.integers(2, 2, 3, 3, 3))
        self.save("dy.npy", self.random.integers(-2, 3, (1, 2, 69, 69, 69)).astype("<f4"))
        for mode in ["zeros", "circular"]:
            for name, limit in ("whole", []), ("blocks", ["--memory-limit", "1M"]):
                made = [a for t in ("input", "weight", "bias") for a in ("--grad-" + t, f"{name}-{t}.npy")]
                self.done("grad", "--input", "x.npy", "--weight", "w.npy", "--grad-output", "dy.npy", "--padding", "1",
                          "--padding-mode", mode, "--algorithm", "input_indexed", *made, *limit)
            for tensor in "input", "weight", "bias":
                self.assertEqual(self.read(f"whole-{tensor}.npy"), self.read(f"blocks-{tensor}.npy"), (mode, tensor))

    def test_volume(self):
        volume = self.integers(80, 80, 80)
        self.write("v.nii", nifti_bytes(volume, np.diag([1.0, 2, 3, 1])))
        self.save("w.npy", self.integers(1, 1, 3, 3, 3))
        for out in ["whole.nii", "blocks.nii"]:
            limit = ["--memory-limit", "500K"] if out == "blocks.nii" else []
            self.done("run", "--input", "v.nii", "--weight", "w.npy", "--padding", "same", "--output", out,
                      "--algorithm", "direct_indexed", *limit)
        self.assertEqual(self.read("whole.nii"), self.read("blocks.nii"))
        array = nifti_parse(self.read("blocks.nii"))[0]
        exact, _ = conv3d(volume[None, None], self.load("w.npy"), pad=((1, 1),) * 3)
        self.assertTrue(np.array_equal(array, exact[0].astype("<f4")))

    def test_compressed_volume(self):
        """Of 64 MiB as floats and more, which is where it is in a file without a name, whether that can be or not."""
        volume = np.zeros((256, 256, 257), "<i2")
        volume[::16, ::32, ::64] = self.random.integers(-99, 100, volume[::16, ::32, ::64].shape)
        header = nifti_bytes(volume, np.diag([1.0, 2, 3, 1]))
        self.write("v.nii.gz", gzip.compress(header, 1))
        self.save("w.npy", np.full((1, 1, 1, 1, 1), 2, "<f4"))
        for folder in ".", "/nowhere":
            self.done("run", "--input", "v.nii.gz", "--weight", "w.npy", "--output", "y.nii.gz", "--memory-limit", "40M",
                      environment={"TMPDIR": folder})
            array = nifti_parse(gzip.decompress(self.read("y.nii.gz")))[0]
            self.assertTrue(np.array_equal(array[0], 2 * volume.astype("<f4")))

    def test_an_input_may_be_the_output(self):
        x = self.integers(1, 1, 70, 70, 70)
        self.save("x.npy", x)
        self.save("w.npy", np.full((1, 1, 1, 1, 1), 2, "<f4"))
        self.done("run", "--input", "x.npy", "--weight", "w.npy", "--output", "x.npy")
        self.assertTrue(np.array_equal(self.load("x.npy"), 2 * x))

    def test_refusals(self):
        self.save("x.npy", self.integers(1, 1, 8, 8, 8))
        self.save("w.npy", self.integers(1, 1, 3, 3, 3))
        run = ["run", "--input", "x.npy", "--weight", "w.npy", "--output", "y.npy"]
        self.refused(1, "a block of one row of one channel has tensors of 420 bytes", *run, "--memory-limit", "400")
        self.refused(2, "must be a number of bytes", *run, "--memory-limit", "x")


if __name__ == "__main__":
    unittest.main()
