"""Convolutions of what does not fit into memory, block by block.

A planner that knows slices and sizes alone, and a driver over anything with shape, dtype and slices: numpy.memmap, zarr, h5py,
nibabel. A block reads what its outputs see and no more; where that ends inside of the volume nothing is padded, where it ends
at a border the kernel pads. So results are those of the whole volume.
"""
from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .context import Context
from .functional import Array, conv3d
from .plan import extents, paddings, same_padding

__all__ = ["Axis", "Block", "convolve_block", "correlate", "plan", "read"]


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis of a block.

    `source` are the ranges that are read, one after the other (with circular padding there may be several); `before` and `after`
    the padding that is left to the kernel, negative where more is read than outputs see; `destination` the outputs.
    """

    source: tuple[tuple[int, int], ...]
    before: int
    after: int
    destination: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Block:
    """A part of the output and what it is made from, along D, H and W."""

    index: tuple[int, int, int]
    axes: tuple[Axis, Axis, Axis]

    @property
    def destination(self) -> tuple[slice, slice, slice]:
        d, h, w = (slice(*axis.destination) for axis in self.axes)
        return d, h, w

    @property
    def padding(self) -> tuple[int, ...]:
        """(before, after) of D, H and W."""
        return tuple(p for axis in self.axes for p in (axis.before, axis.after))

    @property
    def source_shape(self) -> tuple[int, ...]:
        return tuple(sum(end - start for start, end in axis.source) for axis in self.axes)


def _axis(size: int, kernel: int, stride: int, dilation: int, before: int, after: int, mode: str, first: int, end: int) -> Axis:
    """Outputs [first, end) of an axis."""
    low, high = first * stride - before, (end - 1) * stride - before + dilation * (kernel - 1) + 1
    if mode == "circular":
        ranges = [(max(low, turn * size) - turn * size, min(high, (turn + 1) * size) - turn * size)
                  for turn in range(low // size, (high - 1) // size + 1)]
        return Axis(tuple(ranges), 0, 0, (first, end))
    start, stop = max(low, 0), min(high, size)
    if mode in ("reflect", "symmetric"):  # the border reads back into the volume, perhaps further than the block
        edge = 1 if mode == "reflect" else 0
        if low < 0:
            stop = max(stop, min(size, -low + edge))
        if high > size:
            start = min(start, max(0, size - (high - size) - edge))
    elif mode == "replicate":
        if low < 0:
            stop = max(stop, 1)
        if high > size:
            start = min(start, size - 1)
    if start >= stop:  # zeros alone: any element of the volume, which no output sees
        start, stop = (0, 1) if high <= 0 else (size - 1, size)
    return Axis(((start, stop),), start - low, high - stop, (first, end))


def _axes(size: int, chunks: Sequence[int], kernel: int, stride: int, dilation: int, before: int, after: int,
          mode: str) -> list[Axis]:
    ends = list(itertools.accumulate(chunks))
    return [_axis(size, kernel, stride, dilation, before, after, mode, end - chunk, end) for chunk, end in zip(chunks, ends)]


def _split(outputs: int, chunk: int | Sequence[int]) -> list[int]:
    """An axis in chunks of one size, or of those that are given."""
    if not isinstance(chunk, Sequence):
        return [min(chunk, outputs - first) for first in range(0, outputs, chunk)]
    if sum(chunk) != outputs or min(chunk) < 1:
        raise ValueError(f"chunks of {tuple(chunk)} are not the {outputs} outputs of an axis")
    return list(chunk)


def _chunks(outputs: Sequence[int], channels: int, filters: int, stride: Sequence[int], itemsize: int,
            memory: int) -> tuple[int, ...]:
    """The largest blocks of full rows and planes, halved along the longest axis until they fit."""
    chunk = list(outputs)

    def needed() -> int:
        volume = chunk[0] * chunk[1] * chunk[2]
        source = volume * stride[0] * stride[1] * stride[2]
        return itemsize * 3 * (2 * channels * source + 2 * filters * volume)  # with a reader ahead and a writer behind

    while needed() > memory and max(chunk) > 1:
        axis = chunk.index(max(chunk)) if chunk[0] < 8 else 0
        chunk[axis] = -(-chunk[axis] // 2)
    return tuple(chunk)


def plan(shape: Sequence[int], kernel: int | Sequence[int], stride: int | Sequence[int] = 1, dilation: int | Sequence[int] = 1,
         padding: int | Sequence[int] | str = "same", padding_mode: str = "zeros", *,
         chunks: int | Sequence[int | Sequence[int]] | None = None, memory: int = 1 << 28, channels: int = 1, filters: int = 1,
         itemsize: int = 4) -> list[Block]:
    """The blocks of a convolution.

    Parameters
    ----------
    shape : sequence of 3 int
        Of the volume.
    kernel, stride, dilation, padding, padding_mode
        As of :func:`clconv.conv3d`; ``"same"`` is by default.
    chunks : int or sequence of 3, optional
        Outputs of a block along each axis, or the list of them all; by default as many as `memory` allows.
    memory : int
        Bytes.
    channels, filters, itemsize : int
        What `memory` is reckoned with.

    Returns
    -------
    list of Block

    Examples
    --------
    >>> from clconv import blocks
    >>> first, second = blocks.plan((10, 4, 4), 3, chunks=(5, 4, 4))
    >>> first.axes[0]
    Axis(source=((0, 6),), before=1, after=0, destination=(0, 5))
    >>> second.axes[0].source, second.padding
    (((4, 10),), (0, 1, 1, 1, 1, 1))
    """
    extent, s, d = extents("kernel", kernel, 3), extents("stride", stride, 3), extents("dilation", dilation, 3)
    pads = sides(paddings(padding, 3), extent, d)
    outputs = output_size(shape, extent, s, d, pads)
    if chunks is None:
        chunks = _chunks(outputs, channels, filters, s, itemsize, memory)
    chunk: list[int | Sequence[int]] = [chunks] * 3 if isinstance(chunks, int) else [*chunks]
    axes = [_axes(shape[i], _split(outputs[i], chunk[i]), extent[i], s[i], d[i], *pads[i], padding_mode) for i in range(3)]
    return [Block((i, j, k), (axes[0][i], axes[1][j], axes[2][k]))
            for i, j, k in itertools.product(*(range(len(a)) for a in axes))]


def output_size(shape: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
                pads: Sequence[tuple[int, int]]) -> list[int]:
    """Do, Ho, Wo."""
    outputs = [(n + b + a - d * (k - 1) - 1) // s + 1 for n, (b, a), k, s, d in zip(shape, pads, kernel, stride, dilation)]
    if min(outputs) < 1:
        raise ValueError(f"the output of a volume of {tuple(shape)} would be empty: {tuple(outputs)}")
    return outputs


def sides(padding: Sequence[int] | str, kernel: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """Of what a function is given, (before, after) of each axis."""
    if padding == "valid":
        return [(0, 0)] * 3
    if padding == "same":
        padding = same_padding(kernel, dilation)
    values = [int(p) for p in padding]
    return [(values[2 * i], values[2 * i + 1]) for i in range(3)] if len(values) == 6 else [(p, p) for p in values]


def read(source: Any, block: Block) -> Array:
    """What a block reads of anything with slices, whose last three axes are D, H and W."""
    lead = (slice(None),) * (len(source.shape) - 3)

    def part(axis: int, chosen: tuple[slice, ...]) -> Array:
        if axis == 3:
            return np.asarray(source[lead + chosen])
        pieces = [part(axis + 1, (*chosen, slice(*piece))) for piece in block.axes[axis].source]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis - 3)

    return part(0, ())


def convolve_block(data: Array, block: Block, weight: Array, bias: Array | None = None, stride: Any = 1, dilation: Any = 1,
                   padding_mode: str = "zeros", *, cval: float = 0.0, **options: Any) -> Array:
    """The outputs of a block from what :func:`read` gave, of (C, D, H, W) or (N, C, D, H, W); with padding of zeros `cval` is what
    they are instead."""
    mode = "zeros" if padding_mode == "circular" else padding_mode
    pads: Sequence[int] = block.padding
    if min(pads) < 0 or (cval != 0 and max(pads) > 0) or _turns_twice(mode, data.shape[-3:], block):
        data, pads, mode = _grown(data, block, mode, cval), [0] * 6, "zeros"
    return conv3d(data, weight, bias, stride, pads, dilation, padding_mode=mode, **options)


def _turns_twice(mode: str, shape: Sequence[int], block: Block) -> bool:
    """Whether the border reads back beyond the other end, as scipy's filters may and Conv3d must not."""
    least = {"reflect": 1, "symmetric": 0}.get(mode, -math.inf)
    return any(max(axis.before, axis.after) > n - least for axis, n in zip(block.axes, shape)) and least >= 0


