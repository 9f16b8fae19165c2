"""The grid on which a kernel function is sampled: how many taps, how much padding.

Shapes: D axes, K kernel side.
"""

from dataclasses import replace
from typing import ClassVar

from torch import Tensor, nn

from kbench.errors import UnsupportedError
from kbench.operators.flexconv_options import CKConvOptions
from kbench.operators.geometry import Geometry


class SampledKernel(nn.Module):
    """A layer whose kernel is a function of the coordinate, sampled at K taps of every axis.

    Attributes:
        options: Options of the layer.
        geometry: Arguments of the convolution for the present K.
        kernel_size: What was asked for: a number, or a word that makes K follow the input.
        kernel_scale: Factor of the kernel.
        keeps_size: Whether the padding follows K.
        is_causal: Whether all padding lies before the input.
        size: K, once it is known.
        train_length: (1), K as it is stored with the parameters; 0 while it is not known.
    """

    dims: ClassVar[int]
    options: CKConvOptions
    geometry: Geometry
    kernel_size: int | str
    kernel_scale: float
    keeps_size: bool
    is_causal: bool
    size: int | None
    train_length: Tensor

    def check_causal(self) -> None:
        """Refuse a causal layer of more than one axis, or with padding of its own.

        Raises:
            UnsupportedError: Names the options.
        """
        if self.dims > 1 and (self.is_causal or self.options.causal_center):
            message = "causal (=True) and causal_center (=True) exist in 1-D only"
            raise UnsupportedError(message)
        if self.is_causal and not (self.keeps_size and self.geometry.padding_mode == "zeros"):
            message = (
                "causal (=True) pads zeros before the start: padding must be None or 'same', "
                "padding_mode 'zeros'"
            )
            raise UnsupportedError(message)

    def set_size(self, size: int) -> None:
        """Set K, and the padding where it follows from K."""
        self.size = size
        self.train_length.fill_(size)
        padding = self.geometry.padding
        if self.keeps_size:
            totals = [(size - 1) * step for step in self.geometry.dilation]
            before = [total if self.is_causal else total // 2 for total in totals]
            after = [0 if self.is_causal else total - total // 2 for total in totals]
            padding = tuple(zip(before, after, strict=True))
        self.geometry = replace(self.geometry, kernel_size=(size,) * self.dims, padding=padding)

    def size_for(self, side: int) -> int:
        """Return K for an input side, or for a kernel size where that was given."""
        size = 2 * side - 1 if self.kernel_size == "full" else side
        size += self.dims > 1 and size % 2 == 0
        if size < 2:
            message = f"kernel_size (={self.kernel_size!r}) needs a side of at least 2, got {side}"
            raise ValueError(message)
        return size

    def set_resolution(self, n_or_k: int, kernel_scale: float = 1.0) -> None:
        """Sample the same kernel function on another grid (FlexConv, section 3.4).

        Args:
            n_or_k: Input side for `same` and `full`, else K; an even K grows by one in 2-D.
            kernel_scale: Factor of the kernel: (source side / target side) ** D.

        Raises:
            ValueError: If a value is out of range.
        """
        replace(self.options, kernel_scale=kernel_scale)
        self.set_size(self.size_for(n_or_k))
        self.kernel_scale = kernel_scale

    def change_resolution(self, source: int, target: int) -> None:
        """Sample the same kernel function for inputs of another side (FlexConv, section 3.4).

        The kernel is multiplied by (source / target) ** D. K is resolved anew at the next input if
        it was given as a word; a number that covers the source's side is made to cover the
        target's, and another one grows as the sides do. Padding that kept the sides still does.

        Args:
            source: Side of the inputs so far.
            target: Side of the inputs from now on.
        """
        self.kernel_scale *= (source / target) ** self.dims
        if isinstance(self.kernel_size, str):
            self.size = None
            self.train_length.zero_()
            return
        old, odd = self.kernel_size, self.dims > 1
        covers = old == source + (odd and source % 2 == 0)
        size = target if covers else round((old - 1) * target / source) + 1
        size += odd and size % 2 == 0
        taps = zip(self.geometry.padding, self.geometry.dilation, strict=True)
        is_kept = all(pair == (step * (old - 1) // 2,) * 2 for pair, step in taps)
        self.keeps_size = self.keeps_size or is_kept
        self.kernel_size = size
        self.set_size(size)

    def known_size(self) -> int:
        """Return K.

        Raises:
            RuntimeError: If it depends on the input and none was seen.
        """
        if self.size is None:
            message = f"kernel_size (={self.kernel_size!r}) is not known before the first forward"
            raise RuntimeError(message)
        return self.size
