"""Convolutions of numpy arrays, with the signatures of torch.nn.functional."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _ffi
from .context import Context, default_context
from .errors import InvalidArgument, InvalidProblem
from .plan import Options, Plan, extents, paddings

Array = npt.NDArray[Any]
Extent = int | Sequence[int]

_DTYPES = {np.dtype(np.float32): _ffi.FLOAT32, np.dtype(np.float64): _ffi.FLOAT64}


def dense(name: str, array: object) -> Array:
    """The array itself if it is dense, aligned and native, else a copy that is."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} is {type(array).__name__}; it must be a numpy.ndarray")
    native = array.dtype.newbyteorder("=")
    if native not in _DTYPES:
        raise TypeError(f"{name} is {array.dtype}; it must be float32 or float64, as {name}.astype(numpy.float32) makes it")
    return np.require(array, native, ["C", "A"])


def same_type(input: Any, /, **others: Any) -> int:
    """The type of arrays, all of one."""
    for name, other in others.items():
        if other is not None and other.dtype != input.dtype:
            raise TypeError(f"{name} is {other.dtype} and input {input.dtype}; they must be of one type")
    return _DTYPES[input.dtype]


def shape_3d(name: str, shape: Sequence[int], axes: int, function: str) -> tuple[int, ...]:
    """A batched shape in 3D."""
    shape = tuple(int(n) for n in shape)
    if len(shape) not in (axes + 1, axes + 2):
        raise InvalidProblem(f"Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) {name} to {function}, but got {name} of "
                             f"size: {list(shape)}")
    batched = shape if len(shape) == axes + 2 else (1, *shape)
    return batched[:2] + (1,) * (3 - axes) + batched[2:]


def weight_3d(shape: Sequence[int], axes: int, function: str) -> tuple[int, ...]:
    shape = tuple(int(n) for n in shape)
    if len(shape) != axes + 2:
        raise InvalidProblem(f"expected {axes + 2}D weight for {function}, but got weight of size: {list(shape)}")
    return shape[:2] + (1,) * (3 - axes) + shape[2:]


def check_channels(x: tuple[int, ...], w: tuple[int, ...], groups: int, transposed: bool = False) -> None:
    if not hasattr(groups, "__index__"):
        raise TypeError(f"groups is {groups!r}; it must be an integer")
    needed = w[0] if transposed else w[1] * groups
    if groups > 0 and x[1] != needed:
        raise InvalidProblem(f"Given groups={groups}, weight of size {list(w)}, expected input{list(x)} to have {needed} channels, "
                             f"but got {x[1]} channels instead")
    if groups > 0 and w[0] % groups:
        raise InvalidProblem(f"expected weight to be divisible by {groups} at dimension 0, but got weight of size {list(w)}")


def _check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any], reads: dict[str, Array | None]) -> Array:
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is {type(out).__name__}; it must be a numpy.ndarray")
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"out is {out.dtype}; it must be {dtype}")
    if out.shape != shape:
        raise InvalidProblem(f"out is of size {list(out.shape)}; it must be {list(shape)}")
    if not (out.flags.c_contiguous and out.flags.writeable and out.flags.aligned):
        raise InvalidArgument("out must be contiguous, aligned and writeable")
    for name, array in reads.items():
        if array is not None and np.may_share_memory(out, array):
            raise InvalidArgument(f"out overlaps {name}; what is written must lie apart")
    return out


def _address(array: Array | None) -> int | None:
    return None if array is None else int(array.ctypes.data)


def describe(axes: int, function: str, op: str, x: Any, w: Any, b: Any, stride: object, padding: object, dilation: object,
             groups: int, output_padding: object, padding_mode: str, has_residual: bool, activation: str | None,
             activation_slope: float, algorithm: str, workspace_limit: int | None) -> Options:
    """The problem of arrays, of which shape and dtype are looked at, after the checks that have torch's words."""
    dtype = same_type(x, weight=w, bias=b)
    x_shape, w_shape = shape_3d("input", x.shape, axes, function), weight_3d(w.shape, axes, function)
    check_channels(x_shape, w_shape, groups, op == "transposed")
    channels = w_shape[1] * groups if op == "transposed" else w_shape[0]
    if b is not None and b.shape != (channels,):
        raise InvalidProblem(f"expected bias to be 1-dimensional with {channels} elements, but got bias of size {list(b.shape)} "
                             "instead")
    return Options(op, dtype, x_shape, w_shape, extents("stride", stride, axes), paddings(padding, axes),
                   extents("dilation", dilation, axes), groups, padding_mode, extents("output_padding", output_padding, axes),
                   b is not None, has_residual, activation or "none", float(activation_slope), algorithm, workspace_limit)


def output_shape_of(plan: Plan, axes: int, ndim: int) -> tuple[int, ...]:
    """Of an input of so many dimensions."""
    made = plan.output_shape
    return (made[:2] + made[5 - axes:]) if ndim == axes + 2 else (made[1], *made[5 - axes:])


def check_residual(residual: Any, shape: tuple[int, ...]) -> None:
    if residual is not None and tuple(residual.shape) != shape:
        raise InvalidProblem(f"residual is of size {list(residual.shape)}; it must be the output's, {list(shape)}")


