import time
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from kbench.architectures import build_architecture
from kbench.architectures.replace import replace_convolutions
from kbench.errors import UnknownNameError, UnsupportedError
from kbench.operators import ConvFactory
from kbench.operators.conv import Conv2d
from kbench.registry import ARCHITECTURES, OPERATORS, OPERATORS_1D


class _Noted(Conv2d):
    """Plain convolution that notes what `after_init` is given."""

    given: list[nn.Module]

    @classmethod
    def after_init(cls, modules: list[nn.Module]) -> None:
        cls.given = modules


class _Two(nn.Module):
    def __init__(
        self, conv: ConvFactory, num_classes: int, in_channels: int, *, width: int = 4
    ) -> None:
        super().__init__()
        self.second = None
        self.first = conv(in_channels, width, 3, stride=2, padding=1, bias=False)
        self.second = conv(width, num_classes, (3, 1), dilation=2, groups=2)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Noted]]:
    monkeypatch.setitem(OPERATORS._entries, "noted", _Noted)
    monkeypatch.setitem(ARCHITECTURES._entries, "two", _Two)
    return _Noted


def test_after_init_sees_all_operators_in_order(noted: type[_Noted]) -> None:
    network = build_architecture("two", operator="noted")
    assert [id(m) for m in noted.given] == [id(network.first), id(network.second)]


def test_arguments_reach_the_operators(noted: type[_Noted]) -> None:
    network = build_architecture(
        "two",
        operator="noted",
        operator_options={"frozen": True},
        num_classes=6,
        in_channels=2,
        width=8,
    )
    assert all(type(m) is noted and not m.weight.requires_grad for m in noted.given)
    assert network.first.weight.shape == (8, 2, 3, 3)
    assert (network.first.stride, network.first.padding) == ((2, 2), (1, 1))
    assert network.first.bias is None
    assert network.second.weight.shape == (6, 4, 3, 1)
    assert (network.second.dilation, network.second.groups) == ((2, 2), 2)
    assert network.second.bias is not None


def test_one_axis_and_a_word_for_the_size_reach_the_operators(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sequence(conv: ConvFactory, num_classes: int, in_channels: int) -> nn.Module:
        first = conv(in_channels, 4, "full", padding="same", dims=1)
        return nn.Sequential(first, conv(4, num_classes, 3, padding="same", dims=1))

    monkeypatch.setitem(ARCHITECTURES._entries, "sequence", sequence)
    network = build_architecture("sequence", operator="ckconv", in_channels=2)
    assert [type(module) for module in network] == [OPERATORS_1D["ckconv"]] * 2
    assert [module.kernel_size for module in network] == ["full", 3]


def test_plain_convolution_is_the_default() -> None:
    network = build_architecture("resnet8_cifar", width=2)
    assert type(network.stem) is Conv2d
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 10)


def test_same_seed_gives_the_same_network() -> None:
    networks = []
    for _ in range(2):
        torch.manual_seed(3)
        networks.append(build_architecture("resnet8_cifar", operator="lc", width=2))
    first, second = (network.state_dict() for network in networks)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("operator", ["conv", "lc"])
def test_meta_device_builds_fast(operator: str) -> None:
    times = []
    with torch.device("meta"):
        for _ in range(3):
            start = time.perf_counter()
            build_architecture("resnet110_cifar", operator=operator)
            times.append(time.perf_counter() - start)
    # 0.05 s alone; the bound leaves room for a busy machine.
    assert min(times) < 0.3


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": "resnet9_cifar"}, r"unknown architecture 'resnet9_cifar' \(did you mean"),
        ({"depth": 20}, r"architecture 'resnet8_cifar' has no option 'depth'"),
        ({"operator": "cnv"}, r"unknown operator 'cnv' \(did you mean 'conv'\?\)"),
        ({"operator_options": {"frosen": True}}, r"operator 'conv' has no option 'frosen'"),
        ({"operator_options": {"stride": 2}}, r"operator 'conv' has no option 'stride'"),
    ],
    ids=["architecture", "option", "operator", "operator_option", "argument_of_torch"],
)
def test_refuses_unknown_names(arguments: dict[str, object], expected: str) -> None:
    with pytest.raises(UnknownNameError, match=expected):
        build_architecture(**{"name": "resnet8_cifar", **arguments})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"num_classes": 1}, r"num_classes \(=1\) must be an integer >= 2"),
        ({"num_classes": 10.0}, r"num_classes \(=10.0\) must be an integer >= 2"),
        ({"in_channels": 0}, r"in_channels \(=0\) must be an integer >= 1"),
        ({"in_channels": True}, r"in_channels \(=True\) must be an integer >= 1"),
    ],
    ids=["one_class", "float_classes", "no_channels", "bool_channels"],
)
def test_refuses_wrong_counts(arguments: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        build_architecture("resnet8_cifar", **arguments)


class _Circular(nn.Module):
    """A network whose plain convolution has a padding mode."""

    def __init__(self, conv: ConvFactory, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.plain = nn.Conv2d(in_channels, num_classes, 3, padding=1, padding_mode="circular")
        self.layers = nn.Sequential(self.plain)
        replace_convolutions(self.layers, conv)


@pytest.mark.parametrize(
    ("options", "mode"), [({}, "circular"), ({"padding_mode": "reflect"}, "reflect")], ids=str
)
def test_a_networks_padding_mode_holds_where_the_operator_names_none(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], mode: str
) -> None:
    monkeypatch.setitem(ARCHITECTURES._entries, "circle", _Circular)
    network = build_architecture("circle", operator_options=options)
    layer, x = network.layers[0], torch.randn(1, 3, 5, 6)
    expected = nn.functional.pad(x, (1, 1, 1, 1), mode=mode)
    expected = nn.functional.conv2d(expected, network.plain.weight, network.plain.bias)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)  # order of summation


def test_an_operator_without_padding_modes_is_refused_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(OPERATORS._entries, "bare", lambda *_: nn.Identity())
    monkeypatch.setitem(ARCHITECTURES._entries, "circle", _Circular)
    expected = "layer '0': operator 'bare' has no padding_mode, the network needs 'circular'"
    with pytest.raises(UnsupportedError, match=expected):
        build_architecture("circle", operator="bare")


def test_what_a_network_leaves_out_is_torchs_default_not_the_operators() -> None:
    # niff and njet have no bias by default, and niff keeps the side.
    pyramid = build_architecture("deeplabv2_pyramid", operator="njet", pyramid="shared")
    assert all(branch.bias is not None for branch in pyramid.pyramid.branches)
