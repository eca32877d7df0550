"""Plans: what is compiled and allocated once for a problem, and the cache of them."""
from __future__ import annotations

import collections
import ctypes
import os
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from . import _ffi
from .errors import InvalidArgument, InvalidProblem, check

if TYPE_CHECKING:
    from .context import Context

#: Plans that a context keeps for functions; the one that was used longest ago goes first.
CACHE_SIZE = 128


class Options(NamedTuple):
    """A problem as functions are given it, in 3D, and how it is to be computed."""

    op: str
    dtype: int
    input: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    groups: int
    padding_mode: str = "zeros"
    output_padding: tuple[int, ...] = (0, 0, 0)
    has_bias: bool = False
    has_residual: bool = False
    activation: str = "none"
    activation_slope: float = 0.01
    algorithm: str = "auto"
    workspace_limit: int | None = None
    gradients: int = 0


def _sides(padding: Sequence[int]) -> tuple[list[int], list[int]]:
    if len(padding) == 6:
        return list(padding[0::2]), list(padding[1::2])
    return list(padding), list(padding)


def _word(table: dict[str, int], name: str, value: str) -> int:
    if value not in table:
        raise InvalidArgument(f"{name} is {value!r}; it must be one of {', '.join(table)}")
    return table[value]


def _check_process(pid: int) -> None:
    if pid != os.getpid():
        raise InvalidArgument("this process was forked after OpenCL was used, which does not survive a fork; "
                              "start processes by spawn or forkserver")


def make_problem(o: Options) -> _ffi.Problem:
    """The C struct of a problem, valid."""
    p, error = _ffi.Problem(), _ffi.Error()
    lib = _ffi.lib
    lib.clconv_problem_init(ctypes.byref(p))
    try:
        p.batch, p.groups, p.dtype = o.input[0], o.groups, o.dtype
        p.kernel[:], p.stride[:], p.dilation[:] = o.weight[2:], o.stride, o.dilation
        p.padding_mode = _word(_ffi.PADDING_MODES, "padding_mode", o.padding_mode)
        p.activation = _word(_ffi.ACTIVATIONS, "activation", o.activation)
        p.activation_slope = o.activation_slope
        p.has_bias, p.has_residual = o.has_bias, o.has_residual
        transposed = o.op == "transposed"
        if isinstance(o.padding, str):
            if o.padding not in ("same", "valid") or transposed:
                raise InvalidArgument(f"padding is {o.padding!r}; it must be 'same', 'valid' or integers")
        else:
            p.pad_before[:], p.pad_after[:] = _sides(o.padding)
        if transposed:
            p.out_channels, p.in_channels = o.input[1], o.weight[1] * o.groups
            check(lib.clconv_problem_set_transposed(ctypes.byref(p), (ctypes.c_int64 * 3)(*o.input[2:]),
                                                    (ctypes.c_int64 * 3)(*o.output_padding), ctypes.byref(error)), error)
        else:
            p.output_padding[:] = o.output_padding
            p.in_channels, p.out_channels, p.input[:] = o.input[1], o.weight[0], o.input[2:]
        if o.padding == "same":
            check(lib.clconv_problem_set_same_padding(ctypes.byref(p), ctypes.byref(error)), error)
    except (TypeError, OverflowError) as reason:
        raise InvalidArgument(f"an extent is no integer that fits: {reason}") from None
    check(lib.clconv_problem_validate(ctypes.byref(p), ctypes.byref(error)), error)
    return p


def output_shape(o: Options, p: _ffi.Problem) -> tuple[int, ...]:
    """Of what forward or transposed make."""
    if o.op == "transposed":
        return (p.batch, p.in_channels, *p.input)
    made, error = (ctypes.c_int64 * 3)(), _ffi.Error()
    check(_ffi.lib.clconv_output_size(ctypes.byref(p), made, ctypes.byref(error)), error)
    return (p.batch, p.out_channels, *made)


