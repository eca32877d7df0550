"""clconv.torch against torch in double precision, on random problems: differential.py [--forward N] [--gradients N] [--transposed N].

Each value must lie within 2 u (16 + sqrt(K) / 2) of the sum of its products' magnitudes, where K is their number and u the unit
roundoff of the type: 2^-24, or 2^-53 twice for doubles, since torch's own sum is no better. What a kernel is compiled for is drawn
once for BATCH problems, all else for each. A problem that fails is printed, with the seed and number that make it again.
"""
import argparse
import dataclasses
import math
import random
import sys
import warnings

import torch
from torch.nn import functional

import clconv.torch as ours

BATCH = 12
MODES = ["zeros", "reflect", "replicate", "circular", "symmetric"]
warnings.filterwarnings("ignore", message="Using padding='same'")


@dataclasses.dataclass
class Problem:
    shape: list
    weight: list
    bias: bool
    dtype: torch.dtype
    stride: tuple
    padding: object
    dilation: tuple
    groups: int
    mode: str = "zeros"
    output_padding: tuple = (0, 0, 0)
    layout: str = "dense"
    transposed: bool = False

    def six(self):
        """Padding before and after each axis."""
        if self.padding == "valid":
            return [0] * 6
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.weight[2:])]
            return [p for t in totals for p in (t // 2, t - t // 2)]
        return list(self.padding) if len(self.padding) == 6 else [p for p in self.padding for _ in "ba"]


def draw_class(r):
    """What kernels are compiled for."""
    return {"kernel": r.choice([1, 1, 2, 3, 3, 3, 4, 5]), "stride": r.choice([1, 1, 1, 2, 3]), "dilation": r.choice([1, 1, 1, 2]),
            "dtype": r.choice([torch.float32] * 5 + [torch.float64]), "grouped": r.random() < 0.3}


def draw_pads(r, sizes, kernel, mode, stride):
    if mode == "zeros" and r.random() < 0.2:
        return "valid"
    if r.random() < 0.2 and stride == (1, 1, 1):
        return "same"
    most = [min(n - (mode == "reflect"), k) for n, k in zip(sizes, kernel)] if mode in MODES[1::2] + ["symmetric"] else list(kernel)
    if r.random() < 0.5:
        return tuple(r.randint(0, max(0, m)) for m in most)
    return tuple(r.randint(0, max(0, m)) for m in most for _ in "ba")


def draw(seed, kind, number):
    """A legal problem."""
    kinds = draw_class(random.Random(f"{seed} {kind} {number // BATCH}"))
    r = random.Random(f"{seed} {kind} {number} each")
    while True:
        kernel = (r.randint(1, 3), r.randint(1, 4), kinds["kernel"])
        stride, dilation = (r.randint(1, 2), kinds["stride"], kinds["stride"]), (r.randint(1, 2), r.randint(1, 2), kinds["dilation"])
        groups = r.choice([2, 3, 4]) if kinds["grouped"] else 1
        per_in, per_out = r.choice([1, 2, 3, 5, 8]), r.choice([1, 2, 3, 6, 8, 16])
        sizes = [r.randint(1, 7), r.randint(1, 9), r.randint(1, 20)]
        layout = r.choice(["dense", "dense", "dense", "unbatched", "channels_last", "turned"])
        shape = [r.choice([1, 1, 2, 3]), groups * per_in, *sizes]
        mode = r.choice(MODES) if kind != "transposed" else "zeros"
        common = {"bias": r.random() < 0.6, "dtype": kinds["dtype"], "stride": stride, "dilation": dilation, "groups": groups,
                  "layout": layout}
        if kind == "transposed":
            pads = tuple(r.randint(0, 2) for _ in range(3))
            more = tuple(r.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation))
            made = [(n - 1) * s - 2 * p + d * (k - 1) + o + 1
                    for n, s, p, d, k, o in zip(sizes, stride, pads, dilation, kernel, more)]
            if min(made) >= 1:
                return Problem(shape, [groups * per_in, per_out, *kernel], padding=pads, output_padding=more, transposed=True,
                               **common)
            continue
        p = Problem(shape, [groups * per_out, per_in, *kernel], padding=draw_pads(r, sizes, kernel, mode, stride), mode=mode, **common)
        six = p.six()
        limit = {"reflect": -1, "circular": 0, "symmetric": 0}.get(mode, math.inf)
        fits = all(n + six[2 * i] + six[2 * i + 1] > d * (k - 1) and max(six[2 * i:2 * i + 2]) <= n + limit
                   for i, (n, d, k) in enumerate(zip(sizes, dilation, kernel)))
        if fits:
            return p


def tensors(p, seed):
    torch.manual_seed(seed)
    x, w = torch.randn(p.shape, dtype=p.dtype), torch.randn(p.weight, dtype=p.dtype)
    out = p.weight[1] * p.groups if p.transposed else p.weight[0]
    b = torch.randn(out, dtype=p.dtype) if p.bias else None
    if p.layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last_3d)
    if p.layout == "turned":
        x = x.transpose(2, 4).contiguous().transpose(2, 4)
    return x[0] if p.layout == "unbatched" else x, w, b


