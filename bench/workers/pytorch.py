"""The worker of PyTorch, on the CPU: `plain` is torch.nn.functional.conv3d, which lays out the weights in each call;
`packed` is PyTorch's oneDNN module, whose weights are packed beforehand, the conversion of its output timed."""
import sys

import torch
import torch.utils.mkldnn

import worker


def prepare(layer):
    x = torch.from_numpy(layer.input_data())
    convolution = torch.nn.Conv3d(layer.in_channels, layer.out_channels, tuple(layer.kernel), tuple(layer.stride),
                                  tuple(layer.padding), tuple(layer.dilation), layer.groups, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.from_numpy(layer.weight_data()))
    y = None

    def run_plain():
        nonlocal y
        y = convolution(x)

    def run_packed():
        nonlocal y
        y = packed(x.to_mkldnn()).to_dense()

    if VARIANT == "packed":
        packed = torch.utils.mkldnn.to_mkldnn(convolution.eval())
    return run_packed if VARIANT == "packed" else run_plain, lambda: y.numpy(), VARIANT


VARIANT = sys.argv[1]
torch.set_num_threads(int(sys.argv[2]))
with torch.no_grad():
    worker.serve(torch.__version__, prepare)
