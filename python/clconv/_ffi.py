"""The C API by ctypes: structs and prototypes as include/clconv.h has them, and the libraries that are loaded.

One OpenCL loader in a process: the one that is there already, else CLCONV_OPENCL_LIBRARY, else the system's, else pyopencl's.
"""
from __future__ import annotations

import ctypes
import ctypes.util
import glob
import os
import sys
from ctypes import POINTER, Structure, c_char, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

MESSAGE_SIZE = 1024
AXES = c_int64 * 3

STATUSES = ("CLCONV_SUCCESS", "CLCONV_INVALID_ARGUMENT", "CLCONV_INVALID_PROBLEM", "CLCONV_UNSUPPORTED", "CLCONV_NO_DEVICE",
            "CLCONV_OUT_OF_MEMORY", "CLCONV_OUT_OF_DEVICE_MEMORY", "CLCONV_BUILD_FAILED", "CLCONV_OPENCL_FAILED",
            "CLCONV_FILE_FAILED", "CLCONV_INTERNAL")
PADDING_MODES = {"zeros": 0, "reflect": 1, "replicate": 2, "circular": 3, "symmetric": 4}
ACTIVATIONS = {"none": 0, "relu": 1, "leaky_relu": 2, "silu": 3, "sigmoid": 4, "tanh": 5, "gelu": 6}
OPS = {"forward": 0, "backward-input": 1, "backward-weight": 2, "backward-bias": 3, "transposed": 4}
GRAD_INPUT, GRAD_WEIGHT, GRAD_BIAS = 1, 2, 4
FLOAT32, FLOAT64 = 0, 1
CHECK_QUICK, CHECK_USUAL, CHECK_FULL = 0, 1, 2


class Error(Structure):
    _fields_ = [("status", c_int), ("opencl_code", ctypes.c_int32), ("message", c_char * MESSAGE_SIZE)]


class DeviceInfo(Structure):
    _fields_ = [("platform", c_void_p), ("device", c_void_p), ("platform_index", c_int), ("device_index", c_int),
                ("selector", c_char * 32), ("platform_name", c_char * 128), ("platform_version", c_char * 128),
                ("name", c_char * 256), ("vendor", c_char * 128), ("device_version", c_char * 128),
                ("driver_version", c_char * 128), ("type", c_uint64), ("compute_units", c_int64), ("clock_mhz", c_int64),
                ("global_memory_bytes", c_int64), ("max_allocation_bytes", c_int64), ("local_memory_bytes", c_int64),
                ("max_work_group_size", c_int64), ("address_alignment_bits", c_int64), ("vector_bits", c_int),
                ("has_fp64", c_int), ("has_compiler", c_int), ("is_little_endian", c_int), ("architecture", c_char * 32),
                ("shares_host_memory", c_int)]


class ContextOptions(Structure):
    _fields_ = [("message", c_void_p), ("message_user", c_void_p), ("verbose", c_int), ("memory_limit", c_uint64),
                ("bundle", c_char_p), ("exportable", c_int), ("plans_only", c_int), ("progress", c_int)]


class Problem(Structure):
    _fields_ = [("batch", c_int64), ("groups", c_int64), ("in_channels", c_int64), ("out_channels", c_int64), ("input", AXES),
                ("kernel", AXES), ("stride", AXES), ("dilation", AXES), ("pad_before", AXES), ("pad_after", AXES),
                ("output_padding", AXES), ("padding_mode", c_int), ("dtype", c_int), ("layout", c_int), ("has_bias", c_int),
                ("has_residual", c_int), ("activation", c_int), ("activation_slope", c_double)]


class PlanOptions(Structure):
    _fields_ = [("algorithm", c_char_p), ("workspace_limit", c_uint64), ("strict", c_int), ("packed_weights", c_int),
                ("parameters", c_char_p), ("initialized", c_uint32), ("untuned", c_int),
                ("packed_layout", c_uint64)]


class Buffer(Structure):
    _fields_ = [("memory", c_void_p), ("offset", c_size_t)]


class Tensors(Structure):
    _fields_ = [(name, Buffer) for name in ("input", "weight", "bias", "residual", "output", "grad_output", "grad_input",
                                            "grad_weight", "grad_bias")]


class HostTensors(Structure):
    _fields_ = [("input", c_void_p), ("weight", c_void_p), ("bias", c_void_p), ("residual", c_void_p), ("output", c_void_p),
                ("weight_version", c_uint64)]


class HostGradients(Structure):
    _fields_ = [("input", c_void_p), ("weight", c_void_p), ("grad_output", c_void_p), ("grad_input", c_void_p),
                ("grad_weight", c_void_p), ("grad_bias", c_void_p), ("weight_version", c_uint64)]


class PlanInfo(Structure):
    _fields_ = [("algorithm", c_char_p), ("parameters", c_char_p), ("flops", c_double), ("estimated_seconds", c_double),
                ("workspace_size", c_size_t), ("packed_weight_size", c_size_t), ("steps", c_size_t), ("candidates", c_size_t),
                ("tuned_problem", c_char_p), ("tuned_distance", c_double)]


CheckCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)


class CheckOptions(Structure):
    _fields_ = [("level", c_int), ("first", c_size_t), ("count", c_size_t), ("begin", CheckCallback), ("end", CheckCallback),
                ("user", c_void_p)]


#: The structs by their names in the header, for the test that compares their layouts.
STRUCTS: dict[str, type[Structure]] = {
    "clconv_error": Error, "clconv_device_info": DeviceInfo, "clconv_context_options": ContextOptions, "clconv_problem": Problem,
    "clconv_plan_options": PlanOptions, "clconv_buffer": Buffer, "clconv_tensors": Tensors, "clconv_host_tensors": HostTensors,
    "clconv_host_gradients": HostGradients, "clconv_plan_info": PlanInfo, "clconv_check_options": CheckOptions}

