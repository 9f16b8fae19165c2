"""Facts of sections 5.3 and 5.4 of the FlexConv specification."""

import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kbench.architectures import build_architecture
from kbench.architectures.cifar_resnet_biased import BiasedResNet
from kbench.operators import construct_operator
from kbench.operators.conv import Conv2d

NAMES = ("resnet32_cifar_biased", "resnet44_cifar_biased")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build_on_meta(name: str, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(name, **arguments)


def tiny(operator: str = "conv", **options: object) -> nn.Module:
    """Return a network of one block a stage."""

    def conv(*arguments: object, **given: object) -> nn.Module:
        return construct_operator(operator, *arguments, **given)

    return BiasedResNet(conv, 10, 3, **{"width": 4, **options})


class TestCounts:
    def test_with_generated_kernels_is_that_of_section_5_3(self) -> None:
        network = build_on_meta("resnet44_cifar_biased", operator="flexconv")
        assert count(network) == 2_583_894

    @pytest.mark.parametrize("shortcut", ["conv", "pad"])
    @pytest.mark.parametrize(
        ("operator", "kernel_size"), [("flexconv", "same"), ("ckconv", 3)], ids=["flex", "ck3"]
    )
    def test_prints_as_table_6(self, operator: str, kernel_size: int | str, shortcut: str) -> None:
        options = {"kernel_size": kernel_size, "shortcut": shortcut}
        network = build_on_meta("resnet44_cifar_biased", operator=operator, **options)
        assert round(count(network) / 1e6, 2) == 2.58

    @pytest.mark.parametrize(
        ("name", "plain", "channels"),
        [("resnet32_cifar_biased", 464_154, 1_136), ("resnet44_cifar_biased", 658_586, 1_584)],
        ids=["resnet32", "resnet44"],
    )
    def test_of_plain_convolutions_adds_a_bias_a_channel(
        self, name: str, plain: int, channels: int
    ) -> None:
        # 5.4 without bias; outputs of all convolutions: 16 + 2 n (16 + 32 + 64), n blocks a stage.
        options = {"kernel_size": 3, "shortcut": "pad"}
        assert count(build_on_meta(name, bias=False, **options)) == plain
        assert count(build_on_meta(name, **options)) == plain + channels

    @pytest.mark.parametrize(
        ("name", "classes", "total"),
        [
            ("resnet44_cifar", 10, 658_586),
            ("resnet32_cifar", 10, 464_154),
            ("resnet32_cifar", 1000, 528_504),
        ],
        ids=["resnet44", "resnet32", "resnet32_imagenet"],
    )
    def test_of_the_baselines_is_that_of_section_5_4(
        self, name: str, classes: int, total: int
    ) -> None:
        network = build_on_meta(name, num_classes=classes, shortcut="pad", init="kaiming")
        assert count(network) == total


class TestLayout:
    @pytest.mark.parametrize("shortcut", ["conv", "pad"])
    @pytest.mark.parametrize(("kernel_size", "size"), [(3, 8), (3, 9), (7, 8), (1, 5)])
    def test_is_the_plain_network_where_there_is_no_bias(
        self, kernel_size: int, size: int, shortcut: str
    ) -> None:
        options = {"width": 4, "kernel_size": kernel_size, "shortcut": shortcut}
        biased = tiny(bias=False, **options).eval()
        plain = build_architecture("resnet8_cifar", **options).eval()
        plain.load_state_dict(biased.state_dict())
        x = torch.randn(2, 3, size, size)
        torch.testing.assert_close(biased(x), plain(x), rtol=0, atol=0)

    def test_every_convolution_has_a_bias_but_those_of_shortcuts(self) -> None:
        network = build_architecture("resnet32_cifar_biased", kernel_size=3, width=2)
        sites = [m for m in network.modules() if isinstance(m, Conv2d)]
        others = [m for m in network.modules() if type(m) is nn.Conv2d]
        assert len(sites) == 31
        assert all(m.bias is not None for m in sites)
        assert [(m.kernel_size, m.stride, m.bias) for m in others] == [((1, 1), (2, 2), None)] * 2

    def test_kernels_follow_the_input_of_each_layer(self) -> None:
        network = tiny("flexconv")
        network(torch.randn(2, 3, 16, 16))
        sizes = [(block.conv1.size, block.conv2.size) for block in network.blocks]
        assert network.stem.size == 17
        assert sizes == [(17, 17), (17, 9), (9, 5)]

    @pytest.mark.parametrize(("size", "sides"), [(16, [16, 8, 4]), (13, [13, 7, 4])])
    @pytest.mark.parametrize("kernel_size", ["same", 5])
    def test_stages_halve_the_size(
        self, kernel_size: int | str, size: int, sides: list[int]
    ) -> None:
        network = tiny("flexconv", kernel_size=kernel_size)
        shapes = []
        for block in network.blocks:
            block.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape[1:])))
        network(torch.randn(2, 3, size, size))
        expected = zip((4, 8, 16), sides, strict=True)
        assert shapes == [(channels, side, side) for channels, side in expected]

    def test_stride_takes_every_second_output(self) -> None:
        network = tiny("flexconv").eval()
        layer = network.blocks[1].conv1
        seen = []
        layer.register_forward_hook(lambda _, x, y: seen.append((x[0], y)))
        network(torch.randn(1, 3, 12, 12))
        (x, y), kernel = seen[0], layer.full_kernel()
        full = F.conv2d(x, kernel, layer.bias, padding=kernel.shape[-1] // 2)
        # One kernel in two convolutions: float32 rounding of sums of 36 products.
        torch.testing.assert_close(y, full[..., ::2, ::2], rtol=1e-4, atol=1e-4)

    def test_weights_of_plain_layers_are_drawn_from_kaiming_normal(self) -> None:
        network = build_architecture(
            "resnet32_cifar_biased", kernel_size=3, width=16, num_classes=200
        )
        for layer in (network.blocks[12].conv2, network.classifier):
            expected = (2 / layer.weight[0].numel()) ** 0.5
            # Four standard errors of a deviation are 4 / sqrt(2 n).
            tolerance = 4 / (2 * layer.weight.numel()) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=tolerance)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"kernel_size": 4}, r"kernel_size \(=4\) must be odd"),
            ({"kernel_size": 0}, r"kernel_size \(=0\) must be an integer >= 1"),
            ({"width": 0}, r"width \(=0\) must be an integer >= 1"),
            ({"shortcut": "a"}, r"shortcut \(='a'\) must be one of \['conv', 'pad'\]"),
            ({"init": "zeros"}, r"init \(='zeros'\) must be one of \['default', 'kaiming'\]"),
            ({"bias": "no"}, r"bias \(='no'\) must be true or false"),
            ({}, r"kernel_size \(='same'\) must be an integer >= 1"),
        ],
        ids=["even", "none", "width", "shortcut", "init", "bias", "plain_convolution"],
    )
    def test_refuses_wrong_options(self, options: dict[str, object], expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            tiny(**options)


class TestUse:
    @pytest.mark.parametrize(
        ("operator", "kernel_size", "size"),
        [("conv", 3, 1), ("ckconv", 3, 1), ("flexconv", "same", 8)],
        ids=["conv", "ckconv", "flexconv"],
    )
    def test_smallest_inputs(self, operator: str, kernel_size: int | str, size: int) -> None:
        network = build_architecture(
            "resnet32_cifar_biased", operator=operator, kernel_size=kernel_size, width=2
        )
        y = network(torch.randn(3, 3, size, size))
        y.square().sum().backward()
        assert y.shape == (3, 10)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())

    def test_names_the_kernel_of_a_layer_whose_input_is_too_small(self) -> None:
        with pytest.raises(ValueError, match=r"kernel_size \(='same'\) needs a side of at least 2"):
            tiny("flexconv")(torch.randn(2, 3, 2, 2))

    def test_forward_on_the_meta_device(self) -> None:
        with torch.device("meta"):
            assert tiny("flexconv")(torch.empty(2, 3, 32, 32)).shape == (2, 10)

    @pytest.mark.parametrize("name", NAMES)
    def test_builds_fast(self, name: str) -> None:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            build_architecture(name, operator="flexconv")
            times.append(time.perf_counter() - start)
        # 0.2 s beside other work; 1 s is the budget for a network of this depth.
        assert min(times) < 1
