"""Gradients of convolutions of numpy arrays, as torch.nn.grad has them."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import _ffi
from .context import Context, default_context
from .errors import InvalidProblem
from .functional import Array, Extent, _address, check_channels, dense, same_type, shape_3d, weight_3d
from .plan import Options, Plan, extents, paddings

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d", "conv3d_input", "conv3d_weight"]


def describe(axes: int, dtype: int, input_size: Sequence[int], weight_size: Sequence[int], stride: object, padding: object,
             dilation: object, groups: int, padding_mode: str, wanted: int, algorithm: str,
             workspace_limit: int | None) -> Options:
    """The problem of the gradients that `wanted` names."""
    x, w = shape_3d("input", input_size, axes, f"conv{axes}d"), weight_3d(weight_size, axes, f"conv{axes}d")
    check_channels(x, w, groups)
    return Options("forward", dtype, x, w, extents("stride", stride, axes), paddings(padding, axes),
                   extents("dilation", dilation, axes), groups, padding_mode, algorithm=algorithm,
                   workspace_limit=workspace_limit, gradients=wanted)


def check_grad_output(axes: int, shape: Sequence[int], plan: Plan) -> None:
    if shape_3d("grad_output", shape, axes, f"conv{axes}d") != plan.output_shape:
        raise InvalidProblem(f"grad_output is of size {list(shape)}; the output is of size {list(plan.output_shape)}")


def _gradients(axes: int, input: Array | None, input_size: Sequence[int], weight: Array | None, weight_size: Sequence[int],
               grad_output: Array, stride: object, padding: object, dilation: object, groups: int, padding_mode: str, wanted: int,
               algorithm: str, workspace_limit: int | None, context: Context | None) -> tuple[Array | None, ...]:
    g = dense("grad_output", grad_output)
    x = None if input is None else dense("input", input)
    w = None if weight is None else dense("weight", weight)
    options = describe(axes, same_type(g, input=x, weight=w), input_size, weight_size, stride, padding, dilation, groups,
                       padding_mode, wanted, algorithm, workspace_limit)
    plan = (context or default_context()).plans.get(options)
    check_grad_output(axes, g.shape, plan)
    made = (np.empty(tuple(input_size), g.dtype) if wanted & _ffi.GRAD_INPUT else None,
            np.empty(tuple(weight_size), g.dtype) if wanted & _ffi.GRAD_WEIGHT else None,
            np.empty(weight_size[0], g.dtype) if wanted & _ffi.GRAD_BIAS else None)
    plan.run_gradients(_address(x), _address(w), int(g.ctypes.data), *map(_address, made))
    return made


def _input(axes: int, input_size: Sequence[int], weight: Array, grad_output: Array, stride: object, padding: object,
           dilation: object, groups: int, padding_mode: str, context: Context | None) -> Array:
    made = _gradients(axes, None, input_size, weight, np.shape(weight), grad_output, stride, padding, dilation, groups,
                      padding_mode, _ffi.GRAD_INPUT, "auto", None, context)[0]
    assert made is not None
    return made


def _weight(axes: int, input: Array, weight_size: Sequence[int], grad_output: Array, stride: object, padding: object,
            dilation: object, groups: int, padding_mode: str, context: Context | None) -> Array:
    made = _gradients(axes, input, np.shape(input), None, weight_size, grad_output, stride, padding, dilation, groups,
                      padding_mode, _ffi.GRAD_WEIGHT, "auto", None, context)[1]
    assert made is not None
    return made


def conv3d(input: Array, weight: Array, grad_output: Array, stride: Extent = 1, padding: Extent | str = 0, dilation: Extent = 1,
           groups: int = 1, *, padding_mode: str = "zeros", algorithm: str = "auto", workspace_limit: int | None = None,
           context: Context | None = None) -> tuple[Array, Array, Array]:
    """Gradients of input, weight and bias in one call.

    Examples
    --------
    >>> import numpy as np, clconv.grad
    >>> x, w = np.ones((1, 3, 3, 3), np.float32), np.ones((2, 1, 3, 3, 3), np.float32)
    >>> dx, dw, db = clconv.grad.conv3d(x, w, np.ones((2, 1, 1, 1), np.float32))
    >>> float(dx.max()), float(dw.max()), db.tolist()
    (2.0, 1.0, [1.0, 1.0])
    """
    x, w, b = _gradients(3, input, np.shape(input), weight, np.shape(weight), grad_output, stride, padding, dilation, groups,
                         padding_mode, _ffi.GRAD_INPUT | _ffi.GRAD_WEIGHT | _ffi.GRAD_BIAS, algorithm, workspace_limit, context)
    assert x is not None and w is not None and b is not None
    return x, w, b


def conv3d_input(input_size: Sequence[int], weight: Array, grad_output: Array, stride: Extent = 1, padding: Extent | str = 0,
                 dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", context: Context | None = None) -> Array:
    """The gradient of :func:`clconv.conv3d` with respect to the input."""
    return _input(3, input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode, context)


def conv3d_weight(input: Array, weight_size: Sequence[int], grad_output: Array, stride: Extent = 1, padding: Extent | str = 0,
                  dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", context: Context | None = None) -> Array:
    """The gradient of :func:`clconv.conv3d` with respect to the weight."""
    return _weight(3, input, weight_size, grad_output, stride, padding, dilation, groups, padding_mode, context)


def conv2d_input(input_size: Sequence[int], weight: Array, grad_output: Array, stride: Extent = 1, padding: Extent | str = 0,
                 dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", context: Context | None = None) -> Array:
    """The gradient of :func:`clconv.conv2d` with respect to the input."""
    return _input(2, input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode, context)


def conv2d_weight(input: Array, weight_size: Sequence[int], grad_output: Array, stride: Extent = 1, padding: Extent | str = 0,
                  dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", context: Context | None = None) -> Array:
    """The gradient of :func:`clconv.conv2d` with respect to the weight."""
    return _weight(2, input, weight_size, grad_output, stride, padding, dilation, groups, padding_mode, context)


def conv1d_input(input_size: Sequence[int], weight: Array, grad_output: Array, stride: Extent = 1, padding: Extent | str = 0,
                 dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", context: Context | None = None) -> Array:
    """The gradient of :func:`clconv.conv1d` with respect to the input."""
    return _input(1, input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode, context)


def conv1d_weight(input: Array, weight_size: Sequence[int], grad_output: Array, stride: Extent = 1, padding: Extent | str = 0,
                  dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", context: Context | None = None) -> Array:
    """The gradient of :func:`clconv.conv1d` with respect to the weight."""
    return _weight(1, input, weight_size, grad_output, stride, padding, dilation, groups, padding_mode, context)
