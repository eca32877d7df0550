"""Dask's arrays: bit for bit what the whole volume gives, on integers, by threads and by two processes."""
import itertools
import logging
import unittest
import warnings

import numpy as np
from needs import needs

import clconv
from clconv import ndimage

dask, da, distributed, ours = needs("dask", "dask.array", "distributed", "clconv.dask")

# Of distributed itself under python -X dev.
warnings.filterwarnings("ignore", category=DeprecationWarning, module="tornado|distributed")
logging.getLogger("asyncio").setLevel(logging.ERROR)

MODES = ["zeros", "reflect", "replicate", "circular", "symmetric"]
CHUNKS = [(4, 4, 5), ((2, 3), 6, (1, 5, 3)), ((1, 4), (3, 1, 2), 9), (5, 6, 9)]


def integers(rng, *shape, dtype=np.float32):
    return rng.integers(-3, 4, shape).astype(dtype)


def cases():
    """(lazy, right) for every mode, stride and dilation, with even kernels, ragged chunks and padding that differs by side."""
    rng = np.random.default_rng(1)
    x = integers(rng, 2, 5, 6, 9)
    numbers = itertools.count()
    for mode, stride, dilation, kernel in itertools.product(MODES, [1, 2, 3], [1, 2], [(3, 2, 3), (2, 3, 1)]):
        w, b = integers(rng, 3, 2, *kernel), integers(rng, 3)
        keywords = {"padding_mode": mode, "algorithm": "direct_indexed"}
        call = (w, b, stride, (2, 1, 0, 2, 3, 1), dilation)
        lazy = ours.conv3d(da.from_array(x, (1, *CHUNKS[next(numbers) % 4])), *call, **keywords)
        yield lazy, clconv.conv3d(x, *call, **keywords), f"{mode} {stride} {dilation} {kernel}"


class Dask(unittest.TestCase):
    def test_every_mode_stride_and_dilation(self):
        lazy, rights, names = zip(*cases())
        for made, right, name in zip(dask.compute(*lazy, scheduler="synchronous"), rights, names):
            np.testing.assert_array_equal(made, right, name)
        for made, right, name in zip(lazy, rights, names):
            self.assertEqual((made.shape, made.dtype, made._meta.dtype), (right.shape, right.dtype, right.dtype), name)

    def test_batches_groups_and_chunks_of_the_result(self):
        rng = np.random.default_rng(2)
        x, w = integers(rng, 3, 4, 6, 7, 8), integers(rng, 6, 2, 3, 3, 3)
        keywords = {"padding": "same", "groups": 2, "activation": "relu"}
        made = ours.conv3d(da.from_array(x.astype(np.int16), (2, 1, 3, 7, 5)), w, chunks=(4, (3, 4), 8), **keywords)
        self.assertEqual(made.chunks, ((2, 1), (6,), (4, 2), (3, 4), (8,)))
        np.testing.assert_array_equal(made.compute(scheduler="threads"), clconv.conv3d(x, w, **keywords))

    def test_scipys_conventions(self):
        rng = np.random.default_rng(3)
        x = integers(rng, 6, 5, 7, dtype=np.float64)
        lazy, rights = [], []
        for mode in ["reflect", "mirror", "nearest", "wrap", "constant"]:
            for size, origin in [((3, 3, 3), 0), ((4, 2, 3, 4), (0, -1, 1)), ((2, 4, 11, 3), 0)]:
                w = integers(rng, *size)
                lazy.append(ours.correlate(da.from_array(x, ((1, 4, 1), 2, 3)), w, mode, 2.0, origin, algorithm="direct_indexed"))
                rights.append(ndimage.correlate(x, w, None, mode, 2.0, origin, algorithm="direct_indexed"))
        for made, right in zip(dask.compute(*lazy, scheduler="synchronous"), rights):
            np.testing.assert_array_equal(made, right)

    def test_two_processes(self):
        lazy, rights, names = zip(*itertools.islice(cases(), 0, None, 13))
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, \
                distributed.Client(cluster) as client:
            futures = client.compute(lazy)
            made = [future.result(300) for future in futures]
            used = {worker for workers in client.who_has(futures).values() for worker in workers}
        for result, right, name in zip(made, rights, names):
            np.testing.assert_array_equal(result, right, name)
        self.assertEqual(len(used), 2)

    def test_refusals(self):
        x, w = da.zeros((1, 6, 6, 6), dtype=np.float32), np.ones((1, 1, 3, 3, 3), np.float32)
        for kind, words, call in [
                (TypeError, "input is ndarray", lambda: ours.conv3d(w, w)),
                (TypeError, "weight is int64", lambda: ours.conv3d(x, w.astype(np.int64))),
                (TypeError, "complex", lambda: ours.conv3d(x.astype(complex), w)),
                (clconv.InvalidProblem, "to have 1 channels", lambda: ours.conv3d(da.zeros((2, 6, 6, 6)), w)),
                (clconv.InvalidProblem, "reflect", lambda: ours.conv3d(x, w, padding=6, padding_mode="reflect")),
                (clconv.InvalidArgument, "unknown sizes", lambda: ours.conv3d(x[:, x[0, :, 0, 0] > 0], w)),
                (ValueError, "are not the 6 outputs", lambda: ours.conv3d(x, w, padding=1, chunks=((1, 2), 6, 6))),
                (ValueError, "must have 3", lambda: ours.correlate(x, w[0, 0]))]:
            with self.assertRaisesRegex(kind, words):
                call()


if __name__ == "__main__":
    unittest.main()
