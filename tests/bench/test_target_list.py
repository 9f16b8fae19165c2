import pytest
import torch

from kbench.bench.literal import LiteralNIFF
from kbench.bench.target_list import CROPPED_SIDE, NJET_SIGMAS, operator_targets
from kbench.operators import build_operator

TARGETS = operator_targets()
LIMITS = {
    ("niff", "depthwise against its literal form", (64, 56, 56), 4): 4.0,
    ("niff", "depthwise against its literal form", (256, 14, 14), 4): 2.5,
    ("niff", "depthwise against a depthwise 7x7", (64, 56, 56), 4): 1.0,
    ("niff", "1x1 against the FFT", (64, 56, 56), 8): 5.0,
    ("lc", "resnet20_cifar, E=8 against two-stage", (3, 32, 32), 8): 3.5,
    ("lc", "resnet20_cifar, E=8 against plain", (3, 32, 32), 8): 1.5,
    ("lc", "resnet20_cifar, E=8 against plain", (3, 32, 32), 128): 1.1,
    ("lc", "resnet20_cifar, E=128 against plain", (3, 32, 32), 128): 1.3,
    ("lc", "resnet20_cifar, E=128 against E=1", (3, 32, 32), 128): 1.5,
    ("gmconv", "static k=3 against plain", (64, 56, 56), 8): 1.1,
    ("njet", "order 3, K=7, against plain", (64, 32, 32), 8): 1.1,
    ("flexconv", "generator's share at 13x13", (24, 32, 32), 64): 0.2,
    ("flexconv", "cropped, FFT against direct", (8, 16_000), 1): 5.0,
}


@pytest.fixture
def find():
    def find(operator, what, shape, batch_size):
        key = (operator, what, shape, batch_size)
        (target,) = [t for t in TARGETS if (t.operator, t.what, t.shape, t.batch_size) == key]
        return target

    return find


@pytest.mark.parametrize("key", LIMITS, ids=str)
def test_limits_are_those_that_were_set(find, key):
    assert find(*key).limit == LIMITS[key]


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", TARGETS, ids=lambda t: f"{t.operator} {t.what} {t.shape} {t.batch_size}"
)
def test_both_forms_map_the_input_to_equal_shapes(target):
    with torch.device("meta"):
        forms = target.build()
        x = torch.empty(2, *target.shape)
        shapes = {name: tuple(module(x).shape) for name, module in forms.items()}
    if "generator" in target.what:
        assert shapes["operator"] == (24, 24, CROPPED_SIDE, CROPPED_SIDE)
    else:
        assert shapes["operator"] == shapes["peer"]


@pytest.mark.parametrize(("side", "sigma"), NJET_SIGMAS.items())
def test_sigmas_give_the_windows_that_are_named(side, sigma):
    assert build_operator("njet", 2, 2, sigma_init=sigma, kernel_size=3).kernel_size == (side, side)


def test_literal_niff_has_the_parameters_of_the_operator(find):
    with torch.device("meta"):
        forms = find("niff", "depthwise against its literal form", (64, 56, 56), 4).build()
    assert isinstance(forms["peer"], LiteralNIFF)
    assert len(list(forms["peer"].parameters())) == len(list(forms["operator"].parameters()))
