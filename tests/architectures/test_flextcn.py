"""Facts of sections 5.2, 5.4 and 11 of the FlexConv specification that need the networks."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures import build_architecture
from kbench.errors import UnsupportedError
from kbench.registry import ARCHITECTURES, OPERATORS, OPERATORS_1D

NAMES = ("flextcn2", "flextcn4", "flextcn6", "ckcnn2", "ckcnn2_big")
BLOCKS = {"flextcn2": 2, "flextcn4": 4, "flextcn6": 6, "ckcnn2": 2, "ckcnn2_big": 2}
CKCNN = {"generator": "siren", "weight_norm": True, "bias_init": "uniform"}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build_on_meta(name: str, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(name, **arguments)


def small(name: str = "flextcn2", **arguments: object) -> nn.Module:
    return build_architecture(name, **{"width": 4, "in_channels": 2, **arguments})


def generated(operator: str, generator: str, **options: object) -> dict[str, object]:
    return {"operator": operator, "operator_options": {"generator": generator, **options}}


class TestCounts:
    @pytest.mark.parametrize(
        ("name", "in_channels", "arguments", "total"),
        [
            ("flextcn2", 1, generated("flexconv", "magnet"), 105_548),
            ("flextcn6", 1, generated("flexconv", "magnet"), 373_324),
            ("flextcn2", 3, generated("flexconv", "magnet"), 107_588),
            ("flextcn4", 3, generated("flexconv", "magnet"), 241_476),
            ("flextcn2", 96, generated("flexconv", "magnet"), 202_448),
            ("flextcn6", 96, generated("flexconv", "magnet"), 470_224),
            ("flextcn2", 20, generated("flexconv", "magnet"), 124_928),
            ("flextcn4", 20, generated("flexconv", "magnet"), 258_816),
            ("flextcn6", 1, generated("flexconv", "fourier"), 370_252),
            ("flextcn6", 1, generated("flexconv", "gabor"), 373_324),
            ("flextcn2", 1, generated("ckconv", "siren"), 95_300),
            ("flextcn2", 1, generated("ckconv", "fourier"), 104_516),
            ("flextcn2", 1, generated("ckconv", "magnet"), 105_540),
            ("flextcn2", 1, generated("ckconv", "gabor"), 105_540),
            ("ckcnn2", 1, generated("ckconv", **CKCNN), 98_286),
        ],
        ids=str,
    )
    def test_of_section_5(
        self, name: str, in_channels: int, arguments: dict[str, object], total: int
    ) -> None:
        network = build_on_meta(name, in_channels=in_channels, **arguments)
        assert count(network) == total
        assert all(p.requires_grad for p in network.parameters())

    def test_of_one_layer(self) -> None:
        network = build_on_meta("flextcn2", operator="flexconv")
        assert count(network.blocks[1].conv1) == 33_412

    def test_of_flextcn6_with_siren_prints_as_in_table_1(self) -> None:
        network = build_on_meta("flextcn6", in_channels=1, **generated("flexconv", "siren"))
        assert round(count(network) / 1000) == 343

    def test_of_ckcnn2_big_follows_the_formula(self) -> None:
        # Section 2.6 with weight normalisation for 1 and 3 x 100 inputs; Table 1 prints 1M.
        layers = [
            100 * inputs * 34 + 32 + 32 + 32**2 + 32 + 64 + 100 for inputs in (1, 100, 100, 100)
        ]
        rest = 4 * 200 + 200 + 101 * 10
        network = build_on_meta("ckcnn2_big", in_channels=1, **generated("ckconv", **CKCNN))
        assert count(network) == sum(layers) + rest

    @pytest.mark.parametrize("norm", ["batch", "layer"])
    @pytest.mark.parametrize("readout", ["last", "mean"])
    def test_norm_and_readout_do_not_change_them(self, norm: str, readout: str) -> None:
        network = build_on_meta(
            "flextcn2", in_channels=1, operator="flexconv", norm=norm, readout=readout
        )
        assert count(network) == 105_548


class TestLayout:
    @pytest.mark.parametrize("norm", ["batch", "layer"])
    @pytest.mark.parametrize("readout", ["last", "mean"])
    @pytest.mark.parametrize("name", NAMES)
    def test_forward_is_the_literal_network(self, name: str, readout: str, norm: str) -> None:
        network = small(name, kernel_size=3, norm=norm, readout=readout).eval()
        with torch.no_grad():
            for block in network.blocks:
                for layer in (block.norm1, block.norm2):
                    layer.weight.normal_()
                    layer.bias.normal_()
                    if norm == "batch":
                        layer.running_mean.normal_()
                        layer.running_var.uniform_(0.5, 2)
        x = torch.randn(3, 2, 11)
        # One operation after the other, as section 5.2 writes them; float32 rounding only.
        torch.testing.assert_close(network(x), literal(network, x), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("name", "kind", "width"),
        [
            ("flextcn2", nn.BatchNorm1d, 30),
            ("flextcn6", nn.BatchNorm1d, 30),
            ("ckcnn2", nn.GroupNorm, 30),
            ("ckcnn2_big", nn.GroupNorm, 100),
        ],
    )
    def test_defaults_are_those_of_the_paper(
        self, name: str, kind: type[nn.Module], width: int
    ) -> None:
        network = build_on_meta(name, kernel_size=3)
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.GroupNorm)]
        assert {type(m) for m in norms} == {kind}
        assert len(norms) == 2 * BLOCKS[name]
        assert network.classifier.in_features == width
        assert network.blocks[0].dropout.p == 0.1
        assert network.dropout_in.p == 0.0

    @pytest.mark.parametrize("name", NAMES)
    def test_convolutions_are_made_in_the_order_of_execution(self, name: str) -> None:
        made, dims = [], []

        def conv(*arguments: object, dims: int, seen: list[int] = dims, **options: object):
            seen.append(dims)
            made.append(nn.Conv1d(*arguments, **options))
            return made[-1]

        network = ARCHITECTURES[name](conv, 10, 3, width=4, kernel_size=3)
        run = []
        for module in made:
            module.register_forward_hook(lambda module, *_: run.append(module))
        network(torch.randn(2, 3, 5))
        assert [id(module) for module in run] == [id(module) for module in made]
        assert dims == [1] * 2 * BLOCKS[name]

    def test_dropout_follows_both_activations(self) -> None:
        network = small(kernel_size=3, dropout=0.5).train()
        block, seen = network.blocks[1], []
        block.dropout.register_forward_hook(lambda _, x, y: seen.append((x[0], y)))
        inputs = []
        block.register_forward_hook(lambda _, x, y: inputs.append((x[0], y)))
        network(torch.randn(3, 2, 16))
        assert len(seen) == 2
        assert all((x >= 0).all() and (y == 0).sum() > (x == 0).sum() for x, y in seen)
        x, y = inputs[0]
        torch.testing.assert_close(y, (x + seen[1][1]).relu(), rtol=0, atol=0)

    def test_dropout_of_the_input(self) -> None:
        network = small(kernel_size=3, dropout_in=0.5).train()
        seen = []
        network.blocks.register_forward_hook(lambda _, x, __: seen.append(x[0]))
        network(torch.ones(4, 2, 64))
        # Ones become zeros and twos; four standard errors of a mean of 512 coins are 0.09.
        assert set(seen[0].unique().tolist()) == {0.0, 2.0}
        assert seen[0].mean().item() == pytest.approx(1, abs=4 / 512**0.5)

    def test_classifier_is_small_at_first(self) -> None:
        classifier = small(kernel_size=3, width=100, num_classes=100).classifier
        # Four standard errors of the deviation of 10,000 numbers are 2.8 %.
        assert classifier.weight.std().item() == pytest.approx(0.01, rel=0.03)
        assert not classifier.bias.any()

    @pytest.mark.parametrize("operator", ["flexconv", "ckconv"])
    def test_a_causal_operator_makes_a_causal_network(self, operator: str) -> None:
        network = small(operator=operator).double().eval()
        x = torch.randn(1, 2, 24, dtype=torch.float64)
        later = x.clone()
        later[:, :, 15:] += 1
        with torch.no_grad():
            before, after = network.blocks(x), network.blocks(later)
        # Without FFT nothing later is ever added, so the past is the same to the last bit.
        torch.testing.assert_close(before[..., :15], after[..., :15], rtol=0, atol=0)
        assert (before[..., 15:] != after[..., 15:]).any()

    def test_plain_convolution_sees_both_sides(self) -> None:
        network = small(kernel_size=3).eval()
        x = torch.randn(1, 2, 24, requires_grad=True)
        network.blocks(x)[..., 10].sum().backward()
        reached = x.grad.abs().sum((0, 1)).nonzero().flatten()
        # Four convolutions of 3 taps reach 4 steps to each side, unless a ReLU cuts all of them.
        assert reached.min() < 10 < reached.max()
        assert reached.min() >= 6
        assert reached.max() <= 14

    def test_kernels_are_as_long_as_the_first_input(self) -> None:
        network = small(operator="flexconv")
        network(torch.randn(2, 2, 20))
        assert {block.conv1.size for block in network.blocks} == {20}

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"width": 0}, r"width \(=0\) must be an integer >= 1"),
            ({"dropout": -0.1}, r"dropout \(=-0.1\) must be a number >= 0 and < 1"),
            ({"dropout_in": 1}, r"dropout_in \(=1\) must be a number >= 0 and < 1"),
            ({"norm": "group"}, r"norm \(='group'\) must be one of \['batch', 'layer'\]"),
            ({"readout": "first"}, r"readout \(='first'\) must be one of \['last', 'mean'\]"),
            ({"bias": None}, r"bias \(=None\) must be true or false"),
            ({}, r"kernel_size \(='same'\) must be an integer >= 1"),
        ],
        ids=["width", "dropout", "dropout_in", "norm", "readout", "bias", "plain_convolution"],
    )
    def test_refuses_wrong_options(self, options: dict[str, object], expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            small(**options)

    def test_refuses_an_operator_without_a_form_for_sequences(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(OPERATORS._entries, "flat", OPERATORS["conv"])
        with pytest.raises(UnsupportedError, match="operator 'flat' has no 1-D form"):
            small(operator="flat", kernel_size=3)

    def test_refuses_an_operator_that_changes_the_steps(self) -> None:
        network = small(operator="njet", operator_options={"safe_subsample": 1.0}, kernel_size=3)
        with pytest.raises(UnsupportedError, match="the operator leaves sides"):
            network(torch.randn(2, 2, 32))

    def test_refuses_images(self) -> None:
        with pytest.raises(UnsupportedError, match=r"\(=\(2, 2, 8, 8\)\) must be \(B, C, T\)"):
            small(operator="flexconv")(torch.randn(2, 2, 8, 8))


class TestUse:
    @pytest.mark.parametrize(
        ("options", "length"),
        [
            ({"kernel_size": 3}, 1),
            ({"operator": "flexconv"}, 2),
            ({"operator": "ckconv", "operator_options": CKCNN}, 2),
        ],
        ids=["conv", "flexconv", "ckcnn"],
    )
    @pytest.mark.parametrize("name", NAMES)
    def test_smallest_inputs(self, name: str, options: dict[str, object], length: int) -> None:
        network = small(name, num_classes=3, **options)
        y = network(torch.randn(3, 2, length))
        y.square().sum().backward()
        assert y.shape == (3, 3)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())

    @pytest.mark.parametrize("operator", sorted(OPERATORS_1D))
    def test_every_operator_with_a_form_for_sequences_trains(self, operator: str) -> None:
        network = small(operator=operator, kernel_size=3)
        y = network(torch.randn(2, 2, 9))
        y.square().sum().backward()
        assert y.shape == (2, 10)
        assert network.blocks[0].shortcut.weight.grad.any()

    def test_forward_on_the_meta_device(self) -> None:
        with torch.device("meta"):
            network = build_architecture("flextcn6", operator="flexconv", in_channels=1)
            assert network(torch.empty(2, 1, 784)).shape == (2, 10)

    @pytest.mark.slow
    def test_compiles_without_graph_breaks(self) -> None:
        found = torch._dynamo.explain(small(kernel_size=3))(torch.randn(2, 2, 8))
        assert found.graph_break_count == 0

    def test_one_step_lowers_the_loss(self) -> None:
        network = small(operator="flexconv", dropout=0.0)
        x, y = torch.randn(16, 2, 30), torch.arange(16) % 10
        losses = []
        for _ in range(2):
            loss = F.cross_entropy(network(x), y)
            losses.append(loss.item())
            parameters = list(network.parameters())
            grads = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for parameter, grad in zip(parameters, grads, strict=True):
                    parameter.sub_(0.01 * grad)
        assert losses[1] < losses[0]


def literal(network: nn.Module, x: Tensor) -> Tensor:
    """Return the logits of a network of centred convolutions in evaluation."""

    def conv(x: Tensor, layer: nn.Module) -> Tensor:
        return F.conv1d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)

    def norm(x: Tensor, layer: nn.Module) -> Tensor:
        if isinstance(layer, nn.GroupNorm):
            variance, mean = torch.var_mean(x, (1, 2), correction=0, keepdim=True)
            epsilon = 1e-12
        else:
            variance, mean = layer.running_var[:, None], layer.running_mean[:, None]
            epsilon = 1e-5
        scaled = (x - mean) / (variance + epsilon).sqrt()
        return scaled * layer.weight[:, None] + layer.bias[:, None]

    for block in network.blocks:
        out = norm(conv(x, block.conv1), block.norm1).relu()
        out = norm(conv(out, block.conv2), block.norm2).relu()
        x = (out + (conv(x, block.shortcut) if out.shape != x.shape else x)).relu()
    features = x[:, :, -1] if network.readout == "last" else x.sum(2) / x.shape[2]
    return features @ network.classifier.weight.T + network.classifier.bias
