"""The worker of ONNX Runtime, on the CPU: a model of one Conv whose weight is a constant, input and output bound to
memory that is there already."""
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

import worker


def make_model(layer):
    convolution = helper.make_node(
        "Conv", ["x", "w"], ["y"], kernel_shape=layer.kernel, strides=layer.stride, dilations=layer.dilation,
        pads=layer.padding + layer.padding, group=layer.groups)
    weight = helper.make_tensor("w", TensorProto.FLOAT, layer.weight_shape, layer.weight_data().tobytes(), raw=True)
    graph = helper.make_graph(
        [convolution], "convolution", [helper.make_tensor_value_info("x", TensorProto.FLOAT, layer.input_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, layer.output_shape)], [weight])
    # Versions that every release of the last years reads, whichever onnx wrote the model.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def prepare(layer):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(make_model(layer).SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    x = onnxruntime.OrtValue.ortvalue_from_numpy(layer.input_data())
    y = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(layer.output_shape, np.float32))
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", x)
    binding.bind_ortvalue_output("y", y)
    return lambda: session.run_with_iobinding(binding), y.numpy, ""


THREADS = int(sys.argv[1])
worker.serve(onnxruntime.__version__, prepare)
