"""One convolution as a network, for suites that measure time and memory.

Shapes: B batch, C channels, S the spatial sides.
"""

from typing import ClassVar

from torch import Tensor, nn

from kbench.architectures.arguments import AdaptiveSize, check_count, check_flag
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES


class SingleLayer(nn.Module):
    """One convolution that `conv` makes, then the mean over pixels and a classifier, or nothing.

    The dataset's samples give channels and sides of the input.

    Args:
        conv: Makes the convolution.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the input.
        out_channels: Channels of the convolution's output; None is as many as of the input.
        kernel_size: Side of the kernel, or `same` (the side of the first input) or `full` for
            operators that know it.
        stride: Distance between output positions, >= 1.
        padding: Pixels added at each side; None keeps the sides at stride 1, and is half the kernel
            (rounded down) at another stride.
        depthwise: Whether the convolution has as many groups as input channels.
        bias: Whether the convolution has one.
        pooled: Whether mean and classifier follow; without, the output is that of the convolution.

    Attributes:
        dims: Number of spatial axes.

    Shape:
        - input: (B, C, *S)
        - output: (B, num_classes), or (B, out_channels, *S')

    Raises:
        ValueError: If an argument is out of range.
        UnsupportedError: If the operator has no such form.
    """

    dims: ClassVar[int]

    def __init__(
        self,
        conv: ConvFactory,
        num_classes: int,
        in_channels: int,
        *,
        out_channels: int | None = None,
        kernel_size: int | AdaptiveSize = 3,
        stride: int = 1,
        padding: int | None = None,
        depthwise: bool = False,
        bias: bool = False,
        pooled: bool = True,
    ) -> None:
        super().__init__()
        outputs = in_channels if out_channels is None else out_channels
        check_count("out_channels", outputs)
        check_count("stride", stride)
        for name, flag in (("depthwise", depthwise), ("bias", bias), ("pooled", pooled)):
            check_flag(name, flag)
        is_same = stride == 1 or isinstance(kernel_size, str)
        natural = "same" if is_same else int(kernel_size) // 2
        self.conv = conv(
            in_channels,
            outputs,
            kernel_size,
            stride=stride,
            padding=natural if padding is None else padding,
            groups=in_channels if depthwise else 1,
            bias=bias,
            dims=self.dims,
        )
        self.classifier = nn.Linear(outputs, num_classes) if pooled else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, *S) to logits (B, num_classes), or to (B, out_channels, *S')."""
        y: Tensor = self.conv(x)
        return y if self.classifier is None else self.classifier(y.flatten(2).mean(2))


@ARCHITECTURES.register("layer")
class Layer(SingleLayer):
    """One convolution of images, with or without a classifier."""

    dims = 2


@ARCHITECTURES.register("layer1d")
class Layer1d(SingleLayer):
    """One convolution of sequences, with or without a classifier."""

    dims = 1
