"""Convolutions of pyopencl's arrays on pyopencl's queues: its objects go in and out, and nothing is copied or waited for.

A run starts after the events of the arrays that it reads and writes, and after those of ``wait_for``; its own event is the last of
the ``events`` of what it makes. The contexts that this needs are made by themselves and kept, a few of them.
"""
from __future__ import annotations

import collections
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyopencl as cl
import pyopencl.array as cl_array

from . import _ffi, grad
from .context import Context
from .errors import InvalidArgument, InvalidProblem
from .functional import Extent, check_residual, describe, output_shape_of, same_type
from .plan import Plan

__all__ = ["context", "conv3d", "conv3d_gradients", "conv_transpose3d", "enqueue", "objects"]

Array = Any
Queue = Any
Event = Any

#: OpenCL contexts whose programs and plans are kept; the one that was used longest ago goes first.
KEPT = 8

_lock = threading.Lock()
_contexts: collections.OrderedDict[tuple[int, int], Context] = collections.OrderedDict()


def context(queue: Queue) -> Context:
    """The context of clconv on the OpenCL context and device of a queue, the same at each call.

    Examples
    --------
    >>> import pyopencl, clconv.opencl
    >>> _, _, queue = clconv.opencl.objects(clconv.default_context())
    >>> clconv.opencl.context(queue).device == clconv.default_context().device
    True
    """
    if not isinstance(queue, cl.CommandQueue):
        raise TypeError(f"queue is {type(queue).__name__}; it must be a pyopencl.CommandQueue")
    key = (queue.context.int_ptr, queue.device.int_ptr)
    with _lock:
        kept = _contexts.get(key)
        if kept is not None and not kept.is_closed:
            _contexts.move_to_end(key)
            return kept
        made = _contexts[key] = Context.of_opencl(*key)
        while len(_contexts) > KEPT:
            _contexts.popitem(last=False)
        return made


def objects(context: Context) -> tuple[Any, Any, Queue]:
    """The OpenCL context, device and queue of a context of clconv, as pyopencl's, with a reference of their own."""
    lib, handle = _ffi.lib, context.handle
    return (cl.Context.from_int_ptr(lib.clconv_context_opencl(handle), retain=True),
            cl.Device.from_int_ptr(lib.clconv_context_device(handle), retain=True),
            cl.CommandQueue.from_int_ptr(lib.clconv_context_queue(handle), retain=True))


def _check(name: str, array: object, queue: Queue) -> Array:
    """An array that kernels can use where it lies."""
    if not isinstance(array, cl_array.Array):
        raise TypeError(f"{name} is {type(array).__name__}; it must be a pyopencl.array.Array")
    if array.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"{name} is {array.dtype}; it must be float32 or float64, of native byte order")
    if not array.flags.c_contiguous:
        raise InvalidArgument(f"{name} is not contiguous; clconv.opencl copies nothing: {name}.copy() makes one that is")
    if array.context != queue.context:
        raise InvalidArgument(f"{name} lies in another OpenCL context than the queue's")
    return array


def _queue_of(queue: Queue, *arrays: object) -> Queue:
    for candidate in (queue, *(getattr(array, "queue", None) for array in arrays)):
        if candidate is not None:
            return candidate
    raise InvalidArgument("no array has a queue; name one by queue=")


def _buffer(array: Array | None) -> _ffi.Buffer:
    if array is None or array.base_data is None:
        return _ffi.Buffer(None, 0)
    return _ffi.Buffer(array.base_data.int_ptr, array.offset)


def _workspace(owner: Context, queue: Queue, size: int) -> Any:
    """Of a queue in order, whose runs do not overlap, one for all runs; else one for each."""
    if size == 0:
        return None
    flags = cl.mem_flags
    if queue.properties & cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE:
        return cl.Buffer(queue.context, flags.READ_WRITE, size)
    key = ("workspace", queue.int_ptr)
    with _lock:
        kept: Any = owner.attached.get(key)
        if kept is None or kept.size < size:
            kept = owner.attached[key] = cl.Buffer(queue.context, flags.READ_WRITE, size)
        return kept


def enqueue(plan: Plan, queue: Queue, reads: dict[str, Array | None], writes: dict[str, Array | None],
            wait_for: Sequence[Event] | None = None) -> Event:
    """Enqueues one run of a plan on arrays by the names of ``clconv_tensors``, and returns its event, which what is written has
    among its events then."""
    there = [array for array in (*reads.values(), *writes.values()) if array is not None]
    waits = [event.int_ptr for event in (*(wait_for or ()), *(event for array in there for event in array.events))]
    tensors = _ffi.Tensors(**{name: _buffer(array) for name, array in (reads | writes).items()})
    workspace = _workspace(plan.context, queue, plan.workspace_size)
    memory = None if workspace is None else _ffi.Buffer(workspace.int_ptr, 0)
    done = cl.Event.from_int_ptr(plan.enqueue(queue.int_ptr, tensors, memory, waits), retain=False)
    for array in writes.values():
        if array is not None:
            array.add_event(done)
    return done


def _output(out: object, shape: tuple[int, ...], input: Array, queue: Queue) -> Array:
    if out is None:
        return cl_array.empty(queue, shape, input.dtype, allocator=input.allocator)
    made = _check("out", out, queue)
    if made.dtype != input.dtype:
        raise TypeError(f"out is {made.dtype}; it must be {input.dtype}")
    if made.shape != shape:
        raise InvalidProblem(f"out is of size {list(made.shape)}; it must be {list(shape)}")
    return made


