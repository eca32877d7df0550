"""MONAI's UNet over a volume by sliding windows, its convolutions clconv's: monai_sliding_window.py.

All windows have one size, so each layer has one plan.
"""
import copy

import torch
from monai.inferers import sliding_window_inference
from monai.networks.nets import UNet

import clconv.torch


def main(size=48, window=32):
    torch.manual_seed(0)
    net = UNet(spatial_dims=3, in_channels=1, out_channels=2, channels=(8, 16, 32), strides=(2, 2), num_res_units=1).eval()
    ours = clconv.torch.replace_conv3d(copy.deepcopy(net))
    print(ours.clconv_report)
    volume = torch.randn(1, 1, size, size, size)
    with torch.no_grad():
        return [sliding_window_inference(volume, (window,) * 3, 2, model, overlap=0.25, mode="gaussian") for model in (net, ours)]


if __name__ == "__main__":
    right, made = main()
    print("largest difference from torch:", float((made - right).abs().max()))
