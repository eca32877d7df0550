"""Makes the golden data of tests/unit/test_golden.c from PyTorch: outputs.txt from the problems of cases.txt, and
initial.txt. Inputs are the numbers of tests/random.c, so that only results are kept.

    /usr/bin/python3 tests/golden/make_golden.py

Made with PyTorch 1.13.1 (Debian 12); any version gives the same but for the last bits of the outputs."""
import os
import re
import warnings

import numpy as np
import torch

FOLDER = os.path.dirname(os.path.abspath(__file__))
PAD_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap",
             "symmetric": "symmetric"}
INITIAL = [((1, 1, 1, 1, 1), 1, 0), ((2, 1, 1, 1, 7), 1, 0), ((1, 3, 1, 1, 5), 1, 1), ((15, 1, 1, 1, 1), 1, 42),
           ((16, 1, 1, 1, 1), 1, 42), ((17, 1, 1, 1, 1), 17, 42), ((4, 2, 2, 2, 2), 2, 7), ((33, 16, 3, 3, 3), 1, 0),
           ((33, 16, 3, 5, 2), 1, 1234), ((8, 1, 3, 3, 3), 8, 2**31), ((8, 4, 3, 3, 3), 2, 2**32 - 1),
           ((8, 4, 3, 3, 3), 2, 2**32), ((8, 4, 3, 3, 3), 2, 2**32 + 1), ((6, 5, 1, 2, 3), 3, 2**40 + 12345),
           ((12, 10, 2, 2, 1), 1, 2**63 - 1), ((12, 10, 2, 2, 1), 1, 2**64 - 1), ((64, 32, 3, 3, 3), 1, 20240229),
           ((3, 7, 7, 7, 7), 1, 99), ((1000, 1, 1, 1, 1), 1000, 5), ((5, 624, 1, 1, 1), 1, 6)]


class Random:
    """SplitMix64 and random_reals() of tests/random.c."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        mask = 2**64 - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def reals(self, *shape):
        values = [((self.next() >> 11) % 2**24 - 2**23) / 2**23 for _ in range(int(np.prod(shape)))]
        return torch.tensor(values, dtype=torch.float64).reshape(shape)


def triple(numbers, prefix, default):
    values = []
    for axis in "dhw":
        default = numbers.get(prefix + axis, default)
        values.append(default)
    return tuple(values)


def convolve(line, seed):
    """PyTorch's result of one line of cases.txt."""
    text, *keys = line.partition("#")[0].split()
    numbers = {name: int(value) for name, value in re.findall(r"([a-z]+)(\d+)", text)}
    keys = dict(key.split("=") for key in keys)
    groups, channels, out = numbers.get("g", 1), numbers["ic"], numbers["oc"]
    size, kernel = triple(numbers, "i", 1), triple(numbers, "k", 1)
    random = Random(seed)
    x = random.reals(numbers.get("mb", 1), channels, *size)
    w = random.reals(out, channels // groups, *kernel)
    b = random.reals(out) if keys.get("bias") == "1" else None
    padding, mode = triple(numbers, "p", 0), keys.get("mode", "zeros")
    if line.endswith("# same"):
        padding = "same"
    elif "pad" in keys:  # asymmetric, which nn.Conv3d does not take
        pad = [int(n) for n in keys["pad"].split(",")]
        x = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), pad[:2], pad[2:4], pad[4:]], PAD_MODES[mode]))
        padding, mode = 0, "zeros"
    dilation = tuple(d + 1 for d in triple(numbers, "d", 0))
    module = torch.nn.Conv3d(channels, out, kernel, triple(numbers, "s", 1), padding, dilation, groups, b is not None,
                             mode, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(w)
        if b is not None:
            module.bias.copy_(b)
        return module(x)


def write_outputs():
    with open(os.path.join(FOLDER, "cases.txt")) as f:
        lines = [line.strip() for line in f if line.partition("#")[0].strip()]
    with open(os.path.join(FOLDER, "outputs.txt"), "w") as f:
        for index, line in enumerate(lines):
            y = convolve(line, index + 1)
            f.write("{} {}x{}x{}\n".format(y.numel(), *y.shape[2:]))
            f.writelines(value.hex() + "\n" for value in y.flatten().tolist())


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & (2**64 - 1)
    return value


def write_initial():
    with open(os.path.join(FOLDER, "initial.txt"), "w") as f:
        for shape, groups, seed in INITIAL:
            torch.manual_seed(seed if seed < 2**63 else seed - 2**64)
            module = torch.nn.Conv3d(shape[1] * groups, shape[0], shape[2:], groups=groups)
            w, b = (t.detach().numpy().ravel() for t in (module.weight, module.bias))
            f.write("{} {} {} {} {} {} {} {} {:016x}\n".format(
                *shape, seed, float(w[0]).hex(), float(b[-1]).hex(), fnv1a(w.tobytes() + b.tobytes())))


warnings.filterwarnings("ignore", message="Using padding='same'")
write_outputs()
write_initial()
