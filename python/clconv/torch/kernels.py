"""The operators on tensors of batches without autograd: raw calls of plans, and registered ones where torch has what that takes.

All three belong to one convolution, y = conv3d(pad(x), w): ``convolution`` computes it, ``gradients`` its gradients, and
``transposed`` that of the input as an operator of its own. `padding` has six values; `output_padding` is of a transposed
convolution's problem, whose windows at the end are left out. torch.compile sees the registered operators through their shapes.
"""
from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import _ffi
from ..context import default_context
from ..plan import Options, Plan

Tensor = Any
DTYPES = {torch.float32: _ffi.FLOAT32, torch.float64: _ffi.FLOAT64}

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


def _dense(tensor: Tensor | None) -> Tensor | None:
    if tensor is None:
        return None
    return (tensor.resolve_neg() if tensor.is_neg() else tensor).contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else int(tensor.data_ptr())


def _plan(options: Options) -> Plan:
    return default_context().plans.get(options)


def _run(plan: Plan, x: Tensor, w: Tensor, b: Tensor | None, r: Tensor | None, version: int) -> Tensor:
    x, w, b, r = _dense(x), _dense(w), _dense(b), _dense(r)
    y = torch.empty(plan.output_shape, dtype=x.dtype)
    plan.run_pointers(x.data_ptr(), w.data_ptr(), _address(b), _address(r), y.data_ptr(), version)
    return y


def _convolution(x: Tensor, w: Tensor, b: Tensor | None, r: Tensor | None, stride: Sequence[int], padding: Sequence[int],
                 dilation: Sequence[int], output_padding: Sequence[int], groups: int, mode: str, activation: str, slope: float,
                 keep: bool) -> Tensor:
    """`keep` packs the weight once for each of its versions."""
    plan = _plan(Options("forward", DTYPES[x.dtype], tuple(x.shape), tuple(w.shape), tuple(stride), tuple(padding), tuple(dilation),
                         groups, mode, tuple(output_padding), b is not None, r is not None, activation, slope))
    return _run(plan, x, w, b, r, weight_version(w) if keep else 0)


