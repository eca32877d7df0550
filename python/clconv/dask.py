"""Convolutions of dask's arrays: a block of the result for each chunk, from the slices that :mod:`clconv.blocks` plans.

A block reads what its outputs see and makes them, no more: nothing is trimmed, so chunks may be of any size, ragged, and smaller
than the filter. A convolution uses all cores by itself: workers with one thread each are best, and in a process with several one
block is computed at a time.
"""
from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np

from . import blocks, ndimage
from .errors import InvalidArgument
from .functional import Array, Extent, describe
from .plan import make_problem

__all__ = ["conv3d", "correlate"]

DaskArray = Any

_one_at_a_time = threading.Lock()


def _compute(data: Array, held: tuple[Array, Array | None], block: blocks.Block, keywords: dict[str, Any]) -> Array:
    """What a worker does."""
    weight, bias = held
    data = np.require(data, weight.dtype, ["C", "A"])
    with _one_at_a_time:
        return blocks.convolve_block(data, block, weight, bias, **keywords)


def _chunks_of(sources: Sequence[int], outputs: int, kernel: int, stride: int, dilation: int, before: int) -> list[int]:
    """An axis of the result in chunks: each output is where the middle of its window lies."""
    ends = np.cumsum(sources)
    middles = np.arange(outputs) * stride - before + dilation * (kernel - 1) // 2
    owners = np.searchsorted(ends, np.clip(middles, 0, ends[-1] - 1), side="right")
    counts = np.bincount(owners, minlength=len(ends))
    return [int(count) for count in counts if count]


def _piece(x: DaskArray, block: blocks.Block) -> DaskArray:
    """What a block reads, as one chunk but for those of the batch."""
    for number, axis in enumerate(block.axes, x.ndim - 3):
        if len(axis.source) > 1:
            x = da.concatenate([x[(slice(None),) * number + (slice(*piece),)] for piece in axis.source], number)
    x = x[(..., *(slice(*axis.source[0]) if len(axis.source) == 1 else slice(None) for axis in block.axes))]
    return x.rechunk({axis: -1 for axis in range(x.ndim - 4, x.ndim)})


def _convolve(x: DaskArray, weight: Array, bias: Array | None, pads: Sequence[tuple[int, int]], chunks: Any,
              keywords: dict[str, Any]) -> DaskArray:
    """Of (C, D, H, W) or (N, C, D, H, W)."""
    kernel, shape, sources = weight.shape[2:], x.shape[-3:], x.chunks[-3:]
    stride, dilation = keywords["stride"], keywords["dilation"]
    outputs = blocks.output_size(shape, kernel, stride, dilation, pads)
    if chunks is None:
        chunks = [_chunks_of(sources[i], outputs[i], kernel[i], stride[i], dilation[i], pads[i][0]) for i in range(3)]
    todo = blocks.plan(shape, kernel, stride, dilation, [p for pair in pads for p in pair], keywords["padding_mode"], chunks=chunks)
    held = dask.delayed((weight, bias), pure=True)
    meta = np.empty((0,) * x.ndim, weight.dtype)
    made = {}
    for block in todo:
        sizes = tuple((axis.destination[1] - axis.destination[0],) for axis in block.axes)
        made[block.index] = da.map_blocks(_compute, _piece(x, block), held=held, block=block, keywords=keywords, meta=meta,
                                          chunks=(*x.chunks[:x.ndim - 4], (weight.shape[0],), *sizes), dtype=meta.dtype)
    d, h, w = (range(n + 1) for n in todo[-1].index)
    return da.block([[[made[i, j, k] for k in w] for j in h] for i in d])


def _native(name: str, array: object) -> Array:
    """A filter or a bias, in host memory and native byte order."""
    made = np.asarray(array)
    if made.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"{name} is {made.dtype}; it must be float32 or float64, the type that is computed in")
    return made.astype(made.dtype.newbyteorder("="), copy=False)


def _check_array(x: object) -> DaskArray:
    if not isinstance(x, da.Array):
        raise TypeError(f"input is {type(x).__name__}; it must be a dask.array.Array")
    if any(np.isnan(n) for n in x.shape):
        raise InvalidArgument("input has chunks of unknown sizes; x.compute_chunk_sizes() finds them")
    if x.dtype.kind not in "fiub":
        raise TypeError(f"input is {x.dtype}; it must be of real numbers")
    return x