def _grown(data: Array, block: Block, mode: str, cval: float) -> Array:
    """The block with its border, less what no output sees."""
    numpys = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "zeros": "constant"}[mode]
    pads = [(axis.before, axis.after) for axis in block.axes]
    lead, more = data.ndim - 3, {"constant_values": cval} if mode == "zeros" else {}
    grown = np.pad(data, [*[(0, 0)] * lead, *((max(b, 0), max(a, 0)) for b, a in pads)], mode=numpys,  # type: ignore[call-overload]
                   **more)
    cut = tuple(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(pads, grown.shape[lead:]))
    return np.ascontiguousarray(grown[(..., *cut)])


def correlate(source: Any, destination: Any, weight: Array, bias: Array | None = None, stride: int | Sequence[int] = 1,
              padding: int | Sequence[int] | str = "same", dilation: int | Sequence[int] = 1, *, padding_mode: str = "zeros",
              memory: int = 1 << 28, chunks: int | Sequence[int] | None = None, progress: bool = False,
              resume: str | os.PathLike[str] | None = None, context: Context | None = None, **options: Any) -> int:
    """A convolution from one array into another, which need not fit into memory: a thread reads ahead, another writes behind.

    Parameters
    ----------
    source : array-like
        (D, H, W) or (C, D, H, W), with shape, dtype and slices. What is not float32 or float64 is converted block by block to the
        weight's type.
    destination : array-like
        (out, Do, Ho, Wo), or (Do, Ho, Wo) for one filter.
    weight : ndarray
        (out, C, kD, kH, kW); (kD, kH, kW) for one filter of one channel, (out, kD, kH, kW) for a bank.
    memory : int
        Bytes that the blocks may take.
    progress : bool
        Shows a bar, if tqdm is there.
    resume : path, optional
        A file that remembers which blocks are done: a second call leaves them out.

    Returns
    -------
    int
        The number of blocks that were computed.

    Examples
    --------
    >>> import numpy as np
    >>> from clconv import blocks
    >>> x, y = np.ones((8, 8, 8), np.float32), np.zeros((8, 8, 8), np.float32)
    >>> blocks.correlate(x, y, np.ones((3, 3, 3), np.float32), chunks=4)
    8
    >>> float(y[0, 0, 0]), float(y[4, 4, 4])
    (8.0, 27.0)
    """
    w = np.asarray(weight)
    bank = w if w.ndim == 5 else w.reshape(-1, 1, *w.shape[-3:])
    todo = plan(source.shape[-3:], bank.shape[2:], stride, dilation, padding, padding_mode, chunks=chunks, memory=memory,
                channels=bank.shape[1] * options.get("groups", 1), filters=bank.shape[0], itemsize=bank.itemsize)
    signature = [list(source.shape), list(bank.shape), str(stride), str(padding), str(dilation), padding_mode, len(todo)]
    done = _load(resume, signature)
    left = [block for block in todo if block.index not in done]

    def fetch(block: Block) -> Array:
        data = read(source, block).astype(bank.dtype, copy=False)
        return np.ascontiguousarray(data if data.ndim == 4 else data[None])

    def store(block: Block, made: Array) -> None:
        lead = (slice(None),) if len(destination.shape) == 4 else ()
        destination[(*lead, *block.destination)] = made if lead else made[0]
        _save(resume, signature, done, block)

    with concurrent.futures.ThreadPoolExecutor(1) as reader, concurrent.futures.ThreadPoolExecutor(1) as writer:
        ahead = reader.submit(fetch, left[0]) if left else None
        behind: concurrent.futures.Future[None] | None = None
        for number, block in enumerate(_shown(left, progress)):
            assert ahead is not None
            data = ahead.result()
            ahead = reader.submit(fetch, left[number + 1]) if number + 1 < len(left) else None
            made = convolve_block(data, block, bank, bias, stride, dilation, padding_mode, context=context, **options)
            if behind is not None:
                behind.result()
            behind = writer.submit(store, block, made)
        if behind is not None:
            behind.result()
    return len(left)


def _shown(blocks: list[Block], progress: bool) -> Iterator[Block]:
    if progress:
        try:
            from tqdm.auto import tqdm

            yield from tqdm(blocks, desc="clconv", unit="block")
            return
        except ImportError:
            pass
    yield from blocks


def _load(path: str | os.PathLike[str] | None, signature: list[Any]) -> set[tuple[int, ...]]:
    if path is None or not os.path.exists(path):
        return set()
    with open(path, encoding="utf-8") as file:
        kept = json.load(file)
    if kept.get("of") != signature:
        raise ValueError(f"{os.fspath(path)} is of another convolution; remove it to start anew")
    return {tuple(index) for index in kept["done"]}


def _save(path: str | os.PathLike[str] | None, signature: list[Any], done: set[tuple[int, ...]], block: Block) -> None:
    if path is None:
        return
    done.add(block.index)
    part = os.fspath(path) + ".part"
    with open(part, "w", encoding="utf-8") as file:
        json.dump({"of": signature, "done": sorted(done)}, file)
    os.replace(part, path)
