"""The modules: torch's own but for the function that computes. They hold settings alone, so state_dict, pickle, deepcopy, hooks and
optimizers are those of torch."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from . import ops

Tensor = Any


class ConvolveByClconv:
    """Overrides ``_conv_forward`` of Conv3d and its subclasses."""

    def _conv_forward(self: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return ops.conv3d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups,
                          padding_mode=self.padding_mode)


class TransposeByClconv:
    """Overrides ``forward`` of ConvTranspose3d and its subclasses."""

    def forward(self: Any, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        more = self._output_padding(input, output_size, self.stride, self.padding, self.kernel_size, 3, self.dilation)
        return ops.conv_transpose3d(input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)


class Conv3d(ConvolveByClconv, torch.nn.Conv3d):  # type: ignore[misc]
    """``torch.nn.Conv3d`` by clconv.

    Examples
    --------
    >>> import torch, clconv.torch
    >>> layer = clconv.torch.Conv3d(1, 4, 3, padding=1, padding_mode="reflect")
    >>> layer(torch.zeros(2, 1, 5, 6, 7)).shape
    torch.Size([2, 4, 5, 6, 7])
    """


class ConvTranspose3d(TransposeByClconv, torch.nn.ConvTranspose3d):  # type: ignore[misc]
    """``torch.nn.ConvTranspose3d`` by clconv."""
