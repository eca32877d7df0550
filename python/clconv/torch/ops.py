"""The functions: an autograd.Function around plans, which torch.compile calls outside of its graphs."""
from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from .. import _ffi
from ..context import default_context
from ..plan import Options, Plan, extents, paddings, same_padding

Tensor = Any
_DTYPES = {torch.float32: _ffi.FLOAT32, torch.float64: _ffi.FLOAT64}

_versions: dict[int, tuple[weakref.ref[Any], tuple[int, int], int]] = {}
_numbers = itertools.count(1)
_lock = threading.Lock()


def weight_version(weight: Tensor) -> int:
    """A number that says which values a weight has: another one after each change that autograd counts (``_version``)."""
    state = (weight._version, weight.data_ptr())
    with _lock:
        known = _versions.get(id(weight))
        if known is not None and known[0]() is weight and known[1] == state:
            return known[2]
        number = next(_numbers)
        key = id(weight)
        _versions[key] = (weakref.ref(weight, lambda _: _versions.pop(key, None)), state, number)
        return number


def is_ours(*tensors: Tensor | None) -> bool:
    """Whether clconv computes it: dense float32 or float64 on the CPU, all of one type, and no autocast to another."""
    there = [t for t in tensors if t is not None]
    return (all(t.device.type == "cpu" and t.layout == torch.strided and t.dtype == there[0].dtype for t in there)
            and there[0].dtype in _DTYPES and not _is_autocast())


def _is_autocast() -> bool:
    return bool(torch.is_autocast_cpu_enabled()) if hasattr(torch, "is_autocast_cpu_enabled") else False


def _plan(options: Options) -> Plan:
    return default_context().plans.get(options)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else int(tensor.data_ptr())


