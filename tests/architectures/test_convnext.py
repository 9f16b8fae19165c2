import pytest
import torch
from torch import nn
from torchvision import models

from kbench.architectures import build_architecture
from kbench.operators.niff import NIFF2d

NIFF = {
    "operator": "niff",
    "operator_options": {"mlp": "big"},
    "where": "niff",
    "bias": False,
}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def build_on_meta(name: str, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(name, num_classes=1000, **arguments)


class TestCounts:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "total"),
        [
            ("convnext_tiny", 28_589_128),
            ("convnext_small", 50_223_688),
            ("convnext_base", 88_591_464),
        ],
    )
    @pytest.mark.parametrize("where", ["all", "niff"])
    def test_plain(self, name: str, total: int, where: str) -> None:
        assert count(build_on_meta(name, where=where)) == total

    def test_niff(self) -> None:
        network = build_on_meta("convnext_tiny", **NIFF)
        forms = [m.form for m in network.modules() if isinstance(m, NIFF2d)]
        assert count(network) == 28_890_664
        assert (forms.count("depthwise"), forms.count("pointwise")) == (18, 36)
        kept = [m.stride for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert kept == [(4, 4), (2, 2), (2, 2), (2, 2)]

    @pytest.mark.parametrize(("name", "width"), [("convnext_small", 96), ("convnext_base", 128)])
    def test_niff_follows_the_formula(self, name: str, width: int) -> None:
        channels = [width] * 3 + [2 * width] * 3 + [4 * width] * 27 + [8 * width] * 3
        added = sum(12704 + 11 * c for c in channels)
        assert count(build_on_meta(name, **NIFF)) - count(build_on_meta(name)) == added

    def test_share_of_the_coordinate_networks(self) -> None:
        network = build_on_meta("convnext_tiny", **NIFF)
        filters = [m for m in network.modules() if isinstance(m, NIFF2d) and m.form == "depthwise"]
        assert sum(count(m) for m in filters) == 665_856


class TestNumbers:
    @pytest.mark.slow
    def test_truncated_start_is_torchvisions(self) -> None:
        torch.manual_seed(5)
        expected = models.convnext_tiny(num_classes=7).eval()
        torch.manual_seed(5)
        found = build_architecture("convnext_tiny", num_classes=7, init="trunc_normal").eval()
        torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)
        x = torch.randn(1, 3, 32, 32)
        torch.testing.assert_close(found(x), expected(x), rtol=0, atol=0)

    def test_linear_layers_become_convolutions_of_the_same_numbers(self) -> None:
        networks = []
        for where in ("all", "niff"):
            torch.manual_seed(5)
            options = {"layer_scale": 1.0, "where": where}
            networks.append(build_architecture("convnext_tiny", **options).eval())
        x = torch.randn(1, 3, 40, 32)
        linear, convolved = (network(x).detach() for network in networks)
        pairs = zip(*(network.parameters() for network in networks), strict=True)
        assert all(torch.equal(a.flatten(), b.flatten()) for a, b in pairs)
        # Sums of up to 3,072 products in another order, 18 blocks deep.
        torch.testing.assert_close(convolved, linear, rtol=1e-3, atol=1e-4)

    def test_default_start_is_torchs(self) -> None:
        network = build_architecture("convnext_tiny", in_channels=1)
        block = network.features[3][0]
        for layer in (network.features[0][0], block.block[0], block.block[3], block.block[5]):
            bound = layer.weight[0].numel() ** -0.5
            assert 0.9 * bound < layer.weight.abs().max().item() <= bound
            assert 0 < layer.bias.abs().max().item() <= bound
        torch.testing.assert_close(block.layer_scale, torch.full((192, 1, 1), 1e-6))

    def test_drop_path_grows_linearly_to_the_last_block(self) -> None:
        network = build_on_meta("convnext_tiny", drop_path=0.34)
        shares = [m.p for m in network.modules() if type(m).__name__ == "StochasticDepth"]
        assert shares == pytest.approx([0.02 * n for n in range(18)])

    def test_drop_path_is_off_by_default(self) -> None:
        network = build_on_meta("convnext_tiny")
        shares = [m.p for m in network.modules() if type(m).__name__ == "StochasticDepth"]
        assert shares == [0] * 18


class TestInputs:
    @pytest.mark.parametrize(
        ("stem", "least", "sides"), [("imagenet", 32, [8, 4, 2, 1]), ("cifar", 16, [16, 8, 4, 2])]
    )
    def test_sides_of_the_stages(self, stem: str, least: int, sides: list[int]) -> None:
        network = build_on_meta("convnext_tiny", stem=stem)
        found = []
        for number in (1, 3, 5, 7):
            layer = network.features[number]
            layer.register_forward_hook(lambda _, __, y: found.append(y.shape[-1]))
        network(torch.empty(1, 3, 32, 32, device="meta"))
        assert found == sides
        assert network(torch.empty(1, 3, least, least, device="meta")).shape == (1, 1000)
        with pytest.raises(ValueError, match=rf"input sides .* must be >= {least}: convnext"):
            network(torch.empty(1, 3, least, least - 1, device="meta"))

    @pytest.mark.parametrize("operator", ["conv", "niff"])
    def test_smallest_input_trains(self, operator: str) -> None:
        arguments = {"where": "niff", "bias": operator == "conv", "stem": "cifar"}
        network = build_architecture(
            "convnext_tiny", operator=operator, in_channels=1, num_classes=2, **arguments
        )
        y = network(torch.randn(2, 1, 16, 16))
        y.square().sum().backward()
        assert y.shape == (2, 2)
        assert all(p.grad is not None for p in network.parameters())

    @pytest.mark.parametrize("bias", [True, False])
    def test_bias_is_that_of_what_is_replaced(self, bias: bool) -> None:
        network = build_on_meta("convnext_tiny", where="depthwise", bias=bias)
        block = network.features[1][0].block
        assert (block[0].bias is not None) is bias
        assert type(block[3]) is nn.Linear
        assert block[3].bias is not None
        assert network.features[0][0].bias is not None

    def test_stages_begin_with_their_downsampling(self) -> None:
        network = build_on_meta("convnext_tiny", operator="gmconv", where="stage:2")
        names = [n for n, m in network.named_modules() if type(m).__name__ == "GMConv2d"]
        assert names == ["features.2.1", *(f"features.3.{n}.block.0" for n in range(3))]

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"stem": "lowres"}, r"stem \(='lowres'\) must be one of"),
            ({"init": "kaiming"}, r"init \(='kaiming'\) must be one of"),
            ({"bias": 0}, r"bias \(=0\) must be true or false"),
            ({"drop_path": 1}, r"drop_path \(=1\) must be a number >= 0 and < 1"),
        ],
        ids=["stem", "init", "bias", "drop_path"],
    )
    def test_refuses_wrong_options(self, options: dict[str, object], expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            build_on_meta("convnext_tiny", **options)
