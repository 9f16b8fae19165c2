"""Training equals a plain loop of torch, bit for bit, and can be saved between any two steps."""

import copy
import io
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.datasets.digits import Digits
from kbench.loaders.batch import Batch
from kbench.recipe import Recipe
from kbench.tasks.classification import Classification
from kbench.train import Training, declared_regularisations, train_epoch

CPU = torch.device("cpu")
STEPS = 3  # of an epoch
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, 0.1, betas=(0.8, 0.9), weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, 0.1, betas=(0.8, 0.9), weight_decay=0.01),
}


def make_recipe(optimizer: str = "sgd", **changes: object) -> Recipe:
    given = {"sgd": {"nesterov": True}}.get(optimizer, {"beta1": 0.8, "beta2": 0.9})
    plain = {"epochs": 2, "batch_size": 8, "lr": 0.1, "weight_decay": 0.01, "schedule": "cosine"}
    return Recipe(optimizer=optimizer, **(plain | given | changes))


def make_training(model: nn.Module, recipe: Recipe) -> Training:
    return Training(model, Classification(Digits(Path()), recipe), STEPS, CPU)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


@pytest.fixture
def batches() -> list[Batch]:
    generator = torch.Generator().manual_seed(1)
    return [
        Batch(
            torch.randn(8, 1, 4, 4, generator=generator),
            torch.randint(10, (8,), generator=generator),
        )
        for _ in range(2 * STEPS)
    ]


def train(training: Training, batches: list[Batch]) -> Training:
    torch.manual_seed(2)
    list(train_epoch(training, batches))
    return training


def assert_equal(actual: nn.Module, expected: nn.Module, **tolerance: float) -> None:
    exact = tolerance or {"rtol": 0.0, "atol": 0.0}
    torch.testing.assert_close(actual.state_dict(), expected.state_dict(), **exact)


class TestLoop:
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_equals_a_plain_loop_bit_for_bit(
        self, name: str, model: nn.Module, batches: list[Batch]
    ) -> None:
        plain = copy.deepcopy(model).train()
        train(make_training(model, make_recipe(name, label_smoothing=0.1)), batches)
        optimizer = OPTIMIZERS[name](plain.parameters())
        torch.manual_seed(2)
        for step, (inputs, targets) in enumerate(batches):
            optimizer.param_groups[0]["lr"] = 0.1 * (1 + math.cos(math.pi * step / 6)) / 2
            optimizer.zero_grad()
            F.cross_entropy(plain(inputs), targets, label_smoothing=0.1).backward()
            optimizer.step()
        assert_equal(model, plain)

    def test_clips_the_global_norm(self, model: nn.Module, batches: list[Batch]) -> None:
        plain = copy.deepcopy(model).train()
        recipe = Recipe(epochs=2, batch_size=8, lr=0.5, momentum=0.0, clip_norm=0.01)
        train(make_training(model, recipe), batches[:1])
        torch.manual_seed(2)
        loss = F.cross_entropy(plain(batches[0].inputs), batches[0].targets)
        gradients = torch.autograd.grad(loss, list(plain.parameters()))
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        assert norm > 0.01
        for actual, before, gradient in zip(
            model.parameters(), plain.parameters(), gradients, strict=True
        ):
            # torch divides by the norm plus 1e-6, which is 1e-4 of the bound at most.
            torch.testing.assert_close(actual, before - 0.5 * gradient * 0.01 / norm)

    def test_totals_are_sums_over_the_images(self, model: nn.Module, batches: list[Batch]) -> None:
        plain = copy.deepcopy(model).train()
        totals = train(make_training(model, make_recipe()), batches[:1]).totals
        torch.manual_seed(2)
        logits = plain(batches[0].inputs)
        loss = F.cross_entropy(logits, batches[0].targets)
        assert float(totals.loss) == pytest.approx(8 * float(loss.detach()), rel=1e-6)
        assert int(totals.correct) == int((logits.argmax(1) == batches[0].targets).sum())
        assert totals.images == 8

    def test_yields_the_steps_taken(self, model: nn.Module, batches: list[Batch]) -> None:
        training = make_training(model, make_recipe())
        assert list(train_epoch(training, batches[:3])) == [1, 2, 3]
        assert list(train_epoch(training, batches[3:])) == [4, 5, 6]


