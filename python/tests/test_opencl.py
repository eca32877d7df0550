"""pyopencl's objects: the answers of arrays in host memory, bit for bit, with its queues, offsets and events."""
import threading
import unittest

import numpy as np
from needs import needs

import clconv

cl, cl_array, ours = needs("pyopencl", "pyopencl.array", "clconv.opencl")


def integers(rng, *shape, dtype=np.float32):
    return rng.integers(-3, 4, shape).astype(dtype)


class Objects(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context, cls.device, cls.own = ours.objects(clconv.default_context())
        cls.queue = cl.CommandQueue(cls.context, cls.device)
        order = cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE
        cls.unordered = cl.CommandQueue(cls.context, cls.device, properties=order)

    @classmethod
    def tearDownClass(cls):
        del cls.context, cls.device, cls.own, cls.queue, cls.unordered

    def arrays(self, *arrays, queue=None):
        return [cl_array.to_device(queue or self.queue, array) for array in arrays]

    def test_forward_transposed_and_gradients(self):
        rng = np.random.default_rng(1)
        x, w, b, r = integers(rng, 2, 4, 5, 6, 7), integers(rng, 6, 2, 3, 2, 3), integers(rng, 6), integers(rng, 2, 6, 3, 4, 4)
        keywords = {"stride": 2, "padding": (1, 1, 1, 2, 0, 2), "groups": 2, "padding_mode": "replicate"}
        right = clconv.conv3d(x, w, b, residual=r, activation="relu", **keywords)
        dx, dw, db, dr = self.arrays(x, w, b, r)
        got = ours.conv3d(dx, dw, db, residual=dr, activation="relu", **keywords)
        self.assertEqual(got.queue, self.queue)
        np.testing.assert_array_equal(got.get(), right)
        np.testing.assert_array_equal(ours.conv3d(dx[0], dw, db, residual=dr[0], activation="relu", **keywords).get(), right[0])
        for mine, theirs in zip(ours.conv3d_gradients(dx, dw, got, **keywords), clconv.grad.conv3d(x, w, right, **keywords)):
            np.testing.assert_array_equal(mine.get(), theirs)
        up, du = integers(rng, 4, 3, 2, 2, 2), {"stride": 2, "output_padding": 1}
        np.testing.assert_array_equal(ours.conv_transpose3d(dx, *self.arrays(up), **du).get(), clconv.conv_transpose3d(x, up, **du))

    def test_arrays_may_lie_anywhere_in_a_buffer(self):
        rng = np.random.default_rng(2)
        x, w = integers(rng, 3, 2, 4, 4, 5), integers(rng, 3, 2, 3, 3, 3)
        whole, = self.arrays(x)
        out = cl_array.zeros(self.queue, (4, 3, 2, 2, 3), np.float32)
        self.assertIs(ours.conv3d(whole[1:], self.arrays(w)[0], out=out[1:3]).base_data, out.base_data)
        right = np.zeros(out.shape, np.float32)
        right[1:3] = clconv.conv3d(x[1:], w)
        np.testing.assert_array_equal(out.get(), right)

    def test_runs_wait_for_events_and_give_one(self):
        rng = np.random.default_rng(3)
        x, w = integers(rng, 1, 2, 6, 6, 6), integers(rng, 2, 2, 3, 3, 3)
        right = clconv.conv3d(clconv.conv3d(x, w, padding=1), w, padding=1)
        for queue in (self.queue, self.unordered):
            gate = cl.UserEvent(self.context)
            dx, dw = self.arrays(x, w, queue=queue)
            once = ours.conv3d(dx, dw, padding=1, wait_for=[gate])
            self.assertEqual(len(once.events), 1)
            twice = ours.conv3d(once, dw, padding=1)  # another workspace, or the same after it
            done = cl.command_execution_status.COMPLETE
            self.assertNotEqual(once.events[-1].command_execution_status, done)
            self.assertNotEqual(twice.events[-1].command_execution_status, done)
            gate.set_status(done)
            np.testing.assert_array_equal(twice.get(), right)

    def test_an_empty_batch(self):
        x = cl_array.empty(self.queue, (0, 1, 4, 4, 4), np.float32)
        self.assertEqual(ours.conv3d(x, self.arrays(np.ones((2, 1, 3, 3, 3), "f4"))[0]).shape, (0, 2, 2, 2, 2))

    def test_contexts_are_the_callers_and_are_given_back(self):
        context = cl.Context([self.device])
        before = context.reference_count
        queue = cl.CommandQueue(context)
        made = ours.context(queue)
        self.assertIs(ours.context(cl.CommandQueue(context)), made)
        x, w = self.arrays(np.ones((1, 4, 4, 4), "f4"), np.ones((1, 1, 3, 3, 3), "f4"), queue=queue)
        self.assertTrue((ours.conv3d(x, w).get() == 27).all())
        del x, w
        made.close()
        again = ours.context(queue)
        self.assertIsNot(again, made)
        again.close()
        del queue  # which may hold its last event
        self.assertEqual(context.reference_count, before)

    def test_threads_with_a_queue_each(self):
        rng = np.random.default_rng(4)
        x, w = integers(rng, 1, 3, 5, 5, 5), integers(rng, 2, 3, 3, 3, 3)
        right, wrong = clconv.conv3d(x, w, padding=1), []

        def work():
            queue = cl.CommandQueue(self.context, self.device)
            dx, dw = self.arrays(x, w, queue=queue)
            for _ in range(20):
                if not np.array_equal(ours.conv3d(dx, dw, padding=1).get(), right):
                    wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_refusals(self):
        x, w = self.arrays(np.ones((1, 2, 4, 4, 4), "f4"), np.ones((3, 2, 3, 3, 3), "f4"))
        host = np.ones((1, 2, 4, 4, 4), "f4")
        other = cl.CommandQueue(cl.Context([self.device]))
        overlapping = cl_array.Array(self.queue, (1, 3, 2, 2, 2), np.float32, data=x.base_data, offset=16)
        for kind, words, call in [
                (TypeError, "input is ndarray", lambda: ours.conv3d(host, w)),
                (TypeError, "float16", lambda: ours.conv3d(x.view(np.float16), w)),
                (TypeError, "one type", lambda: ours.conv3d(x.astype(np.float64), w)),
                (TypeError, "queue is int", lambda: ours.conv3d(x, w, queue=3)),
                (clconv.InvalidArgument, "not contiguous", lambda: ours.conv3d(x[:, :, :, :, :3], w)),
                (clconv.InvalidArgument, "another OpenCL context", lambda: ours.conv3d(x, w, queue=other)),
                (clconv.InvalidArgument, "no array has a queue", lambda: ours.conv3d(x.with_queue(None), w.with_queue(None))),
                (clconv.InvalidProblem, "to have 2 channels", lambda: ours.conv3d(x[:, :1].copy(), w)),
                (clconv.InvalidProblem, "out is of size", lambda: ours.conv3d(x, w, out=x)),
                (clconv.InvalidArgument, "overlap", lambda: ours.conv3d(x, w, out=overlapping))]:
            with self.assertRaisesRegex(kind, words):
                call()


if __name__ == "__main__":
    unittest.main()
