"""Errors: one base class, and each the built-in that fits as well."""
from __future__ import annotations

from . import _ffi

__all__ = ["Error", "InvalidArgument", "InvalidProblem", "Unsupported", "NoDevice", "OutOfMemory", "OutOfDeviceMemory",
           "BuildFailed", "OpenCLFailed", "FileFailed", "InternalError"]


class Error(Exception):
    """Base of all of clconv's errors.

    Attributes
    ----------
    status : str
        Name of the status, such as ``"CLCONV_INVALID_PROBLEM"``.
    opencl_code : int
        Of the OpenCL call that failed, else 0.
    """

    status: str = "CLCONV_INTERNAL"
    opencl_code: int = 0


class InvalidArgument(Error, ValueError):
    """An argument is not legal."""


class InvalidProblem(Error, ValueError, RuntimeError):
    """The problem breaks a rule of Conv3d; PyTorch raises RuntimeError here."""


class Unsupported(Error, NotImplementedError):
    """Legal, but this device or this build cannot do it."""


class NoDevice(Error, RuntimeError):
    """No OpenCL device, or none that matches."""


class OutOfMemory(Error, MemoryError):
    """Host memory is exhausted."""


class OutOfDeviceMemory(Error, MemoryError):
    """The device cannot hold it."""


class BuildFailed(Error, RuntimeError):
    """An OpenCL program did not build."""


class OpenCLFailed(Error, RuntimeError):
    """An OpenCL call failed."""


class FileFailed(Error, OSError):
    """A file could not be read or written."""


class InternalError(Error, RuntimeError):
    """A defect of clconv."""


_CLASSES: tuple[type[Error], ...] = (InvalidArgument, InvalidProblem, Unsupported, NoDevice, OutOfMemory, OutOfDeviceMemory,
                                     BuildFailed, OpenCLFailed, FileFailed, InternalError)

_NO_DEVICE = ("; three ways to get an OpenCL device: install PoCL, which runs on any CPU (Debian: apt install pocl-opencl-icd), "
              "the driver of your GPU, or Intel's CPU runtime (pip install intel-opencl-rt)")


def check(status: int, error: _ffi.Error) -> None:
    """Raises what a status says, with the library's message."""
    if status == 0:
        return
    kind = _CLASSES[status - 1] if status <= len(_CLASSES) else InternalError
    text = error.message.decode(errors="replace")
    made = kind(text + _NO_DEVICE if kind is NoDevice else text)
    made.status = _ffi.STATUSES[status] if status < len(_ffi.STATUSES) else str(status)
    made.opencl_code = int(error.opencl_code)
    raise made
