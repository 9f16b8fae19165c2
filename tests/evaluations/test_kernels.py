"""Mass and components of kernels against section 11 of NIFF's specification and closed forms."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kbench.architectures import build_architecture
from kbench.evaluations.kernels import (
    effective_kernel_size,
    find_stages,
    kernels,
    mass_ratios,
    principal_components,
)
from kbench.operators import build_operator

FACT_MASS = [0.8368, 0.8759, 0.9008, 0.9229, 0.9445, 0.9664, 0.9887, 1]
FACT_SHARES = [0.85984, 0.12596, 0.01421, 0, 0, 0, 0]
FACT = {"abs": 1e-4}  # tolerance that section 11 states


def deterministic(channels: int, amplitude: float) -> nn.Module:
    """Return a depthwise layer with parameter k set to A sin(1 + i + 10 k) (section 11)."""
    module = build_operator("niff", channels, channels, 3, padding=1, groups=channels, bias=False)
    for k, parameter in enumerate(module.parameters()):
        index = torch.arange(parameter.numel(), dtype=torch.float64)
        parameter.data.copy_((amplitude * torch.sin(1 + index + 10 * k)).view_as(parameter))
    return module


def delta(side: int) -> Tensor:
    kernel = torch.zeros(1, side, side, dtype=torch.float64)
    kernel[:, side // 2, side // 2] = 2
    return kernel


class TestFacts:
    def test_mass_ratio(self) -> None:
        found = mass_ratios(deterministic(4, 0.1).centred_kernels(14).detach().double())
        assert found.mean(0).tolist() == pytest.approx(FACT_MASS, **FACT)

    def test_effective_kernel_size(self) -> None:
        assert effective_kernel_size(torch.tensor(FACT_MASS), 14) == 5

    def test_principal_components(self) -> None:
        found = principal_components(deterministic(24, 0.5).centred_kernels(14).detach(), 7)[0]
        assert found.tolist() == pytest.approx(FACT_SHARES, **FACT)

    def test_notebook_windows_miss_a_delta_at_first(self) -> None:
        """Section 9: a delta gives 0, 1, 1, ... instead of 1, 1, 1."""
        assert mass_ratios(delta(6), notebook_parity=True).tolist() == [[0, 1, 1, 1]]
        assert mass_ratios(delta(6)).tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("sides", [(7, 7), (8, 8), (6, 9), (5,)], ids=str)
def test_mass_ratio_is_that_of_literal_windows(sides) -> None:
    torch.manual_seed(0)
    values = torch.randn(3, *sides, dtype=torch.float64)
    expected = []
    for reach in range(max(sides) // 2 + 1):
        window = tuple(slice(max(0, n // 2 - reach), n // 2 + reach + 1) for n in sides)
        inside = values[(slice(None), *window)].abs().flatten(1).sum(1)
        expected.append(inside / values.abs().flatten(1).sum(1))
    torch.testing.assert_close(mass_ratios(values), torch.stack(expected, 1))


def test_notebook_windows_are_literally_those_of_the_notebook() -> None:
    torch.manual_seed(0)
    values = torch.randn(3, 8, 8, dtype=torch.float64)
    expected = [
        values[:, 4 - i : 4 + i, 4 - i : 4 + i].abs().sum((1, 2)) / values.abs().sum((1, 2))
        for i in range(5)
    ]
    torch.testing.assert_close(mass_ratios(values, notebook_parity=True), torch.stack(expected, 1))


@pytest.mark.parametrize(
    ("curve", "side", "expected"),
    [([0.9, 1.0], 3, 1), ([0.5, 0.89, 1.0], 4, 4), ([0.5, 0.89, 1.0], 5, 5)],
    ids=["at once", "at most the side", "odd"],
)
def test_effective_kernel_size_is_the_smallest_with_90_percent(curve, side, expected) -> None:
    assert effective_kernel_size(torch.tensor(curve), side) == expected


@pytest.mark.parametrize("count", [6, 40], ids=["fewer samples than taps", "more"])
def test_components_are_those_of_the_singular_value_decomposition(count) -> None:
    torch.manual_seed(0)
    values = torch.randn(count, 3, 5, dtype=torch.float64)
    rows = values.flatten(1) - values.flatten(1).mean(0)
    _, singular, vectors = torch.linalg.svd(rows, full_matrices=False)
    shares, components = principal_components(values, 4)
    torch.testing.assert_close(shares, (singular**2 / (singular**2).sum())[:4])
    alignment = (components.flatten(1) * vectors[:4]).sum(1).abs()
    torch.testing.assert_close(alignment, torch.ones(4, dtype=torch.float64))


def test_components_that_do_not_exist_are_zero() -> None:
    shares, components = principal_components(delta(3).expand(2, -1, -1), 12)
    assert shares.tolist() == [0] * 12
    assert components.shape == (12, 3, 3)


class Block(nn.Module):
    """A 3x3 and a 1x1 convolution."""

    def __init__(self, stride: int = 1, name: str = "conv") -> None:
        super().__init__()
        padding = 1 if stride == 2 or name == "conv" else "same"
        options = {"form": "depthwise"} if stride == 1 and name == "niff" else {}
        groups = 4 if options else 1
        operator = name if stride == 1 else "conv"
        self.conv1 = build_operator(
            operator, 4, 4, 3, stride=stride, padding=padding, groups=groups, bias=False, **options
        )
        self.conv2 = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class Net(nn.Module):
    """Stem, a stage of three blocks, a list of blocks at two sides."""

    def __init__(self, name: str = "conv") -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layer1 = nn.Sequential(*(Block(name=name) for _ in range(3)))
        self.blocks = nn.ModuleList([Block(2), Block(name=name), Block(2)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer1(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return x


class TestStages:
    def test_first_block_is_left_out_unless_it_is_alone(self, evaluate) -> None:
        stages = find_stages(evaluate(Net(), torch.zeros(1, 3, 8, 8)))
        assert {stage.name: len(stage.kernels) for stage in stages} == {
            "layer1": 2,
            "blocks.4x4px": 1,
            "blocks.2x2px": 1,
        }

    def test_first_block_is_kept_on_request(self, evaluate) -> None:
        network = evaluate(Net(), torch.zeros(1, 3, 8, 8))
        stages = find_stages(network, skip_first_block=False)
        assert [len(stage.kernels) for stage in stages] == [3, 2, 1]

    @pytest.mark.parametrize(("scale", "side"), [(1, 8), (2, 16)], ids=str)
    def test_kernels_are_taken_at_the_side_of_the_map(self, evaluate, scale, side) -> None:
        network = evaluate(Net("niff"), torch.zeros(1, 3, 8, 8))
        first = find_stages(network, grid_scale=scale)[0]
        assert [tuple(kernel.shape) for kernel in first.kernels] == [(4, side, side)] * 2

    def test_notebook_takes_kernels_at_the_side_of_what_enters_the_stage(self, evaluate) -> None:
        """Section 9: at twice the side for a stage that halves it, as the first does not."""
        network = evaluate(Net("niff"), torch.zeros(1, 3, 8, 8))
        stages = find_stages(network, notebook_parity=True)
        assert [stage.kernels[0].shape[1] for stage in stages[:2]] == [8, 8]
        assert [stage.kernels[0].shape[1] for stage in find_stages(network)[:2]] == [8, 4]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("parity", "sides"), [(False, [56, 28, 14, 7]), (True, [56, 56, 28, 14])], ids=["own", "nb"]
    )
    def test_stages_of_resnet50_are_those_of_section_9(self, evaluate, parity, sides) -> None:
        """Blocks 1-2, 1-3, 1-5 and 1-2, a kernel a channel; the rank is at most 9 a block."""
        options = {"form": "split"}
        network = build_architecture(
            "resnet50", operator="niff", operator_options=options, where="niff"
        )
        found = find_stages(evaluate(network, torch.zeros(1, 3, 224, 224)), notebook_parity=parity)
        assert [stage.name for stage in found] == ["layer1", "layer2", "layer3", "layer4"]
        assert [len(stage.kernels) for stage in found] == [2, 3, 5, 2]
        assert [stage.rank_bound for stage in found] == [18, 27, 45, 18]
        expected = list(zip((64, 128, 256, 512), sides, sides, strict=True))
        assert [tuple(stage.kernels[0].shape) for stage in found] == expected

    def test_rank_bound_is_the_layers_sum(self, evaluate) -> None:
        """Section 2.5: at most B (2 h + 1), h = 4, over B pooled layers."""
        stages = find_stages(evaluate(Net("niff"), torch.zeros(1, 3, 8, 8)))
        assert [stage.rank_bound for stage in stages] == [18, 9, None]


class TestEvaluation:
    def test_metrics_are_those_of_the_stage(self, evaluate) -> None:
        torch.manual_seed(0)
        found = dict(kernels(evaluate(net := Net("niff"), torch.zeros(1, 3, 8, 8))))
        pooled = torch.cat([net.layer1[i].conv1.centred_kernels(8) for i in (1, 2)]).detach()
        curve = mass_ratios(pooled.double()).mean(0)
        own = [found[f"mass_ratio.layer1.s{s}"] for s in (1, 3, 5, 7, 9)]
        assert own == pytest.approx(curve.tolist())
        assert found["effective_kernel_size.layer1"] == effective_kernel_size(curve, 8)
        shares = principal_components(pooled.double(), 7)[0].tolist()
        assert [found[f"pca_ratio.layer1.v{i}"] for i in range(7)] == pytest.approx(shares)
        assert found["pca_rank_bound.layer1"] == 18

    def test_arrays_hold_curves_and_components(self, evaluate, tmp_path) -> None:
        list(kernels(evaluate(Net(), torch.zeros(1, 3, 8, 8)), components=2))
        arrays = np.load(tmp_path / "kernels.npz")
        assert arrays["layer1.pca_components"].shape == (2, 3, 3)
        assert arrays["layer1.mass_mean"].shape == arrays["layer1.mass_std"].shape == (2,)

    def test_smaller_kernels_of_a_stage_lie_inside(self, evaluate) -> None:
        """A 3x3 kernel of ones has 1/9 and 1, one of 5x5 has 1/25, 9/25 and 1."""
        stage = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 5, padding=2))
        for layer in stage:
            nn.init.ones_(layer.weight)
        network = evaluate(nn.Sequential(stage), torch.zeros(1, 1, 6, 6))
        found = dict(kernels(network, skip_first_block=False))
        ratios = [value for name, value in found.items() if name.startswith("mass_ratio")]
        assert ratios == pytest.approx([(1 / 9 + 1 / 25) / 2, (1 + 9 / 25) / 2, 1])
        assert found["effective_kernel_size.0"] == 5