def conv3d(input: DaskArray, weight: Array, bias: Array | None = None, stride: Extent = 1, padding: Extent | str = 0,
           dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", chunks: Any = None, activation: str | None = None,
           activation_slope: float = 0.01, algorithm: str = "auto", workspace_limit: int | None = None) -> DaskArray:
    """:func:`clconv.conv3d` of dask's arrays, lazily.

    Parameters
    ----------
    input : dask.array.Array
        (N, C, D, H, W) or (C, D, H, W), in any chunks. Blocks are converted to the weight's type.
    weight, bias : array
        In memory, float32 or float64; each worker gets them once.
    chunks : int or sequence of 3, optional
        Of the result along D, H and W, or the lists of them; by default those of the input, seen through the stride.

    Returns
    -------
    dask.array.Array
        (N, out, Do, Ho, Wo), or without N. All channels are in one chunk.

    Examples
    --------
    >>> import numpy as np, dask.array as da, clconv.dask
    >>> x = da.ones((1, 10, 9, 8), chunks=(1, 4, 5, 3), dtype=np.float32)
    >>> y = clconv.dask.conv3d(x, np.ones((2, 1, 3, 3, 3), np.float32), padding="same")
    >>> y.shape, y.chunks[1], float(y[0, 5, 5, 5].compute(scheduler="synchronous"))
    ((2, 10, 9, 8), (4, 4, 2), 27.0)
    """
    x, w = _check_array(input), _native("weight", weight)
    b = None if bias is None else _native("bias", bias)
    like = np.empty((0,), w.dtype)  # of the input after its conversion
    checked = describe(3, "conv3d", "forward", _Shaped(x.shape, like.dtype), w, b, stride, padding, dilation, groups, 0, padding_mode,
                       False, activation, activation_slope, algorithm, workspace_limit)
    make_problem(checked)
    keywords = {"stride": checked.stride, "dilation": checked.dilation, "groups": groups, "padding_mode": padding_mode,
                "activation": activation, "activation_slope": activation_slope, "algorithm": algorithm,
                "workspace_limit": workspace_limit}
    return _convolve(x, w, b, blocks.sides(checked.padding, checked.weight[2:], checked.dilation), chunks, keywords)


class _Shaped(NamedTuple):
    """What checks look at of an array."""

    shape: tuple[int, ...]
    dtype: Any


def correlate(input: DaskArray, weights: Array, mode: str = "reflect", cval: float = 0.0, origin: int | Sequence[int] = 0, *,
              chunks: Any = None, algorithm: str = "auto") -> DaskArray:
    """:func:`clconv.ndimage.correlate` of a dask array of a volume, by one filter or a bank, lazily.

    Parameters
    ----------
    input : dask.array.Array
        (D, H, W), in any chunks. What is not float32 or float64 is computed in the type of the weights.
    weights : array
        (kD, kH, kW), or (filters, kD, kH, kW) for a bank.

    Returns
    -------
    dask.array.Array
        (D, H, W), or (filters, D, H, W) with all filters in one chunk.

    Examples
    --------
    >>> import numpy as np, dask.array as da, clconv.dask
    >>> x = da.ones((6, 6, 6), chunks=4, dtype=np.float32)
    >>> clconv.dask.correlate(x, np.ones((5, 3, 3, 3), np.float32)).chunks
    ((5,), (4, 2), (4, 2), (4, 2))
    """
    x, w = _check_array(input), np.asarray(weights)
    if x.ndim != 3:
        raise ValueError(f"input has {x.ndim} dimensions; it must have 3")
    w = _native("weights", w.astype(x.dtype, copy=False) if x.dtype.kind == "f" and x.dtype.itemsize in (4, 8) else w)
    bank, pads, own = ndimage.bank_of(w, mode, origin)
    keywords = {"stride": (1, 1, 1), "dilation": (1, 1, 1), "padding_mode": own, "cval": float(cval), "algorithm": algorithm}
    made = _convolve(x[None], bank, None, pads, chunks, keywords)
    return made if w.ndim == 4 else made[0]
