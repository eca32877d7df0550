"""3D convolution, exactly as PyTorch's Conv3d defines it, on any OpenCL device.

>>> import numpy as np, clconv
>>> y = clconv.conv3d(np.ones((1, 8, 8, 8), np.float32), np.ones((4, 1, 3, 3, 3), np.float32), padding=1)
>>> y.shape
(4, 8, 8, 8)
"""
from . import grad
from ._ffi import library_path, loader_path, version
from .context import Context, Device, default_context, devices
from .context import check_device as check
from .errors import (BuildFailed, Error, FileFailed, InternalError, InvalidArgument, InvalidProblem, NoDevice, OpenCLFailed,
                     OutOfDeviceMemory, OutOfMemory, Unsupported)
from .functional import conv1d, conv2d, conv3d, conv_transpose3d
from .plan import Plan

__version__ = version
__all__ = ["BuildFailed", "Context", "Device", "Error", "FileFailed", "InternalError", "InvalidArgument", "InvalidProblem",
           "NoDevice", "OpenCLFailed", "OutOfDeviceMemory", "OutOfMemory", "Plan", "Unsupported", "check", "conv1d", "conv2d",
           "conv3d", "conv_transpose3d", "default_context", "devices", "grad", "library_path", "loader_path"]
