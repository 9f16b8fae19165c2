"""Diversity of filters against facts 8, 10 and 11 of LC's specification and literal forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kbench.evaluations.filters import (
    filter_rank,
    filter_variance_entropy,
    filters,
    orthogonality,
    random_entropy,
    spanning_expansion,
    sparsity,
    variance_map,
)
from kbench.operators import build_operator

PRINTED = {"abs": 5.1e-7}  # the specification prints six decimals


def scheme_q(seed: int, *shape: int) -> Tensor:
    """Return Q_s of section 11 of the LC specification."""
    t = torch.arange(1, 1 + math.prod(shape))
    return (((seed + 2) * t**3 + 37 * t**2 + 5 * t) % 1009 / 504 - 1).double().view(shape)


WAVES = torch.sin(0.37 * torch.arange(1296, dtype=torch.float64)).view(16, 9, 3, 3)


def entropy_of(filters: Tensor) -> float:
    return filter_variance_entropy(filters.flatten(0, 1))


class TestFact10:
    @pytest.mark.parametrize(
        ("count", "expected"),
        [(9, 0.551507), (144, 0.934719), (4096, 0.951066), (10**12, 0.951296)],
        ids=str,
    )
    def test_entropy_of_random_kernels(self, count, expected) -> None:
        assert random_entropy(count) == pytest.approx(expected, **PRINTED)

    @pytest.mark.parametrize(
        ("layer", "entropy", "normalised", "orthogonal"),
        [
            (WAVES, 0.300015, 0.320968, 0.388234),
            (scheme_q(4, 16, 9, 3, 3), 0.940717, 1.006417, 0.910149),
        ],
        ids=["waves", "scheme Q"],
    )
    def test_entropy_normalised_entropy_orthogonality(
        self, layer, entropy, normalised, orthogonal
    ) -> None:
        assert entropy_of(layer) == pytest.approx(entropy, **PRINTED)
        assert entropy_of(layer) / random_entropy(144) == pytest.approx(normalised, **PRINTED)
        assert orthogonality(layer) == pytest.approx(orthogonal, **PRINTED)

    def test_sparsity(self) -> None:
        scaled = WAVES.clone()
        scaled[:4] *= 1e-3
        assert sparsity(WAVES.flatten(0, 1)) == 0
        assert sparsity(scaled.flatten(0, 1)) == 0.25

    def test_constant_layer_has_no_entropy(self) -> None:
        assert filter_variance_entropy(torch.full((144, 3, 3), 0.1, dtype=torch.float64)) == 0

    def test_kernels_of_the_centre_alone_have_no_entropy(self) -> None:
        kernels = torch.zeros(144, 3, 3, dtype=torch.float64)
        kernels[:, 1, 1] = torch.arange(144)
        assert filter_variance_entropy(kernels) == pytest.approx(0, abs=1e-12)

    @pytest.mark.parametrize(
        ("channels", "least", "most", "mean"),
        # Fresh default layers; the extremes stand for 20 seeds of the specification.
        [((16, 3), 0.996, 1.044, 1.028), ((64, 64), 1.0, 1.006, 1.003)],
        ids=str,
    )
    def test_fresh_layers_are_random(self, channels, least, most, mean) -> None:
        values = []
        for seed in range(20):
            torch.manual_seed(seed)
            layer = nn.Conv2d(channels[1], channels[0], 3).weight.detach().double()
            values.append(entropy_of(layer) / random_entropy(math.prod(channels)))
        assert sum(values) / 20 == pytest.approx(mean, abs=0.002)
        assert least - 0.004 < min(values) <= max(values) < most + 0.004

    @pytest.mark.parametrize("expansion", [1, 8, 128])
    def test_combined_kernels_are_random_at_the_start(self, expansion, evaluate) -> None:
        torch.manual_seed(0)
        layer = build_operator("lc", 16, 16, 3, padding=1, expansion=expansion)
        found = dict(filters(evaluate(nn.Sequential(layer), torch.zeros(1, 16, 4, 4))))
        expected = {1: 0.995, 8: 1.003, 128: 1.003}[expansion]
        # One draw instead of the specification's mean; E = 1 varies most.
        assert found["fve_normalised.first"] == pytest.approx(expected, abs=0.02)

    @pytest.mark.parametrize(
        ("side", "entropy"), [(3, 0.9485), (5, 1.3738), (7, 1.6476), (9, 1.8378)], ids=str
    )
    def test_entropy_of_fresh_kernels_by_size(self, side, entropy) -> None:
        torch.manual_seed(0)
        layer = nn.Conv2d(16, 16, side).weight.detach().double()
        assert entropy_of(layer) == pytest.approx(entropy, abs=0.01)


def test_fact_11_variance_map() -> None:
    layers = [scheme_q(0, 8, 4, 3, 3).flatten(0, 1), 5 * scheme_q(4, 16, 9, 3, 3).flatten(0, 1)]
    expected = [
        [1.008890, 1.002845, 0.950551],
        [0.991654, 0.931444, 1.021407],
        [0.993808, 1.109097, 0.927757],
    ]
    torch.testing.assert_close(
        variance_map(layers), torch.tensor(expected, dtype=torch.float64), atol=5.1e-7, rtol=0
    )


@pytest.mark.parametrize(
    ("expansion", "rank"), [(1, 16), (4, 64), (8, 128), (9, 144), (16, 144)], ids=str
)
def test_fact_8_rank_law(expansion, rank) -> None:
    torch.manual_seed(0)
    layer = build_operator("lc", 16, 16, 3, padding=1, expansion=expansion)
    assert filter_rank(layer.spatial_filters()) == rank


@pytest.mark.parametrize(
    ("channels", "sizes"), [((16, 16), (9, 25, 49, 81)), ((16, 3), (2, 5, 10, 16))], ids=str
)
def test_fact_8_spanning_expansion(channels, sizes) -> None:
    found = [spanning_expansion(torch.zeros(*channels, side, side)) for side in (3, 5, 7, 9)]
    assert tuple(found) == sizes


def test_entropy_is_that_of_singular_values() -> None:
    kernels = WAVES.flatten(0, 1)[:5]  # fewer kernels than taps
    rows = kernels.flatten(1)
    shares = torch.linalg.svdvals(rows - rows.mean(0))[:-1].square()
    shares = shares / shares.sum()
    entropy = -float((shares * shares.log10()).sum())
    assert filter_variance_entropy(kernels) == pytest.approx(entropy, rel=1e-9)


def test_zero_filter_is_orthogonal_to_all_others() -> None:
    layer = torch.ones(3, 1, 3, 3, dtype=torch.float64)
    layer[2] = 0
    # Of six ordered pairs the two of the equal filters have cosine 1.
    assert orthogonality(layer) == pytest.approx(1 - 2 / 6)


def test_layer_of_zeros_is_sparse() -> None:
    assert sparsity(torch.zeros(4, 3, 3)) == 1


class Net(nn.Module):
    """Four convolutions; the one that is registered first is met last."""

    def __init__(self) -> None:
        super().__init__()
        self.tail = build_operator("lc", 4, 6, 3, padding=1, expansion=2)
        self.head = nn.Conv2d(3, 4, 3, padding=1)
        self.mix = nn.Conv2d(4, 4, 1)
        self.relu = build_operator("lc", 4, 4, 3, padding=1, intermediate="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.relu(self.mix(self.head(x))))


class TestEvaluation:
    def test_first_and_last_are_those_that_an_image_meets(self, evaluate) -> None:
        found = dict(filters(evaluate(net := Net(), torch.zeros(2, 3, 5, 5))))
        assert (
            found["fve.first"] == found["fve.head"] == entropy_of(net.head.weight.detach().double())
        )
        assert found["fve.last"] == found["fve.tail"]

    def test_filters_of_lc_are_the_combined_ones(self, evaluate) -> None:
        found = dict(filters(evaluate(net := Net(), torch.zeros(2, 3, 5, 5))))
        combined = net.tail.combined_weight().detach().double()
        assert found["fve.tail"] == entropy_of(combined)
        assert found["orthogonality.tail"] == orthogonality(combined)
        assert (found["filter_rank.tail"], found["spanning_expansion.tail"]) == (12, 6)

    def test_layers_without_a_spatial_kernel_are_left_out(self, evaluate) -> None:
        found = dict(filters(evaluate(Net(), torch.zeros(2, 3, 5, 5))))
        layers = {name.partition(".")[2] for name in found}
        assert layers == {"head", "tail", "first", "last"}

    def test_variance_maps_are_written_by_size(self, evaluate, tmp_path) -> None:
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 5), nn.Conv2d(4, 4, 3))
        list(filters(evaluate(net, torch.zeros(2, 3, 12, 12))))
        maps = np.load(tmp_path / "variance_map.npz")
        assert {name: maps[name].shape for name in maps} == {"3x3": (3, 3), "5x5": (5, 5)}
        layers = [net[i].weight.detach().double().flatten(0, 1) for i in (0, 2)]
        np.testing.assert_array_equal(maps["3x3"], variance_map(layers).numpy())
