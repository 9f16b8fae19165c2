"""What the benchmark of operators measures: named sets of shapes, variants of every operator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn

from kbench.bench.literal import literal_form
from kbench.errors import UnsupportedError
from kbench.operators import build_operator
from kbench.operators.geometry import PLAIN_MODULES

ShapeSet = Literal["cifar", "imagenet", "1d"]


@dataclass(frozen=True)
class Shape:
    """Shape of one map: as many channels out as in.

    Attributes:
        channels: I = O.
        sides: Spatial sides, one or two.
    """

    channels: int
    sides: tuple[int, ...]

    def __str__(self) -> str:
        return "x".join(map(str, self.input_shape))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return (I, *S)."""
        return (self.channels, *self.sides)

    @property
    def dims(self) -> int:
        """Return the number of spatial axes."""
        return len(self.sides)


SHAPE_SETS: Mapping[ShapeSet, tuple[Shape, ...]] = {
    "cifar": (Shape(16, (32, 32)), Shape(32, (16, 16)), Shape(64, (8, 8))),
    "imagenet": (
        Shape(64, (56, 56)),
        Shape(128, (28, 28)),
        Shape(256, (14, 14)),
        Shape(512, (7, 7)),
    ),
    "1d": (Shape(32, (784,)), Shape(32, (1000,)), Shape(32, (16_000,))),
}


@dataclass(frozen=True)
class Variant:
    """One way of using an operator, in place of a plain convolution that keeps the sides.

    Attributes:
        label: What tells it from the operator's other variants.
        kernel_size: Of the operator, and of the plain convolution that it replaces.
        options: The operator's own.
        is_depthwise: Whether there are as many groups as channels.
    """

    label: str = ""
    kernel_size: int | str = 3
    options: Mapping[str, Any] = field(default_factory=dict)
    is_depthwise: bool = False

    def build(self, operator: str, shape: Shape) -> nn.Module:
        """Return the operator, as `build_same` makes it.

        Raises:
            UnknownNameError: If there is no such operator.
            UnsupportedError: If it has no such form.
        """
        groups = shape.channels if self.is_depthwise else 1
        return build_same(operator, shape.input_shape, self.kernel_size, groups, **self.options)

    def plain(self, shape: Shape) -> nn.Module:
        """Return the plain convolution that the operator replaces."""
        kernel_size = 3 if isinstance(self.kernel_size, str) else self.kernel_size
        channels, groups = shape.channels, shape.channels if self.is_depthwise else 1
        convolution = PLAIN_MODULES[shape.dims]
        return convolution(
            channels, channels, kernel_size, padding=kernel_size // 2, groups=groups, bias=False
        )


# Kernel sizes and options of the papers' main results; what has no line is measured at 3 taps.
VARIANTS: Mapping[str, tuple[Variant, ...]] = {
    "circular": (Variant("k=5", 5),),
    "ckconv": (Variant("k=same", "same"),),
    "flexconv": (Variant("k=same", "same"),),
    "gmconv": (
        Variant("static k=3"),
        Variant("static k=5", 5),
        Variant("dynamic k=3", options={"variant": "dynamic"}),
    ),
    "lc": (
        Variant("E=8", options={"expansion": 8}),
        Variant("E=128", options={"expansion": 128}),
    ),
    "niff": (
        Variant("split", options={"form": "split"}),
        Variant("depthwise k=7", 7, is_depthwise=True),
        Variant("full", options={"form": "full"}),
        Variant("k=1", 1),
    ),
    "njet": (
        Variant("sigma=1"),
        Variant("sigma=2", options={"sigma_init": 2.0}),
    ),
}


def variants_of(operator: str) -> tuple[Variant, ...]:
    """Return what is measured of an operator, kbench's own or another."""
    return VARIANTS.get(operator, (Variant("k=3"),))


def build_same(
    operator: str,
    input_shape: tuple[int, ...],
    kernel_size: Any,  # noqa: ANN401 - a side, or what the operator takes besides
    groups: int = 1,
    **options: Any,  # noqa: ANN401 - the operator's own
) -> nn.Module:
    """Return an operator that keeps channels and sides, without bias.

    Sizes that the operator takes from its input are known already.

    Raises:
        UnknownNameError: If there is no such operator or option.
        UnsupportedError: If the operator has no such form.
    """
    channels, *sides = input_shape
    given = {"dims": len(sides), "padding": "same", "groups": groups, "bias": False, **options}
    module = build_operator(operator, channels, channels, kernel_size, **given)
    if isinstance(kernel_size, str):
        with torch.no_grad():
            module(torch.zeros(1, *input_shape))
    return module


def build_forms(operator: str, variant: Variant, shape: Shape) -> dict[str, nn.Module]:
    """Return the forms `operator`, `plain` and, where there is one, `literal`.

    The plain convolution is the operator's own `fold()` if it has one, so that both apply kernels
    of the same size; else it is the one that the operator replaces.

    Raises:
        UnknownNameError: If there is no such operator.
        UnsupportedError: If the operator has no such form.
    """
    module = variant.build(operator, shape)
    forms = {"operator": module, "plain": _folded(module) or variant.plain(shape)}
    literal = literal_form(operator, module)
    return forms if literal is None else {**forms, "literal": literal}


def _folded(module: nn.Module) -> nn.Module | None:
    fold = getattr(module, "fold", None)
    if fold is None:
        return None
    try:
        return fold()
    except UnsupportedError:
        return None


def kernel_text(module: nn.Module) -> str:
    """Return the sides of the kernel of a plain convolution."""
    for part in module.modules():
        if isinstance(part, nn.Conv1d | nn.Conv2d):
            return "x".join(map(str, part.kernel_size))
    return ""