class TestAverage:
    def test_equals_a_literal_loop(self, model: nn.Module, batches: list[Batch]) -> None:
        training = make_training(model, make_recipe(ema_decay=0.7))
        expected = {name: value.double() for name, value in model.state_dict().items()}
        torch.manual_seed(2)
        for _ in train_epoch(training, batches):
            for name, value in model.state_dict().items():
                expected[name] = 0.7 * expected[name] + 0.3 * value
        for name, value in training.evaluated.state_dict().items():
            if value.is_floating_point():
                # Six steps of rounding in float32.
                torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)

    def test_counters_are_those_of_the_network(
        self, model: nn.Module, batches: list[Batch]
    ) -> None:
        training = train(make_training(model, make_recipe(ema_decay=0.7)), batches)
        assert int(training.evaluated.state_dict()["1.num_batches_tracked"]) == len(batches)

    def test_changes_no_weight_of_the_network(self, model: nn.Module, batches: list[Batch]) -> None:
        plain = copy.deepcopy(model)
        train(make_training(model, make_recipe(ema_decay=0.7)), batches)
        train(make_training(plain, make_recipe()), batches)
        assert_equal(model, plain)

    def test_without_a_decay_the_network_itself_is_evaluated(self, model: nn.Module) -> None:
        assert make_training(model, make_recipe()).evaluated is model


class TestPrecision:
    @pytest.mark.parametrize("precision", ["bf16", "fp16"])
    def test_network_computes_in_it_and_weights_stay_float32(
        self, precision: str, model: nn.Module, batches: list[Batch]
    ) -> None:
        seen: list[torch.dtype] = []
        model[5].register_forward_hook(lambda _, __, output: seen.append(output.dtype))
        training = train(make_training(model, make_recipe(precision=precision)), batches)
        assert set(seen) == {{"bf16": torch.bfloat16, "fp16": torch.float16}[precision]}
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        assert math.isfinite(float(training.totals.loss))

    @pytest.mark.parametrize("precision", ["bf16", "fp16"])
    def test_losses_are_close_to_those_of_float32(
        self, precision: str, model: nn.Module, batches: list[Batch]
    ) -> None:
        plain = train(make_training(copy.deepcopy(model), make_recipe()), batches)
        mixed = train(make_training(model, make_recipe(precision=precision)), batches)
        # bfloat16 has 8 bits of mantissa: an error of 1 % or so in a mean of 48 losses.
        assert float(mixed.totals.loss) == pytest.approx(float(plain.totals.loss), rel=0.03)

    def test_scaled_loss_is_unscaled_before_clipping(
        self, model: nn.Module, batches: list[Batch]
    ) -> None:
        before = [parameter.detach().clone() for parameter in model.parameters()]
        recipe = Recipe(
            epochs=2, batch_size=8, lr=1.0, momentum=0.0, clip_norm=0.01, precision="fp16"
        )
        train(make_training(model, recipe), batches[:1])
        moves = [a.detach() - b for a, b in zip(model.parameters(), before, strict=True)]
        moved = torch.cat([move.flatten() for move in moves]).norm()
        # Steps of 1e-2 in weights near 1 are rounded at 1e-7.
        assert float(moved) == pytest.approx(0.01, rel=1e-3)


