"""What a call of clconv.torch.conv3d costs beside the C plan's enqueue and finish on the same buffers: overhead.py [CALLS].

Processor time of the calling thread and of the process, in microseconds a call, the least of several rounds that alternate; the
problem has 0.001 GFLOP. It prints figures and judges nothing.
"""
import ctypes
import sys
import time

import torch

import clconv
import clconv.torch
from clconv import _ffi

X, W = torch.randn(1, 4, 12, 12, 12), torch.randn(3, 4, 3, 3, 3)  # 2 * 4 * 3 * 27 * 12**3 = 1.1e6 operations


def by_torch():
    return clconv.torch.conv3d(X, W, None, 1, 1)


def by_numpy(x=X.numpy(), w=W.numpy()):
    return clconv.conv3d(x, w, None, 1, 1)


def in_c():
    """The plan's enqueue and clFinish, with arguments made before."""
    plan = clconv.Plan(X.shape, W.shape, padding=1)
    y = torch.empty(plan.output_shape)
    opencl, buffers, error = ctypes.CDLL(clconv.loader_path), [], _ffi.Error()
    wrap = _ffi.lib.clconv_buffer_wrap
    wrap.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p]
    for tensor in (X, W, y, torch.empty(plan.workspace_size // 4 + 1)):
        memory = ctypes.c_void_p()
        if wrap(plan.context.handle, tensor.data_ptr(), tensor.numel() * 4, 1, ctypes.byref(memory), ctypes.byref(error)):
            raise RuntimeError(error.message)
        buffers.append((_ffi.Buffer(memory, 0), tensor))
    tensors = _ffi.Tensors(input=buffers[0][0], weight=buffers[1][0], output=buffers[2][0])
    queue = ctypes.c_void_p(_ffi.lib.clconv_context_queue(plan.context.handle))
    arguments = (ctypes.c_void_p(plan._handle), queue, ctypes.byref(tensors), ctypes.byref(buffers[3][0]), 0, None, None, None)

    def run(enqueue=_ffi.lib.clconv_plan_enqueue, finish=opencl.clFinish, keep=(plan, buffers, tensors)):
        enqueue(*arguments)
        finish(queue)

    return run


def main(calls):
    runs = {"C": in_c(), "torch": by_torch, "numpy": by_numpy}
    least = {name: [float("inf")] * 2 for name in runs}
    with torch.no_grad():
        for _ in range(10):
            for name, run in runs.items():
                run()
                clocks = time.thread_time(), time.process_time()
                for _ in range(calls):
                    run()
                spent = time.thread_time() - clocks[0], time.process_time() - clocks[1]
                least[name] = [min(a, 1e6 * b / calls) for a, b in zip(least[name], spent)]
    for name, (thread, process) in least.items():
        print(f"{name:6s} thread {thread:6.1f} us, process {process:6.1f} us, beside C {thread - least['C'][0]:+6.1f} us")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
