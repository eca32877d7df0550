"""The worker of OpenVINO, on the CPU: a model of one Convolution whose weight is a constant, in fp32 (by default it
would take bfloat16 where the CPU has it), input and output tensors set once."""
import sys

import numpy as np
import openvino
from openvino import opset13 as ops

import worker


def make_model(layer):
    x = ops.parameter(layer.input_shape, np.float32)
    weight, attributes = layer.weight_data(), (layer.stride, layer.padding, layer.padding, layer.dilation)
    if layer.groups == 1:
        y = ops.convolution(x, ops.constant(weight), *attributes)
    else:
        grouped = weight.reshape(layer.groups, layer.out_channels // layer.groups, *layer.weight_shape[1:])
        y = ops.group_convolution(x, ops.constant(grouped), *attributes)
    return openvino.Model([y], [x])


def prepare(layer):
    compiled = CORE.compile_model(make_model(layer), "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(THREADS),
        "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(layer.input_data()))
    request.set_output_tensor(openvino.Tensor(np.zeros(layer.output_shape, np.float32)))
    return lambda: request.infer(share_outputs=True), lambda: request.get_output_tensor().data, ""


THREADS = int(sys.argv[1])
CORE = openvino.Core()
worker.serve(openvino.__version__.split("-")[0], prepare)
