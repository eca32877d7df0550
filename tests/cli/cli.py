"""What the tests of the command line share: running the tool in a folder of its own, the rule that a refusal leaves
nothing behind, tensor files written byte by byte, and an independent convolution in double precision."""
import gzip
import itertools
import math
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

import numpy as np

TOOL = os.environ["CLCONV_TOOL"]
SOURCE_DIR = os.environ["SOURCE_DIR"]
COMMANDS = ["devices", "run", "grad", "plan", "bench", "check", "tune", "filter", "compile", "init"]


def npy_bytes(array=None, descr="<f4", fortran="False", shape=None, data=None, version=1, header=None, length=None):
    """A .npy file from parts, any of which may lie."""
    if array is not None:
        descr, shape, data = array.dtype.str, array.shape, array.tobytes()
    if header is None:
        header = "{'descr': %r, 'fortran_order': %s, 'shape': %s, }\n" % (descr, fortran, shape)
    text = header.encode("latin1")
    size = struct.pack("<H" if version == 1 else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def nifti_bytes(volume, affine, slope=1.0, intercept=0.0):
    """A NIfTI-1 file of an array in (z, y, x) or (t, z, y, x) order with an sform."""
    codes = {"<i2": 4, "<f4": 16, "<f8": 64}
    dim = [volume.ndim] + list(volume.shape[::-1]) + [1] * (7 - volume.ndim)
    voxel = [float(np.linalg.norm(affine[:3, i])) for i in range(3)]
    h = bytearray(352)
    struct.pack_into("<i", h, 0, 348)
    struct.pack_into("<8h", h, 40, *dim)
    struct.pack_into("<2h", h, 70, codes[volume.dtype.str], 8 * volume.dtype.itemsize)
    struct.pack_into("<8f", h, 76, 1.0, *voxel, 1, 0, 0, 0)
    struct.pack_into("<3f", h, 108, 352.0, slope, intercept)
    struct.pack_into("<2h", h, 252, 0, 2)
    struct.pack_into("<12f", h, 280, *affine[:3].ravel())
    h[344:348] = b"n+1\0"
    return bytes(h) + volume.tobytes()


def nifti_parse(data):
    """The array in (t, z, y, x) order and the affine of the sform."""
    dim = struct.unpack_from("<8h", data, 40)
    code = struct.unpack_from("<h", data, 70)[0]
    start = int(struct.unpack_from("<f", data, 108)[0])
    affine = np.eye(4)
    affine[:3] = np.array(struct.unpack_from("<12f", data, 280)).reshape(3, 4)
    array = np.frombuffer(data, {16: "<f4", 64: "<f8"}[code], offset=start)
    pixdim = struct.unpack_from("<8f", data, 76)[1:4]
    sform_code = struct.unpack_from("<h", data, 254)[0]
    return array.reshape([max(1, n) for n in dim[4:0:-1]]), affine, pixdim, sform_code


PAD_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap",
             "symmetric": "symmetric"}


def conv3d(x, w, b=None, stride=(1, 1, 1), pad=((0, 0),) * 3, dilation=(1, 1, 1), groups=1, mode="zeros"):
    """Conv3d by its definition, in double; pad is (before, after) for each axis. Also returns |w| * |x| + |b|."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    padded = np.pad(x, ((0, 0), (0, 0)) + tuple(pad), mode=PAD_MODES[mode])
    size = [(padded.shape[2 + a] - dilation[a] * (w.shape[2 + a] - 1) - 1) // stride[a] + 1 for a in range(3)]
    out = np.zeros((x.shape[0], w.shape[0], *size))
    scale = np.zeros_like(out)
    per_in, per_out = w.shape[1], w.shape[0] // groups
    for tap in itertools.product(*map(range, w.shape[2:])):
        cut = tuple(slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilation, size, stride))
        window = padded[(slice(None), slice(None)) + cut]
        for g in range(groups):
            o, i = slice(g * per_out, (g + 1) * per_out), slice(g * per_in, (g + 1) * per_in)
            taps = w[(o, slice(None)) + tap]
            out[:, o] += np.einsum("oi,nidhw->nodhw", taps, window[:, i])
            scale[:, o] += np.einsum("oi,nidhw->nodhw", abs(taps), abs(window[:, i]))
    if b is not None:
        out += b.astype(np.float64).reshape(-1, 1, 1, 1)
        scale += abs(b.astype(np.float64)).reshape(-1, 1, 1, 1)
    return out, scale


def worst_share(got, exact, scale, terms):
    """The largest error as a share of what docs/numerics.md promises of sums of so many terms."""
    u = 2.0**-24 if got.dtype == np.float32 else 2.0**-53
    roundings = min(terms + 1, 512 + terms / 2**15)
    gamma = roundings * u / (1 - roundings * u)
    bound = gamma * scale + 2 * terms * (2.0**-149 if got.dtype == np.float32 else 2.0**-1074)
    error = abs(got.astype(np.float64) - exact)
    return 0.0 if got.size == 0 else float((error / np.maximum(bound, 1e-300)).max())


class ToolTest(unittest.TestCase):
    """Each test has an empty folder, which is the tool's working directory."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="clconv-cli-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.random = np.random.default_rng(1)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return name

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def save(self, name, array):
        return self.write(name, npy_bytes(np.array(array, order="C")))

    def load(self, name):
        return np.load(self.path(name), allow_pickle=False)

    def normal(self, *shape, dtype=np.float32):
        return self.random.standard_normal(shape).astype(dtype)

    def tool(self, *arguments, environment=None, **more):
        variables = {k: v for k, v in os.environ.items() if not k.startswith("CLCONV_")}
        variables["CLCONV_CACHE"] = variables["CLCONV_TUNING"] = "off"
        variables.update(environment or {})
        variables = {k: v for k, v in variables.items() if v is not None}
        kinds = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **more}
        return subprocess.run([TOOL, *arguments], cwd=self.folder, env=variables, timeout=600, text=True, **kinds)

    def done(self, *arguments, **more):
        result = self.tool(*arguments, **more)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def snapshot(self):
        return {name: self.read(name) for name in os.listdir(self.folder) if os.path.isfile(self.path(name))}

    def refused(self, status, message, *arguments, **more):
        """The exit status, one line on stderr that the pattern matches, and no trace in the folder."""
        before = self.snapshot()
        result = self.tool(*arguments, **more)
        self.assertEqual(result.returncode, status, (arguments, result.stderr))
        self.assertRegex(result.stderr, r"\Aclconv: error: [^\n]+\n\Z", arguments)
        self.assertRegex(result.stderr, re.compile(message, re.IGNORECASE), arguments)
        self.assertEqual(self.snapshot(), before, arguments)
        return result


__all__ = [name for name in dir() if not name.startswith("_")]
