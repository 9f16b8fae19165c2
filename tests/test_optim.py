"""Learning rates by hand, and which parameter is treated how."""

import math

import pytest
import torch
from torch import Tensor, nn

from kbench.architectures import build_architecture
from kbench.optim import Plateau, build_optimizer, learning_rate, parameter_groups
from kbench.recipe import Recipe

EXACT = {"rel": 1e-12}
ON_CIFAR = 196  # steps of an epoch: 50,000 images in batches of 256


def make_recipe(**changes: object) -> Recipe:
    return Recipe(**({"epochs": 10, "batch_size": 4, "lr": 0.1} | changes))


class Masked(nn.Module):
    """An operator with a mask of its own rate and decay, and an offset of its own rate."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2))
        self.sigma = nn.Parameter(torch.ones(1))
        self.offset = nn.Parameter(torch.ones(1))
        self.fixed = nn.Parameter(torch.ones(3, 3), requires_grad=False)

    def parameter_groups(self) -> dict[str, tuple[list[nn.Parameter], float, float | None]]:
        return {"mask": ([self.sigma], 0.1, 0.0), "offset": ([self.offset], 2.0, None)}

    def forward(self, x: Tensor) -> Tensor:
        return x


class TestLearningRate:
    @pytest.mark.parametrize(
        ("step", "lr"),
        [(0, 0.01), (3675, 0.00853553), (7350, 0.005)],
        ids=["first", "quarter", "half"],
    )
    def test_cosine_has_the_values_of_lc_fact_14(self, step: int, lr: float) -> None:
        recipe = Recipe(epochs=75, batch_size=256, lr=0.01, schedule="cosine")
        # The specification prints eight decimals.
        assert learning_rate(recipe, step, ON_CIFAR) == pytest.approx(lr, abs=5.1e-9)

    def test_cosine_ends_one_step_before_its_minimum(self) -> None:
        recipe = make_recipe(schedule="cosine", min_lr=0.02)
        last = 0.02 + 0.08 * (1 + math.cos(math.pi * 49 / 50)) / 2
        assert learning_rate(recipe, 49, 5) == pytest.approx(last, **EXACT)

    @pytest.mark.parametrize(
        ("step", "lr"),
        [(0, 0.01), (4, 0.05), (9, 0.1), (10, 0.1), (30, 0.05)],
        ids=["first", "middle", "last of warm-up", "peak", "half of the cosine"],
    )
    def test_warm_up_rises_by_equal_amounts_before_the_cosine(self, step: int, lr: float) -> None:
        recipe = make_recipe(schedule="cosine", warmup_epochs=2)
        assert learning_rate(recipe, step, 5) == pytest.approx(lr, **EXACT)

    @pytest.mark.parametrize(
        ("step", "lr"),
        [(14, 0.1), (15, 0.05), (34, 0.05), (35, 0.025), (49, 0.025)],
        ids=["before 3", "at 3", "before 7", "at 7", "end"],
    )
    def test_steps_fall_after_the_milestones(self, step: int, lr: float) -> None:
        recipe = make_recipe(schedule="step", milestones=(3, 7), gamma=0.5)
        assert learning_rate(recipe, step, 5) == pytest.approx(lr, **EXACT)

    def test_constant_stays_after_the_warm_up(self) -> None:
        recipe = make_recipe(warmup_epochs=1)
        rates = [learning_rate(recipe, step, 2) for step in range(20)]
        assert rates == pytest.approx([0.05] + 19 * [0.1], **EXACT)

    def test_groups_share_the_end_of_the_cosine(self) -> None:
        recipe = make_recipe(schedule="cosine", min_lr=1e-3)
        rates = [learning_rate(recipe, 50, 10, scale) for scale in (1.0, 0.1)]
        # Half-way between the beginning and 1e-3, which torch's scheduler gives all groups.
        assert rates == pytest.approx([0.0505, 0.0055], **EXACT)

    def test_gradual_warmup_is_that_of_flexconv_fact_i(self) -> None:
        recipe = make_recipe(
            epochs=350, lr=0.01, schedule="cosine", min_lr=1e-6, warmup_epochs=5, warmup="gradual"
        )
        rates = [learning_rate(recipe, step, 782) for step in (0, 1, 782, 3910, 3911)]
        # The specification prints seven digits.
        assert rates == pytest.approx([0, 2.557545e-6, 0.002, 0.01, 0.010002558], rel=5e-7)
        assert learning_rate(recipe, 350 * 782 - 1, 782) == pytest.approx(1e-6, abs=1e-10)
        assert learning_rate(recipe, 782, 782, 0.1) == pytest.approx(0.0002, **EXACT)

    def test_linear_ends_at_the_least_rate(self) -> None:
        recipe = make_recipe(schedule="linear", min_lr=0.02)
        rates = [learning_rate(recipe, step, 4) for step in (0, 20, 40)]
        assert rates == pytest.approx([0.1, 0.06, 0.02], **EXACT)

    def test_exponential_falls_with_every_epoch(self) -> None:
        recipe = make_recipe(schedule="exponential", gamma=0.98)
        rates = [learning_rate(recipe, step, 4) for step in (0, 3, 4, 11)]
        assert rates == pytest.approx([0.1, 0.1, 0.098, 0.09604], **EXACT)


class TestPlateau:
    def test_equals_torchs_scheduler(self) -> None:
        recipe = make_recipe(schedule="plateau", gamma=0.2, plateau_epochs=2)
        values = [50, 60, 60.001, 60.005, 60.007, 60.1, 59, 58, 57, 56, 55, 70, 70, 70, 70, 70.0]
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=0.2, patience=2
        )
        plateau = Plateau()
        for value in values:
            plateau.note(value, recipe)
            scheduler.step(value)
            assert 0.1 * plateau.factor == pytest.approx(optimizer.param_groups[0]["lr"], **EXACT)
        assert plateau.factor < 0.1


@pytest.mark.parametrize("name", ["lamb", "adadelta"])
def test_optimiser_has_the_recipes_rate_and_decay(name: str) -> None:
    optimizer = build_optimizer(nn.Linear(2, 2), make_recipe(optimizer=name, weight_decay=0.02))
    assert type(optimizer).__name__.lower() == name
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.1, 0.02)]


class TestParameterGroups:
    def treatments(self, model: nn.Module, recipe: Recipe) -> dict[str, tuple[float, float]]:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        return {
            names[id(parameter)]: (group["lr_scale"], group["weight_decay"])
            for group in parameter_groups(model, recipe)
            for parameter in group["params"]
        }

    def test_operator_says_rate_and_decay_of_its_own(self) -> None:
        assert self.treatments(Masked(), make_recipe(weight_decay=0.3)) == {
            "weight": (1.0, 0.3),
            "sigma": (0.1, 0.0),
            "offset": (2.0, 0.3),
        }

    def test_no_own_decay_follows_the_rule_for_one_dimensional_parameters(self) -> None:
        recipe = make_recipe(weight_decay=0.3, norm_weight_decay=False)
        assert self.treatments(Masked(), recipe)["offset"] == (2.0, 0.0)

    def test_norms_and_biases_decay_only_if_the_recipe_says_so(self) -> None:
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        recipe = make_recipe(weight_decay=0.3, norm_weight_decay=False)
        assert self.treatments(model, recipe) == {
            "0.weight": (1.0, 0.3),
            "0.bias": (1.0, 0.0),
            "1.weight": (1.0, 0.0),
            "1.bias": (1.0, 0.0),
        }
        everywhere = self.treatments(model, make_recipe(weight_decay=0.3))
        assert set(everywhere.values()) == {(1.0, 0.3)}

    def test_a_scale_of_channels_is_exempt_like_a_bias(self) -> None:
        """ConvNeXt's layer scale, which the script of NIFF's section 6 has as (C,)."""
        model = nn.Conv2d(3, 4, 1)
        model.scale = nn.Parameter(torch.ones(4, 1, 1))
        recipe = make_recipe(weight_decay=0.3, norm_weight_decay=False)
        decays = {"weight": (1.0, 0.3), "bias": (1.0, 0.0), "scale": (1.0, 0.0)}
        assert self.treatments(model, recipe) == decays

    def test_frozen_filters_are_in_no_group_as_in_lc_fact_3(self) -> None:
        model = build_architecture(
            "resnet20_cifar", operator="lc", operator_options={"expansion": 8}
        )
        groups = parameter_groups(model, make_recipe())
        parameters = [parameter for group in groups for parameter in group["params"]]
        assert all(parameter.requires_grad for parameter in parameters)
        assert sum(parameter.numel() for parameter in parameters) == 264_874


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_optimiser_is_torchs_with_the_recipes_numbers(name: str, kind: type) -> None:
    recipe = make_recipe(optimizer=name, momentum=0.8, beta1=0.7, beta2=0.6, weight_decay=0.2)
    optimizer = build_optimizer(nn.Linear(2, 2), recipe)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    expected = {"momentum": 0.8, "nesterov": False} if name == "sgd" else {"betas": (0.7, 0.6)}
    assert expected.items() <= group.items()
    assert group["weight_decay"] == 0.2
