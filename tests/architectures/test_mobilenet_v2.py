import pytest
import torch
from torch import nn
from torchvision import models

from kbench.architectures import build_architecture
from kbench.architectures.mobilenet_v2 import InvertedResidual
from kbench.operators.gmconv import GMConv2d
from kbench.operators.niff import NIFF2d

NAMES = ["mobilenet_v2", "mobilenet_v2_cifar", "lowres_mobilenet_v2"]


def count(module: nn.Module, *, learnable: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not learnable)


def build_on_meta(name: str, classes: int = 1000, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(name, num_classes=classes, **arguments)


def gmconv(**options: object) -> dict[str, object]:
    return {"operator": "gmconv", "operator_options": options}


class TestCounts:
    @pytest.mark.parametrize(
        ("name", "classes", "total", "num_convs", "added"),
        [
            ("mobilenet_v2", 1000, 3_504_872, 52, (18, 7_168, 7_232)),
            ("mobilenet_v2_cifar", 100, 2_369_380, 54, (17, 7_136, 7_136)),
        ],
    )
    def test_gmconv(
        self, name: str, classes: int, total: int, num_convs: int, added: tuple[int, int, int]
    ) -> None:
        plain = build_on_meta(name, classes)
        assert count(plain) == total
        assert sum(isinstance(m, nn.Conv2d) for m in plain.modules()) == num_convs
        for share, number in zip(("layer", "out", "kernel"), added, strict=True):
            assert count(build_on_meta(name, classes, **gmconv(share=share))) - total == number

    def test_dynamic_gmconv(self) -> None:
        # Section 2.4: a third of the network.
        network = build_on_meta("mobilenet_v2", **gmconv(variant="dynamic"))
        assert count(network) - 3_504_872 == 1_131_670

    def test_lc(self) -> None:
        options = {"operator_options": {"frozen": True}}
        network = build_on_meta("lowres_mobilenet_v2", 10, **options)
        assert count(network) == 2_236_682
        assert count(network, learnable=True) == 2_171_594

    def test_niff(self) -> None:
        network = build_on_meta("mobilenet_v2", operator="niff", where="niff")
        forms = [m.form for m in network.modules() if isinstance(m, NIFF2d)]
        assert count(network) == 3_512_560
        assert forms.count("depthwise") == 13
        assert forms.count("pointwise") == 34
        kept = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert [m.groups for m in kept] == [1, 96, 144, 192, 576]


class TestLayout:
    def test_numbers_are_torchvisions(self) -> None:
        torch.manual_seed(5)
        expected = models.mobilenet_v2(num_classes=7).eval()
        torch.manual_seed(5)
        found = build_architecture("mobilenet_v2", num_classes=7).eval()
        torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)
        x = torch.randn(2, 3, 32, 32)
        torch.testing.assert_close(found(x), expected(x), rtol=0, atol=0)

    @pytest.mark.parametrize(
        ("name", "options", "sides"),
        [
            ("mobilenet_v2", {}, [16, 16, 8, 4, 2, 2, 1, 1]),
            ("mobilenet_v2", {"stem": "cifar"}, [32, 32, 16, 8, 4, 4, 2, 2]),
            ("lowres_mobilenet_v2", {}, [32, 32, 32, 16, 8, 8, 4, 4]),
            # The 1x1 stem pads by one pixel.
            ("mobilenet_v2_cifar", {}, [34, 34, 17, 9, 5, 5, 5, 5]),
        ],
        ids=["imagenet", "cifar", "lowres", "mobilenet_v2_cifar"],
    )
    def test_sides_of_the_rows(self, name: str, options: dict[str, str], sides: list[int]) -> None:
        network = build_on_meta(name, 10, **options)
        found = []
        for number in (0, 1, 2, 4, 7, 11, 14, 17):
            layer = network.features[number]
            layer.register_forward_hook(lambda _, __, y: found.append(y.shape[-1]))
        assert network(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)
        assert found == sides

    @pytest.mark.parametrize("name", NAMES)
    def test_stages_are_the_rows_of_the_table(self, name: str) -> None:
        for stage, number in enumerate((1, 2, 3, 4, 3, 3, 1), 1):
            network = build_on_meta(name, 10, **gmconv(), where=f"stage:{stage}")
            assert sum(isinstance(m, GMConv2d) for m in network.modules()) == number

    def test_stem_of_one_tap_is_no_candidate(self) -> None:
        network = build_on_meta("mobilenet_v2_cifar", 10, **gmconv(), where="first")
        (name,) = [n for n, m in network.named_modules() if isinstance(m, GMConv2d)]
        assert name == "features.1.conv.3"

    def test_every_convolution_of_the_cifar_form_has_a_bias(self) -> None:
        network = build_on_meta("mobilenet_v2_cifar", 10)
        assert all(m.bias is not None for m in network.modules() if isinstance(m, nn.Conv2d))

    @pytest.mark.parametrize(
        ("stride", "channels", "is_residual"), [(1, 8, True), (2, 8, False), (1, 9, False)]
    )
    def test_identity_needs_equal_shapes(
        self, stride: int, channels: int, is_residual: bool
    ) -> None:
        block = InvertedResidual(8, channels, 6, stride).eval()
        x = torch.randn(2, 8, 5, 5)
        expected = block.conv(x) + (x if is_residual else 0)
        torch.testing.assert_close(block(x), expected, rtol=0, atol=0)


class TestTraining:
    @pytest.mark.parametrize("operator", ["conv", "lc"])
    @pytest.mark.parametrize("name", NAMES)
    def test_smallest_input_trains(self, name: str, operator: str) -> None:
        network = build_architecture(name, operator=operator, in_channels=1, num_classes=2)
        y = network(torch.randn(2, 1, 1, 1))
        y.square().sum().backward()
        assert y.shape == (2, 2)
        assert all(p.grad is not None for p in network.parameters() if p.requires_grad)

    @pytest.mark.parametrize("in_channels", [1, 3])
    def test_start_is_kaiming_for_fan_out(self, in_channels: int) -> None:
        network = build_architecture("lowres_mobilenet_v2", in_channels=in_channels)
        stem, last = network.features[0][0].weight, network.features[18][0].weight
        # Four standard errors of a deviation are 4 / sqrt(2 n).
        tolerance = 4 / (2 * stem.numel()) ** 0.5
        assert stem.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=tolerance)
        assert last.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.01)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"dropout": 1.0}, r"dropout \(=1.0\) must be a number >= 0 and < 1"),
            ({"stem": "lowres"}, r"stem \(='lowres'\) must be one of \['imagenet', 'cifar'\]"),
        ],
        ids=["dropout", "stem"],
    )
    def test_refuses_wrong_options(self, options: dict[str, object], expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            build_on_meta("mobilenet_v2", **options)

    def test_dropout_reaches_the_classifier(self) -> None:
        assert build_on_meta("mobilenet_v2", 10, dropout=0.5).classifier[0].p == 0.5
