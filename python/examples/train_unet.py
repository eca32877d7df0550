"""Trains a small 3D U-Net on one half of a head to find grey and white matter in its T1 volume, and tries it on the other half:
train_unet.py [--steps 200] [--torch-steps 50] [--picture unet.png].

The convolutions are clconv's. Beside them torch's own train the same network from the same start for some steps: the losses of both,
the processor time of both, the Dice coefficients and a digest of the parameters, the same in every run, are printed; the picture has
slices of the half that was not trained on, the truth and the result, and the losses. One head, the average of 152 and nearly
symmetric, makes this a demonstration and no model.
"""
import argparse
import copy
import hashlib
import itertools
import time

import mni
import numpy as np
import torch
from torch.nn import functional

import clconv.torch

CLASSES = 3


class Twice(torch.nn.Sequential):
    """Two convolutions of 3x3x3."""

    def __init__(self, inside, outside):
        nn = torch.nn
        parts = []
        for channels in (inside, outside):  # without a bias, which the norm would take away again
            parts += [nn.Conv3d(channels, outside, 3, padding=1, bias=False), nn.InstanceNorm3d(outside, affine=True), nn.LeakyReLU(0.01)]
        super().__init__(*parts)


class UNet(torch.nn.Module):
    """Three levels; sizes must be multiples of 4."""

    def __init__(self, width=8):
        super().__init__()
        nn = torch.nn
        self.first, self.second, self.third = Twice(1, width), Twice(width, 2 * width), Twice(2 * width, 4 * width)
        self.up_second, self.up_first = nn.ConvTranspose3d(4 * width, 2 * width, 2, 2), nn.ConvTranspose3d(2 * width, width, 2, 2)
        self.join_second, self.join_first = Twice(4 * width, 2 * width), Twice(2 * width, width)
        self.last = nn.Conv3d(width, CLASSES, 1)

    def forward(self, x):
        first = self.first(x)
        second = self.second(functional.max_pool3d(first, 2))
        y = self.up_second(self.third(functional.max_pool3d(second, 2)))
        y = self.up_first(self.join_second(torch.cat([y, second], 1)))
        return self.last(self.join_first(torch.cat([y, first], 1)))


