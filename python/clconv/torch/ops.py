"""The functions: checks, autograd where it is wanted, and torch for what clconv does not take."""
from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from ..plan import extents, paddings, same_padding
from . import autograd, kernels
from .kernels import is_compiling

Tensor = Any


def is_ours(input: Tensor, *others: Tensor | None) -> bool:
    """Whether clconv computes it: dense float32 or float64 on the CPU, all of one type, and no autocast to another."""
    dtype = input.dtype
    if dtype not in kernels.DTYPES or not input.is_cpu or input.layout is not torch.strided or _is_autocast():
        return False
    for t in others:
        if t is not None and (t.dtype is not dtype or not t.is_cpu or t.layout is not torch.strided):
            return False
    return True


def _is_autocast_of_old() -> bool:
    return bool(torch.is_autocast_cpu_enabled())


def _is_autocast_of_new() -> bool:
    return bool(torch.is_autocast_enabled("cpu"))


_is_autocast = _is_autocast_of_new if hasattr(torch, "get_autocast_dtype") else _is_autocast_of_old


def _needs_gradient(*tensors: Tensor | None) -> bool:
    if torch.is_grad_enabled():
        for t in tensors:
            if t is not None and t.requires_grad:
                return True
    return False


def _six(padding: Any) -> tuple[int, ...] | str:
    value = paddings(tuple(padding) if isinstance(padding, (tuple, list, torch.Size)) else padding, 3)
    if isinstance(value, str) or len(value) == 6:
        return value
    return tuple(p for each in value for p in (each, each))


def _settings_of(x: tuple[int, ...], w: tuple[int, ...], stride: Any, padding: Any, dilation: Any, groups: int,
                 mode: str) -> tuple[Any, ...] | None:
    """What kernels are given beside tensors of such shapes; None if torch is to find what is wrong."""
    if len(x) not in (4, 5) or len(w) != 5 or groups < 1 or x[-4] != w[1] * groups or w[0] % groups:
        return None
    stride, dilation, pads = extents("stride", stride, 3), extents("dilation", dilation, 3), _six(padding)
    if isinstance(pads, str):
        pads = _named_padding(pads, w, stride, dilation)
    return stride, pads, dilation, (0, 0, 0), groups, mode


def _transposed_settings_of(x: tuple[int, ...], w: tuple[int, ...], stride: Any, padding: Any, output_padding: Any, groups: int,
                            dilation: Any) -> tuple[Any, ...] | None:
    """The same of a transposed convolution."""
    if len(x) not in (4, 5) or len(w) != 5 or groups < 1 or x[-4] != w[0] or w[0] % groups:
        return None
    pads = tuple(p for each in extents("padding", padding, 3) for p in (each, each))
    return (extents("stride", stride, 3), pads, extents("dilation", dilation, 3), extents("output_padding", output_padding, 3),
            groups)


_kept_settings = functools.lru_cache(512, typed=True)(_settings_of)
_kept_transposed_settings = functools.lru_cache(512, typed=True)(_transposed_settings_of)


def _recall(kept: Any, plain: Any, x: Tensor, w: Tensor, *arguments: Any) -> Any:
    """Settings from the cache, unless arguments are lists or a compiler is looking, to which caches are opaque."""
    if not is_compiling():
        try:
            return kept(x.shape, w.shape, *arguments)
        except TypeError:  # unhashable, or wrong, which is then found again
            pass
    return plain(x.shape, w.shape, *arguments)


