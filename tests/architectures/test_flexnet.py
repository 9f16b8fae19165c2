"""Facts of sections 2.7, 5.1, 5.4 and 11 of the FlexConv specification that need the networks."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures import build_architecture
from kbench.errors import UnsupportedError
from kbench.optim import build_optimizer
from kbench.recipe import Recipe
from kbench.registry import ARCHITECTURES

NAMES = ("flexnet3", "flexnet5", "flexnet7")
BLOCKS = {"flexnet3": 3, "flexnet5": 5, "flexnet7": 7}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build_on_meta(name: str, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(name, **arguments)


def generated(operator: str, generator: str, **options: object) -> dict[str, object]:
    return {"operator": operator, "operator_options": {"generator": generator, **options}}


def regularisers(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if hasattr(m, "regularisation")]


class TestCounts:
    @pytest.mark.parametrize(
        ("name", "arguments", "total"),
        [
            ("flexnet7", generated("flexconv", "magnet"), 671_650),
            ("flexnet7", generated("flexconv", "magnet") | {"in_channels": 1}, 670_066),
            ("flexnet5", generated("flexconv", "magnet"), 454_046),
            ("flexnet7", {"operator": "conv", "kernel_size": 3}, 169_990),
            ("flexnet7", generated("ckconv", "gabor"), 669_670),
            ("flexnet7", generated("ckconv", "magnet"), 671_590),
            ("flexnet3", generated("ckconv", "siren"), 256_678),
            ("flexnet3", generated("ckconv", "fourier"), 273_478),
            ("flexnet3", generated("ckconv", "magnet"), 277_062),
            ("flexnet7", generated("flexconv", "siren"), 627_970),
            ("flexnet7", generated("flexconv", "fourier"), 663_970),
        ],
        ids=[
            *("flexnet7", "flexnet7_grey", "flexnet5", "conv3", "gabor7", "magnet7"),
            *("siren3", "fourier3", "magnet3", "flex_siren7", "flex_fourier7"),
        ],
    )
    def test_of_section_5_4(self, name: str, arguments: dict[str, object], total: int) -> None:
        network = build_on_meta(name, **arguments)
        assert count(network) == total
        assert all(p.requires_grad for p in network.parameters())

    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize(
        ("name", "order", "arguments", "printed"),
        [
            ("flexnet7", 4, {"width": 38}, 0.70),
            ("flexnet7", 3, {"width": 38}, 0.47),
            ("flexnet5", 4, {"width": 32, "num_classes": 1000}, 0.46),
            ("flexnet5", 3, {"width": 32, "num_classes": 1000}, 0.33),
        ],
        ids=["cifar10_order4", "cifar10_order3", "imagenet_order4", "imagenet_order3"],
    )
    def test_with_mixed_derivatives_prints_as_section_5_1_says(
        self, name: str, order: int, arguments: dict[str, int], printed: float, bias: bool
    ) -> None:
        operator = {"operator": "njet", "operator_options": {"order": order}}
        network = build_on_meta(name, kernel_size=3, bias=bias, **operator, **arguments)
        assert round(count(network) / 1e6, 2) == printed

    def test_flexnet5_with_1000_classes_prints_as_section_5_4_says(self) -> None:
        network = build_on_meta("flexnet5", operator="flexconv", num_classes=1000)
        assert round(count(network) / 1e6, 2) == 0.50

    def test_wide_flexnet7_matches_resnet10(self) -> None:
        network = build_on_meta("flexnet7", operator="flexconv", width=68)
        # Section 5.4: 4,910,922; the width is the nearest, and one channel is about 3 %.
        assert count(network) == pytest.approx(4_910_922, rel=0.015)

    @pytest.mark.parametrize("name", NAMES)
    def test_of_plain_convolutions_follow_from_the_widths(self, name: str) -> None:
        widths = {
            "flexnet3": [24, 24, 36, 48],
            "flexnet5": [22, 22, 33, 33, 44, 44],
            "flexnet7": [24, 24, 24, 36, 36, 36, 48, 48],
        }[name]
        total = 2 * widths[0] + (2 * 25 + 1) * widths[0] + widths[-1] * 7 + 7
        for a, b in pairwise(widths):
            total += 25 * (a * b + b * b) + 6 * b + ((a + 1) * b if a != b else 0)
        network = build_on_meta(name, in_channels=2, num_classes=7, kernel_size=5)
        assert count(network) == total


class TestLayout:
    @pytest.mark.parametrize("name", NAMES)
    def test_forward_is_the_literal_network(self, name: str) -> None:
        network = build_architecture(name, width=4, kernel_size=3, num_classes=3).eval()
        with torch.no_grad():
            for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)
                norm.weight.normal_()
                norm.bias.normal_()
        x = torch.randn(2, 3, 6, 7)
        # One operation after the other, as section 5.1 writes them; float32 rounding only.
        torch.testing.assert_close(network(x), literal(network, x), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("name", NAMES)
    def test_convolutions_are_made_in_the_order_of_execution(self, name: str) -> None:
        made = []

        def conv(*arguments: object, **options: object) -> nn.Module:
            made.append(nn.Conv2d(*arguments, **options))
            return made[-1]

        network = ARCHITECTURES[name](conv, 10, 3, width=4, kernel_size=3)
        run = []
        for module in made:
            module.register_forward_hook(lambda module, *_: run.append(module))
        network(torch.randn(2, 3, 5, 5))
        assert [id(module) for module in run] == [id(module) for module in made]
        assert len(made) == 1 + 2 * BLOCKS[name]

    def test_dropout_acts_between_the_convolutions_alone(self) -> None:
        network = build_architecture("flexnet3", width=4, kernel_size=3, dropout=0.5)
        assert sum(isinstance(m, nn.Dropout) for m in network.modules()) == 3
        block = network.blocks[1]
        seen = {}
        for name in ("norm1", "dropout", "conv2"):
            getattr(block, name).register_forward_hook(
                lambda _, x, y, name=name: seen.update({name: (x[0], y)})
            )
        network.train()(torch.randn(2, 3, 8, 8))
        torch.testing.assert_close(seen["dropout"][0], seen["norm1"][1].relu(), rtol=0, atol=0)
        torch.testing.assert_close(seen["conv2"][0], seen["dropout"][1], rtol=0, atol=0)
        kept = seen["dropout"][1] != 0
        doubled = 2 * seen["dropout"][0]
        torch.testing.assert_close(seen["dropout"][1][kept], doubled[kept], rtol=0, atol=0)

    def test_dropout_is_a_fifth_by_default(self) -> None:
        network = build_on_meta("flexnet7", kernel_size=3)
        assert {m.p for m in network.modules() if isinstance(m, nn.Dropout)} == {0.2}

    def test_classifier_is_drawn_from_kaiming_normal(self) -> None:
        classifier = build_architecture("flexnet7", kernel_size=1, num_classes=500).classifier
        expected = (2 / 48) ** 0.5
        # Four standard errors of a deviation are 4 / sqrt(2 n).
        tolerance = 4 / (2 * classifier.weight.numel()) ** 0.5
        assert classifier.weight.std().item() == pytest.approx(expected, rel=tolerance)
        assert classifier.weight.abs().max() > 3 * expected
        assert not classifier.bias.any()

    def test_a_batch_of_one_keeps_its_axis(self) -> None:
        network = build_architecture("flexnet3", width=2, kernel_size=3).eval()
        assert network(torch.randn(1, 3, 4, 4)).shape == (1, 10)

    def test_kernel_size_follows_the_first_input(self) -> None:
        network = build_architecture("flexnet3", operator="flexconv", width=2)
        network(torch.randn(2, 3, 8, 6))
        assert {module.size for module in regularisers(network)} == {9}

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"width": 0}, r"width \(=0\) must be an integer >= 1"),
            ({"dropout": 1.0}, r"dropout \(=1.0\) must be a number >= 0 and < 1"),
            ({"bias": 1}, r"bias \(=1\) must be true or false"),
            ({}, r"kernel_size \(='same'\) must be an integer >= 1"),
            ({"operator": "flexconv", "kernel_size": 4}, r"kernel_size \(=4\) must be 'same'"),
        ],
        ids=["width", "dropout", "bias", "adaptive_size_of_plain_convolution", "even_size"],
    )
    def test_refuses_wrong_options(self, options: dict[str, object], expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            build_architecture("flexnet3", **options)

    def test_refuses_an_operator_that_changes_the_sides(self) -> None:
        options = {"safe_subsample": 1.0}
        network = build_architecture(
            "flexnet3", operator="njet", operator_options=options, width=2, kernel_size=3
        )
        with pytest.raises(UnsupportedError, match=r"leaves sides \(\d, \d\) where the network"):
            network(torch.randn(2, 3, 32, 32))

    def test_refuses_sequences(self) -> None:
        network = build_architecture("flexnet3", operator="flexconv", width=2)
        with pytest.raises(UnsupportedError, match=r"\(=\(2, 3, 8\)\) must be \(B, C, H, W\)"):
            network(torch.randn(2, 3, 8))

    def test_refuses_an_input_of_one_pixel_where_kernels_need_more(self) -> None:
        network = build_architecture("flexnet3", operator="flexconv", width=2)
        with pytest.raises(ValueError, match=r"kernel_size \(='same'\) needs a side of at least 2"):
            network(torch.randn(2, 3, 1, 1))


class TestUse:
    @pytest.mark.parametrize(
        ("options", "size"),
        [
            ({"kernel_size": 3}, 1),
            ({"operator": "flexconv"}, 2),
            ({"operator": "ckconv"}, 2),
            ({"operator": "njet", "kernel_size": 3}, 1),
        ],
        ids=["conv", "flexconv", "ckconv", "njet"],
    )
    @pytest.mark.parametrize("name", NAMES)
    def test_smallest_inputs(self, name: str, options: dict[str, object], size: int) -> None:
        network = build_architecture(name, width=2, in_channels=1, num_classes=4, **options)
        y = network(torch.randn(3, 1, size, size))
        y.square().sum().backward()
        assert y.shape == (3, 4)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())

    def test_forward_on_the_meta_device(self) -> None:
        with torch.device("meta"):
            network = build_architecture("flexnet7", operator="flexconv")
            assert network(torch.empty(2, 3, 32, 32)).shape == (2, 10)

    @pytest.mark.slow
    def test_compiles_without_graph_breaks(self) -> None:
        network = build_architecture("flexnet3", kernel_size=3, width=2)
        found = torch._dynamo.explain(network)(torch.randn(2, 3, 8, 8))
        assert found.graph_break_count == 0

    def test_one_step_lowers_the_loss(self) -> None:
        network = build_architecture("flexnet3", operator="flexconv", width=4, dropout=0.0)
        x, y = torch.randn(16, 3, 8, 8), torch.arange(16) % 10
        losses = []
        for _ in range(2):
            loss = F.cross_entropy(network(x), y)
            losses.append(loss.item())
            parameters = [p for p in network.parameters() if p.requires_grad]
            grads = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for parameter, grad in zip(parameters, grads, strict=True):
                    parameter.sub_(0.01 * grad)
        assert losses[1] < losses[0]

    def test_every_parameter_gets_a_gradient_but_biases_before_a_norm(self) -> None:
        # Fact J for the whole network; batch normalisation takes those biases out.
        network = build_architecture("flexnet3", operator="flexconv", width=4, kernel_size=33)
        network(torch.randn(4, 3, 33, 24)).square().sum().backward()
        biases = {
            f"{name}.bias" for name, m in network.named_modules() if m in regularisers(network)
        }
        others = {n: p for n, p in network.named_parameters() if n not in biases}
        assert len(biases) == 7
        assert [n for n, p in others.items() if not p.grad.any()] == []

    def test_activations_explode_without_batch_statistics_at_initialisation(self) -> None:
        # Section 2.7: logits of 1e6 to 1e7 in evaluation; in training they are of order one.
        network = build_architecture("flexnet7", operator="flexconv")
        x = torch.randn(4, 3, 32, 32)
        with torch.no_grad():
            evaluated = network.eval()(x)
            trained = network.train()(x)
        assert 1e6 < evaluated.abs().mean() < 1e8
        assert trained.abs().max() < 10


class TestTraining:
    @pytest.mark.parametrize(
        ("target", "reference"), [("gabor", 841), ("gabor+mask", 986)], ids=["gabor", "mask"]
    )
    def test_alias_penalty_of_a_fresh_network_is_that_of_the_reference(
        self, target: str, reference: float
    ) -> None:
        # Fact G: one seed of the reference; ours spread by 4 % over seeds.
        options = {"alias": 0.1, "alias_target": target}
        arguments = {"operator": "flexconv", "operator_options": options, "kernel_size": 17}
        network = build_architecture("flexnet7", **arguments)
        layers = regularisers(network)
        total = sum(layer.regularisation() for layer in layers).item()
        assert len(layers) == 15
        assert total == pytest.approx(reference, rel=0.15)
        # The penalty of section 2.9 from the parameters themselves; float32 rounding of sums.
        expected = sum(alias_penalty(layer, target, 17) for layer in layers)
        assert total == pytest.approx(expected, rel=1e-5)

    def test_masks_learn_at_a_tenth_of_the_rate(self) -> None:
        # Fact I and section 2.8.
        recipe = Recipe(epochs=350, batch_size=64, lr=0.01, optimizer="adam", warmup_epochs=5)
        network = build_architecture("flexnet7", operator="flexconv")
        optimizer = build_optimizer(network, recipe)
        groups = {group["lr_scale"]: group["params"] for group in optimizer.param_groups}
        assert {scale: len(group) for scale, group in groups.items()} == {
            1.0: len(list(network.parameters())) - 15,
            0.1: 15,
        }
        assert all(p.shape == (2, 2) for p in groups[min(groups)])


def alias_penalty(layer: nn.Module, target: str, size: int) -> float:
    """Return the official penalty with weight 0.1 and s_cut 2, filter by filter."""
    filters = layer.generator.filters
    mask = 0.0
    if target == "gabor+mask":
        mask = 2 / (2 * math.pi) * max(1 / abs(sigma.item()) for _, sigma in layer.mask_params)
    total = 0.0
    for gabor in filters:
        wave, width = gabor.weight.abs().max().item(), gabor.gamma.abs().max().item()
        frequency = (wave + 2 * width) / (2 * math.pi)
        excess = frequency + mask / len(filters) - (size - 1) / 4 / len(filters)
        total += max(excess, 0.0) ** 2
    return 0.1 * total


def literal(network: nn.Module, x: Tensor) -> Tensor:
    """Return the logits of a network of 3x3 convolutions in evaluation."""

    def conv(x: Tensor, layer: nn.Module) -> Tensor:
        return F.conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)

    def norm(x: Tensor, layer: nn.Module) -> Tensor:
        shape = (1, -1, 1, 1)
        scale = layer.weight / (layer.running_var + 1e-5).sqrt()
        return (x - layer.running_mean.view(shape)) * scale.view(shape) + layer.bias.view(shape)

    x = norm(conv(x, network.stem), network.norm).relu()
    for block in network.blocks:
        out = norm(conv(x, block.conv1), block.norm1).relu()
        out = norm(conv(out, block.conv2), block.norm2)
        changes = out.shape[1] != x.shape[1]
        x = (out + (conv(x, block.shortcut) if changes else x)).relu()
    pooled = x.flatten(2).mean(2)
    return pooled @ network.classifier.weight.T + network.classifier.bias