def _dense(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().contiguous()


def forward(x: Tensor, w: Tensor, b: Tensor | None, r: Tensor | None, options: Options, version: int) -> Tensor:
    """On tensors of batches."""
    plan = _plan(options)
    x, w, b, r = _dense(x), _dense(w), _dense(b), _dense(r)
    assert x is not None and w is not None
    y = torch.empty(plan.output_shape, dtype=x.dtype)
    plan.run_pointers(x.data_ptr(), w.data_ptr(), _address(b), _address(r), y.data_ptr(), version)
    return y


def backward(x: Tensor, w: Tensor, g: Tensor, options: Options, wanted: int) -> tuple[Tensor | None, ...]:
    """Gradients of input, weight and bias of the forward convolution of `options`."""
    plan = _plan(options._replace(has_bias=False, gradients=wanted))
    x, w, g = _dense(x), _dense(w), _dense(g)
    assert x is not None and w is not None and g is not None
    made = (torch.empty(options.input, dtype=g.dtype) if wanted & _ffi.GRAD_INPUT else None,
            torch.empty(options.weight, dtype=g.dtype) if wanted & _ffi.GRAD_WEIGHT else None,
            torch.empty(options.weight[0], dtype=g.dtype) if wanted & _ffi.GRAD_BIAS else None)
    plan.run_gradients(x.data_ptr(), w.data_ptr(), g.data_ptr(), *map(_address, made))
    return made


def _mask(needs: Sequence[bool]) -> int:
    return sum(bit for bit, needed in zip((_ffi.GRAD_INPUT, _ffi.GRAD_WEIGHT, _ffi.GRAD_BIAS), needs) if needed)


class _Convolution(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, options: Options) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.options = options
        return forward(x, w, b, None, options, 0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        if torch.is_grad_enabled():  # a gradient of the gradient is asked for: by torch
            return (*_by_torch(ctx.options, x, w, g, ctx.needs_input_grad), None)
        return (*backward(x, w, g, ctx.options, _mask(ctx.needs_input_grad)), None)


def _by_torch(o: Options, x: Tensor, w: Tensor, g: Tensor, needs: Sequence[bool]) -> tuple[Tensor | None, ...]:
    """Gradients that can be differentiated again."""
    before, after = o.padding[0::2], o.padding[1::2]
    mode = "constant" if o.padding_mode == "zeros" else o.padding_mode
    pads = [p for axis in (2, 1, 0) for p in (before[axis], after[axis])]
    padded = functional.pad(x, pads, mode=mode) if any(pads) else x
    y = functional.conv3d(padded, w, None, o.stride, 0, o.dilation, o.groups)
    leaves = [t for t, needed in zip((x, w), needs) if needed]
    made = iter(torch.autograd.grad(y, leaves, g, create_graph=True) if leaves else ())
    return (next(made) if needs[0] else None, next(made) if needs[1] else None, g.sum((0, 2, 3, 4)) if needs[2] else None)


class _Transposed(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, options: Options) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.options = options
        return forward(x, w, b, None, options, 0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        needs, o = ctx.needs_input_grad, ctx.options
        # Of the convolution whose input gradient this is: its input is what was made, its output's gradient what was read.
        plain = Options("forward", o.dtype, tuple(g.shape), o.weight, o.stride, o.padding, o.dilation, o.groups)
        if torch.is_grad_enabled():
            pads = plain.padding[0::2]
            dx = functional.conv3d(g, w, None, o.stride, pads, o.dilation, o.groups) if needs[0] else None
            dw = None
            if needs[1]:
                with torch.enable_grad():
                    y = functional.conv_transpose3d(x, w, None, o.stride, pads, o.output_padding, o.groups, o.dilation)
                    dw = torch.autograd.grad(y, w, g, create_graph=True)[0]
            return dx, dw, g.sum((0, 2, 3, 4)) if needs[2] else None, None
        made = None
        if needs[0]:
            made = forward(g, w, None, None, plain, 0)
            made = made[:, :, :x.shape[2], :x.shape[3], :x.shape[4]].contiguous()
        grad_weight = None
        if needs[1]:
            if tuple(_plan(plain).output_shape) != tuple(x.shape):
                grown = torch.zeros(_plan(plain).output_shape, dtype=x.dtype)
                grown[:, :, :x.shape[2], :x.shape[3], :x.shape[4]] = x
                x = grown
            grad_weight = backward(g, w, x, plain, _ffi.GRAD_WEIGHT)[1]
        return made, grad_weight, g.sum((0, 2, 3, 4)) if needs[2] else None, None


def _six(padding: Any) -> tuple[int, ...] | str:
    value = paddings(tuple(padding) if isinstance(padding, (tuple, list, torch.Size)) else padding, 3)
    if isinstance(value, str) or len(value) == 6:
        return value
    return tuple(p for each in value for p in (each, each))


def conv3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1, *, padding_mode: str = "zeros", residual: Tensor | None = None, activation: str | None = None,
           activation_slope: float = 0.01) -> Tensor:
    """``torch.nn.functional.conv3d`` by clconv.

    Parameters are torch's; beyond them padding_mode, a padding of six values, and for inference residual and activation, which have
    no gradient. Other types than float32 and float64 and other devices are computed by torch.

    Examples
    --------
    >>> import torch, clconv.torch
    >>> x, w = torch.ones(1, 1, 4, 4, 4), torch.ones(1, 1, 3, 3, 3, requires_grad=True)
    >>> clconv.torch.conv3d(x, w, padding=1).sum().backward()
    >>> float(w.grad[0, 0, 1, 1, 1])
    64.0
    """
    stride, dilation, pads = extents("stride", stride, 3), extents("dilation", dilation, 3), _six(padding)
    plain = residual is None and activation in (None, "none")
    if not is_ours(input, weight, bias, residual) or input.dim() not in (4, 5) or weight.dim() != 5 or groups < 1 \
            or input.shape[-4] != weight.shape[1] * groups or weight.shape[0] % groups:
        if not plain:
            raise TypeError("residual and activation need float32 or float64 tensors on the CPU, of shapes that match")
        return _fallback(input, weight, bias, stride, pads, dilation, groups, padding_mode)
    if pads == "valid":
        pads = (0,) * 6
    if pads == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        pads = same_padding(weight.shape[2:], dilation)
    x = input if input.dim() == 5 else input.unsqueeze(0)
    r = residual if residual is None or residual.dim() == 5 else residual.unsqueeze(0)
    options = Options("forward", _DTYPES[input.dtype], tuple(x.shape), tuple(weight.shape), stride, pads, dilation, groups,
                      padding_mode, (0, 0, 0), bias is not None, r is not None, activation or "none", float(activation_slope))
    needs = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (input, weight, bias, residual))
    if needs and not plain:
        raise RuntimeError("residual and activation have no gradient; use torch.no_grad(), or torch's own operations")
    y = _Convolution.apply(x, weight, bias, options) if needs else forward(x, weight, bias, r, options, weight_version(weight))
    return y if input.dim() == 5 else y.squeeze(0)


def _fallback(x: Tensor, w: Tensor, b: Tensor | None, stride: Any, pads: Any, dilation: Any, groups: int, mode: str) -> Tensor:
    if isinstance(pads, str) and mode == "zeros":
        return functional.conv3d(x, w, b, stride, pads, dilation, groups)
    if isinstance(pads, str):
        pads = same_padding(w.shape[2:], dilation) if pads == "same" else (0,) * 6
    if mode == "zeros" and pads[0::2] == pads[1::2]:
        return functional.conv3d(x, w, b, stride, pads[0::2], dilation, groups)
    turned = [p for axis in (2, 1, 0) for p in pads[2 * axis:2 * axis + 2]]
    x = functional.pad(x, turned, mode="constant" if mode == "zeros" else mode)
    return functional.conv3d(x, w, b, stride, 0, dilation, groups)


def conv_transpose3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
                     output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Tensor:
    """``torch.nn.functional.conv_transpose3d`` by clconv."""
    stride, dilation = extents("stride", stride, 3), extents("dilation", dilation, 3)
    pads, more = extents("padding", padding, 3), extents("output_padding", output_padding, 3)
    if not is_ours(input, weight, bias) or input.dim() not in (4, 5) or weight.dim() != 5 or groups < 1 \
            or input.shape[-4] != weight.shape[0] or weight.shape[0] % groups:
        return functional.conv_transpose3d(input, weight, bias, stride, pads, more, groups, dilation)
    x = input if input.dim() == 5 else input.unsqueeze(0)
    options = Options("transposed", _DTYPES[input.dtype], tuple(x.shape), tuple(weight.shape), stride,
                      tuple(p for each in pads for p in (each, each)), dilation, groups, "zeros", more, bias is not None)
    needs = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (input, weight, bias))
    y = _Transposed.apply(x, weight, bias, options) if needs else forward(x, weight, bias, None, options, weight_version(weight))
    return y if input.dim() == 5 else y.squeeze(0)


def _keep_out_of_graphs() -> None:
    """torch.compile calls these as they are: addresses of tensors cannot be traced."""
    compiler = getattr(torch, "compiler", None)
    disable = getattr(compiler, "disable", None)
    if disable is not None:
        globals()["conv3d"] = disable(conv3d)
        globals()["conv_transpose3d"] = disable(conv_transpose3d)


_keep_out_of_graphs()
