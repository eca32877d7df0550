"""Convolves between kernels of one's own, on one's own queue, without waiting or copying in between: own_pyopencl.py."""
import numpy as np
import pyopencl as cl
import pyopencl.array
import pyopencl.elementwise

import clconv.opencl


def main(queue, volume, weight):
    context = queue.context
    square = cl.elementwise.ElementwiseKernel(context, "float *x", "x[i] = x[i] * x[i]", "square")
    x, w = cl.array.to_device(queue, volume), cl.array.to_device(queue, weight)
    x.add_event(square(x))
    y = clconv.opencl.conv3d(x, w, padding=1)  # starts when `square` has ended; y.events has its own event
    y.add_event(square(y, wait_for=y.events))
    return y.get()


if __name__ == "__main__":
    _, _, own = clconv.opencl.objects(clconv.default_context())
    made = main(own, np.random.default_rng(0).standard_normal((1, 1, 16, 16, 16), np.float32), np.ones((2, 1, 3, 3, 3), np.float32))
    print(made.shape, made.mean())