def conv3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1, *, padding_mode: str = "zeros", residual: Tensor | None = None, activation: str | None = None,
           activation_slope: float = 0.01) -> Tensor:
    """``torch.nn.functional.conv3d`` by clconv.

    Parameters are torch's; beyond them padding_mode, a padding of six values, and for inference residual and activation, which have
    no gradient. Other types than float32 and float64 and other devices are computed by torch. Gradients can be differentiated again.

    Examples
    --------
    >>> import torch, clconv.torch
    >>> x, w = torch.ones(1, 1, 4, 4, 4), torch.ones(1, 1, 3, 3, 3, requires_grad=True)
    >>> clconv.torch.conv3d(x, w, padding=1).sum().backward()
    >>> float(w.grad[0, 0, 1, 1, 1])
    64.0
    """
    plain = residual is None and activation in (None, "none")
    settings = None
    if is_ours(input, weight, bias, residual):
        settings = _recall(_kept_settings, _settings_of, input, weight, stride, padding, dilation, groups, padding_mode)
    if settings is None:
        if not plain:
            raise TypeError("residual and activation need float32 or float64 tensors on the CPU, of shapes that match")
        return _fallback(input, weight, bias, stride, padding, dilation, groups, padding_mode)
    x = input if input.dim() == 5 else input.unsqueeze(0)
    if _needs_gradient(input, weight, bias, residual):
        if not plain:
            raise RuntimeError("residual and activation have no gradient; use torch.no_grad(), or torch's own operations")
        y = autograd.Convolution.apply(x, weight, bias, *settings)
    else:
        r = residual if residual is None or residual.dim() == 5 else residual.unsqueeze(0)
        y = kernels.convolution(x, weight, bias, r, *settings, activation or "none", float(activation_slope), True)
    return y if input.dim() == 5 else y.squeeze(0)


def _named_padding(padding: str, weight: Sequence[int], stride: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    if padding == "same" and any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    if padding not in ("same", "valid"):
        raise ValueError(f"padding is {padding!r}; it must be 'same', 'valid' or integers")
    return same_padding(weight[2:], dilation) if padding == "same" else (0,) * 6


def _pad_symmetric(x: Tensor, pads: tuple[int, ...]) -> Tensor:
    """The mode that torch does not have: the edge is repeated as the border turns back."""
    for axis in range(3):
        n, before, after = x.shape[axis - 3], *pads[2 * axis:2 * axis + 2]
        if max(before, after) > n:
            raise RuntimeError(f"symmetric padding of {max(before, after)} needs as many elements, and the axis has {n}")
        index = torch.arange(-before, n + after, device=x.device) % (2 * n)
        x = x.index_select(axis - 3, torch.minimum(index, 2 * n - 1 - index))
    return x


def _fallback(x: Tensor, w: Tensor, b: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int, mode: str) -> Tensor:
    """By torch."""
    stride, dilation, pads = extents("stride", stride, 3), extents("dilation", dilation, 3), _six(padding)
    if isinstance(pads, str) and mode == "zeros":
        return functional.conv3d(x, w, b, stride, pads, dilation, groups)
    if isinstance(pads, str):
        pads = _named_padding(pads, w.shape, stride, dilation)
    if mode == "zeros" and pads[0::2] == pads[1::2]:
        return functional.conv3d(x, w, b, stride, pads[0::2], dilation, groups)
    if mode == "symmetric":
        x = _pad_symmetric(x, pads)
    else:
        turned = [p for axis in (2, 1, 0) for p in pads[2 * axis:2 * axis + 2]]
        x = functional.pad(x, turned, mode="constant" if mode == "zeros" else mode)
    return functional.conv3d(x, w, b, stride, 0, dilation, groups)


def conv_transpose3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
                     output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Tensor:
    """``torch.nn.functional.conv_transpose3d`` by clconv."""
    settings = None
    if is_ours(input, weight, bias):
        settings = _recall(_kept_transposed_settings, _transposed_settings_of, input, weight, stride, padding, output_padding, groups,
                           dilation)
    if settings is None:
        return functional.conv_transpose3d(input, weight, bias, stride, padding, output_padding, groups, dilation)
    x = input if input.dim() == 5 else input.unsqueeze(0)
    if _needs_gradient(input, weight, bias):
        y = autograd.Transposed.apply(x, weight, bias, *settings)
    else:
        y = kernels.transposed(x, weight, bias, *settings, True)
    return y if input.dim() == 5 else y.squeeze(0)
