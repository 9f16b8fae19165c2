"""Arguments of a convolution with which operators are tried.

Shapes: B batch, I input channels, S spatial sides.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from kbench.operators.geometry import PADDING_MODES, PLAIN_MODULES, Padding, Size

SIDES = {1: (11,), 2: (11, 10)}
SMALL_SIDES = {1: (5,), 2: (4, 5)}
TORCH_ARGUMENTS = ("stride", "padding", "dilation", "groups", "bias")
KERNELS: dict[int, tuple[Size, ...]] = {1: (1, 2, 3, (4,)), 2: (1, 2, 3, (4, 3))}
STRIDES: dict[int, tuple[Size, ...]] = {1: (1, 2, (3,)), 2: (1, 2, (2, 1))}
PADDINGS: dict[int, tuple[Padding, ...]] = {
    1: (0, 1, (2,), "same", "valid"),
    2: (0, 1, (2, 1), "same", "valid"),
}


@dataclass(frozen=True)
class Case:
    """One choice of arguments, as for `torch.nn.ConvNd`.

    Attributes:
        dims: Number of spatial axes, 1 or 2.
        padding_mode: An option of operators; given to them only where it is not `zeros`.
    """

    dims: int
    in_channels: int = 4
    out_channels: int = 6
    kernel_size: Size = 3
    stride: Size = 1
    padding: Padding = "same"
    dilation: Size = 1
    groups: int = 1
    bias: bool = True
    padding_mode: str = "zeros"

    @property
    def label(self) -> str:
        """Return the arguments that are not the usual ones, and the kernel's size."""
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if field.name == "kernel_size" or getattr(self, field.name) != field.default
        ]
        return " ".join(shown[1:])

    @property
    def sizes(self) -> tuple[int, int, Size]:
        """Return the positional arguments."""
        return self.in_channels, self.out_channels, self.kernel_size

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments."""
        given = {name: getattr(self, name) for name in TORCH_ARGUMENTS}
        is_usual = self.padding_mode == "zeros"
        return given if is_usual else {**given, "padding_mode": self.padding_mode}

    def plain(self) -> nn.Module:
        """Return the convolution of torch with these arguments."""
        return PLAIN_MODULES[self.dims](*self.sizes, **self.arguments)

    def input(
        self,
        batch: int = 2,
        sides: tuple[int, ...] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Return normal numbers (B, I, *S), the same at each call."""
        shape = (batch, self.in_channels, *(sides or SIDES[self.dims]))
        generator = torch.Generator().manual_seed(0)
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def usual_cases(dims: int) -> list[Case]:
    """Return a dense, a strided, a grouped, a depthwise and an even-sized convolution."""
    base = Case(dims)
    return [
        base,
        replace(base, stride=2, padding=1),
        replace(base, groups=2, bias=False),
        replace(base, out_channels=4, groups=4),
        replace(base, kernel_size=4, dilation=2),
    ]


def first_case(dims: int) -> list[Case]:
    """Return the dense convolution, and the depthwise one for operators that refuse it."""
    return [Case(dims), Case(dims, out_channels=4, groups=4)]


def shape_cases(dims: int) -> list[Case]:
    """Return a grid of everything that changes the output's shape."""
    return list(_shape_cases(Case(dims)))


def _shape_cases(base: Case) -> Iterator[Case]:
    dims = base.dims
    spatial = product(KERNELS[dims], STRIDES[dims], PADDINGS[dims], (1, 2))
    for kernel_size, stride, padding, dilation in spatial:
        if padding != "same" or stride == 1:
            changes: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
            yield replace(base, kernel_size=kernel_size, **changes)
    for (groups, outputs), bias, stride in product(
        ((1, 6), (2, 6), (4, 4), (4, 8)), (0, 1), (1, 2)
    ):
        changes = {"out_channels": outputs, "stride": stride, "padding": 1, "bias": bool(bias)}
        yield replace(base, groups=groups, **changes)
    paddings: tuple[Padding, ...] = (1, "same")
    for mode, padding, kernel_size in product(PADDING_MODES, paddings, (3, 4)):
        if mode != "zeros":
            yield replace(base, kernel_size=kernel_size, padding=padding, padding_mode=mode)


def wrong_cases(dims: int) -> list[Case]:
    """Return arguments that are out of range."""
    base = Case(dims)
    wrong: list[dict[str, Any]] = [
        {"groups": 3},
        {"groups": 4},
        {"groups": 0},
        {"in_channels": 0},
        {"out_channels": 0},
        {"kernel_size": 0},
        {"stride": 0, "padding": 1},
        {"dilation": 0},
        {"padding": -1},
        {"padding": "some"},
        {"padding_mode": "some"},
    ]
    return [replace(base, **changes) for changes in wrong]
