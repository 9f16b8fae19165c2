"""FlexTCN and CKCNN: residual networks for sequences, with kernels as long as the sequence.

FlexConv, arXiv 2110.08059, Tables 1 and 2, and CKConv, arXiv 2102.02611, and their codes. CKTCN is
FlexTCN with another operator.

Shapes: B batch, C channels, T time steps.
"""

from itertools import pairwise
from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures.arguments import (
    AdaptiveSize,
    check_axes,
    check_choice,
    check_count,
    check_flag,
    check_same_sides,
    check_share,
)
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

Norm = Literal["batch", "layer"]
Readout = Literal["last", "mean"]


def build_norm(norm: Norm, channels: int) -> nn.Module:
    """Return the normalisation of (B, C, T): over B and T, or for `layer` over C and T."""
    if norm == "batch":
        return nn.BatchNorm1d(channels)
    return nn.GroupNorm(1, channels, eps=1e-12)


class FlexTCNBlock(nn.Module):
    """Two convolutions beside a shortcut, each followed by norm, ReLU and dropout.

    Args:
        conv: Makes the two convolutions.
        in_channels: Channels of the input.
        out_channels: Channels of the output; where they differ the shortcut is a 1x1 convolution
            with bias, as torch initialises it.
        kernel_size: As the operator understands it.
        bias: Whether the two convolutions have one.
        dropout: Probability of dropping a value.
        norm: See `build_norm`.
    """

    def __init__(
        self,
        conv: ConvFactory,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | str,
        bias: bool,
        dropout: float,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, kernel_size, padding="same", bias=bias, dims=1)
        self.norm1 = build_norm(norm, out_channels)
        self.conv2 = conv(
            out_channels, out_channels, kernel_size, padding="same", bias=bias, dims=1
        )
        self.norm2 = build_norm(norm, out_channels)
        self.dropout = nn.Dropout(dropout)
        changes = in_channels != out_channels
        self.shortcut = nn.Conv1d(in_channels, out_channels, 1) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T) to (B, C', T).

        Raises:
            UnsupportedError: If the operator changes the number of steps.
        """
        shortcut = self.shortcut(x)
        out = self.dropout(F.relu(self.norm1(self.conv1(x))))
        out = self.dropout(F.relu(self.norm2(self.conv2(out))))
        check_same_sides(out, shortcut)
        return F.relu(out + shortcut)


class FlexTCN(nn.Module):
    """Residual blocks of one width, then a classifier of the last time step.

    All convolutions but the 1x1 of the shortcut are made by `conv`, the first and second of each
    block in turn, with padding `same`: an operator that is causal pads the past alone, others both
    ends. The classifier's weight is drawn from a normal of standard deviation 0.01 and its bias is
    zero, as in the paper's code; operators keep their own initialisation.

    Args:
        conv: Makes the convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the sequences.
        width: Channels of every block, >= 1; by default the paper's.
        kernel_size: Length of the kernels, or `same` (the length of the first input) or `full` for
            operators that know it.
        dropout: Probability of dropping a value after the ReLUs inside a block, < 1; the paper's is
            not published.
        dropout_in: Probability of dropping a value of the input, < 1.
        norm: `batch`, or `layer` over channels and steps of a sample, with an epsilon of 1e-12, as
            CKConv; by default the paper's. `layer` lets a step see later ones.
        readout: Whether the classifier sees the last step or the mean of all.
        bias: Whether the convolutions that `conv` makes have one.

    Attributes:
        num_blocks: Residual blocks.
        default_width: Channels of every block.
        default_norm: Normalisation of the paper.

    Shape:
        - input: (B, C, T)
        - output: (B, num_classes)

    Raises:
        ValueError: If an argument is out of range, or the operator does not know `kernel_size`.
    """

    num_blocks: ClassVar[int]
    default_width: ClassVar[int] = 30
    default_norm: ClassVar[Norm] = "batch"

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        width: int | None = None,
        kernel_size: int | AdaptiveSize = "same",
        dropout: float = 0.1,
        dropout_in: float = 0.0,
        norm: Norm | None = None,
        readout: Readout = "last",
        bias: bool = True,
    ) -> None:
        super().__init__()
        width = self.default_width if width is None else width
        norm = self.default_norm if norm is None else norm
        check_count("width", width)
        check_share("dropout", dropout)
        check_share("dropout_in", dropout_in)
        check_choice("norm", norm, Norm)
        check_choice("readout", readout, Readout)
        check_flag("bias", bias)
        self.dropout_in = nn.Dropout(dropout_in)
        self.blocks = nn.Sequential(
            *(
                FlexTCNBlock(
                    conv, *ends, kernel_size=kernel_size, bias=bias, dropout=dropout, norm=norm
                )
                for ends in pairwise([in_channels, *[width] * self.num_blocks])
            )
        )
        self.readout = readout
        self.classifier = nn.Linear(width, num_classes)
        nn.init.zeros_(self.classifier.bias)
        # Normal numbers for the meta device cost seconds of imports inside torch.
        if not self.classifier.weight.is_meta:
            nn.init.normal_(self.classifier.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T) to logits (B, num_classes)."""
        check_axes(x, "(B, C, T)")
        x = self.blocks(self.dropout_in(x))
        return self.classifier(x[:, :, -1] if self.readout == "last" else x.mean(2))


@ARCHITECTURES.register("flextcn2")
class FlexTCN2(FlexTCN):
    """FlexTCN with 2 residual blocks."""

    num_blocks = 2


@ARCHITECTURES.register("flextcn4")
class FlexTCN4(FlexTCN):
    """FlexTCN with 4 residual blocks."""

    num_blocks = 4


@ARCHITECTURES.register("flextcn6")
class FlexTCN6(FlexTCN):
    """FlexTCN with 6 residual blocks."""

    num_blocks = 6


@ARCHITECTURES.register("ckcnn2")
class CKCNN2(FlexTCN):
    """CKCNN with 2 residual blocks of 30 channels."""

    num_blocks = 2
    default_norm = "layer"


@ARCHITECTURES.register("ckcnn2_big")
class CKCNN2Big(CKCNN2):
    """CKCNN with 2 residual blocks of 100 channels."""

    default_width = 100
