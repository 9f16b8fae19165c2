import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kbench.operators.gmconv import GMConv1d, GMConv2d
from kbench.operators.gmconv_controls import (
    CircularConv2d,
    MaskInitConv1d,
    MaskInitConv2d,
    inscribed,
    resampling,
)
from kbench.registry import OPERATORS, OPERATORS_1D


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def finished(kind, *arguments, seed=0, **options):
    """Build one convolution from a seed and run the step after initialisation, if it has one."""
    torch.manual_seed(seed)
    module = kind(*arguments, **options)
    getattr(kind, "after_init", lambda _: None)([module])
    return module


def test_controls_are_registered():
    assert (OPERATORS["conv_maskinit"], OPERATORS["circular"]) == (MaskInitConv2d, CircularConv2d)
    assert OPERATORS_1D["conv_maskinit"] is MaskInitConv1d
    assert "circular" not in OPERATORS_1D


@pytest.mark.parametrize("normalise", ["none", "density", "sum", "peak"])
@pytest.mark.parametrize("init_gain", ["none", "var"])
@pytest.mark.parametrize("coord", ["pixel", "unit"])
def test_masked_learned_and_frozen_start_are_the_same_function(coord, init_gain, normalise):
    options = {"coord": coord, "init_gain": init_gain, "normalise": normalise, "sigma_init": 0.8}
    x = torch.randn(2, 3, 9, 9)
    started = finished(MaskInitConv2d, 3, 4, (3, 4), **options)(x)
    learned = finished(GMConv2d, 3, 4, (3, 4), **options)(x)
    frozen = finished(GMConv2d, 3, 4, (3, 4), learn_sigma=False, **options)(x)
    assert torch.equal(started, learned)
    assert torch.equal(started, frozen)


def test_masked_start_on_a_line_is_the_masked_function():
    x = torch.randn(2, 3, 9)
    started = finished(MaskInitConv1d, 3, 4, 5, sigma_init=0.8)(x)
    assert torch.equal(started, finished(GMConv1d, 3, 4, 5, sigma_init=0.8)(x))


def test_masked_start_multiplies_the_plain_weight_by_the_mask():
    plain = finished(nn.Conv2d, 3, 4, 3)
    started = finished(MaskInitConv2d, 3, 4, 3, sigma_init=1.0, eps=0.0)
    edge, corner = math.exp(-0.5), math.exp(-1)
    mask = torch.tensor([[corner, edge, corner], [edge, 1, edge], [corner, edge, corner]])
    torch.testing.assert_close(started.weight, plain.weight * mask, rtol=1e-6, atol=0)  # fp32
    assert torch.equal(started.bias, plain.bias)


def test_masked_start_waits_for_the_architectures_initialiser():
    conv = MaskInitConv2d(3, 4, 3, sigma_init=1.0)
    nn.init.ones_(conv.weight)
    MaskInitConv2d.after_init([conv])
    assert conv.weight[0, 0, 0, 0].item() == pytest.approx(0.367879, abs=1e-6)


def test_masked_start_keeps_the_state_of_a_plain_convolution():
    plain, conv = nn.Conv2d(3, 4, 3), finished(MaskInitConv2d, 3, 4, 3)
    assert conv.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(1, 3, 6, 6)
    assert torch.equal(plain(x), conv(x))


@pytest.mark.parametrize(
    "kind", [GMConv2d, MaskInitConv2d, CircularConv2d], ids=lambda kind: kind.__name__
)
@pytest.mark.parametrize("bias", [True, False])
def test_fold_is_an_equal_plain_convolution(kind, bias):
    conv = finished(kind, 4, 6, 3, 2, 1, 1, 2, bias)
    x = torch.randn(2, 4, 9, 9)
    folded = conv.fold()
    assert torch.equal(folded(x), conv(x))
    assert torch.equal(folded.weight, conv.effective_kernel((9, 9)))
    assert type(folded) is nn.Conv2d