def pad(x, p):
    """The padded input, by indices: in every mode a border is elements of the input, or zeros."""
    for axis, n in enumerate(x.shape[2:]):
        before, after = p.six()[2 * axis:2 * axis + 2]
        i = torch.arange(-before, n + after)
        if p.mode == "zeros":
            x = functional.pad(x, [v for a in (2, 1, 0) for v in ((before, after) if a == axis else (0, 0))])
            continue
        index = {"reflect": (i.abs() - (n - 1)).abs().neg() + n - 1, "replicate": i.clamp(0, n - 1), "circular": i % n,
                 "symmetric": torch.minimum(i % (2 * n), 2 * n - 1 - i % (2 * n))}[p.mode]
        x = x.index_select(axis + 2, index)
    return x


def expect(x, w, b, p):
    """In double, batched."""
    if p.transposed:
        return functional.conv_transpose3d(x, w, b, p.stride, p.padding, p.output_padding, p.groups, p.dilation)
    return functional.conv3d(pad(x, p), w, b, p.stride, 0, p.dilation, p.groups)


def mine(x, w, b, p):
    if p.transposed:
        return ours.conv_transpose3d(x, w, b, p.stride, p.padding, p.output_padding, p.groups, p.dilation)
    return ours.conv3d(x, w, b, p.stride, p.padding, p.dilation, p.groups, padding_mode=p.mode)


def share_of_bound(got, right, magnitude, count, dtype):
    """The largest error as a part of what is allowed."""
    if got.shape != right.shape or not torch.isfinite(got).all():
        return math.inf
    unit, tiny = (2.0 ** -23, 2.0 ** -149) if dtype == torch.float32 else (2.0 ** -51, 2.0 ** -1000)
    bound = unit * (16 + math.sqrt(count) / 2) * magnitude + (count + 2) * tiny
    return float(((got.double() - right).abs() / bound).max()) if got.numel() else 0.0


def try_one(seed, kind, number):
    """The share of the bound that a problem takes, and the problem."""
    p = draw(seed, kind, number)
    x, w, b = tensors(p, 1000003 * seed + number)
    batched = x if x.dim() == 5 else x[None]
    there = [t for t in (batched, w, b) if t is not None]
    doubles = [t.double().detach().requires_grad_() for t in there]
    sizes = [t.double().abs().detach().requires_grad_() for t in there]
    right, magnitude = (expect(*(ts if b is not None else [*ts, None]), p) for ts in (doubles, sizes))
    if kind == "gradients":
        leaves = [t.clone().requires_grad_() for t in (x, w, b) if t is not None]
        y = mine(*(leaves if b is not None else [*leaves, None]), p)
        g = torch.randn(right.shape, dtype=p.dtype)
        got = torch.autograd.grad(y, leaves, g if x.dim() == 5 else g[0])
        rights = torch.autograd.grad(right, doubles, g.double())
        magnitudes = torch.autograd.grad(magnitude, sizes, g.double().abs())
        taps = math.prod(p.weight[2:])
        counts = [p.weight[0] // p.groups * taps * 8, right[:, 0].numel(), right[:, 0].numel()]
        return max(share_of_bound(a.reshape(r.shape), r, m, n, p.dtype)
                   for a, r, m, n in zip(got, rights, magnitudes, counts)), p
    with torch.no_grad():
        got = mine(x, w, b, p)
    count = (p.weight[0] // p.groups if p.transposed else p.weight[1]) * math.prod(p.weight[2:]) + 1
    if got.dim() == 4:
        got = got[None]
    return share_of_bound(got, right.detach(), magnitude.detach(), count, p.dtype), p


def main(arguments):
    parser = argparse.ArgumentParser()
    for kind, count in [("forward", 2000), ("gradients", 1000), ("transposed", 500)]:
        parser.add_argument(f"--{kind}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    failures = 0
    for kind in ("forward", "gradients", "transposed"):
        worst = 0.0
        for number in range(getattr(options, kind)):
            share, p = try_one(options.seed, kind, number)
            worst = max(worst, share)
            if not share <= 1:
                failures += 1
                print(f"{kind} {number} of seed {options.seed}: {share:.3g} of the bound: {p}", flush=True)
            if number % 100 == 99:
                print(f"  {kind}: {number + 1}, at most {worst:.3f} of the bound", file=sys.stderr, flush=True)
        print(f"{kind}: {getattr(options, kind)} problems, at most {worst:.3f} of the bound", flush=True)
    print(f"{failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