class Plan:
    """A convolution of one shape on one device, compiled, with its memory.

    Functions make plans by themselves and keep them; make one to look at it or to have the first call's work done before.

    Parameters
    ----------
    input, weight : sequence of int
        Shapes (N, C, D, H, W) and (out, in / groups, kD, kH, kW).
    stride, padding, dilation, groups
        As of :func:`clconv.conv3d`.
    op : str
        ``"forward"`` or ``"transposed"``.
    dtype : str
        ``"float32"`` or ``"float64"``.

    Examples
    --------
    >>> import clconv
    >>> plan = clconv.Plan((1, 1, 8, 8, 8), (4, 1, 3, 3, 3), padding=1)
    >>> plan.output_shape
    (1, 4, 8, 8, 8)
    >>> "GFLOP" in plan.describe() or len(plan.describe()) > 0
    True
    """

    def __init__(self, input: Sequence[int], weight: Sequence[int], *, stride: int | Sequence[int] = 1,
                 padding: int | Sequence[int] | str = 0, dilation: int | Sequence[int] = 1, groups: int = 1, op: str = "forward",
                 dtype: str = "float32", padding_mode: str = "zeros", output_padding: int | Sequence[int] = 0, bias: bool = False,
                 residual: bool = False, activation: str = "none", activation_slope: float = 0.01, algorithm: str = "auto",
                 workspace_limit: int | None = None, context: Context | None = None) -> None:
        from .context import default_context

        if dtype not in ("float32", "float64"):
            raise TypeError(f"dtype is {dtype!r}; it must be 'float32' or 'float64'")
        if op not in ("forward", "transposed"):
            raise InvalidArgument(f"op is {op!r}; it must be 'forward' or 'transposed'")
        self._make(context or default_context(), Options(
            op, _ffi.FLOAT64 if dtype == "float64" else _ffi.FLOAT32, tuple(input), tuple(weight), extents("stride", stride, 3),
            paddings(padding, 3), extents("dilation", dilation, 3), groups, padding_mode,
            extents("output_padding", output_padding, 3), bias, residual, activation, activation_slope, algorithm,
            workspace_limit))

    @classmethod
    def of(cls, context: Context, options: Options) -> Plan:
        """A plan of checked options."""
        plan = cls.__new__(cls)
        plan._make(context, options)
        return plan

    def _make(self, context: Context, o: Options) -> None:
        self.context, self.options, self.problem = context, o, make_problem(o)
        self.output_shape = output_shape(o, self.problem)
        self._lock, self._pid, error, lib = threading.Lock(), os.getpid(), _ffi.Error(), _ffi.lib
        options, handle = _ffi.PlanOptions(), ctypes.c_void_p()
        lib.clconv_plan_options_init(ctypes.byref(options))
        options.algorithm = o.algorithm.encode()
        if o.workspace_limit is not None:
            options.workspace_limit = o.workspace_limit
        if o.gradients:
            status = lib.clconv_backward_create(context.handle, ctypes.byref(self.problem), o.gradients, ctypes.byref(options),
                                                ctypes.byref(handle), ctypes.byref(error))
        else:
            status = lib.clconv_plan_create(context.handle, _ffi.OPS[o.op], ctypes.byref(self.problem), ctypes.byref(options),
                                            ctypes.byref(handle), ctypes.byref(error))
        check(status, error)
        release = lib.clconv_backward_release if o.gradients else lib.clconv_plan_release
        self._handle = handle.value
        self._finalizer = weakref.finalize(self, release, handle.value)
        self._finalizer.atexit = False
        context.plans.watch(self)

    def close(self) -> None:
        """Releases it, once no run uses it."""
        if self._pid != os.getpid():
            return
        with self._lock:
            self._finalizer()

    def _run(self, function: object, tensors: ctypes.Structure) -> None:
        _check_process(self._pid)  # another thread's lock may have been taken when the process was forked
        error = _ffi.Error()
        with self._lock:
            if not self._finalizer.alive:
                raise InvalidArgument("the plan or its context is closed")
            status = function(self._handle, ctypes.byref(tensors), ctypes.byref(error))  # type: ignore[operator]
        check(status, error)

    def run_pointers(self, input: int, weight: int, bias: int | None, residual: int | None, output: int,
                     weight_version: int = 0) -> None:
        """One run on addresses of dense arrays."""
        self._run(_ffi.lib.clconv_plan_run_host, _ffi.HostTensors(input, weight, bias, residual, output, weight_version))

    def run_gradients(self, input: int | None, weight: int | None, grad_output: int, grad_input: int | None,
                      grad_weight: int | None, grad_bias: int | None) -> None:
        """The same of gradients."""
        self._run(_ffi.lib.clconv_backward_run_host,
                  _ffi.HostGradients(input, weight, grad_output, grad_input, grad_weight, grad_bias, 0))

    def enqueue(self, queue: int, tensors: _ffi.Tensors, workspace: _ffi.Buffer | None, wait: Sequence[int]) -> int:
        """Enqueues a run on OpenCL's own objects, as integers, and returns its event, which is the caller's to release."""
        _check_process(self._pid)
        function = _ffi.lib.clconv_backward_enqueue if self.options.gradients else _ffi.lib.clconv_plan_enqueue
        done, error = ctypes.c_void_p(), _ffi.Error()
        events = (ctypes.c_void_p * len(wait))(*wait) if wait else None
        with self._lock:
            if not self._finalizer.alive:
                raise InvalidArgument("the plan or its context is closed")
            status = function(self._handle, queue, ctypes.byref(tensors), None if workspace is None else ctypes.byref(workspace),
                              len(wait), events, ctypes.byref(done), ctypes.byref(error))
        check(status, error)
        return done.value or 0

    def _single(self) -> int | None:
        """The C plan, of one that is not several."""
        if self.options.gradients or not self._finalizer.alive:
            raise InvalidArgument("the plan is closed, or one of gradients")
        return self._handle

    @property
    def workspace_size(self) -> int:
        """Bytes of the workspace of a run."""
        if self.options.gradients and self._finalizer.alive:
            return int(_ffi.lib.clconv_backward_workspace_size(self._handle))
        return int(_ffi.lib.clconv_plan_workspace_size(self._single()))

    @property
    def algorithm(self) -> str:
        """Name of the algorithm that was chosen."""
        info = _ffi.PlanInfo()
        _ffi.lib.clconv_plan_get_info(self._single(), ctypes.byref(info))
        return str(info.algorithm.decode())

    def describe(self) -> str:
        """What it does, in several lines: the algorithm, its steps, and why the others were not taken."""
        handle = self._single()
        needed, error, lib = ctypes.c_size_t(), _ffi.Error(), _ffi.lib
        text = ctypes.create_string_buffer(1 << 16)
        check(lib.clconv_plan_describe(handle, text, len(text), ctypes.byref(needed), ctypes.byref(error)), error)
        return text.value.decode()

    def __repr__(self) -> str:
        return f"Plan({self.options.op}, input={self.options.input}, weight={self.options.weight})"