def patches(volume, labels, size, count, rng):
    """A batch, half of it around a voxel of the brain."""
    xs, ys = [], []
    for number in range(count):
        corner = [int(rng.integers(0, n - size + 1)) for n in labels.shape]
        if number % 2:
            voxel = np.unravel_index(rng.choice(np.flatnonzero(labels)), labels.shape)
            corner = [min(max(v - size // 2, 0), n - size) for v, n in zip(voxel, labels.shape)]
        part = tuple(slice(c, c + size) for c in corner)
        xs.append(volume[part][None])
        ys.append(labels[part])
    return torch.from_numpy(np.stack(xs)), torch.from_numpy(np.stack(ys))


def train(net, volume, labels, steps, planned, size, seed):
    """Losses of the first steps of those that are planned, and seconds of the processor."""
    rng, losses = np.random.default_rng(seed), []
    optimizer = torch.optim.SGD(net.parameters(), 0.05, 0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 80) ** 2 * (1 - step / planned) ** 0.9)
    began = time.process_time()
    for step in range(steps):
        x, y = patches(volume, labels, size, 4, rng)
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 10 == 0:
            print(f"  step {step:3d}  loss {losses[-1]:.4f}", flush=True)
    return losses, time.process_time() - began


def predict(net, volume, size):
    """Labels, by windows of the size that was trained on, which the norms' statistics depend on; of each its middle is kept."""
    margin = size // 8
    keep = size - 2 * margin
    padded = np.pad(volume, [(margin, margin + -n % keep) for n in volume.shape], mode="edge")
    made = np.empty([n + -n % keep for n in volume.shape], np.int64)
    corners = list(itertools.product(*(range(0, n, keep) for n in made.shape)))
    net.eval()
    for first in range(0, len(corners), 4):
        some = corners[first:first + 4]
        windows = np.stack([padded[tuple(slice(c, c + size) for c in corner)] for corner in some])[:, None]
        with torch.no_grad():
            classes = net(torch.from_numpy(windows)).argmax(1).numpy()
        for corner, labels in zip(some, classes):
            made[tuple(slice(c, c + keep) for c in corner)] = labels[(slice(margin, margin + keep),) * 3]
    return made[tuple(slice(n) for n in volume.shape)]


def dice(got, right, label):
    a, b = got == label, right == label
    return 2 * float((a & b).sum()) / max(1, int(a.sum()) + int(b.sum()))


def draw(path, volume, truth, result, curves):
    """Rows of slices: T1, truth, result; below them the losses, clconv's over torch's."""
    from PIL import Image, ImageDraw

    low, high = np.percentile(volume, [1, 99])
    grey = np.uint8(np.clip((volume - low) / (high - low), 0, 1) * 255)
    rows = []
    for share in (0.35, 0.5, 0.65):
        row = [np.rot90(part[:, :, int(share * part.shape[2])]) for part in (grey, np.uint8(truth * 127), np.uint8(result * 127))]
        rows.append(np.concatenate(row, 1))
    pixels = np.concatenate(rows)
    image = Image.new("RGB", (pixels.shape[1], pixels.shape[0] + 130), "white")
    image.paste(Image.fromarray(pixels), (0, 0))
    pen, width, top = ImageDraw.Draw(image), pixels.shape[1] - 20, max(max(c) for c in curves.values())
    for (name, losses), (colour, thick) in zip(curves.items(), [((230, 120, 30), 5), ((20, 60, 160), 1)]):
        most = max(len(c) for c in curves.values())
        points = [(10 + width * i / max(1, most - 1), image.height - 10 - 105 * loss / top) for i, loss in enumerate(losses)]
        if points:
            pen.line(points, colour, thick)
            pen.text((image.width - 90, image.height - (125 if thick > 1 else 110)), name, colour)
    image.save(path)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--torch-steps", type=int, default=50)
    parser.add_argument("--picture")
    parser.add_argument("--data", default=mni.ROOT + "/data")
    parser.add_argument("--size", type=int, default=32, help="of a patch")
    parser.add_argument("--part", type=int, default=0, help="try so many voxels of each axis of the other half alone")
    options = parser.parse_args(arguments)
    volume, labels = mni.head(options.data)
    middle = volume.shape[0] // 2
    torch.manual_seed(0)
    start = UNet()
    net = clconv.torch.replace_conv3d(copy.deepcopy(start))
    print(net.clconv_report)
    losses, seconds = train(net, volume[:middle], labels[:middle], options.steps, options.steps, options.size, 1)
    print(f"clconv: {1e3 * seconds / max(1, options.steps):.0f} ms of the processor a step")
    theirs, their_seconds = train(start, volume[:middle], labels[:middle], options.torch_steps, options.steps, options.size, 1)
    if theirs:
        print(f"torch:  {1e3 * their_seconds / len(theirs):.0f} ms of the processor a step")
    apart = max((abs(a - b) for a, b in zip(losses, theirs)), default=0.0)
    print(f"losses differ by at most {apart:.2e} in {min(len(losses), len(theirs))} steps")
    unseen, truth = volume[middle:], labels[middle:]
    if options.part:
        part = tuple(slice((n - options.part) // 2, (n + options.part) // 2) for n in unseen.shape)
        unseen, truth = unseen[part], truth[part]
    result = predict(net, unseen, options.size)
    scores = {name: dice(result, truth, label) for name, label in (("grey", 1), ("white", 2))}
    print(f"Dice on the other half: grey matter {scores['grey']:.3f}, white matter {scores['white']:.3f}")
    digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in net.parameters())).hexdigest()
    print(f"parameters {digest}")
    if options.picture:
        draw(options.picture, unseen, truth, result, {"torch": theirs, "clconv": losses})
    return {"losses": losses, "torch": theirs, "apart": apart, "dice": scores, "digest": digest}


if __name__ == "__main__":
    main()
