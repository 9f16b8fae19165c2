"""Facts of N-Jet's options that the layer's tests do not reach."""

import pytest
import torch

from kbench.operators.njet_options import check_number
from kbench.operators.njet_parts import (
    Decays,
    SafeSubsample,
    SafeSubsampling,
    SigmaOfResolution,
)


@pytest.mark.parametrize(
    ("side", "new", "low", "high"), [(17, 13, 1.12, 1.55), (8, 5, 1.66, 2.71)], ids=["17", "8"]
)
def test_published_sides_imply_the_printed_range_of_sigma(
    side: int, new: int, low: float, high: float
) -> None:
    rule = SafeSubsampling(4.0, "paper", "after")
    sigmas = [n / 100 for n in range(1, 500)]
    inside = [sigma for sigma in sigmas if int(side * rule.factor(sigma)) == new]
    # The ends are printed to two decimals.
    assert inside[0] == pytest.approx(low, abs=0.011)
    assert inside[-1] == pytest.approx(high, abs=0.011)


def test_sides_stay_positive() -> None:
    assert SafeSubsample(1e-6, 2)(torch.ones(1, 1, 5, 7)).shape == (1, 1, 1, 1)


def test_subsampling_picks_nearest_neighbours() -> None:
    x = torch.arange(6.0).view(1, 1, 6)
    assert SafeSubsample(0.5, 1)(x).flatten().tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("penalty", "weight", "group"),
    [("decay", None, None), ("decay", 0.01, 0.01), ("frobenius", 0.01, None), ("none", 0.01, 0.0)],
    ids=str,
)
def test_penalty_decides_the_decay_of_alpha(penalty, weight, group) -> None:
    assert Decays(penalty, weight, 1.0, 0.0).alpha_group == group


@pytest.mark.parametrize("value", [True, "1", None, float("inf"), 0.0], ids=repr)
def test_what_is_not_a_positive_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"x \(=.*\) must be a number > 0"):
        check_number("x", value, 0, exclusive=True)


def test_sigma_follows_the_resolution() -> None:
    # FlexConv's specification, section 2.10: times target / source.
    layer = SigmaOfResolution()
    layer.sigma_scale = 1.5
    layer.change_resolution(16, 28)
    assert layer.sigma_scale == 1.5 * 28 / 16
