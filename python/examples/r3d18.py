"""torchvision's r3d_18 on a clip, with its convolutions replaced and with all that follows them fused: r3d18.py [SIZE]."""
import copy
import sys
import warnings

import torch

import clconv.torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of parts of torchvision that want libraries of their own
    from torchvision.models.video import r3d_18


def main(frames=16, size=112):
    torch.manual_seed(0)
    model = r3d_18().eval()  # random weights
    clip = torch.randn(1, 3, frames, size, size)
    replaced = clconv.torch.replace_conv3d(copy.deepcopy(model))
    print("replaced:", replaced.clconv_report)
    fused = clconv.torch.fuse_inference(model)
    print("fused:", fused.clconv_report)
    with torch.no_grad():
        return model(clip), replaced(clip), fused(clip)


if __name__ == "__main__":
    right, *ours = main(size=int(sys.argv[1]) if len(sys.argv) > 1 else 112)
    print("largest difference from torch:", *(float((y - right).abs().max()) for y in ours))
