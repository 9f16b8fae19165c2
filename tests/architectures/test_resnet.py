import time

import pytest
import torch
from torch import nn
from torchvision import models

from kbench.architectures import build_architecture
from kbench.architectures.residual_blocks import BasicBlock
from kbench.architectures.resnet import ResNet
from kbench.errors import UnsupportedError
from kbench.operators.niff import NIFF2d

NIFF = {"operator": "niff", "where": "niff"}


def count(module: nn.Module, *, learnable: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not learnable)


def build_on_meta(name: str, classes: int = 1000, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(name, num_classes=classes, **arguments)


def sites(network: nn.Module, kind: type[nn.Module] = NIFF2d) -> list[str]:
    return [name for name, m in network.named_modules() if isinstance(m, kind)]


class TestCounts:
    @pytest.mark.parametrize(
        ("name", "total", "num_convs", "num_converted"),
        [
            ("resnet18", 11_689_512, 20, 17),
            ("resnet34", 21_797_672, 36, 33),
            ("resnet50", 25_557_032, 53, 17),
            ("resnet101", 44_549_160, 104, 34),
        ],
    )
    def test_plain(self, name: str, total: int, num_convs: int, num_converted: int) -> None:
        network = build_on_meta(name)
        convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert count(network) == total
        assert len(convs) == num_convs
        assert sum(type(m) is not nn.Conv2d for m in convs) == num_converted

    @pytest.mark.parametrize(("name", "total"), [("resnet10", 4_910_922), ("resnet18", 11_181_642)])
    def test_the_networks_of_stl10(self, name: str, total: int) -> None:
        # FlexConv, section 5.4: torchvision's layout, 10 classes.
        network = build_on_meta(name, 10)
        assert count(network) == total
        assert network(torch.empty(2, 3, 96, 96, device="meta")).shape == (2, 10)

    @pytest.mark.parametrize(
        ("name", "split", "convs"),
        [
            # Section 5.1: split minus 120 + C for every replaced convolution of C channels.
            ("resnet18", 3_331_904, {64: 4, 128: 3, 256: 3, 512: 3}),
            ("resnet50", 18_280_128, {64: 3, 128: 3, 256: 5, 512: 2}),
            ("resnet101", 28_404_920, {64: 3, 128: 3, 256: 22, 512: 2}),
        ],
    )
    def test_separable(self, name: str, split: int, convs: dict[int, int]) -> None:
        network = build_on_meta(name, operator="separable", where="niff")
        assert count(network) == split - sum(n * (120 + c) for c, n in convs.items())

    @pytest.mark.parametrize(
        ("name", "added"),
        [
            ("resnet18", (17, 3_904, 1_220_800)),
            ("resnet34", (33, 7_616, 2_343_104)),
            ("resnet50", (17, 3_840, 1_257_664)),
        ],
    )
    def test_gmconv(self, name: str, added: tuple[int, int, int]) -> None:
        plain = count(build_on_meta(name))
        for share, number in zip(("layer", "out", "kernel"), added, strict=True):
            options = {"share": share}
            network = build_on_meta(name, operator="gmconv", operator_options=options)
            assert count(network) - plain == number

    @pytest.mark.parametrize(
        ("name", "classes", "form", "total"),
        [
            ("resnet18", 1000, "split", 3_331_904),
            ("resnet18", 10, "split", 2_824_034),
            ("resnet18", 100, "split", 2_870_204),
            ("resnet18", 1000, "full", 21_127_320),
            ("resnet18", 10, "full", 20_619_450),
            ("resnet18", 100, "full", 20_665_620),
            ("resnet50", 1000, "split", 18_280_128),
            ("resnet50", 10, "split", 16_251_618),
            ("resnet50", 1000, "full", 33_778_328),
            ("resnet101", 1000, "split", 28_404_920),
        ],
    )
    def test_niff(self, name: str, classes: int, form: str, total: int) -> None:
        network = build_on_meta(name, classes, **NIFF, operator_options={"form": form})
        assert count(network) == total

    @pytest.mark.parametrize("name", ["resnet34", "resnet50"])
    def test_niff_follows_the_formulas(self, name: str) -> None:
        plain = build_on_meta(name)
        for form in ("split", "full"):
            network = build_on_meta(name, **NIFF, operator_options={"form": form})
            modules = (network.get_submodule(site) for site in sites(network))
            widths = [m.in_channels for m in modules if m.form == form]
            added = {
                "split": sum(120 + 10 * c - 8 * c**2 for c in widths),
                "full": sum(48 + 9 * c**2 for c in widths),
            }
            assert count(network) - count(plain) == added[form]

    @pytest.mark.parametrize(
        ("name", "classes", "total"), [("resnet18", 10, 11_181_642), ("resnet18", 100, 11_227_812)]
    )
    def test_plain_with_few_classes(self, name: str, classes: int, total: int) -> None:
        assert count(build_on_meta(name, classes)) == total

    def test_niff_by_stage(self) -> None:
        network = build_on_meta("resnet18", 10, **NIFF)
        found = {name: count(child) for name, child in network.named_children()}
        expected = {
            "conv1": 9_408,
            "bn1": 128,
            "layer1": 19_936,
            "layer2": 136_552,
            "layer3": 534_888,
            "layer4": 2_117_992,
            "fc": 5_130,
        }
        assert {name: number for name, number in found.items() if number} == expected

    def test_resnet50_has_a_bottleneck_of_two_hundred_thousand_masked_taps(self) -> None:
        network = build_on_meta("resnet50", operator="gmconv")
        masked = [m for m in network.modules() if type(m).__name__ == "GMConv2d"]
        assert sum(m.weight.numel() for m in masked) == 11_326_656


class TestPlacement:
    @pytest.mark.parametrize(
        ("name", "num_split", "num_pointwise", "num_plain"),
        [("resnet18", 13, 0, 7), ("resnet50", 13, 33, 7)],
    )
    def test_niff(self, name: str, num_split: int, num_pointwise: int, num_plain: int) -> None:
        network = build_on_meta(name, **NIFF)
        forms = [network.get_submodule(site).form for site in sites(network)]
        assert forms.count("split") == num_split
        assert forms.count("pointwise") == num_pointwise
        # The stem and what has a stride stay spatial.
        kept = sites(network, nn.Conv2d)
        assert len(kept) == num_plain
        assert kept[0] == "conv1"
        assert all(network.get_submodule(site).stride == (2, 2) for site in kept)

    def test_shortcuts_are_never_replaced_unless_named(self) -> None:
        network = build_on_meta("resnet50", operator="lc")
        kept = sites(network, nn.Conv2d)
        assert all(network.get_submodule(site).kernel_size == (1, 1) for site in kept)
        assert len(kept) == 36

    def test_stages_of_where(self) -> None:
        for stage, expected in enumerate(("conv1", "layer1", "layer2", "layer3", "layer4")):
            options = {"sigma_init": 2.0}
            network = build_on_meta(
                "resnet18", operator="gmconv", operator_options=options, where=f"stage:{stage}"
            )
            names = [n for n, m in network.named_modules() if type(m).__name__ == "GMConv2d"]
            assert {name.split(".")[0] for name in names} == {expected}
            assert len(names) == (1 if stage == 0 else 4)

    def test_operator_that_cannot_take_a_layer(self) -> None:
        with pytest.raises(UnsupportedError, match=r"layer 'conv1': .*stride"):
            build_on_meta("resnet18", operator="niff")

    def test_selection_of_nothing_lists_the_candidates(self) -> None:
        expected = r"selects no convolution; candidates: conv1 \(7x7, stride 2x2\), layer1.0.conv1"
        with pytest.raises(ValueError, match=expected):
            build_on_meta("resnet18", where="kernel>=9")


class TestNumbers:
    @pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"])
    def test_layout_is_torchvisions(self, name: str) -> None:
        with torch.device("meta"):
            expected = getattr(models, name)(num_classes=7).state_dict()
        found = build_on_meta(name, 7).state_dict()
        assert [(k, v.shape) for k, v in found.items()] == [
            (k, v.shape) for k, v in expected.items()
        ]

    @pytest.mark.parametrize("zero", [False, True])
    def test_numbers_are_torchvisions(self, zero: bool) -> None:
        torch.manual_seed(5)
        expected = models.resnet18(num_classes=7, zero_init_residual=zero)
        torch.manual_seed(5)
        found = build_architecture("resnet18", num_classes=7, zero_init_residual=zero)
        torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)
        x = torch.randn(2, 3, 40, 40)
        torch.testing.assert_close(found(x), expected(x), rtol=0, atol=0)

    def test_default_start_is_torchs(self) -> None:
        network = build_architecture("resnet18", init="default")
        weight = network.layer2[0].conv2.weight
        bound = weight[0].numel() ** -0.5
        assert 0.99 * bound < weight.abs().max().item() <= bound

    @pytest.mark.parametrize(
        ("rolled", "abs_sum", "norm", "first"),
        [(True, 53.7789, 7.16901, 0.982206), (False, 46.3248, 6.39709, -0.618815)],
        ids=["reference", "plain"],
    )
    def test_niff_network_of_the_specification(
        self, rolled: bool, abs_sum: float, norm: float, first: float
    ) -> None:
        options = {"init": "kaiming_fan_out", "ref_channel_roll": rolled}
        network = build_architecture("resnet18", **NIFF, operator_options=options)
        draw_in_the_references_order(network)
        torch.manual_seed(1)
        found = network(torch.randn(8, 3, 32, 32)).detach()
        # Tolerances of random networks, section 11; the sum of 80 logits is of order 50.
        assert found.abs().sum().item() == pytest.approx(abs_sum, abs=1e-3)
        assert found.norm().item() == pytest.approx(norm, abs=1e-4)
        assert found[0, 0].item() == pytest.approx(first, abs=1e-4)