def test_circular_ones_of_side_three_are_the_published_kernel():
    conv = CircularConv2d(1, 1, 3)
    nn.init.ones_(conv.weight)
    expected = [[0.5, 1.414214, 0.5], [1.414214, 1.343146, 1.414214], [0.5, 1.414214, 0.5]]
    # six decimals are printed
    torch.testing.assert_close(
        conv.effective_kernel()[0, 0], torch.tensor(expected), rtol=0, atol=1e-6
    )


def test_circular_acceptance_example_of_the_specification():
    conv = CircularConv2d(3, 8, 3, padding=1, bias=False).double()
    with torch.no_grad():
        weight = torch.cos(0.1 * torch.arange(8 * 3 * 9, dtype=torch.float64))
        conv.weight.copy_(weight.view_as(conv.weight))
    x = torch.sin(0.01 * torch.arange(2 * 3 * 256, dtype=torch.float64)).view(2, 3, 16, 16)
    y = conv(x)
    (y.flatten() * torch.cos(torch.arange(y.numel(), dtype=torch.float64))).sum().backward()
    actual = [y.sum().item(), y.square().sum().item(), conv.weight.grad.abs().sum().item()]
    assert actual == pytest.approx([378.680964428, 52728.566350861, 147.969971], abs=6e-7)


def test_resampling_of_side_three_has_the_stated_rows():
    rows = resampling(3, "grid")
    corner = [0.5, 0.207107, 0, 0.207107, 0.085786, 0, 0, 0, 0]
    expected = torch.tensor(corner, dtype=torch.float64)
    torch.testing.assert_close(rows[0], expected, rtol=0, atol=6e-7)  # six decimals are printed
    straight = [1, 3, 4, 5, 7]
    assert torch.equal(rows[straight], torch.eye(9, dtype=torch.float64)[straight])


@pytest.mark.parametrize(
    ("side", "nonzeros"),
    [pytest.param(3, 21, id="k3"), pytest.param(5, 73, id="k5"), pytest.param(7, 157, id="k7")],
)
def test_resampling_has_the_stated_size_and_is_invertible(side, nonzeros):
    for angles in ("grid", "uniform"):
        assert torch.linalg.matrix_rank(resampling(side, angles)) == side**2
    assert resampling(side, "grid").count_nonzero() == nonzeros


@pytest.mark.parametrize(
    ("side", "angles"),
    [(k, "grid") for k in (1, 3, 5, 7, 9, 11)] + [(k, "uniform") for k in (3, 5, 7)],
)
def test_rows_of_the_resampling_are_convex_and_symmetric(side, angles):
    rows = resampling(side, angles)
    ones = torch.ones(side**2, dtype=torch.float64)
    torch.testing.assert_close(rows.sum(dim=1), ones, rtol=0, atol=1e-15 * side)  # float64
    assert rows.min() > -1e-14
    grid = rows.view(side, side, side, side)
    torch.testing.assert_close(grid, grid.permute(1, 0, 3, 2), rtol=0, atol=1e-14)
    torch.testing.assert_close(grid, grid.flip(0, 2), rtol=0, atol=1e-14)


@pytest.mark.parametrize("angles", ["grid", "uniform"])
@pytest.mark.parametrize("side", [5, 7])
def test_rows_of_the_resampling_have_their_point_as_mean(side, angles):
    rows = resampling(side, angles).view(side, side, side * side)
    centre = side // 2
    grid = torch.cartesian_prod(torch.arange(side), torch.arange(side)).double() - centre
    uniform = {(1, 2): math.pi / 8, (1, 3): math.pi / 12, (2, 3): math.pi / 6}
    for u in range(1, centre + 1):
        for v in range(u, centre + 1):
            angle = math.atan(u / v)
            if angles == "uniform" and u < v:
                angle = uniform[u, v]
            radius = math.floor(math.sqrt(u**2 + v**2))
            point = [radius * math.sin(angle), radius * math.cos(angle)]
            mean = rows[centre + u, centre + v] @ grid
            mirrored = rows[centre - v, centre + u] @ grid
            assert mean.tolist() == pytest.approx(point, abs=1e-13)
            assert mirrored.tolist() == pytest.approx([-point[1], point[0]], abs=1e-13)


