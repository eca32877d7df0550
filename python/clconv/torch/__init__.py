"""Conv3d and ConvTranspose3d of PyTorch's tensors on the CPU, computed by clconv, with autograd.

The arrays of tensors are used where they lie. What clconv does not take (other types, other devices) is computed by torch.
"""
from .modules import Conv3d, ConvTranspose3d
from .ops import conv3d, conv_transpose3d
from .replace import Replacement, fuse_inference, replace_conv3d, revert_conv3d, warmup

__all__ = ["Conv3d", "ConvTranspose3d", "Replacement", "conv3d", "conv_transpose3d", "fuse_inference", "replace_conv3d",
           "revert_conv3d", "warmup"]