def test_channels_last_gives_equal_weights(model: nn.Module, batches: list[Batch]) -> None:
    model[3] = nn.Identity()  # dropout draws in the order of the memory
    plain = copy.deepcopy(model)
    train(make_training(plain, make_recipe()), batches)
    model = model.to(memory_format=torch.channels_last)
    turned = [
        Batch(inputs.contiguous(memory_format=torch.channels_last), targets)
        for inputs, targets in batches
    ]
    train(make_training(model, make_recipe(channels_last=True)), turned)
    # Another order of summation, over six steps.
    assert_equal(model, plain, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler's own warnings
def test_compiled_network_learns_the_same(model: nn.Module, batches: list[Batch]) -> None:
    model[3] = nn.Identity()  # a compiled dropout draws other numbers
    plain = copy.deepcopy(model)
    train(make_training(plain, make_recipe()), batches)
    training = train(make_training(model, make_recipe(compile=True)), batches)
    assert training.evaluated is model
    # Another order of summation, over six steps.
    assert_equal(model, plain, rtol=1e-3, atol=1e-4)


class Penalised(nn.Linear):
    """A layer that wants its weights to be small."""

    def regularisation(self) -> Tensor:
        return 0.5 * self.weight.square().sum()


class TestRegularisation:
    def test_is_added_to_the_objective(self, batches: list[Batch]) -> None:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), Penalised(16, 10, bias=False))
        before = model[1].weight.detach().clone()
        recipe = Recipe(epochs=2, batch_size=8, lr=0.1, momentum=0.0)
        training = train(make_training(model, recipe), batches[:1])
        weight = before.clone().requires_grad_()
        loss = F.cross_entropy(batches[0].inputs.flatten(1) @ weight.T, batches[0].targets)
        (gradient,) = torch.autograd.grad(loss, weight)
        torch.testing.assert_close(model[1].weight.detach(), before - 0.1 * (gradient + before))
        objective = float(loss.detach()) + 0.5 * float(before.square().sum())
        assert float(training.totals.loss) == pytest.approx(8 * objective, rel=1e-5)

    def test_each_operator_of_the_network_is_asked(self) -> None:
        model = nn.Sequential(Penalised(2, 2), nn.ReLU(), nn.Sequential(Penalised(2, 2)))
        penalties = [float(penalty().detach()) for penalty in declared_regularisations(model)]
        weights = [model[0].weight.detach(), model[2][0].weight.detach()]
        expected = [0.5 * float(weight.square().sum()) for weight in weights]
        assert penalties == pytest.approx(expected)


def through_a_file(state: dict[str, object]) -> dict[str, object]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("step", range(2 * STEPS + 1), ids=lambda step: f"after {step}")
@pytest.mark.parametrize(
    "changes",
    [
        {"nesterov": True},
        {"optimizer": "adamw"},
        {"ema_decay": 0.7, "clip_norm": 0.1, "precision": "fp16"},
    ],
    ids=["sgd", "adamw", "averaged fp16"],
)
def test_resumed_training_equals_an_uninterrupted_one(
    changes: dict[str, object],
    step: int,
    model: nn.Module,
    batches: list[Batch],
    make_other: Callable[[], nn.Module],
) -> None:
    recipe = Recipe(epochs=2, batch_size=8, lr=0.1, schedule="cosine", **changes)
    whole = make_training(copy.deepcopy(model), recipe)
    train(whole, batches)
    first = train(make_training(model, recipe), batches[:step])
    state = through_a_file(first.state_dict())
    second = make_training(make_other(), recipe)
    second.load_state_dict(state)
    list(train_epoch(second, batches[step:]))
    assert_equal(second.model, whole.model)
    assert_equal(second.evaluated, whole.evaluated)
    assert second.step == whole.step == 2 * STEPS
    assert float(second.totals.loss) == float(whole.totals.loss)
    assert int(second.totals.correct) == int(whole.totals.correct)


@pytest.fixture
def make_other(model: nn.Module) -> Callable[[], nn.Module]:
    """Return a function that makes the network with other weights."""

    def make() -> nn.Module:
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.fill_(0.5)
        return other

    return make


def test_parts_of_a_batch_add_up_to_its_gradient(model: nn.Module, batches: list[Batch]) -> None:
    model[1], model[3] = nn.Identity(), nn.Identity()  # what sees the parts apart
    whole = copy.deepcopy(model)
    train(make_training(whole, make_recipe()), batches)
    training = train(make_training(model, make_recipe(accumulate=3)), batches)
    # Sums in another order differ by rounding.
    assert_equal(model, whole, rtol=1e-4, atol=1e-6)
    assert training.totals.images == 8 * len(batches)


def test_plateau_factor_survives_a_checkpoint(model: nn.Module, batches: list[Batch]) -> None:
    recipe = make_recipe(schedule="plateau", gamma=0.5, plateau_epochs=0)
    training = make_training(model, recipe)
    for value in (2.0, 1.0):
        training.plateau.note(value, recipe)
    second = make_training(copy.deepcopy(model), recipe)
    second.load_state_dict(training.state_dict())
    train(second, batches[:1])
    assert second.lr == 0.05