def draw_in_the_references_order(network: ResNet) -> None:
    """Draw as section 5.2 of NIFF says: shortcuts first, then one pass over all convolutions."""
    torch.manual_seed(0)
    stages = [network.layer1, network.layer2, network.layer3, network.layer4]
    order = [network.conv1]
    for stage in stages:
        order += [block.downsample[0] for block in stage if block.downsample is not None]
        order += [conv for block in stage for conv in (block.conv1, block.conv2)]
    for module in [*order, network.fc]:
        if isinstance(module, NIFF2d):
            fresh = NIFF2d(module.in_channels, module.out_channels, 3)
            module.load_state_dict(fresh.state_dict())
        else:
            module.reset_parameters()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, NIFF2d):
            module.response.initialise("kaiming_fan_out")


class TestInputs:
    @pytest.mark.parametrize(
        ("stem", "sides"),
        [("imagenet", (16, 8, 4, 2)), ("lowres", (32, 16, 8, 4)), ("cifar", (64, 32, 16, 8))],
    )
    def test_stems_decide_the_sides(self, stem: str, sides: tuple[int, ...]) -> None:
        network = build_on_meta("resnet18", stem=stem)
        found = []
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            stage.register_forward_hook(lambda _, __, y: found.append(y.shape[-1]))
        network(torch.empty(1, 3, 64, 64, device="meta"))
        assert tuple(found) == sides

    @pytest.mark.parametrize(
        ("name", "operator"),
        [("resnet18", "conv"), ("resnet18", "lc"), ("resnext50_32x4d", "conv")],
    )
    def test_smallest_input_trains(self, name: str, operator: str) -> None:
        network = build_architecture(name, operator=operator, in_channels=1, num_classes=2)
        y = network(torch.randn(2, 1, 1, 1))
        y.square().sum().backward()
        assert y.shape == (2, 2)
        assert all(p.grad is not None for p in network.parameters() if p.requires_grad)

    @pytest.mark.parametrize("name", ["resnet18", "resnet18d"])
    def test_dropped_branches_rise_linearly_to_the_last_block(self, name: str) -> None:
        network = build_architecture(name, num_classes=2, drop_path=0.07)
        rates = [m.drop_rate for m in network.modules() if isinstance(m, BasicBlock)]
        assert rates == pytest.approx([0.01 * place for place in range(8)])

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"stem": "small"}, r"stem \(='small'\) must be one of \['imagenet', 'cifar', 'low"),
            ({"init": "zeros"}, r"init \(='zeros'\) must be one of \['kaiming', 'default'\]"),
            ({"zero_init_residual": 1}, r"zero_init_residual \(=1\) must be true or false"),
            ({"drop_path": 1.0}, r"drop_path \(=1.0\) must be a number >= 0 and < 1"),
            ({"where": "everything"}, r"unknown selector 'everything'"),
            ({"num_classes": 1}, r"num_classes \(=1\) must be an integer >= 2"),
        ],
        ids=["stem", "init", "zero", "drop", "where", "classes"],
    )
    def test_refuses_wrong_options(self, options: dict[str, object], expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            build_architecture("resnet18", **options)


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["conv", "gmconv", "lc", "niff"])
def test_compiles_to_one_graph(operator: str) -> None:
    where = "niff" if operator == "niff" else "all"
    network = build_architecture("resnet18", operator=operator, where=where).eval()
    x = torch.randn(2, 3, 32, 32).to(memory_format=torch.channels_last)
    network.to(memory_format=torch.channels_last)
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), network(x))


@pytest.mark.slow
def test_building_is_quick() -> None:
    seconds = {}
    for device in ("cpu", "meta"):
        with torch.device(device):
            start = time.perf_counter()
            build_architecture("resnet50", num_classes=1000, operator="lc")
        seconds[device] = time.perf_counter() - start
    assert seconds["cpu"] <= 1
    assert seconds["meta"] <= 0.3
