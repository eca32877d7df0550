"""What Python does around runs: threads, forks, copies of objects, an interpreter that ends in the middle of them, and no copies of
arrays where the device shares memory with the host."""
import copy
import os
import pickle
import subprocess
import sys
import unittest

import numpy as np

import clconv

FULL = bool(os.environ.get("CLCONV_FULL_TESTS"))
EXITS = 20 if FULL else 3

THREADS = """
import sys, threading, numpy as np, clconv
try:
    import torch, clconv.torch
except ImportError:
    torch = None
rng = np.random.default_rng(1)
cases = [(rng.integers(-3, 4, (1, 2, 4, 5, 5 + i)).astype("f4"), rng.integers(-3, 4, (3, 2, 3, 3, 3)).astype("f4")) for i in range(4)]
rights = [clconv.conv3d(*case) for case in cases]
wrong = []

def work(number):
    for i in range(int(sys.argv[1])):
        k = (number + i) % 4
        if torch is None or number % 2:
            made = clconv.conv3d(*cases[k])
        else:
            x, w = (torch.from_numpy(t) for t in cases[k])
            y = clconv.torch.conv3d(x, w.requires_grad_())
            y.sum().backward()
            made = y.detach().numpy()
        if not np.array_equal(made, rights[k]):
            wrong.append((number, i))

threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
assert not wrong, wrong
print("done")
"""

EXIT = """
import os, sys, threading, numpy as np, clconv
x, w = np.ones((1, 8, 24, 24, 24), np.float32), np.ones((8, 8, 3, 3, 3), np.float32)
clconv.conv3d(x, w)
running = threading.Semaphore(0)

def work():
    while True:
        running.release()
        clconv.conv3d(x, w)

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
for _ in range(12):
    running.acquire()
print("done", flush=True)
"""

FORK = """
import os, signal, sys, threading, numpy as np, clconv
x, w = np.ones((1, 8, 16, 16, 16), np.float32), np.ones((8, 8, 3, 3, 3), np.float32)
clconv.conv3d(x, w)
stop = threading.Event()

def work():
    while not stop.is_set():
        clconv.conv3d(x, w)

thread = threading.Thread(target=work)
thread.start()
for _ in range(5):  # while another thread computes and holds locks
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            clconv.conv3d(x, w)
        except clconv.Error as reason:
            os._exit(7 if "fork" in str(reason) else 1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 7), code
stop.set()
thread.join()
print("done")
"""

COPIES = """
import sys, numpy as np, clconv
from clconv.functional import dense
x, w = np.ones((1, 2, 6, 6, 6), np.float32), np.ones((3, 2, 3, 3, 3), np.float32)
for array in (x, x[0], x[:, 1:]):
    assert dense("x", array).ctypes.data == array.ctypes.data
y = clconv.conv3d(x, w, padding=1)
assert y[0, 0, 1, 1, 1] == 54
dx, dw, db = clconv.grad.conv3d(x, w, y, padding=1)
try:
    import torch, clconv.torch
    w = torch.from_numpy(w)
    for needs in (False, True):
        made = clconv.torch.conv3d(torch.from_numpy(x), w.requires_grad_(needs), padding=1)
        assert float(made[0, 0, 1, 1, 1].detach()) == 54
    made.sum().backward()
except ImportError:
    pass
print("done")
"""


class Processes(unittest.TestCase):
    def run_script(self, script, *arguments, **environment):
        ran = subprocess.run([sys.executable, "-X", "dev", "-c", script, *arguments], capture_output=True, text=True, timeout=300,
                             env={**os.environ, **environment})
        return ran.returncode, ran.stdout.strip(), ran.stderr

    def test_threads(self):
        self.assertEqual(self.run_script(THREADS, "200" if FULL else "25"), (0, "done", ""))

    def test_the_interpreter_may_end_while_runs_go_on(self):
        for _ in range(EXITS):
            self.assertEqual(self.run_script(EXIT), (0, "done", ""))

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_forks_while_runs_go_on(self):
        self.assertEqual(self.run_script(FORK), (0, "done", ""))

    def test_contexts_and_plans_are_not_copied(self):
        context = clconv.default_context()
        for thing in (context, clconv.Plan((1, 1, 4, 4, 4), (1, 1, 3, 3, 3))):
            for take in (copy.deepcopy, pickle.dumps):
                with self.assertRaisesRegex(TypeError, "pickle"):
                    take(thing)
        self.assertEqual(clconv.conv3d(np.ones((1, 3, 3, 3), "f4"), np.ones((1, 1, 3, 3, 3), "f4")).item(), 27)

    @unittest.skipUnless(os.environ.get("TEST_LAYER"), "no layer to count by")
    def test_contiguous_arrays_are_not_copied(self):
        """Reads and writes of buffers fail, so what works makes none; a device with memory of its own needs them."""
        layer = {"OPENCL_LAYERS": os.environ["TEST_LAYER"], "LAYER_COPIES": "0"}
        self.assertEqual(self.run_script(COPIES, **layer), (0, "done", ""))
        code, _, said = self.run_script(COPIES, LAYER_HOST_MEMORY="0", **layer)
        self.assertNotEqual(code, 0)
        self.assertIn("clEnqueueWriteBuffer", said)


if __name__ == "__main__":
    unittest.main()
