"""Functions on numpy arrays: against sums written out in double, on integers, so that results are exact."""
import itertools
import multiprocessing
import os
import threading
import unittest

import numpy as np

import clconv

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric"}


def integers(rng, *shape, dtype=np.float32):
    return rng.integers(-3, 4, shape).astype(dtype)


def expect(x, w, b=None, stride=(1, 1, 1), pads=((0, 0),) * 3, dilation=(1, 1, 1), groups=1, mode="zeros"):
    """By the definition: a sum over taps of strided views of the padded input."""
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *pads], mode=MODES[mode])
    n, c = x.shape[:2]
    out, group_in = w.shape[:2]
    size = [(x.shape[2 + a] - dilation[a] * (w.shape[2 + a] - 1) - 1) // stride[a] + 1 for a in range(3)]
    y = np.zeros((n, out, *size))
    for tap in itertools.product(*map(range, w.shape[2:])):
        view = x[(slice(None), slice(None)) + tuple(slice(tap[a] * dilation[a], tap[a] * dilation[a] + (size[a] - 1) * stride[a] + 1,
                                                          stride[a]) for a in range(3))]
        view = view.reshape(n, groups, group_in, *size)
        weight = w[(slice(None), slice(None)) + tap].reshape(groups, out // groups, group_in).astype(np.float64)
        y += np.einsum("ngcdhw,goc->ngodhw", view, weight).reshape(y.shape)
    return y if b is None else y + b.reshape(1, -1, 1, 1, 1)


class Values(unittest.TestCase):
    def test_every_mode_stride_and_padding(self):
        rng = np.random.default_rng(1)
        for mode, stride in itertools.product(MODES, [(1, 1, 1), (2, 1, 3)]):
            x, w, b = integers(rng, 2, 4, 5, 6, 9), integers(rng, 6, 2, 3, 2, 3), integers(rng, 6)
            pads = (1, 2, 0, 1, 2, 0)
            got = clconv.conv3d(x, w, b, stride, pads, 1, 2, padding_mode=mode)
            right = expect(x, w, b, stride, (pads[0:2], pads[2:4], pads[4:6]), groups=2, mode=mode)
            np.testing.assert_array_equal(got, right, err_msg=mode)

    def test_same_dilation_and_double(self):
        rng = np.random.default_rng(2)
        x, w = integers(rng, 1, 2, 5, 6, 7, dtype=np.float64), integers(rng, 3, 2, 2, 3, 3, dtype=np.float64)
        got = clconv.conv3d(x, w, padding="same", dilation=(1, 2, 1))
        self.assertEqual(got.dtype, np.float64)
        np.testing.assert_array_equal(got, expect(x, w, pads=((0, 1), (2, 2), (1, 1)), dilation=(1, 2, 1)))

    def test_epilogue_and_unbatched(self):
        rng = np.random.default_rng(3)
        x, w = integers(rng, 4, 5, 6, 7), integers(rng, 4, 4, 3, 3, 3)
        got = clconv.conv3d(x, w, padding=1, residual=x, activation="relu", algorithm="direct")
        right = np.maximum(expect(x[None], w, pads=((1, 1),) * 3)[0] + x, 0)
        self.assertEqual(got.shape, (4, 5, 6, 7))
        np.testing.assert_array_equal(got, right)

    def test_fewer_dimensions(self):
        rng = np.random.default_rng(4)
        x, w = integers(rng, 2, 3, 8), integers(rng, 4, 3, 3)
        np.testing.assert_array_equal(clconv.conv1d(x, w, padding=1),
                                      expect(x[:, :, None, None], w[:, :, None, None], pads=((0, 0), (0, 0), (1, 1)))[:, :, 0, 0])
        x, w = integers(rng, 2, 3, 6, 8), integers(rng, 4, 3, 3, 2)
        np.testing.assert_array_equal(clconv.conv2d(x, w, stride=(2, 1), padding=(1, 1, 0, 1)),
                                      expect(x[:, :, None], w[:, :, None], stride=(1, 2, 1), pads=((0, 0), (1, 1), (0, 1)))[:, :, 0])

    def test_foreign_arrays_are_copied(self):
        rng = np.random.default_rng(5)
        x, w = integers(rng, 1, 2, 5, 6, 7), integers(rng, 3, 2, 3, 3, 3)
        right = clconv.conv3d(x, w)
        raw = np.zeros(x.nbytes + 1, np.uint8)
        unaligned = raw[1:].view(np.float32).reshape(x.shape)
        unaligned[...] = x
        for other in (np.asfortranarray(x), x.astype(">f4"), x[:, :, ::-1][:, :, ::-1], unaligned):
            np.testing.assert_array_equal(clconv.conv3d(other, w), right)

    def test_out(self):
        x, w = np.ones((1, 4, 4, 4), np.float32), np.ones((1, 1, 3, 3, 3), np.float32)
        out = np.zeros((1, 2, 2, 2), np.float32)
        self.assertIs(clconv.conv3d(x, w, out=out), out)
        self.assertTrue((out == 27).all())

    def test_gradients_are_adjoint(self):
        rng = np.random.default_rng(6)
        for mode in MODES:
            x, w = integers(rng, 2, 3, 5, 6, 7), integers(rng, 4, 3, 3, 3, 2)
            y = clconv.conv3d(x, w, stride=2, padding=2, padding_mode=mode, algorithm="direct_indexed")
            g = integers(rng, *y.shape)
            dx, dw, db = clconv.grad.conv3d(x, w, g, stride=2, padding=2, padding_mode=mode)
            inner = float((y.astype("f8") * g).sum())
            self.assertEqual(inner, float((x.astype("f8") * dx).sum()), mode)
            self.assertEqual(inner, float((w.astype("f8") * dw).sum()), mode)
            np.testing.assert_array_equal(db, g.sum((0, 2, 3, 4)))
            keywords = {"stride": 2, "padding": 2, "padding_mode": mode}
            np.testing.assert_array_equal(clconv.grad.conv3d_input(x.shape, w, g, **keywords), dx)
            np.testing.assert_array_equal(clconv.grad.conv3d_weight(x, w.shape, g, **keywords), dw)

    def test_transposed_is_the_gradient(self):
        rng = np.random.default_rng(7)
        x, w, b = integers(rng, 2, 4, 3, 4, 5), integers(rng, 4, 3, 3, 3, 3), integers(rng, 3)
        got = clconv.conv_transpose3d(x, w, b, stride=2, padding=1, output_padding=1)
        right = clconv.grad.conv3d_input(got.shape, w, x, stride=2, padding=1)
        np.testing.assert_array_equal(got, right + b.reshape(1, 3, 1, 1, 1))


class Refusals(unittest.TestCase):
    x, w = np.ones((1, 2, 5, 5, 5), np.float32), np.ones((3, 2, 3, 3, 3), np.float32)

    def refused(self, kinds, words, call):
        with self.assertRaisesRegex(kinds[0], words) as caught:
            call()
        for kind in kinds:
            self.assertIsInstance(caught.exception, kind)

    def test_types(self):
        x, w = self.x, self.w
        self.refused([TypeError], "float16.*float32 or float64", lambda: clconv.conv3d(x.astype("f2"), w))
        self.refused([TypeError], "int64", lambda: clconv.conv3d(x, w.astype("i8")))
        self.refused([TypeError], "list", lambda: clconv.conv3d([1.0], w))
        self.refused([TypeError], "one type", lambda: clconv.conv3d(x, w.astype("f8")))
        self.refused([TypeError], "stride", lambda: clconv.conv3d(x, w, stride=1.5))
        self.refused([TypeError], "selector", lambda: clconv.Context(3))

    def test_shapes(self):
        x, w = self.x, self.w
        both = [clconv.Error, ValueError, RuntimeError]
        self.refused(both, "Expected 4D .* or 5D", lambda: clconv.conv3d(x[0, 0], w))
        self.refused(both, "to have 2 channels, but got 1", lambda: clconv.conv3d(x[:, :1], w))
        self.refused(both, "bias", lambda: clconv.conv3d(x, w, np.ones(2, np.float32)))
        self.refused(both, "stride", lambda: clconv.conv3d(x, w, stride=0))
        self.refused(both, "reflect", lambda: clconv.conv3d(x, w, padding=5, padding_mode="reflect"))
        self.refused([clconv.InvalidArgument, ValueError], "padding_mode is 'mirror'",
                     lambda: clconv.conv3d(x, w, padding_mode="mirror"))

    def test_overlap(self):
        memory = np.zeros(1000, np.float32)
        x, out = memory[:125].reshape(1, 5, 5, 5), memory[100:127].reshape(1, 3, 3, 3)
        self.refused([ValueError, clconv.Error], "overlaps input",
                     lambda: clconv.conv3d(x, np.ones((1, 1, 3, 3, 3), np.float32), out=out))

    def test_closed_context(self):
        context = clconv.Context()
        clconv.conv3d(self.x, self.w, context=context)
        plan = clconv.Plan(self.x.shape, self.w.shape, context=context)
        context.close()
        self.refused([ValueError], "closed", lambda: clconv.conv3d(self.x, self.w, context=context))
        self.refused([ValueError], "closed", plan.describe)
        self.assertIn("closed", repr(context))

    def test_no_such_device(self):
        self.refused([clconv.NoDevice, RuntimeError], "(?s)three ways", lambda: clconv.Context("nothing of this name"))


class Threads(unittest.TestCase):
    def test_threads_may_call_freely(self):
        rng = np.random.default_rng(8)
        cases = [(integers(rng, 1, 2, 5, 6, 4 + i), integers(rng, 3, 2, 3, 3, 3)) for i in range(3)]
        rights = [expect(*case) for case in cases]
        failures = []

        def work(number):
            for i in range(60):
                k = (number + i) % 3
                if not np.array_equal(clconv.conv3d(*cases[k]), rights[k]):
                    failures.append((number, i))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_the_cache_is_bounded(self):
        from clconv import plan

        with clconv.Context() as context:
            before, plan.CACHE_SIZE = plan.CACHE_SIZE, 2
            try:
                for width in range(5, 10):
                    clconv.conv1d(np.ones((1, width), np.float32), np.ones((1, 1, 3), np.float32), context=context)
            finally:
                plan.CACHE_SIZE = before
            self.assertEqual(len(context.plans), 2)


def in_child(queue):
    try:
        clconv.conv3d(Refusals.x, Refusals.w)
        queue.put("worked")
    except clconv.Error as reason:
        queue.put(str(reason))


class Forks(unittest.TestCase):
    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_forked_child_gets_an_error(self):
        clconv.conv3d(Refusals.x, Refusals.w)
        queue = multiprocessing.get_context("fork").Queue()
        child = multiprocessing.get_context("fork").Process(target=in_child, args=(queue,))
        child.start()
        self.assertIn("forked", queue.get(timeout=60))
        child.join(60)
        self.assertEqual(child.exitcode, 0)


if __name__ == "__main__":
    unittest.main()