def _gradients(x: Tensor, w: Tensor, g: Tensor, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int],
               output_padding: Sequence[int], groups: int, mode: str, wanted: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of input, weight and bias; those that `wanted` leaves out are empty."""
    plan = _plan(Options("forward", DTYPES[g.dtype], tuple(x.shape), tuple(w.shape), tuple(stride), tuple(padding),
                         tuple(dilation), groups, mode, tuple(output_padding), gradients=wanted))
    x, w, g = _dense(x), _dense(w), _dense(g)
    dx, dw, db = made = _fake_gradients(x, w, g, stride, padding, dilation, output_padding, groups, mode, wanted)
    there = [_address(t) if wanted & bit else None
             for t, bit in zip(made, (_ffi.GRAD_INPUT, _ffi.GRAD_WEIGHT, _ffi.GRAD_BIAS))]
    plan.run_gradients(x.data_ptr(), w.data_ptr(), g.data_ptr(), *there)
    return dx, dw, db


def _transposed(x: Tensor, w: Tensor, b: Tensor | None, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int],
                output_padding: Sequence[int], groups: int, keep: bool) -> Tensor:
    plan = _plan(Options("transposed", DTYPES[x.dtype], tuple(x.shape), tuple(w.shape), tuple(stride), tuple(padding),
                         tuple(dilation), groups, "zeros", tuple(output_padding), b is not None))
    return _run(plan, x, w, b, None, weight_version(w) if keep else 0)


def _fake_convolution(x: Tensor, w: Tensor, b: Tensor | None, r: Tensor | None, stride: Sequence[int], padding: Sequence[int],
                      dilation: Sequence[int], output_padding: Sequence[int], *_: object) -> Tensor:
    sizes = [(x.shape[2 + i] + padding[2 * i] + padding[2 * i + 1] - output_padding[i] - dilation[i] * (w.shape[2 + i] - 1) - 1)
             // stride[i] + 1 for i in range(3)]
    return x.new_empty((x.shape[0], w.shape[0], *sizes))


def _fake_gradients(x: Tensor, w: Tensor, g: Tensor, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int],
                    output_padding: Sequence[int], groups: int, mode: str, wanted: int) -> tuple[Tensor, Tensor, Tensor]:
    return (g.new_empty(x.shape if wanted & _ffi.GRAD_INPUT else (0,)), g.new_empty(w.shape if wanted & _ffi.GRAD_WEIGHT else (0,)),
            g.new_empty((w.shape[0],) if wanted & _ffi.GRAD_BIAS else (0,)))


def _fake_transposed(x: Tensor, w: Tensor, b: Tensor | None, stride: Sequence[int], padding: Sequence[int],
                     dilation: Sequence[int], output_padding: Sequence[int], groups: int, *_: object) -> Tensor:
    sizes = [(x.shape[2 + i] - 1) * stride[i] - padding[2 * i] - padding[2 * i + 1] + dilation[i] * (w.shape[2 + i] - 1)
             + output_padding[i] + 1 for i in range(3)]
    return x.new_empty((x.shape[0], w.shape[1] * groups, *sizes))


_GEOMETRY = "int[] stride, int[] padding, int[] dilation, int[] output_padding, int groups"
_OPERATORS: dict[str, tuple[str, Callable[..., Any], Callable[..., Any]]] = {
    "convolution": (f"(Tensor x, Tensor w, Tensor? b, Tensor? r, {_GEOMETRY}, str mode, str activation, float slope, bool keep) "
                    "-> Tensor", _convolution, _fake_convolution),
    "gradients": (f"(Tensor x, Tensor w, Tensor g, {_GEOMETRY}, str mode, int wanted) -> (Tensor, Tensor, Tensor)", _gradients,
                  _fake_gradients),
    "transposed": (f"(Tensor x, Tensor w, Tensor? b, {_GEOMETRY}, bool keep) -> Tensor", _transposed, _fake_transposed)}


def _register() -> Any:
    """The operators of torch's dispatcher, and the library that holds them."""
    library, shapes = torch.library.Library("clconv", "DEF"), getattr(torch.library, "register_fake", None)
    for name, (schema, raw, fake) in _OPERATORS.items():
        if shapes is None:
            library.define(name + schema)
        else:
            library.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
            shapes(f"clconv::{name}", fake, lib=library)
        library.impl(name, raw, "CPU")
    return library


def _never() -> bool:
    return False


_library = _register()
#: Whether torch.compile or torch.export is looking, which takes operators with shapes.
is_compiling: Callable[[], bool] = torch.compiler.is_compiling if hasattr(torch.library, "register_fake") else _never


def _has_memory(*tensors: Tensor) -> bool:
    """Not so where a tensor stands for others: under vmap, or where shapes alone are followed."""
    try:
        for tensor in tensors:
            tensor.data_ptr()
        return True
    except RuntimeError:
        return False


def convolution(x: Tensor, w: Tensor, *arguments: Any) -> Tensor:
    """Calls the library directly where it can, since the dispatcher costs time."""
    direct = not is_compiling() and _has_memory(x, w)
    return _convolution(x, w, *arguments) if direct else torch.ops.clconv.convolution(x, w, *arguments)


def gradients(x: Tensor, w: Tensor, g: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    direct = not is_compiling() and _has_memory(x, w, g)
    dx, dw, db = _gradients(x, w, g, *arguments) if direct else torch.ops.clconv.gradients(x, w, g, *arguments)
    return dx, dw, db


def transposed(x: Tensor, w: Tensor, *arguments: Any) -> Tensor:
    direct = not is_compiling() and _has_memory(x, w)
    return _transposed(x, w, *arguments) if direct else torch.ops.clconv.transposed(x, w, *arguments)
