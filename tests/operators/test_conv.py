import pytest
import torch
from torch import nn

from kbench.errors import UnknownNameError, UnsupportedError
from kbench.operators import build_operator
from kbench.operators.conv import Conv1d, Conv2d
from kbench.registry import OPERATORS

PLAIN = {1: nn.Conv1d, 2: nn.Conv2d}
CASES = [
    (1, {"kernel_size": 3, "stride": 2, "padding": 1}),
    (1, {"kernel_size": (5,), "dilation": 2, "groups": 2, "bias": False}),
    (2, {"kernel_size": 3, "padding": "same", "groups": 4}),
    (2, {"kernel_size": (1, 3), "stride": (2, 1), "padding": (0, 1)}),
]


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(("dims", "arguments"), CASES, ids=str)
def test_is_torch_convolution_bit_for_bit(
    dims: int, arguments: dict[str, object], padding_mode: str
) -> None:
    arguments = {**arguments, "padding_mode": padding_mode}
    torch.manual_seed(0)
    plain = PLAIN[dims](4, 8, **arguments)
    torch.manual_seed(0)
    module = build_operator("conv", 4, 8, dims=dims, **arguments)
    x = torch.randn(2, 4, *(9, 8)[:dims])
    torch.testing.assert_close(module.state_dict(), plain.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(module(x), plain(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("kernel_size", "learnable"), [(3, False), ((1, 3), False), (1, True), ((1, 1), True)], ids=str
)
def test_frozen_concerns_spatial_kernels_only(kernel_size: object, learnable: bool) -> None:
    module = Conv2d(2, 3, kernel_size, frozen=True)
    assert module.weight.requires_grad is learnable
    assert module.bias.requires_grad
    assert Conv2d(2, 3, kernel_size).weight.requires_grad


def test_frozen_one_dimension() -> None:
    assert not Conv1d(2, 3, 3, frozen=True).weight.requires_grad
    assert Conv1d(2, 3, 1, frozen=True).weight.requires_grad


@pytest.mark.parametrize(("init", "deviation"), [("uniform", 1 / 27), ("normal_fan_out", 1 / 12)])
def test_init(init: str, deviation: float) -> None:
    # LC, section 2.3, of 27 x 9 inputs: a / sqrt(3) with a = 1 / sqrt(243); sqrt(2 / (32 9)).
    torch.manual_seed(0)
    weight = Conv2d(27, 32, 3, init=init).weight
    # Four standard errors: 4 / sqrt(2 7776) = 3.2 %.
    assert weight.std().item() == pytest.approx(deviation, rel=0.032)


def test_refuses_unknown_init() -> None:
    with pytest.raises(
        ValueError, match=r"init \(='zeros'\) must be 'uniform' or 'normal_fan_out'"
    ):
        Conv2d(2, 3, 3, init="zeros")


def test_refuses_unknown_option() -> None:
    with pytest.raises(UnknownNameError, match=r"operator 'conv' has no option 'expansion'"):
        build_operator("conv", 2, 3, 3, expansion=2)


@pytest.mark.parametrize("dims", [0, 3])
def test_build_operator_refuses_dims(dims: int) -> None:
    with pytest.raises(ValueError, match=rf"dims \(={dims}\) must be 1 or 2"):
        build_operator("conv", 2, 3, 3, dims=dims)


def test_build_operator_names_operators_with_a_line_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATORS._entries, "flat", Conv2d)
    with pytest.raises(UnsupportedError, match=r"'flat' has no 1-D form; with one: .*conv"):
        build_operator("flat", 2, 3, 3, dims=1)


@pytest.mark.parametrize(
    "wrong", ["in_channels", "out_channels", "kernel_size", "stride", "dilation"]
)
def test_refuses_sizes_of_zero(wrong: str) -> None:
    sizes = {"in_channels": 2, "out_channels": 2, "kernel_size": 3, wrong: 0}
    with pytest.raises(ValueError, match=rf"{wrong} \(=0\) must be an integer >= 1"):
        Conv2d(**sizes)


@pytest.mark.parametrize(
    ("kernel_size", "dilation"), [(3, (6, 6)), (5, (3, 3)), ((3, 7), (6, 2))], ids=str
)
def test_reach_is_reached_by_dilation_of_the_same_weights(
    kernel_size: object, dilation: tuple[int, int]
) -> None:
    common = Conv2d(4, 6, kernel_size, groups=2)
    module = common.with_reach(6)
    x = torch.randn(2, 4, 9, 14)
    expected = nn.functional.conv2d(x, common.weight, common.bias, 1, 6, dilation, 2)
    assert (module.weight is common.weight, module.bias is common.bias) == (True, True)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=0)


@pytest.mark.parametrize(("kernel_size", "reach"), [(5, 3), (4, 6), (1, 1), (3, 0)], ids=str)
def test_refuses_a_reach_that_no_dilation_gives(kernel_size: int, reach: int) -> None:
    expected = rf"kernel_size \(=\({kernel_size}, {kernel_size}\)\) cannot reach {reach} pixels"
    with pytest.raises(ValueError, match=expected):
        Conv2d(2, 2, kernel_size).with_reach(reach)
