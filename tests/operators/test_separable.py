"""Separable convolution against its literal form and the counts of NIFF's section 5.1."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kbench.operators import build_operator
from kbench.operators.geometry import CONVOLUTIONS


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("channels", "kernel_size", "groups"),
    [((6, 8), 3, 1), ((6, 8), (3, 5), 2), ((6, 6), 5, 6), ((6, 8), 1, 1), ((6, 12), 3, 6)],
    ids=["dense", "grouped", "depthwise", "pointwise", "multiplier"],
)
def test_equals_the_plain_convolution_with_the_product_of_both_stages(
    channels, kernel_size, groups
) -> None:
    arguments = {"stride": 2, "padding": 1, "groups": groups}
    module = build_operator("separable", *channels, kernel_size, **arguments)
    x = torch.randn(2, channels[0], 9, 10)
    bias = next(p for name, p in module.named_parameters() if name.endswith("bias"))
    expected = F.conv2d(x, module.effective_kernel(), bias, 2, 1, 1, groups)
    # Two convolutions round differently from one.
    torch.testing.assert_close(module(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dims", [1, 2])
def test_is_a_convolution_of_each_channel_and_a_mixture(dims) -> None:
    module = build_operator("separable", 4, 6, 3, padding=1, bias=False, dims=dims)
    first, second = module.depthwise.weight, module.pointwise.weight
    x = torch.randn(2, 4, *(7, 8)[:dims])
    convolution = CONVOLUTIONS[dims]
    expected = convolution(convolution(x, first, padding=1, groups=4), second)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("channels", "options", "parts"),
    [
        ((8, 8), {"kernel_size": 3, "groups": 8}, (True, False)),
        ((8, 4), {"kernel_size": 1}, (False, True)),
        ((8, 4), {"kernel_size": 3}, (True, True)),
        ((1, 1), {"kernel_size": 3}, (True, False)),
    ],
    ids=["depthwise", "pointwise", "dense", "one-channel"],
)
def test_what_cannot_be_factorised_has_one_stage(channels, options, parts) -> None:
    module = build_operator("separable", *channels, **options)
    assert (module.depthwise is not None, module.pointwise is not None) == parts
    plain = nn.Conv2d(*channels, **options)
    if not all(parts):
        assert count(module) == count(plain)


def test_has_as_many_weights_as_the_split_form_without_its_networks() -> None:
    # Section 5.1: split is 120 + 10 I + I O, separable is that minus 120 + I.
    sizes = {"in_channels": 64, "out_channels": 128, "kernel_size": 3, "bias": False}
    split = build_operator("niff", padding=1, form="split", **sizes)
    module = build_operator("separable", padding=1, **sizes)
    assert (count(split), count(module)) == (120 + 640 + 8192, 576 + 8192)


@pytest.mark.parametrize(
    ("init", "depthwise", "pointwise"),
    [
        # Bounds of torch over sqrt(3): 1 / sqrt(9 3) and 1 / sqrt(128 3).
        ("uniform", 27**-0.5, 384**-0.5),
        ("normal_fan_in", (2 / 9) ** 0.5, (2 / 128) ** 0.5),
        ("normal_fan_out", (2 / (128 * 9)) ** 0.5, (2 / 256) ** 0.5),
    ],
)
def test_both_stages_start_as_said(init, depthwise, pointwise) -> None:
    module = build_operator("separable", 128, 256, 3, init=init)
    # Four standard errors of 1152 weights: 4 / sqrt(2 1152) = 8.3 %.
    assert module.depthwise.weight.std().item() == pytest.approx(depthwise, rel=0.083)
    assert module.pointwise.weight.std().item() == pytest.approx(pointwise, rel=0.02)


def test_refuses_unknown_init() -> None:
    expected = r"init \(='zeros'\) must be one of \['uniform', 'normal_fan_in', 'normal_fan_out'\]"
    with pytest.raises(ValueError, match=expected):
        build_operator("separable", 2, 3, 3, init="zeros")
