"""What every worker of the benchmark written in Python shares: the counterpart of worker.h and worker.c, where the
conversation with bench.py is described, for the forward pass."""
import json
import sys
import time

import numpy as np

MIN_RUNS, MAX_RUNS, SAMPLES = 2, 1000, 256
INPUT_SEED, WEIGHT_SEED = 0, 1


class Layer:
    """A convolution's extents, axes in the order D, H, W, and its tensors."""

    def __init__(self, numbers):
        self.batch, self.in_channels = numbers[0:2]
        self.input, self.out_channels, self.kernel = numbers[2:5], numbers[5], numbers[6:9]
        self.stride, self.padding, self.dilation = numbers[9:12], numbers[12:15], numbers[15:18]
        self.groups = numbers[18]
        self.input_shape = [self.batch, self.in_channels, *self.input]
        self.weight_shape = [self.out_channels, self.in_channels // self.groups, *self.kernel]
        self.output_shape = [self.batch, self.out_channels] + [
            (x + 2 * p - d * (k - 1) - 1) // s + 1
            for x, p, d, k, s in zip(self.input, self.padding, self.dilation, self.kernel, self.stride)]

    def input_data(self):
        return fill(self.input_shape, INPUT_SEED)

    def weight_data(self):
        return fill(self.weight_shape, WEIGHT_SEED)


def fill(shape, seed):
    """worker_fill()'s values."""
    x = np.arange(np.prod(shape), dtype=np.uint32)
    x = (x + np.uint32(seed * 0x9E3779B9 % 2**32)) * np.uint32(0x9E3779B1)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x45D9F3B)
    x ^= x >> np.uint32(16)
    return ((x >> np.uint32(8)).astype(np.float32) / np.float32(2**23) - np.float32(1)).reshape(shape)


def samples(output):
    flat = np.nan_to_num(np.asarray(output).reshape(-1), nan=1e30)
    return [float(flat[(flat.size - 1) * i // (SAMPLES - 1)]) for i in range(SAMPLES)]


def timed_runs(run, seconds):
    times = []
    run()
    end = time.perf_counter() + seconds
    while len(times) < MAX_RUNS and (len(times) < MIN_RUNS or time.perf_counter() < end):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def serve(version, prepare):
    """`prepare` takes a Layer and returns a function that runs it once, one that gives the output, and a note."""
    replies = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints is no reply

    def reply(**values):
        print(json.dumps(values), file=replies, flush=True)

    reply(ready=version)
    run = output = None
    for line in sys.stdin:
        request, *words = line.split()
        try:
            if request == "forward":
                run = output = None  # the last layer's memory goes first
                layer = Layer([int(word) for word in words])
                run, output, note = prepare(layer)
                run()
                reply(elements=int(np.prod(layer.output_shape)), note=note, samples=samples(output()))
            elif request == "run" and run:
                reply(seconds=timed_runs(run, float(words[0])))
            else:
                reply(error="no request, or no layer is ready: " + line.strip())
        except Exception as error:  # a library may raise anything; the next layer may work
            run = output = None
            reply(error=f"{type(error).__name__}: {error}"[:1000])