ErrorPointer = POINTER(Error)
_PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "clconv_version": (c_char_p, []),
    "clconv_list_devices": (c_int, [POINTER(POINTER(DeviceInfo)), POINTER(c_size_t), ErrorPointer]),
    "clconv_free": (None, [c_void_p]),
    "clconv_context_options_init": (None, [POINTER(ContextOptions)]),
    "clconv_context_create": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(c_void_p), ErrorPointer]),
    "clconv_context_create_selected": (c_int, [c_char_p, c_void_p, POINTER(c_void_p), ErrorPointer]),
    "clconv_context_release": (None, [c_void_p]),
    "clconv_context_opencl": (c_void_p, [c_void_p]),
    "clconv_context_device": (c_void_p, [c_void_p]),
    "clconv_context_queue": (c_void_p, [c_void_p]),
    "clconv_context_device_info": (POINTER(DeviceInfo), [c_void_p]),
    "clconv_problem_init": (None, [POINTER(Problem)]),
    "clconv_problem_validate": (c_int, [POINTER(Problem), ErrorPointer]),
    "clconv_problem_set_same_padding": (c_int, [POINTER(Problem), ErrorPointer]),
    "clconv_problem_set_transposed": (c_int, [POINTER(Problem), POINTER(c_int64), POINTER(c_int64), ErrorPointer]),
    "clconv_output_size": (c_int, [POINTER(Problem), POINTER(c_int64), ErrorPointer]),
    "clconv_plan_options_init": (None, [POINTER(PlanOptions)]),
    "clconv_plan_create": (c_int, [c_void_p, c_int, POINTER(Problem), POINTER(PlanOptions), POINTER(c_void_p), ErrorPointer]),
    "clconv_plan_release": (None, [c_void_p]),
    "clconv_plan_workspace_size": (c_size_t, [c_void_p]),
    "clconv_plan_run_host": (c_int, [c_void_p, POINTER(HostTensors), ErrorPointer]),
    "clconv_plan_enqueue": (c_int, [c_void_p, c_void_p, POINTER(Tensors), POINTER(Buffer), ctypes.c_uint32, POINTER(c_void_p),
                                    POINTER(c_void_p), ErrorPointer]),
    "clconv_plan_get_info": (None, [c_void_p, POINTER(PlanInfo)]),
    "clconv_plan_describe": (c_int, [c_void_p, c_char_p, c_size_t, POINTER(c_size_t), ErrorPointer]),
    "clconv_backward_create": (c_int, [c_void_p, POINTER(Problem), c_int, POINTER(PlanOptions), POINTER(c_void_p), ErrorPointer]),
    "clconv_backward_release": (None, [c_void_p]),
    "clconv_backward_workspace_size": (c_size_t, [c_void_p]),
    "clconv_backward_enqueue": (c_int, [c_void_p, c_void_p, POINTER(Tensors), POINTER(Buffer), ctypes.c_uint32, POINTER(c_void_p),
                                        POINTER(c_void_p), ErrorPointer]),
    "clconv_backward_run_host": (c_int, [c_void_p, POINTER(HostGradients), ErrorPointer]),
    "clconv_check_options_init": (None, [POINTER(CheckOptions)]),
    "clconv_check": (c_int, [c_void_p, POINTER(CheckOptions), POINTER(c_size_t), ErrorPointer]),
}


def _loaded_loader() -> str | None:
    """The OpenCL loader that the process has already."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                path = line.rstrip("\n").partition("/")[2]
                if path and os.path.basename(path).startswith("libOpenCL"):
                    return "/" + path
    except OSError:
        pass
    return None


def _loader_candidates() -> list[str]:
    named = os.environ.get("CLCONV_OPENCL_LIBRARY")
    loaded = _loaded_loader()
    if loaded:
        return [loaded]
    if named:
        return [named]
    names = ["libOpenCL.so.1"]
    if sys.platform == "darwin":
        names = ["/System/Library/Frameworks/OpenCL.framework/OpenCL"]
    found = ctypes.util.find_library("OpenCL")
    bundled = [path for folder in sys.path for path in glob.glob(os.path.join(folder, "pyopencl*", ".libs", "libOpenCL*"))]
    return [*names, *([found] if found else []), *bundled]


def _open_loader() -> str:
    reasons = []
    for path in _loader_candidates():
        try:
            ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
            return path
        except OSError as reason:
            reasons.append(str(reason))
    raise ImportError("clconv needs an OpenCL loader (Debian: ocl-icd-libopencl1; or pip install pyopencl): " + "; ".join(reasons))


def _library_candidates() -> list[str]:
    named = os.environ.get("CLCONV_LIBRARY")
    if named:
        return [named]
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_lib")
    own = sorted(glob.glob(os.path.join(folder, "**", "libclconv*.so*"), recursive=True), key=len)
    own += sorted(glob.glob(os.path.join(folder, "**", "libclconv*.dylib"), recursive=True), key=len)
    return own[:1] or ["libclconv.so.0.1"]


def _open_library() -> tuple[ctypes.CDLL, str]:
    path = _library_candidates()[0]
    try:
        library = ctypes.CDLL(path)
    except OSError as reason:
        raise ImportError(f"cannot load {path}: {reason}; CLCONV_LIBRARY names another libclconv") from reason
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name, None)
        if function is None:
            raise ImportError(f"{path} has no {name}: it is another version than this package")
        function.restype = result
        function.argtypes = arguments
    return library, path


loader_path = _open_loader()
lib, library_path = _open_library()
version: str = lib.clconv_version().decode()
if not version.startswith("0.1."):  # structs may change with each minor version
    raise ImportError(f"{library_path} is clconv {version}; this package needs 0.1")
