import pytest
import torch
from torch import nn

from kbench.operators.geometry import AsymmetricPad, Geometry

PLAIN = {1: nn.Conv1d, 2: nn.Conv2d}
MODES = pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
# torch warns that it copies the input, which is no concern of the comparison.
IGNORE_COPY = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


CASES = [
    (1, {"kernel_size": 3}),
    (1, {"kernel_size": 4, "stride": 2, "padding": 3}),
    (1, {"kernel_size": (3,), "padding": (2,), "dilation": 2, "groups": 2}),
    (1, {"kernel_size": 4, "padding": "same"}),
    (1, {"kernel_size": 3, "padding": "valid", "stride": 3}),
    (2, {"kernel_size": 3, "padding": 1}),
    (2, {"kernel_size": (2, 3), "stride": (2, 1), "padding": (0, 2), "dilation": (2, 1)}),
    (2, {"kernel_size": 3, "padding": "same", "dilation": 2, "groups": 4}),
    (2, {"kernel_size": (4, 3), "padding": "same"}),
    (2, {"kernel_size": 2, "padding": "same", "dilation": 3}),
    (2, {"kernel_size": 5, "padding": "valid", "groups": 2}),
]


@IGNORE_COPY
@MODES
@pytest.mark.parametrize(("dims", "arguments"), CASES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_convolves_as_torch(
    dims: int, arguments: dict[str, object], padding_mode: str, bias: bool
) -> None:
    plain = PLAIN[dims](4, 8, **arguments, bias=bias, padding_mode=padding_mode).double()
    geometry = Geometry.of(4, 8, **arguments, dims=dims, padding_mode=padding_mode)
    x = torch.randn(2, 4, *(9, 8)[:dims], dtype=torch.float64)
    expected = plain(x)
    assert geometry.weight_shape == plain.weight.shape
    assert geometry.fan_in == plain.weight[0].numel()
    assert geometry.num_taps == plain.weight[0, 0].numel()
    found = geometry.convolve(x, plain.weight, plain.bias)
    # Float64: sums in another order differ by rounding only.
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    owned = geometry.plain(plain.weight, plain.bias)
    torch.testing.assert_close(owned(x), expected, rtol=1e-12, atol=1e-12)


@IGNORE_COPY
@MODES
@pytest.mark.parametrize("kernel_size", [2, 3, 4], ids=str)
def test_pad_is_what_a_delta_kernel_sees(kernel_size: int, padding_mode: str) -> None:
    arguments = {"padding": "same", "padding_mode": padding_mode}
    geometry = Geometry.of(1, 1, kernel_size, dims=1, **arguments)
    x = torch.randn(1, 1, 7)
    padded = geometry.pad(x)
    assert padded.shape[-1] == 7 + kernel_size - 1
    for tap in range(kernel_size):
        delta = torch.zeros(1, 1, kernel_size)
        delta[..., tap] = 1
        plain = nn.Conv1d(1, 1, kernel_size, bias=False, **arguments)
        plain.weight = nn.Parameter(delta)
        torch.testing.assert_close(padded[..., tap : tap + 7], plain(x), rtol=0, atol=0)


def test_pad_without_padding_is_the_input() -> None:
    x = torch.randn(1, 1, 5)
    assert Geometry.of(1, 1, 3, dims=1).pad(x) is x


def test_convolve_takes_other_kernels_than_its_own() -> None:
    geometry = Geometry.of(4, 8, 3, padding=1, groups=2, dims=2)
    x, weight = torch.randn(1, 4, 6, 6), torch.randn(6, 2, 1, 1)
    plain = nn.Conv2d(4, 6, 1, padding=1, groups=2, bias=False)
    plain.weight = nn.Parameter(weight)
    torch.testing.assert_close(geometry.convolve(x, weight), plain(x))


def test_plain_owns_its_weight() -> None:
    weight, bias = torch.randn(2, 3, 3, 3, dtype=torch.float64), torch.randn(2)
    module = Geometry.of(3, 2, 3, dims=2).plain(weight, bias)
    assert type(module) is nn.Conv2d
    assert module.weight.dtype == torch.float64
    weight.zero_()
    assert module.weight.abs().sum() > 0


def test_plain_pads_before_the_convolution_where_torch_cannot() -> None:
    module = Geometry.of(1, 1, 4, padding="same", dims=2).plain(torch.zeros(1, 1, 4, 4), None)
    assert [type(part) for part in module] == [AsymmetricPad, nn.Conv2d]


def test_sizes_become_tuples() -> None:
    geometry = Geometry.of(4, 8, 3, 2, 1, 2, 4, dims=2)
    assert (geometry.kernel_size, geometry.stride, geometry.dilation) == ((3, 3), (2, 2), (2, 2))
    assert geometry.padding == ((1, 1), (1, 1))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"in_channels": 0}, r"in_channels \(=0\) must be an integer >= 1"),
        ({"out_channels": 2.0}, r"out_channels \(=2.0\) must be an integer >= 1"),
        ({"groups": 0}, r"groups \(=0\) must be an integer >= 1"),
        ({"groups": True}, r"groups \(=True\) must be an integer >= 1"),
        ({"groups": 3}, r"in_channels \(=4\) must be divisible by groups \(=3\)"),
        ({"groups": 4, "out_channels": 6}, r"out_channels \(=6\) must be divisible by groups"),
        ({"padding_mode": "same"}, r"padding_mode \(='same'\) must be one of \['zeros', 'reflect'"),
        ({"kernel_size": 0}, r"kernel_size \(=0\) must be an integer >= 1, or 2 of them"),
        ({"kernel_size": (3,)}, r"kernel_size \(=\(3,\)\) must be an integer >= 1, or 2 of them"),
        ({"kernel_size": (3, 1.5)}, r"kernel_size \(=\(3, 1.5\)\) must be an integer >= 1"),
        (
            {"kernel_size": "same"},
            r"kernel_size \(='same'\) must be .*; this operator knows no word",
        ),
        ({"stride": 0}, r"stride \(=0\) must be an integer >= 1, or 2 of them"),
        ({"dilation": (1, 0)}, r"dilation \(=\(1, 0\)\) must be an integer >= 1, or 2 of them"),
        ({"padding": -1}, r"padding \(=-1\) must be an integer >= 0, or 2 of them"),
        ({"padding": (1, 1, 1)}, r"padding \(=\(1, 1, 1\)\) must be an integer >= 0, or 2 of them"),
        ({"padding": "full"}, r"padding \(='full'\) must be an integer, a tuple, 'same' or"),
        ({"padding": "same", "stride": (1, 2)}, r"padding 'same' is not defined for a stride"),
    ],
    ids=str,
)
def test_refuses_wrong_arguments(arguments: dict[str, object], expected: str) -> None:
    correct = {"in_channels": 4, "out_channels": 8, "kernel_size": 3}
    with pytest.raises(ValueError, match=expected):
        Geometry.of(**{**correct, **arguments}, dims=2)