class PlanCache:
    """A context's plans by their options, of bounded number."""

    def __init__(self, context: Context) -> None:
        self._context = weakref.ref(context)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._plans: collections.OrderedDict[Options, Plan] = collections.OrderedDict()
        self._alive: weakref.WeakSet[Plan] = weakref.WeakSet()

    def get(self, options: Options) -> Plan:
        _check_process(self._pid)
        with self._lock:
            plan = self._plans.get(options)
            if plan is not None:
                self._plans.move_to_end(options)
                return plan
        context = self._context()
        if context is None:
            raise InvalidArgument("the context is closed")
        made = Plan.of(context, options)  # may compile: two threads may make the same one, of which one is kept
        with self._lock:
            plan = self._plans.setdefault(options, made)
            while len(self._plans) > CACHE_SIZE:
                self._plans.popitem(last=False)
        return plan

    def watch(self, plan: Plan) -> None:
        self._alive.add(plan)

    def clear(self) -> None:
        """Releases all plans of the context."""
        for plan in list(self._alive):
            plan.close()
        self._plans.clear()

    def __len__(self) -> int:
        return len(self._plans)


def extents(name: str, value: object, axes: int) -> tuple[int, ...]:
    """An integer or `axes` of them, as three; the axes that are missing come first and have the neutral value."""
    neutral = 0 if "padding" in name else 1
    if hasattr(value, "__index__"):
        values = (int(value.__index__()),) * axes
    elif isinstance(value, Sequence) and not isinstance(value, str) and all(hasattr(v, "__index__") for v in value):
        values = tuple(int(v) for v in value)
        if len(values) == 1:
            values *= axes
    else:
        raise TypeError(f"{name} is {value!r}; it must be an integer or a sequence of {axes}")
    if len(values) != axes:
        raise InvalidProblem(f"expected {name} to be a single integer value or a list of {axes} values to match the convolution "
                             f"dimensions, but got {name}={list(values)}")
    return (neutral,) * (3 - axes) + values


def paddings(value: object, axes: int) -> tuple[int, ...] | str:
    """The same for padding, which may be a word or differ before and after each axis (before, after, before, ...)."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and len(value) == 2 * axes and axes > 1:
        if not all(hasattr(v, "__index__") for v in value):
            raise TypeError(f"padding is {value!r}; it must be integers")
        return (0, 0) * (3 - axes) + tuple(int(v) for v in value)
    return extents("padding", value, axes)


def same_padding(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """Of ``"same"``, before and after each axis."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation)]
    return tuple(p for total in totals for p in (total // 2, total - total // 2))
