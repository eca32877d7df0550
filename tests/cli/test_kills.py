"""`run` and `filter`, killed at random moments by each signal, also twice as `timeout` does it: no temporary file is left, and
the output is the old one or the new one. CLCONV_FULL_TESTS: ten times as many kills."""
import os
import random
import signal
import subprocess
import tempfile
import time
import unittest

import cli
import numpy as np

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGKILL, signal.SIGABRT]
KILLS = 1000 if os.environ.get("CLCONV_FULL_TESTS") else 100


class Kills(unittest.TestCase):
    def setUp(self):
        self.room = tempfile.TemporaryDirectory()
        self.addCleanup(self.room.cleanup)
        self.random = random.Random(27)
        self.write("x.npy", np.arange(24 ** 3, dtype="<f4").reshape(1, 1, 24, 24, 24))
        self.write("w.npy", np.ones((2, 1, 3, 3, 3), "<f4"))
        self.write("v.npy", np.arange(12 ** 3, dtype="<f4").reshape(1, 1, 12, 12, 12))

    def path(self, name):
        return os.path.join(self.room.name, name)

    def write(self, name, array):
        with open(self.path(name), "wb") as file:
            file.write(cli.npy_bytes(array))

    def command(self, number):
        """A command and its output, which is there before for every second one."""
        output = self.path("%d/y.npy" % number)
        os.mkdir(os.path.dirname(output))
        if number % 2:
            with open(output, "wb") as file:
                file.write(b"old")
        if number % 4 < 3:
            return [cli.TOOL, "run", "--input", self.path("x.npy"), "--weight", self.path("w.npy"), "--output", output], output
        return [cli.TOOL, "filter", self.path("v.npy"), output, "--bank", "jet", "--size", "3"], output

    def once(self, number):
        """The bytes of an undisturbed run of each kind, and how long it takes."""
        command, output = self.command(number)
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(output, "rb") as file:
            return file.read(), time.monotonic() - began

    def kill(self, number, seconds):
        """Starts a run and returns what ends it after so many seconds."""
        command, output = self.command(number)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        first = self.random.choice(SIGNALS)
        process.send_signal(first)
        if self.random.random() < 0.5:
            process.send_signal(self.random.choice(SIGNALS[:4]))
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return output, first

    def check(self, number, output, ended_by, new):
        names = os.listdir(os.path.dirname(output))
        # To replace a file, the new one has a name for some microseconds: then it is whole.
        for name in [n for n in names if n != "y.npy"]:
            self.assertTrue(number % 2, (number, ended_by, names))
            with open(os.path.join(os.path.dirname(output), name), "rb") as file:
                self.assertIn(file.read(), [new, b"old"], (number, ended_by, names))
        if not os.path.exists(output):
            self.assertFalse(number % 2, (number, ended_by, "the old output is gone"))
            return
        with open(output, "rb") as file:
            self.assertIn(file.read(), [new, b"old"] if number % 2 else [new], (number, ended_by))

    def test_kills(self):
        expected, seconds = {}, {}
        for kind in range(4):
            self.once(10 ** 6 + 10 * kind + kind)  # compiles
            expected[kind], seconds[kind] = self.once(10 ** 7 + 4 * 10 * kind + kind)
        for number in range(KILLS):
            kind = number % 4
            output, ended_by = self.kill(number, 1.2 * seconds[kind] * self.random.random())
            self.check(number, output, ended_by, expected[kind])


if __name__ == "__main__":
    unittest.main()
