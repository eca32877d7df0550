#!/usr/bin/env python3
"""Gradients of the tool against PyTorch's autograd in double precision, and its transposed convolution against
torch.nn.functional.conv_transpose3d, on random problems. What is allowed is the bound of docs/numerics.md, with the magnitude
computed by the same autograd on absolute values."""
import argparse
import math
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch.nn import functional

UNIT = {"<f4": 2.0 ** -24, "<f8": 2.0 ** -53}
TORCH_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular",
               "symmetric": None}  # which PyTorch lacks: the elements of an axis in another order


class Problem:
    """A legal random problem."""

    def __init__(self, r):
        while True:
            self.groups = r.choice([1, 1, 2, 3])
            self.group_in, self.group_out = r.randint(1, 4), r.randint(1, 5)
            self.batch = r.choice([0, 1, 1, 2, 3])
            self.size = [r.randint(1, 9) for _ in range(3)]
            self.kernel = [r.randint(1, 3) for _ in range(3)]
            self.stride = [r.randint(1, 3) for _ in range(3)]
            self.dilation = [r.randint(1, 2) for _ in range(3)]
            self.padding = [r.randint(0, 2) for _ in range(6)]
            self.mode = r.choice(list(TORCH_MODES))
            self.dtype = r.choice(list(UNIT))
            if self.is_legal():
                return

    def is_legal(self):
        for axis in range(3):
            before, after = self.padding[2 * axis:2 * axis + 2]
            size, most = self.size[axis], max(before, after)
            if size + before + after < self.dilation[axis] * (self.kernel[axis] - 1) + 1:
                return False
            if (self.mode == "reflect" and most >= size) or (self.mode in ("circular", "symmetric") and most > size):
                return False
        return True

    def options(self):
        return ["--stride", join(self.stride), "--dilation", join(self.dilation), "--groups", str(self.groups)]

    def pad_symmetric(self, x):
        for axis, size in enumerate(self.size):
            order = np.pad(np.arange(size), self.padding[2 * axis:2 * axis + 2], mode="symmetric")
            x = x.index_select(axis + 2, torch.from_numpy(order))
        return x

    def convolve(self, x, w, b):
        d, h, w_ = self.padding[0:2], self.padding[2:4], self.padding[4:6]
        mode = TORCH_MODES[self.mode] if self.batch else "constant"
        padded = functional.pad(x, w_ + h + d, mode=mode) if mode else self.pad_symmetric(x)
        return functional.conv3d(padded, w, b, self.stride, 0, self.dilation, self.groups)


def join(values):
    return ",".join(map(str, values))


def autograd(p, x, w, g):
    """Gradients of input, weight and bias."""
    leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (x, w)]
    leaves.append(torch.zeros(p.groups * p.group_out, dtype=torch.float64, requires_grad=True))
    p.convolve(*leaves).backward(torch.tensor(g, dtype=torch.float64))
    return [leaf.grad.numpy() for leaf in leaves]


def worst_share(p, got, exact, magnitude, terms):
    """The largest error as a share of what is allowed; infinite for a wrong shape or type."""
    if got.shape != exact.shape or got.dtype != np.dtype(p.dtype):
        return math.inf
    if got.size == 0:
        return 0.0
    allowed = 2 * UNIT[p.dtype] * (16 + math.sqrt(terms) / 2) * magnitude + 1e-40
    return float(np.max(np.abs(got.astype("f8") - exact) / allowed))


class Runner:
    def __init__(self, tool, folder):
        self.tool, self.folder = tool, folder

    def path(self, name):
        return os.path.join(self.folder, name + ".npy")

    def run(self, command, tensors, outputs, options):
        """The outputs, or the tool's error."""
        arguments = [self.tool, *command]
        for name, array in tensors.items():
            np.save(self.path(name), array)
            arguments += ["--" + name, self.path(name)]
        for name in outputs:
            arguments += ["--" + name, self.path("made-" + name)]
        result = subprocess.run(arguments + options, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            return None, result
        return [np.load(self.path("made-" + name)) for name in outputs], result


def check_gradients(runner, p, numbers):
    x = numbers.uniform(-1, 1, (p.batch, p.groups * p.group_in, *p.size)).astype(p.dtype)
    w = numbers.uniform(-1, 1, (p.groups * p.group_out, p.group_in, *p.kernel)).astype(p.dtype)
    shape = p.convolve(torch.zeros(x.shape), torch.zeros(w.shape), None).shape
    g = numbers.uniform(-1, 1, tuple(shape)).astype(p.dtype)
    exact, magnitudes = autograd(p, x, w, g), autograd(p, abs(x), abs(w), abs(g))
    names = ["grad-input", "grad-weight", "grad-bias"]
    made, result = runner.run(["grad"], {"input": x, "weight": w, "grad-output": g}, names,
                              p.options() + ["--padding", join(p.padding), "--padding-mode", p.mode])
    if made is None:
        return math.inf, result.stderr
    sums = max(1, g.size // (p.groups * p.group_out))
    terms = [p.group_out * math.prod(p.kernel), sums, sums]
    shares = [worst_share(p, *each) for each in zip(made, exact, magnitudes, terms)]
    return max(shares), ", ".join("%s %.3g" % pair for pair in zip(names, shares))


def check_transposed(runner, p, r, numbers):
    padding = p.padding[::2]
    extra = [r.randint(0, max(s, d) - 1) for s, d in zip(p.stride, p.dilation)]
    x = numbers.uniform(-1, 1, (max(p.batch, 1), p.groups * p.group_in, *p.size)).astype(p.dtype)
    w = numbers.uniform(-1, 1, (p.groups * p.group_in, p.group_out, *p.kernel)).astype(p.dtype)
    b = numbers.uniform(-1, 1, p.groups * p.group_out).astype(p.dtype)

    def reference(*arrays):
        tensors = [torch.tensor(a, dtype=torch.float64) for a in arrays]
        return functional.conv_transpose3d(*tensors, p.stride, padding, extra, p.groups, p.dilation).numpy()

    made, result = runner.run(["run", "--transposed"], {"input": x, "weight": w, "bias": b}, ["output"],
                              p.options() + ["--padding", join(padding), "--output-padding", join(extra)])
    try:
        exact = reference(x, w, b)
    except RuntimeError as error:
        refused = made is None and result.returncode == 2
        return (0.0 if refused else math.inf), "not refused: %s" % error
    if made is None:
        return math.inf, result.stderr
    share = worst_share(p, made[0], exact, reference(abs(x), abs(w), abs(b)), p.group_in * math.prod(p.kernel) + 1)
    return share, "output %.3g" % share


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--count", type=int, default=60, help="problems whose gradients are compared")
    parser.add_argument("--transposed", type=int, default=15, help="transposed convolutions")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed, worst = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(arguments.tool, folder)
        for i in range(arguments.count + arguments.transposed):
            r = random.Random(arguments.seed * 1000003 + i)
            p, numbers = Problem(r), np.random.RandomState(r.randrange(2 ** 31))
            if i < arguments.count:
                share, text = check_gradients(runner, p, numbers)
            else:
                share, text = check_transposed(runner, p, r, numbers)
            worst = max(worst, share)
            if not share <= 1:
                failed += 1
                print("failed: problem %d, %s: %s" % (i, vars(p), text))
    total = arguments.count + arguments.transposed
    print("%d passed, %d failed; largest error %.3g of the bound" % (total - failed, failed, worst))
    return 1 if failed or total == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