@pytest.mark.parametrize(
    ("side", "kept"),
    [pytest.param(3, 9, id="k3"), pytest.param(5, 21, id="k5"), pytest.param(7, 37, id="k7")],
)
def test_cut_keeps_the_stated_number_of_taps(side, kept):
    assert inscribed(side, side).sum() == kept


def test_cut_of_an_oblong_kernel_is_the_inscribed_ellipse():
    expected = [[0, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0]]
    assert inscribed(4, 6).tolist() == expected


def test_cut_leaves_the_stored_weight_and_its_outer_gradient_alone():
    conv = CircularConv2d(3, 4, 5, mode="cut")
    before = conv.weight.detach().clone()
    x = torch.randn(2, 3, 9, 9)
    y = conv(x)
    y.square().sum().backward()
    expected = F.conv2d(x, before * inscribed(5, 5).float(), conv.bias)
    assert torch.equal(conv.weight, before)
    assert torch.equal(y, expected)
    assert (conv.weight.grad[..., 0, 0] == 0).all()


def test_circular_of_side_one_is_the_plain_convolution():
    conv = CircularConv2d(3, 4, 1)
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(conv(x), F.conv2d(x, conv.weight, conv.bias))


@pytest.mark.parametrize("mode", ["resample", "cut"])
def test_circular_has_parameters_and_start_of_the_plain_convolution(mode):
    plain, conv = finished(nn.Conv2d, 3, 4, 5), finished(CircularConv2d, 3, 4, 5, mode=mode)
    assert conv.state_dict().keys() == plain.state_dict().keys()
    assert torch.equal(conv.weight, plain.weight)


@pytest.mark.parametrize("padding_mode", ["reflect", "circular"])
def test_circular_honours_the_padding_mode(padding_mode):
    conv = CircularConv2d(3, 4, 5, padding=2, padding_mode=padding_mode)
    x = torch.randn(2, 3, 9, 9)
    padded = F.pad(x, (2, 2, 2, 2), mode=padding_mode)
    assert torch.equal(conv(x), F.conv2d(padded, conv.effective_kernel(), conv.bias))


@pytest.mark.parametrize("options", [{}, {"mode": "cut"}, {"angles": "uniform"}], ids=str)
def test_circular_gradcheck(options):
    conv = CircularConv2d(2, 2, 5, padding=2, groups=2, **options).double()
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: conv(x), (x, *conv.parameters()))


def test_circular_is_exact_in_float64_after_a_detour_through_half():
    conv = CircularConv2d(2, 3, 5).half()
    assert conv.taps.dtype == torch.float32
    assert torch.equal(conv.double().taps, resampling(5, "grid"))


def test_circular_kernel_is_computed_in_float32_under_autocast():
    conv = CircularConv2d(2, 3, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kernel, y = conv.effective_kernel(), conv(torch.randn(1, 2, 9, 9))
    assert torch.equal(kernel, conv.effective_kernel())
    assert y.dtype == torch.bfloat16


@pytest.mark.parametrize("kind", [MaskInitConv2d, CircularConv2d])
def test_copy_and_state_dict_keep_the_function(kind):
    conv, loaded = finished(kind, 4, 6, 3), finished(kind, 4, 6, 3, seed=1)
    loaded.load_state_dict(conv.state_dict())
    x = torch.randn(1, 4, 6, 6)
    for other in (copy.deepcopy(conv), loaded):
        assert torch.equal(other(x), conv(x))


@pytest.mark.parametrize("kind", [MaskInitConv2d, CircularConv2d])
def test_meta_device_gives_shapes(kind):
    with torch.device("meta"):
        conv = finished(kind, 3, 4, 3)
        y = conv(torch.zeros(2, 3, 9, 9))
    assert (y.device.type, y.shape) == ("meta", (2, 4, 7, 7))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MaskInitConv2d, CircularConv2d])
def test_compiled_module_has_no_graph_break(kind):
    conv = finished(kind, 3, 4, 3)
    x = torch.randn(2, 3, 6, 6)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), conv(x))
