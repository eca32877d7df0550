#!/usr/bin/env python3
"""Largest relative errors of sums of K positive products, x and w uniform in [0, 1], beside PyTorch's: the table of
docs/numerics.md. Needs torch and numpy.

    python3 bench/long_sums.py build/release/tools/clconv
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

# Channels in and out, kernel and input extent.
LAYERS = [(37, 16, (3, 3, 3), 12), (128, 16, (3, 3, 3), 8), (512, 32, (3, 3, 3), 6), (64, 8, (5, 5, 5), 8),
          (1024, 4, (5, 5, 5), 6), (1000, 16, (1, 1, 1), 8), (100000, 8, (1, 1, 1), 5), (1000000, 4, (1, 1, 1), 2),
          (1, 8, (10, 10, 10), 16), (4, 4, (30, 30, 30), 32)]
ALGORITHMS = ["direct", "direct_fused", "direct_indexed", "direct_channels", "unfold", "pointwise",
              "pointwise_streamed", "im2col_gemm", "auto"]


def worst(got, exact):
    return float((np.abs(got.astype(np.float64) - exact) / np.abs(exact)).max())


def run(tool, folder, algorithm):
    """The tool's result; None if the algorithm refuses the layer."""
    path = os.path.join(folder, "y.npy")
    done = subprocess.run([tool, "run", "--input", os.path.join(folder, "x.npy"), "--weight",
                           os.path.join(folder, "w.npy"), "--algorithm", algorithm, "--output", path],
                          capture_output=True, text=True)
    return np.load(path) if done.returncode == 0 else None


def row(tool, folder, c, o, kernel, size):
    rng = np.random.default_rng(20261130)
    x = rng.random((1, c, size, size, size), dtype=np.float32)
    w = rng.random((o, c, *kernel), dtype=np.float32)
    np.save(os.path.join(folder, "x.npy"), x)
    np.save(os.path.join(folder, "w.npy"), w)
    conv = torch.nn.functional.conv3d
    exact = conv(torch.from_numpy(x).double(), torch.from_numpy(w).double()).numpy()
    errors = [worst(conv(torch.from_numpy(x), torch.from_numpy(w)).numpy(), exact)]
    for algorithm in ALGORITHMS:
        got = run(tool, folder, algorithm)
        errors.append(None if got is None else worst(got, exact))
    cells = ["" if e is None else f"{1e7 * e:.1f}" for e in errors]
    print(f"| {c * np.prod(kernel)} | {c} × {'×'.join(map(str, kernel))} | " + " | ".join(cells) + " |", flush=True)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: long_sums.py TOOL")
    print("| K | channels × taps | PyTorch | " + " | ".join(ALGORITHMS) + " |")
    print("|---:|---|" + "---:|" * (1 + len(ALGORITHMS)))
    with tempfile.TemporaryDirectory() as folder:
        for layer in LAYERS:
            row(sys.argv[1], folder, *layer)


if __name__ == "__main__":
    main()