def _convolve(op: str, input: Array, weight: Array, bias: Array | None, stride: object, padding: object, dilation: object,
              groups: int, output_padding: object, padding_mode: str, residual: Array | None, activation: str | None,
              activation_slope: float, out: object, algorithm: str, workspace_limit: int | None, queue: Queue,
              wait_for: Sequence[Event] | None) -> Array:
    function = "conv3d" if op == "forward" else "conv_transpose3d"
    queue = _queue_of(queue, out, input, weight)
    owner = context(queue)
    reads = {"input": _check("input", input, queue), "weight": _check("weight", weight, queue),
             "bias": None if bias is None else _check("bias", bias, queue),
             "residual": None if residual is None else _check("residual", residual, queue)}
    same_type(input, residual=residual)
    plan = owner.plans.get(describe(3, function, op, input, weight, bias, stride, padding, dilation, groups, output_padding,
                                    padding_mode, residual is not None, activation, activation_slope, algorithm,
                                    workspace_limit))
    shape = output_shape_of(plan, 3, input.ndim)
    check_residual(residual, shape)
    made = _output(out, shape, input, queue)
    if made.size:
        enqueue(plan, queue, reads, {"output": made}, wait_for)
    return made


def conv3d(input: Array, weight: Array, bias: Array | None = None, stride: Extent = 1, padding: Extent | str = 0,
           dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", residual: Array | None = None,
           activation: str | None = None, activation_slope: float = 0.01, out: Array | None = None, algorithm: str = "auto",
           workspace_limit: int | None = None, queue: Queue = None, wait_for: Sequence[Event] | None = None) -> Array:
    """:func:`clconv.conv3d` of arrays of pyopencl, enqueued and not waited for.

    Parameters
    ----------
    input, weight, bias, residual : pyopencl.array.Array
        Contiguous, of one OpenCL context; they may start anywhere in their buffers.
    out : pyopencl.array.Array, optional
        Where the output is written; by default a new array of the queue and of the input's allocator.
    queue : pyopencl.CommandQueue, optional
        In order or out of order; by default that of `out`, of `input` or of `weight`, the first that has one.
    wait_for : sequence of pyopencl.Event, optional
        Beside the events of the arrays.

    Returns
    -------
    pyopencl.array.Array
        Its ``events`` end with that of the run.

    Examples
    --------
    >>> import numpy as np, pyopencl.array, clconv.opencl
    >>> _, _, queue = clconv.opencl.objects(clconv.default_context())
    >>> x = pyopencl.array.to_device(queue, np.ones((1, 1, 4, 4, 4), np.float32))
    >>> w = pyopencl.array.to_device(queue, np.ones((2, 1, 3, 3, 3), np.float32))
    >>> clconv.opencl.conv3d(x, w, padding=1).get()[0, 1, 1, 1].tolist()
    [18.0, 27.0, 27.0, 18.0]
    """
    return _convolve("forward", input, weight, bias, stride, padding, dilation, groups, 0, padding_mode, residual, activation,
                     activation_slope, out, algorithm, workspace_limit, queue, wait_for)


def conv_transpose3d(input: Array, weight: Array, bias: Array | None = None, stride: Extent = 1, padding: Extent = 0,
                     output_padding: Extent = 0, groups: int = 1, dilation: Extent = 1, *, out: Array | None = None,
                     algorithm: str = "auto", workspace_limit: int | None = None, queue: Queue = None,
                     wait_for: Sequence[Event] | None = None) -> Array:
    """:func:`clconv.conv_transpose3d` of arrays of pyopencl, enqueued and not waited for: see :func:`conv3d`."""
    return _convolve("transposed", input, weight, bias, stride, padding, dilation, groups, output_padding, "zeros", None, None,
                     0.01, out, algorithm, workspace_limit, queue, wait_for)


def conv3d_gradients(input: Array, weight: Array, grad_output: Array, stride: Extent = 1, padding: Extent | str = 0,
                     dilation: Extent = 1, groups: int = 1, *, padding_mode: str = "zeros", algorithm: str = "auto",
                     workspace_limit: int | None = None, queue: Queue = None,
                     wait_for: Sequence[Event] | None = None) -> tuple[Array, Array, Array]:
    """The gradients of input, weight and bias of :func:`conv3d`, as :func:`clconv.grad.conv3d`, in one run."""
    queue = _queue_of(queue, grad_output, input)
    owner, names = context(queue), {"input": input, "weight": weight, "grad_output": grad_output}
    reads: dict[str, Array | None] = {name: _check(name, array, queue) for name, array in names.items()}
    wanted = _ffi.GRAD_INPUT | _ffi.GRAD_WEIGHT | _ffi.GRAD_BIAS
    plan = owner.plans.get(grad.describe(3, same_type(grad_output, input=input, weight=weight), input.shape, weight.shape, stride,
                                         padding, dilation, groups, padding_mode, wanted, algorithm, workspace_limit))
    grad.check_grad_output(3, grad_output.shape, plan)
    made = [cl_array.empty(queue, shape, input.dtype, allocator=input.allocator)
            for shape in (input.shape, weight.shape, weight.shape[:1])]
    enqueue(plan, queue, reads, {"grad_input": made[0], "grad_weight": made[1], "grad_bias": made[2]}, wait_for)
    return made[0], made[1], made[2]
