"""Correlation and convolution of volumes with scipy.ndimage's modes and conventions, with one filter or a bank of them.

A dense filter of k voxels a side costs k**3 products for a voxel. Gaussians and other separable filters are faster as three
passes of ``scipy.ndimage.correlate1d``, and large dense ones by ``scipy.fft``; a bank shares nothing between its filters but the
volume.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .context import Context
from .functional import Array, conv3d, dense

__all__ = ["convolve", "correlate", "gaussian_jet"]

#: scipy's modes: the padding mode of clconv and numpy's.
_MODES = {"reflect": ("symmetric", "symmetric"), "grid-mirror": ("symmetric", "symmetric"), "mirror": ("reflect", "reflect"),
          "nearest": ("replicate", "edge"), "wrap": ("circular", "wrap"), "grid-wrap": ("circular", "wrap"),
          "constant": ("zeros", "constant"), "grid-constant": ("zeros", "constant")}


def _origins(origin: int | Sequence[int]) -> list[int]:
    made = [origin] * 3 if isinstance(origin, int) else list(origin)
    if len(made) != 3 or not all(hasattr(o, "__index__") for o in made):
        raise TypeError(f"origin is {origin!r}; it must be an integer or three")
    return made


def _pads(kernel: Sequence[int], origins: Sequence[int]) -> list[tuple[int, int]]:
    pads = []
    for k, origin in zip(kernel, origins):
        before = k // 2 + origin
        if not 0 <= before < k:
            raise ValueError(f"origin {origin} is not within a filter of {k} voxels")
        pads.append((before, k - 1 - before))
    return pads


def bank_of(w: Array, mode: str, origin: int | Sequence[int]) -> tuple[Array, list[tuple[int, int]], str]:
    """Filters as weights of (out, 1, kD, kH, kW), the padding of each axis, and clconv's name of the mode."""
    if w.ndim not in (3, 4):
        raise ValueError(f"weights have {w.ndim} dimensions; a filter has 3 and a bank 4")
    if mode not in _MODES:
        raise ValueError(f"mode is {mode!r}; it must be one of {', '.join(_MODES)}")
    return w.reshape(-1, 1, *w.shape[-3:]), _pads(w.shape[-3:], _origins(origin)), _MODES[mode][0]


def correlate(input: Array, weights: Array, output: Array | None = None, mode: str = "reflect", cval: float = 0.0,
              origin: int | Sequence[int] = 0, *, context: Context | None = None, algorithm: str = "auto") -> Array:
    """``scipy.ndimage.correlate`` of a volume, by one filter or a bank.

    Parameters
    ----------
    input : ndarray
        (D, H, W), float32 or float64, the type that is computed in.
    weights : ndarray
        (kD, kH, kW), or (filters, kD, kH, kW) for a bank, whose results come in that order. Even sizes are centred as scipy does.
    output : ndarray, optional
        Where the result is written.
    mode : str
        ``"reflect"`` (d c b a | a b c d, scipy's default), ``"mirror"``, ``"nearest"``, ``"wrap"`` or ``"constant"``.
    cval : float
        Outside of the volume in mode ``"constant"``.
    origin : int or sequence of 3 int

    Returns
    -------
    ndarray
        (D, H, W), or (filters, D, H, W).

    Examples
    --------
    >>> import numpy as np, clconv.ndimage
    >>> volume = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    >>> float(clconv.ndimage.correlate(volume, np.ones((3, 3, 3), np.float32))[1, 1, 1])
    351.0
    """
    x = dense("input", input)
    if x.ndim != 3:
        raise ValueError(f"input has {x.ndim} dimensions; it must have 3")
    w = dense("weights", np.asarray(weights).astype(x.dtype, copy=False))
    bank, pads, own = bank_of(w, mode, origin)
    numpys = _MODES[mode][1]
    limit = {"symmetric": 0, "circular": 0, "reflect": 1}.get(own)
    beyond = limit is not None and any(max(p) > n - limit for p, n in zip(pads, x.shape))
    padding: Sequence[int] = [p for pair in pads for p in pair]
    if beyond or (own == "zeros" and cval != 0):
        more: dict[str, Any] = {"constant_values": cval} if own == "zeros" else {}
        x = np.ascontiguousarray(np.pad(x, pads, mode=numpys, **more))  # type: ignore[call-overload]
        padding, own = [0] * 6, "zeros"
    out = output
    if output is not None and w.ndim == 3:
        out = output[None]
    made = conv3d(x[None], bank, padding=padding, padding_mode=own, out=out, context=context, algorithm=algorithm)
    if output is not None:
        return output
    single: Array = made[0]
    return made if w.ndim == 4 else single


def convolve(input: Array, weights: Array, output: Array | None = None, mode: str = "reflect", cval: float = 0.0,
             origin: int | Sequence[int] = 0, *, context: Context | None = None, algorithm: str = "auto") -> Array:
    """``scipy.ndimage.convolve`` of a volume: correlation with the filters turned around.

    Examples
    --------
    >>> import numpy as np, clconv.ndimage
    >>> x = np.zeros((3, 3, 3), np.float32)
    >>> x[1, 1, 1] = 1
    >>> w = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    >>> bool((clconv.ndimage.convolve(x, w, mode="constant") == w).all())
    True
    """
    w = np.asarray(weights)[..., ::-1, ::-1, ::-1]
    turned = []
    for size, o in zip(w.shape[-3:], _origins(origin)):
        turned.append(-o - (0 if size % 2 else 1))
    return correlate(input, w, output, mode, cval, turned, context=context, algorithm=algorithm)


def jet_filters(sigma: float, size: int | None = None) -> Array:
    """The ten filters of derivatives of a Gaussian up to the second order: value, D, H, W, DD, HH, WW, DH, DW, HW."""
    radius = (size - 1) // 2 if size else int(4 * sigma + 0.5)
    t = np.arange(-radius, radius + 1, dtype=np.float64)
    g = np.exp(-t * t / (2 * sigma * sigma))
    g /= g.sum()
    first = t * g / (t * t * g).sum()
    second = (t * t - (t * t * g).sum()) * g
    second *= 2 / (t * t * second).sum()
    kinds = (g, first, second)
    orders = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0), (1, 0, 1), (0, 1, 1)]
    return np.stack([np.einsum("i,j,k->ijk", *(kinds[o] for o in order)) for order in orders])


def gaussian_jet(input: Array, sigma: float, mode: str = "reflect", cval: float = 0.0, *, size: int | None = None,
                 context: Context | None = None) -> Array:
    """A volume's Gaussian derivatives up to the second order, as a bank of ten filters.

    Returns
    -------
    ndarray
        (10, D, H, W): the smoothed volume, its derivatives along D, H, W, DD, HH, WW, DH, DW and HW.

    Examples
    --------
    >>> import numpy as np, clconv.ndimage
    >>> ramp = np.arange(20, dtype=np.float64).reshape(1, 1, 20) + np.zeros((9, 9, 1))
    >>> jet = clconv.ndimage.gaussian_jet(ramp, 1.0)
    >>> abs(round(float(jet[3, 4, 4, 10]), 6)), abs(round(float(jet[1, 4, 4, 10]), 6))
    (1.0, 0.0)
    """
    return correlate(input, jet_filters(sigma, size), None, mode, cval, context=context)