def _convolve(axes: int, function: str, op: str, input: object, weight: object, bias: object, stride: object, padding: object,
              dilation: object, groups: int, output_padding: object, padding_mode: str, residual: object, activation: str | None,
              activation_slope: float, out: object, algorithm: str, workspace_limit: int | None,
              context: Context | None) -> Array:
    x, w = dense("input", input), dense("weight", weight)
    b = None if bias is None else dense("bias", bias)
    r = None if residual is None else dense("residual", residual)
    same_type(x, residual=r)
    options = describe(axes, function, op, x, w, b, stride, padding, dilation, groups, output_padding, padding_mode, r is not None,
                       activation, activation_slope, algorithm, workspace_limit)
    plan: Plan = (context or default_context()).plans.get(options)
    shape = output_shape_of(plan, axes, x.ndim)
    check_residual(r, shape)
    reads: dict[str, Array | None] = {"input": x, "weight": w, "bias": b, "residual": r}
    y = np.empty(shape, x.dtype) if out is None else _check_out(out, shape, x.dtype, reads)
    plan.run_pointers(int(x.ctypes.data), int(w.ctypes.data), _address(b), _address(r), int(y.ctypes.data))
    return y


def conv3d(input: Array, weight: Array, bias: Array | None = None, stride: Extent = 1, padding: Extent | str = 0,
           dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", residual: Array | None = None,
           activation: str | None = None, activation_slope: float = 0.01, out: Array | None = None, algorithm: str = "auto",
           workspace_limit: int | None = None, context: Context | None = None) -> Array:
    """3D convolution, as ``torch.nn.functional.conv3d``, and what may follow it.

    Parameters
    ----------
    input : ndarray
        (N, C, D, H, W) or (C, D, H, W), float32 or float64. What is not contiguous or of foreign byte order is copied.
    weight : ndarray
        (out, C / groups, kD, kH, kW).
    bias : ndarray, optional
        (out,).
    stride, dilation : int or sequence of 3 int
    padding : int, sequence of 3 or 6 int, "same" or "valid"
        Six are before and after each axis: D, D, H, H, W, W.
    groups : int
    padding_mode : str
        ``"zeros"``, ``"reflect"``, ``"replicate"``, ``"circular"`` or ``"symmetric"``.
    residual : ndarray, optional
        Of the output's shape; added before the activation.
    activation : str, optional
        ``"relu"``, ``"leaky_relu"``, ``"silu"``, ``"sigmoid"``, ``"tanh"`` or ``"gelu"``.
    activation_slope : float
        Of leaky_relu.
    out : ndarray, optional
        Where the output is written.
    algorithm : str
        By default chosen by cost.
    workspace_limit : int, optional
        Bytes.
    context : Context, optional

    Returns
    -------
    ndarray
        (N, out, Do, Ho, Wo), or without N.

    Examples
    --------
    >>> import numpy as np, clconv
    >>> x = np.ones((1, 1, 4, 4, 4), np.float32)
    >>> w = np.ones((1, 1, 3, 3, 3), np.float32)
    >>> y = clconv.conv3d(x, w, padding="same")
    >>> y.shape, float(y[0, 0, 0, 0, 0]), float(y[0, 0, 1, 1, 1])
    ((1, 1, 4, 4, 4), 8.0, 27.0)
    """
    return _convolve(3, "conv3d", "forward", input, weight, bias, stride, padding, dilation, groups, 0, padding_mode, residual,
                     activation, activation_slope, out, algorithm, workspace_limit, context)


def conv2d(input: Array, weight: Array, bias: Array | None = None, stride: Extent = 1, padding: Extent | str = 0,
           dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", residual: Array | None = None,
           activation: str | None = None, activation_slope: float = 0.01, out: Array | None = None, algorithm: str = "auto",
           workspace_limit: int | None = None, context: Context | None = None) -> Array:
    """2D convolution of (N, C, H, W) or (C, H, W): see :func:`conv3d`.

    Examples
    --------
    >>> import numpy as np, clconv
    >>> x = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    >>> clconv.conv2d(x, np.ones((1, 1, 2, 2), np.float32))[0].tolist()
    [[8.0, 12.0], [20.0, 24.0]]
    """
    return _convolve(2, "conv2d", "forward", input, weight, bias, stride, padding, dilation, groups, 0, padding_mode, residual,
                     activation, activation_slope, out, algorithm, workspace_limit, context)


def conv1d(input: Array, weight: Array, bias: Array | None = None, stride: Extent = 1, padding: Extent | str = 0,
           dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", residual: Array | None = None,
           activation: str | None = None, activation_slope: float = 0.01, out: Array | None = None, algorithm: str = "auto",
           workspace_limit: int | None = None, context: Context | None = None) -> Array:
    """1D convolution of (N, C, W) or (C, W): see :func:`conv3d`.

    Examples
    --------
    >>> import numpy as np, clconv
    >>> x = np.array([[1, 2, 4, 8]], np.float32)
    >>> clconv.conv1d(x, np.array([[[-1, 1]]], np.float32)).tolist()
    [[1.0, 2.0, 4.0]]
    """
    return _convolve(1, "conv1d", "forward", input, weight, bias, stride, padding, dilation, groups, 0, padding_mode, residual,
                     activation, activation_slope, out, algorithm, workspace_limit, context)


def conv_transpose3d(input: Array, weight: Array, bias: Array | None = None, stride: Extent = 1, padding: Extent = 0,
                     output_padding: Extent = 0, groups: int = 1, dilation: Extent = 1, *, out: Array | None = None,
                     algorithm: str = "auto", workspace_limit: int | None = None, context: Context | None = None) -> Array:
    """Transposed 3D convolution, as ``torch.nn.functional.conv_transpose3d``: groups come before dilation.

    Examples
    --------
    >>> import numpy as np, clconv
    >>> x = np.ones((1, 2, 2, 2), np.float32)
    >>> clconv.conv_transpose3d(x, np.ones((1, 3, 2, 2, 2), np.float32), stride=2).shape
    (3, 4, 4, 4)
    """
    return _convolve(3, "conv_transpose3d", "transposed", input, weight, bias, stride, padding, dilation, groups, output_padding,
                     "zeros", None, None, 0.01, out, algorithm, workspace_limit, context)
