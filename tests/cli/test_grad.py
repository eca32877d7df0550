"""clconv grad and run --transposed: each is tied to the forward pass, <conv(x), g> = <x, grad_input> = <w, grad_weight>,
exactly on integers; what is refused; and that all outputs are written, or none."""
from cli import *


class Grad(ToolTest):
    def integers(self, *shape):
        return np.random.default_rng(len(shape) + sum(shape)).integers(-4, 5, shape).astype("<f4")

    def save_all(self, x, w, g):
        self.save("x.npy", x), self.save("w.npy", w), self.save("g.npy", g)

    def grad(self, *more):
        return ["grad", "--input", "x.npy", "--weight", "w.npy", "--grad-output", "g.npy", *more]

    def test_adjoint(self):
        x, w, g = self.integers(2, 4, 7, 6, 9), self.integers(6, 2, 3, 2, 3), self.integers(2, 6, 4, 4, 6)
        self.save_all(x, w, g)
        for mode in PAD_MODES:
            options = ["--stride", "2,2,2", "--padding", "1,1,1,1,2,2", "--groups", "2", "--padding-mode", mode]
            self.done("run", "--input", "x.npy", "--weight", "w.npy", *options, "--output", "y.npy")
            self.done(*self.grad(*options, "--grad-input", "dx.npy", "--grad-weight", "dw.npy", "--grad-bias", "db.npy"))
            product = np.vdot(self.load("y.npy").astype("f8"), g.astype("f8"))
            self.assertEqual(product, np.vdot(self.load("dx.npy").astype("f8"), x.astype("f8")), mode)
            self.assertEqual(product, np.vdot(self.load("dw.npy").astype("f8"), w.astype("f8")), mode)
            np.testing.assert_array_equal(self.load("db.npy"), g.sum((0, 2, 3, 4)))

    def test_transposed_is_the_input_gradient(self):
        x, w, g = self.integers(1, 4, 8, 6, 10), self.integers(6, 2, 2, 2, 2), self.integers(1, 6, 4, 3, 5)
        self.save_all(x, w, g)
        self.done(*self.grad("--stride", "2", "--groups", "2", "--grad-input", "dx.npy"))
        self.done("run", "--transposed", "--input", "g.npy", "--weight", "w.npy", "--stride", "2", "--groups", "2",
                  "--output", "y.npy")
        np.testing.assert_array_equal(self.load("y.npy"), self.load("dx.npy"))

    def test_a_named_algorithm_applies_where_it_can(self):
        x, w, g = self.integers(1, 4, 5, 6, 7), self.integers(3, 4, 3, 3, 3), self.integers(1, 3, 3, 4, 5)
        self.save_all(x, w, g)
        all_three = ["--grad-input", "dx.npy", "--grad-weight", "dw.npy", "--grad-bias", "db.npy"]
        self.done(*self.grad(*all_three))
        expected = [self.load(name) for name in all_three[1::2]]
        for algorithm in ("direct", "weight_direct", "bias_indexed"):
            self.done(*self.grad("--algorithm", algorithm, *all_three))
            for name, array in zip(all_three[1::2], expected):
                np.testing.assert_array_equal(self.load(name), array)
        self.refused(1, "'direct' does not do backward-weight",
                     *self.grad("--algorithm", "direct", "--grad-weight", "dw.npy"))

    def test_refusals(self):
        self.save_all(self.integers(1, 2, 5, 5, 5), self.integers(3, 2, 3, 3, 3), self.integers(1, 3, 3, 3, 4))
        self.refused(2, "at least one must be given", *self.grad())
        self.refused(2, "--grad-output: expected the output's size .1, 3, 3, 3, 3.", *self.grad("--grad-bias", "b.npy"))
        self.refused(2, "--grad-input", *self.grad("--grad-input", "a.txt"))
        self.refused(2, "output_padding of D is 1", "run", "--transposed", "--output-padding", "1", "--input", "g.npy",
                     "--weight", "w.npy", "--output", "y.npy")
        self.refused(2, "belongs to --transposed", "run", "--output-padding", "1", "--input", "x.npy", "--weight", "w.npy",
                     "--output", "y.npy")

    def test_empty_batch(self):
        self.save_all(np.zeros((0, 2, 5, 5, 5), "<f4"), self.integers(3, 2, 3, 3, 3), np.zeros((0, 3, 3, 3, 3), "<f4"))
        self.done(*self.grad("--grad-input", "dx.npy", "--grad-weight", "dw.npy", "--grad-bias", "db.npy"))
        self.assertEqual(self.load("dx.npy").shape, (0, 2, 5, 5, 5))
        np.testing.assert_array_equal(self.load("dw.npy"), np.zeros((3, 2, 3, 3, 3)))
        np.testing.assert_array_equal(self.load("db.npy"), np.zeros(3))


if __name__ == "__main__":
    unittest.main()
