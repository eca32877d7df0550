"""Derivatives: those of a convolution and of its gradients are convolutions and gradients again, so they can be taken as often as
one likes."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .. import _ffi
from . import kernels

Tensor = Any
#: stride, padding, dilation, output_padding, groups, mode: what follows the tensors in each call.
_SETTINGS = 6
_BITS = (_ffi.GRAD_INPUT, _ffi.GRAD_WEIGHT, _ffi.GRAD_BIAS)


def _mask(needs: Sequence[bool]) -> int:
    return sum(bit for bit, needed in zip(_BITS, needs) if needed)


def _convolve(x: Tensor, w: Tensor, settings: Sequence[Any]) -> Tensor:
    if torch.is_grad_enabled():
        return Convolution.apply(x, w, None, *settings)
    return kernels.convolution(x, w, None, None, *settings, "none", 0.0, False)


def _differentiate(x: Tensor, w: Tensor, g: Tensor, settings: Sequence[Any], wanted: int) -> tuple[Tensor | None, ...]:
    """Gradients of input, weight and bias, None where they are not wanted."""
    if wanted == 0:
        return None, None, None
    made = Gradients.apply(x, w, g, *settings, wanted) if torch.is_grad_enabled() else kernels.gradients(x, w, g, *settings, wanted)
    return tuple(t if wanted & bit else None for t, bit in zip(made, _BITS))


class Convolution(torch.autograd.Function):  # type: ignore[misc]
    """y = conv3d(pad(x), w) + b."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, *settings: Any) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.settings = settings
        return kernels.convolution(x, w, b, None, *settings, "none", 0.0, False)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        return (*_differentiate(x, w, g, ctx.settings, _mask(ctx.needs_input_grad[:3])), *[None] * _SETTINGS)


class Gradients(torch.autograd.Function):  # type: ignore[misc]
    """The gradients of the above, each linear in g and in either x or w."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, g: Tensor, *settings: Any) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x, w, g)
        ctx.settings, ctx.wanted = settings[:-1], settings[-1]
        ctx.set_materialize_grads(False)
        made = kernels.gradients(x, w, g, *settings)
        ctx.mark_non_differentiable(*(t for t, bit in zip(made, _BITS) if not ctx.wanted & bit))
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor | None, ddw: Tensor | None, ddb: Tensor | None) -> tuple[Tensor | None, ...]:
        x, w, g = ctx.saved_tensors
        needs_x, needs_w, needs_g = ctx.needs_input_grad[:3]
        dx = dw = dg = None
        if needs_x and ddw is not None:
            dx = _differentiate(x, ddw, g, ctx.settings, _ffi.GRAD_INPUT)[0]
        if needs_w and ddx is not None:
            dw = _differentiate(ddx, w, g, ctx.settings, _ffi.GRAD_WEIGHT)[1]
        if needs_g:
            terms = [_convolve(a, b, ctx.settings) for a, b in ((ddx, w), (x, ddw)) if a is not None and b is not None]
            terms += [] if ddb is None else [ddb.reshape(1, -1, 1, 1, 1).expand_as(g)]
            dg = sum(terms[1:], terms[0]) if terms else None
        return (dx, dw, dg, *[None] * (_SETTINGS + 1))


class Transposed(torch.autograd.Function):  # type: ignore[misc]
    """y = conv_transpose3d(x, w) + b: the gradient of the input of a convolution whose output x is, and y its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, stride: Any, padding: Any, dilation: Any, output_padding: Any,
                groups: int) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.settings = (stride, padding, dilation, output_padding, groups, "zeros")
        return kernels.transposed(x, w, b, stride, padding, dilation, output_padding, groups, False)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        needs = ctx.needs_input_grad
        dx = _convolve(g, w, ctx.settings) if needs[0] else None
        dw = _differentiate(g, w, x, ctx.settings, _ffi.GRAD_WEIGHT)[1] if needs[1] else None
        return (dx, dw, g.sum((0, 2, 3, 4)) if needs[2] else None, *[None] * (_SETTINGS - 1))
