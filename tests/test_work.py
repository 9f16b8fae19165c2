import math

import pytest
import torch
from torch import nn

from kbench.operators import build_operator
from kbench.work import MIB, count_macs, measure_peak_mib

CPU = torch.device("cpu")


@pytest.fixture
def mib():
    """Return a tensor of one MiB."""
    return torch.zeros(MIB // 4)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(lambda x: x * 2, 1.0, id="one result"),
        pytest.param(lambda x: (x * 2) + 1, 2.0, id="argument and result live together"),
        pytest.param(lambda x: ((x * 2) + 1) * 3, 2.0, id="the first is gone by then"),
        pytest.param(lambda x: [(x * 2) for _ in range(3)], 3.0, id="kept"),
        pytest.param(lambda x: (x * 2).view(2, -1)[0], 1.0, id="views share"),
        pytest.param(lambda x: x.view(2, -1), 0.0, id="view of an input"),
        pytest.param(lambda x: x.add_(1), 0.0, id="in place"),
        pytest.param(lambda x: (x * 2).double(), 3.0, id="bytes, not elements"),
    ],
)
def test_peak_is_the_largest_sum_of_living_results(mib, call, expected):
    assert measure_peak_mib(lambda: call(mib), CPU) == expected


def test_peak_of_a_step_holds_the_result_and_the_gradient(mib):
    x, gradient = mib.requires_grad_(), torch.ones_like(mib)
    assert measure_peak_mib(lambda: torch.autograd.backward(x * 2, gradient), CPU) == 2.0


@pytest.mark.gpu
def test_peak_on_a_gpu_is_the_allocators(mib):
    x = mib.cuda()
    assert measure_peak_mib(lambda: (x * 2) + 1, x.device) == 2.0


def test_macs_of_a_convolution_are_its_taps_times_its_outputs():
    conv = nn.Conv2d(6, 8, (3, 5), padding=(1, 2), groups=2)
    assert count_macs(conv, (4, 6, 7, 9)) == 4 * 8 * 7 * 9 * (6 // 2) * 3 * 5


def test_macs_of_two_stages_are_the_formula_of_the_paper():
    """B H W E O (I k^2 + O)."""
    stages = build_operator("lc", 6, 5, 3, padding=1, expansion=4, execution="two_stage")
    assert count_macs(stages, (2, 6, 7, 9)) == 2 * 7 * 9 * 4 * 5 * (6 * 9 + 5)


class Transformed(nn.Module):
    def __init__(self, transform):
        super().__init__()
        self.transform = transform

    def forward(self, x):
        return self.transform(x)


@pytest.mark.parametrize(
    ("transform", "points", "factor"),
    [
        pytest.param(lambda x: torch.fft.fft2(x.to(torch.complex64)), 128, 2.5, id="complex"),
        pytest.param(torch.fft.rfft2, 128, 1.25, id="real"),
        pytest.param(torch.fft.rfft, 8, 1.25, id="one axis"),
        pytest.param(
            lambda x: torch.fft.irfft2(x[..., :5].to(torch.complex64), (16, 8)),
            128,
            1.25,
            id="back",
        ),
    ],
)
def test_macs_of_a_transform_grow_as_n_log_n(transform, points, factor):
    assert count_macs(Transformed(transform), (3, 16, 8)) == 3 * 128 * math.log2(points) * factor


@pytest.mark.parametrize(
    ("dtype", "factor"), [(torch.complex64, 4), (torch.float32, 0)], ids=["complex", "real"]
)
def test_products_of_elements_count_four_times_or_not_at_all(dtype, factor):
    def product(x):
        z = x.to(dtype)
        return z[:1] * z * 2

    assert count_macs(Transformed(product), (2, 3, 5)) == factor * 2 * 3 * 5


def test_complex_products_count_four_times():
    def product(x):
        z = x.to(torch.complex64)
        return z @ z.transpose(-1, -2)

    assert count_macs(Transformed(product), (2, 3, 5)) == 4 * 2 * 3 * 3 * 5


def test_counting_leaves_the_module_alone():
    conv = nn.Conv2d(2, 2, 3).eval()
    count_macs(conv, (1, 2, 5, 5))
    assert not conv.training
    assert conv.weight.device.type == "cpu"
