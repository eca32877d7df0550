"""Devices and contexts."""
from __future__ import annotations

import ctypes
import dataclasses
import os
import threading
import weakref
from types import TracebackType

from . import _ffi
from .errors import InvalidArgument, check

_TYPES = {2: "cpu", 4: "gpu", 8: "accelerator"}


@dataclasses.dataclass(frozen=True)
class Device:
    """What clconv knows of a device."""

    selector: str
    name: str
    type: str
    vendor: str
    platform_name: str
    platform_version: str
    driver_version: str
    compute_units: int
    global_memory_bytes: int
    max_allocation_bytes: int
    has_fp64: bool
    shares_host_memory: bool

    @classmethod
    def _of(cls, info: _ffi.DeviceInfo) -> Device:
        return cls(selector=info.selector.decode(), name=info.name.decode(errors="replace"),
                   type=next((name for bit, name in _TYPES.items() if info.type & bit), "other"),
                   vendor=info.vendor.decode(errors="replace"), platform_name=info.platform_name.decode(errors="replace"),
                   platform_version=info.platform_version.decode(errors="replace"),
                   driver_version=info.driver_version.decode(errors="replace"), compute_units=info.compute_units,
                   global_memory_bytes=info.global_memory_bytes, max_allocation_bytes=info.max_allocation_bytes,
                   has_fp64=bool(info.has_fp64), shares_host_memory=bool(info.shares_host_memory))


def devices() -> list[Device]:
    """Every OpenCL device of every platform.

    Returns
    -------
    list of Device
        Empty on a machine without any.

    Examples
    --------
    >>> import clconv
    >>> all(device.name for device in clconv.devices())
    True
    """
    found = ctypes.POINTER(_ffi.DeviceInfo)()
    count = ctypes.c_size_t()
    error = _ffi.Error()
    check(_ffi.lib.clconv_list_devices(ctypes.byref(found), ctypes.byref(count), ctypes.byref(error)), error)
    try:
        return [Device._of(found[i]) for i in range(count.value)]
    finally:
        _ffi.lib.clconv_free(found)


class Context:
    """One device: what is built for it, and its cache of plans.

    Parameters
    ----------
    selector : str, optional
        Preferences such as ``"gpu,cpu"`` or a part of a name; by default what the variable ``CLCONV_DEVICE`` says, else a GPU,
        else a CPU. Threads may share a context.

    Examples
    --------
    >>> import clconv
    >>> with clconv.Context() as context:
    ...     context.device.compute_units > 0
    True
    """

    def __init__(self, selector: str | None = None) -> None:
        if selector is not None and not isinstance(selector, str):
            raise TypeError(f"selector is {type(selector).__name__}; it must be str or None")
        handle, error = ctypes.c_void_p(), _ffi.Error()
        text = None if selector is None else selector.encode()
        check(_ffi.lib.clconv_context_create_selected(text, None, ctypes.byref(handle), ctypes.byref(error)), error)
        self._adopt(handle)

    @classmethod
    def of_opencl(cls, context: int, device: int) -> Context:
        """A context on the caller's own ``cl_context`` and one of its devices, both as integers; they are retained."""
        made, handle, error = cls.__new__(cls), ctypes.c_void_p(), _ffi.Error()
        check(_ffi.lib.clconv_context_create(context, device, None, ctypes.byref(handle), ctypes.byref(error)), error)
        made._adopt(handle)
        return made

    def _adopt(self, handle: ctypes.c_void_p) -> None:
        from .plan import PlanCache  # which needs contexts

        self.device: Device = Device._of(_ffi.lib.clconv_context_device_info(handle).contents)
        self.plans = PlanCache(self)
        self._handle: int | None = handle.value
        assert handle.value is not None
        self.attached: dict[object, object] = {}  # what modules keep with it until it is closed
        self._finalizer = weakref.finalize(self, _release, handle.value, self.plans, self.attached)
        self._finalizer.atexit = False  # a run may be going on in another thread

    @property
    def handle(self) -> int:
        """The ``clconv_context`` pointer."""
        if self._handle is None or not self._finalizer.alive:
            raise InvalidArgument("the context is closed")
        return self._handle

    @property
    def is_closed(self) -> bool:
        return not self._finalizer.alive

    def close(self) -> None:
        """Releases the device's objects once no run uses them; the context cannot be used any more."""
        self._finalizer()
        self._handle = None

    def __enter__(self) -> Context:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "" if self._finalizer.alive else ", closed"
        return f"Context({self.device.name!r}{state})"


def _release(handle: int, plans: object, attached: dict[object, object]) -> None:
    plans.clear()  # type: ignore[attr-defined]
    attached.clear()
    _ffi.lib.clconv_context_release(handle)


_lock = threading.Lock()
_default: Context | None = None


def default_context() -> Context:
    """The context that functions use without ``context=``, made at the first use."""
    global _default
    with _lock:
        if _default is None:
            _default = Context()
        return _default


def _after_fork() -> None:
    # What the parent holds cannot be used here: the lock may be taken, and OpenCL does not survive a fork. A new context says
    # so, or works if OpenCL had not been used.
    global _default, _lock
    _lock = threading.Lock()
    if _default is not None:
        _default._finalizer.detach()
    _default = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check_device(quick: bool = True, context: Context | None = None) -> int:
    """Checks a device: every algorithm against a reference in double precision.

    Parameters
    ----------
    quick : bool
        A few problems instead of many.
    context : Context, optional

    Returns
    -------
    int
        The number of cases that failed.
    """
    options = _ffi.CheckOptions()
    _ffi.lib.clconv_check_options_init(ctypes.byref(options))
    options.level = _ffi.CHECK_QUICK if quick else _ffi.CHECK_USUAL
    failures = ctypes.c_size_t()
    error = _ffi.Error()
    handle = (context or default_context()).handle
    check(_ffi.lib.clconv_check(handle, ctypes.byref(options), ctypes.byref(failures), ctypes.byref(error)), error)
    return failures.value
