"""Facts 6 to 13 of section 11 of the N-Jet specification that concern the layer, and invariants."""

import copy
import itertools
import math
import pickle

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor, nn

from kbench.errors import UnknownNameError, UnsupportedError
from kbench.operators import build_operator, finish_operators, host_copy
from kbench.operators.gaussian_derivatives import derivative_orders
from kbench.operators.njet import NJet1d, NJet2d

# The specification prints six decimals of sums and gradients, eight of small numbers.
PRINTED = {"rtol": 0.0, "atol": 5.1e-7}
PRINTED_SMALL = {"rtol": 0.0, "atol": 5.1e-9}
FORMS = ("dense", "row_mix_col", "basis", "masked")
LAYERS = {1: NJet1d, 2: NJet2d}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def set_scheme(layer: nn.Module) -> nn.Module:
    """Fill alpha with the deterministic scheme of the specification, in float64."""
    f, c, o = (torch.arange(n, dtype=torch.float64) for n in layer.alpha.shape)
    values = (7 * f[:, None, None] + 5 * c[:, None] + 3 * o) % 11
    layer.double().alpha.data.copy_((values - 5) / 10)
    return layer


def scheme_input(*shape: int) -> Tensor:
    factors = (3, 5, 7, 11)
    total = torch.zeros(shape, dtype=torch.float64)
    for axis, side in enumerate(shape):
        steps = factors[axis] * torch.arange(side, dtype=torch.float64)
        total = total + steps.view(-1, *(1,) * (len(shape) - axis - 1))
    return (total % 13 - 6) / 6


def literal_radius(sigma: float) -> int:
    return math.ceil(2 * sigma + 0.5 - 1e-4)


def literal_filter(layer: nn.Module) -> Tensor:
    """Return the filter by a loop over taps, from the equations."""
    sigma = 2.0 ** layer.scale.item()
    radius = literal_radius(sigma)
    offsets = range(-radius, radius + 1)
    total = sum(math.exp(-((x / sigma) ** 2) / 2) for x in offsets)

    def row(n: int, x: int) -> float:
        hermite = torch.special.hermite_polynomial_he(double(x / sigma), torch.tensor(n)).item()
        return (-1) ** n * hermite * math.exp(-((x / sigma) ** 2) / 2) / total

    functions = []
    for orders in derivative_orders(layer.order, layer.dims):
        factors = [double(*(row(n, x) for x in offsets)) for n in orders]
        functions.append(factors[0] if layer.dims == 1 else torch.outer(*factors))
    return torch.einsum("fco,f...->oc...", layer.alpha.detach(), torch.stack(functions))


def test_single_channel_filter_and_output_are_the_printed_ones() -> None:
    layer = NJet2d(1, 1, order=2).double()
    nn.init.ones_(layer.alpha)
    kernel = layer.effective_kernel()[0, 0]
    found = torch.stack([kernel.sum(), kernel.norm(), kernel[3, 3], kernel[0, 0], kernel[6, 6]])
    printed = double(0.99182397, 0.42463100, -0.15924113, 0.00062886, 0.00039304)
    torch.testing.assert_close(found, printed, **PRINTED_SMALL)
    y = layer(torch.arange(64.0, dtype=torch.float64).view(1, 1, 8, 8))
    found = torch.stack([y.sum(), y[0, 0, 0, 0], y[0, 0, 3, 3], y[0, 0, 4, 4], y.square().mean()])
    printed = double(1048.128465, 1.643418, 17.816039, 26.742455, 447.707442)
    torch.testing.assert_close(found, printed, **PRINTED)
    y.square().mean().backward()
    torch.testing.assert_close(layer.scale.grad, double(-425.977000), **PRINTED)
    printed = double(-116.134644, 60.975500, 1157.974466, 0.020995, 7.499080, -214.920512)
    torch.testing.assert_close(layer.alpha.grad.flatten(), printed, **PRINTED)


def test_several_channels_give_the_printed_output() -> None:
    layer = set_scheme(NJet2d(3, 4, order=2))
    y = layer(scheme_input(1, 3, 6, 7))
    picked = [y.sum(), y.abs().sum(), y[0, 0, 0, 0], y[0, 1, 2, 3], y[0, 3, 5, 6]]
    printed = double(-0.09804596, 18.01351420, -0.11369051, 0.23770335, -0.02335219)
    torch.testing.assert_close(torch.stack(picked), printed, **PRINTED_SMALL)
    loss = y.square().mean()
    loss.backward()
    torch.testing.assert_close(loss, double(0.01779479)[0], **PRINTED_SMALL)
    torch.testing.assert_close(layer.scale.grad, double(-0.04910128), **PRINTED_SMALL)


def test_one_axis_gives_the_printed_output() -> None:
    layer = set_scheme(NJet1d(1, 2, order=2, sigma_init=1.2))
    nn.init.constant_(layer.scale, math.log2(1.2))
    printed = (0.02306785, 0.06742026, 0.04384019, -0.10000417, -0.15245918)
    kernel = double(*printed, -0.07111452, -0.01354779)
    torch.testing.assert_close(layer.effective_kernel()[1, 0], kernel, **PRINTED_SMALL)
    printed = (0.14857309, 0.15340334, 0.11937747, 0.08894412, 0.03697659)
    y = double(*printed, -0.00346504, -0.05334410, -0.04605862)
    torch.testing.assert_close(layer(scheme_input(1, 1, 8))[0, 0], y, **PRINTED_SMALL)


@pytest.mark.parametrize(("sigma", "jump"), [(0.75, 0.0191), (1.75, 0.1753)], ids=["5-7", "9-11"])
def test_filter_jumps_with_its_size_as_printed(sigma: float, jump: float) -> None:
    kernels = []
    for side in (sigma - 1e-9, sigma + 2e-4):
        layer = NJet2d(1, 1).double()
        nn.init.ones_(layer.alpha)
        nn.init.constant_(layer.scale, math.log2(side))
        kernels.append(layer.effective_kernel()[0, 0])
    small, large = F.pad(kernels[0], (1, 1, 1, 1)), kernels[1]
    assert large.shape == small.shape
    # Sigma itself moves by 2e-4 between the two, four decimals are printed.
    assert ((large - small).norm() / small.norm()).item() == pytest.approx(jump, abs=8e-4)


@pytest.mark.parametrize(
    ("shape", "options", "counts"),
    [
        ((8, 8), {"groups": 8, "order": 2}, (6 * 8 + 1, 6 * 8 + 1)),
        ((2, 3), {"order": 2, "learn_sigma": False}, (37, 36)),
        ((2, 3), {"order": 3, "bias": True}, (64, 64)),
    ],
    ids=["depthwise", "fixed sigma", "bias"],
)
def test_parameter_counts_are_the_printed_ones(shape, options, counts) -> None:
    layer = build_operator("njet", *shape, 3, **options)
    sizes = [(p.numel(), p.requires_grad) for p in layer.parameters()]
    assert (sum(n for n, _ in sizes), sum(n for n, learns in sizes if learns)) == counts


def test_depthwise_coefficients_have_one_input_channel() -> None:
    assert NJet2d(8, 8, groups=8, order=2).alpha.shape == (6, 1, 8)


def test_fixed_sigma_survives_optimiser_steps() -> None:
    layer = NJet2d(2, 3, sigma_init=1.7, learn_sigma=False)
    before = layer.scale.clone()
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        layer(torch.randn(2, 2, 6, 6)).square().mean().backward()
        optimiser.step()
    torch.testing.assert_close(layer.scale, before, rtol=0.0, atol=0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "low", "high"),
    [(0.7, 0.68, 0.72), (1.5, 1.45, 1.55), (2.0, 1.7, 2.1), (3.0, 2.0, 3.1)],
    ids=str,
)
def test_fit_moves_sigma_to_that_of_the_target(target: float, low: float, high: float) -> None:
    teacher = NJet2d(3, 4, sigma_init=target)
    learner = NJet2d(3, 4)
    learner.alpha.data.copy_(teacher.alpha)

    def padded(kernel: Tensor) -> Tensor:
        return F.pad(kernel, (10 - kernel.shape[-1] // 2,) * 4)

    goal = padded(teacher.effective_kernel()).detach()
    optimiser = torch.optim.Adam(learner.parameters(), lr=0.02)
    for _ in range(400):
        optimiser.zero_grad()
        (padded(learner.effective_kernel()) - goal).square().mean().backward()
        optimiser.step()
    assert low < learner.sigma.item() < high


def test_slope_of_scale_is_that_of_central_differences() -> None:
    layer = set_scheme(NJet2d(3, 4, order=2, sigma_init=1.1)).float()
    x = scheme_input(2, 3, 6, 7).float()
    layer(x).square().mean().backward()
    losses = []
    for scale in (math.log2(1.1) + 1e-3, math.log2(1.1) - 1e-3):
        nn.init.constant_(layer.scale, scale)
        losses.append(layer(x).square().mean().item())
    # Float32 rounding of the two losses, divided by their distance.
    assert layer.scale.grad.item() == pytest.approx((losses[0] - losses[1]) / 2e-3, rel=2e-3)


@pytest.mark.slow
@given(
    dims=st.sampled_from([1, 2]),
    order=st.integers(0, 6),
    sigma=st.floats(0.3, 3.0),
    groups=st.integers(1, 2),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(deadline=None, max_examples=25, derandomize=True)
def test_every_form_is_the_literal_convolution(
    dims, order, sigma, groups, stride, dilation, sides
) -> None:
    options = {"order": order, "sigma_init": sigma, "max_radius": 8, "bias": True}
    shape = (2 * groups, 3 * groups, 3, stride, "same", dilation, groups)
    x = torch.randn(2, 2 * groups, *sides[:dims], dtype=torch.float64)
    layer = LAYERS[dims](*shape, **options).double()
    kernel = literal_filter(layer)
    pads = dilation * (kernel.shape[-1] // 2)
    convolve = F.conv1d if dims == 1 else F.conv2d
    expected = convolve(x, kernel, layer.bias, stride, pads, dilation, groups)
    layer.execution = "dense"
    dense = layer(x)
    torch.testing.assert_close(dense, expected, rtol=1e-10, atol=1e-10)
    for form in FORMS[1:]:
        layer.execution = form
        # The specification's bound for float64, relative to the largest output.
        atol = 1e-12 * dense.abs().max().item()
        torch.testing.assert_close(layer(x), dense, rtol=0.0, atol=atol)


@pytest.mark.parametrize(
    ("form", "padding"),
    [*itertools.product(FORMS[:3], ["same", "valid", 2, (0, 3)]), ("masked", "same")],
    ids=str,
)
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_every_form_honours_padding(form: str, mode: str, padding: object) -> None:
    layer = NJet2d(
        2, 3, 7, padding=padding, execution=form, max_radius=4, padding_mode=mode, bias=True
    ).double()
    x = torch.randn(1, 2, 9, 10, dtype=torch.float64)
    pads = {"same": (3, 3), "valid": (0, 0), 2: (2, 2), (0, 3): (0, 3)}[padding]
    plain = nn.Conv2d(2, 3, 7, padding=pads, padding_mode=mode).double()
    plain.weight.data.copy_(layer.effective_kernel())
    plain.bias.data.copy_(layer.bias)
    torch.testing.assert_close(layer(x), plain(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_float32_forms_agree(form: str) -> None:
    layer = NJet2d(4, 4, execution=form, sigma_init=1.4, max_radius=6)
    x = torch.randn(2, 4, 12, 12)
    y = copy.deepcopy(layer).double()(x.double()).float()
    # The specification's bound for float32, relative to outputs of the order of 5.
    torch.testing.assert_close(layer(x), y, rtol=1e-5, atol=1e-5 * y.abs().max().item())


def test_transposed_coefficients_transpose_the_filter() -> None:
    layer = NJet2d(2, 2, order=4, sigma_init=1.3).double()
    orders = derivative_orders(4, 2)
    other = copy.deepcopy(layer)
    other.alpha.data.copy_(layer.alpha[[orders.index((j, i)) for i, j in orders]])
    torch.testing.assert_close(other.effective_kernel(), layer.effective_kernel().mT)


@pytest.mark.parametrize("sides", [(3, 5), (1, 9), (1, 1)], ids=str)
def test_cropping_to_the_input_changes_nothing(sides: tuple[int, int]) -> None:
    layer = NJet2d(2, 3, sigma_init=4.0).double()
    x = torch.randn(2, 2, *sides, dtype=torch.float64)
    expected = F.conv2d(x, layer.effective_kernel(), padding=9)
    assert layer.effective_kernel(sides).shape[2:] == tuple(2 * side - 1 for side in sides)
    torch.testing.assert_close(layer(x), expected, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("dims", [1, 2])
def test_filter_is_the_mixture_of_the_basis_at_the_learned_sigma(dims: int) -> None:
    layer = LAYERS[dims](2, 3).double()
    nn.init.constant_(layer.scale, 0.7)
    mixture = torch.einsum("fco,f...->oc...", layer.alpha, layer.basis())
    torch.testing.assert_close(layer.effective_kernel(), mixture)


def test_inner_outputs_move_with_the_input() -> None:
    layer = NJet2d(2, 3).double()
    x = torch.randn(1, 2, 16, 16, dtype=torch.float64)
    moved = layer(x.roll((2, 1), (2, 3)))
    torch.testing.assert_close(
        moved[..., 6:-6, 6:-6], layer(x).roll((2, 1), (2, 3))[..., 6:-6, 6:-6]
    )


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("position", ["after", "before", None], ids=str)
def test_folded_layer_is_an_equal_plain_convolution(dims: int, position: str | None) -> None:
    safe = {} if position is None else {"safe_subsample": 4.0, "safe_position": position}
    layer = build_operator(
        "njet", 4, 6, 3, dims=dims, stride=2, groups=2, bias=True, sigma_init=1.6, **safe
    )
    x = torch.randn(2, 4, *(13, 9)[:dims])
    folded = layer.fold()
    assert not any(isinstance(module, LAYERS[dims]) for module in folded.modules())
    torch.testing.assert_close(folded(x), layer(x))


@pytest.mark.parametrize(
    ("kernel_size", "padding", "dilation", "side"),
    [(3, 1, 1, 12), (5, 2, 1, 12), (3, 2, 2, 12), (3, 0, 1, 6), (1, 0, 1, 12), (3, 3, 1, 12)],
    ids=str,
)
def test_padding_of_the_replaced_convolution_means_same(
    kernel_size, padding, dilation, side
) -> None:
    layer = NJet2d(1, 1, kernel_size, padding=padding, dilation=dilation)
    assert layer(torch.zeros(1, 1, 12, 12)).shape[2:] == (side, side)


def test_fixed_window_has_the_sides_of_the_kernel() -> None:
    layer = NJet2d(2, 3, (3, 7), padding=(1, 3), size_rule="fixed", sigma_init=2.0)
    x = torch.randn(1, 2, 8, 8)
    assert layer.kernel_size == (3, 7)
    assert layer.effective_kernel().shape == (3, 2, 3, 7)
    assert layer(x).shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    ("sigma", "rule", "side"),
    [
        (0.5, "paper", 29),
        (1.0, "paper", 26),
        (3.0, "paper", 19),
        (1.0, "code", 32),
        (3.0, "code", 16),
    ],
    ids=str,
)
def test_safe_subsampling_gives_the_printed_sides(sigma: float, rule: str, side: int) -> None:
    layer = NJet2d(1, 1, sigma_init=sigma, safe_subsample=4, safe_rule=rule, sigma_scale=2.0)
    assert layer(torch.zeros(1, 1, 32, 32)).shape[2:] == (side, side)


def test_sigma_scale_acts_like_a_larger_sigma() -> None:
    layer = NJet2d(2, 2, sigma_init=0.8, sigma_scale=2.0).double()
    other = copy.deepcopy(layer)
    other.sigma_scale = 1.0
    nn.init.constant_(other.scale, layer.scale.item() + 1)
    torch.testing.assert_close(layer.effective_kernel(), other.effective_kernel())


def test_training_projects_sigma_onto_its_range() -> None:
    layer = NJet2d(1, 1, sigma_init=0.0625)
    nn.init.constant_(layer.scale, -7.0)
    assert layer.sigma.item() == 0.0625
    layer.eval()
    layer(torch.zeros(1, 1, 4, 4))
    assert layer.scale.item() == -7.0
    layer.train()
    layer(torch.randn(1, 1, 4, 4)).sum().backward()
    assert layer.scale.item() == -4.0
    assert layer.scale.grad.isfinite().all()
    assert layer.bounds_hit == ("sigma_floor",)


def test_cap_holds_the_window_and_is_reported() -> None:
    layer = NJet2d(1, 1, sigma_init=8.0, max_radius=5)
    assert layer.kernel_size == (11, 11)
    assert layer.bounds_hit == ("max_radius",)
    assert NJet2d(1, 1, sigma_init=8.0, max_radius=None).kernel_size == (35, 35)


@pytest.mark.parametrize(
    ("init", "deviation"), [("unit", 1.0), ("dcn", 0.1), ("fan_in", None)], ids=str
)
def test_coefficients_start_with_the_stated_deviation(init: str, deviation: float | None) -> None:
    layer = NJet2d(96, 192, order=3, alpha_init=init)
    expected = deviation or math.sqrt(2 / (96 * 0.645291))
    # Standard error of 184,320 draws is 0.2 %.
    assert layer.alpha.std().item() == pytest.approx(expected, rel=0.01)
    x = torch.randn(1, 96, 40, 40)
    std = layer(x)[..., 4:-4, 4:-4].std().item()
    assert std == pytest.approx(expected * math.sqrt(96 * 0.645291), rel=0.1)


def test_optimiser_groups_name_alpha_and_sigma() -> None:
    layer = NJet2d(1, 1, sigma_lr_scale=0.1, sigma_weight_decay=0.01, alpha_weight_decay=0.001)
    groups = layer.parameter_groups()
    assert groups["njet_alpha"] == ([layer.alpha], 1.0, 0.001)
    assert groups["njet_scale"] == ([layer.scale], 0.1, 0.01)
    assert layer.regularisation().item() == 0.0


def test_frobenius_penalty_has_a_gradient() -> None:
    layer = NJet2d(2, 3, sigma_init=2.0, alpha_penalty="frobenius", alpha_weight_decay=0.5)
    penalty = layer.regularisation()
    assert penalty.item() == pytest.approx(0.5 * (2.0 + layer.alpha.norm().item()), rel=1e-6)
    penalty.backward()
    torch.testing.assert_close(layer.alpha.grad, 0.5 * layer.alpha / layer.alpha.norm())
    assert layer.parameter_groups()["njet_alpha"][2] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": -1}, r"order \(=-1\) must be an integer >= 0 and <= 10"),
        ({"order": 11}, r"order \(=11\)"),
        ({"order": 3.0}, r"order \(=3.0\)"),
        ({"order": True}, r"order \(=True\)"),
        ({"extent": 0}, r"extent \(=0\) must be a number > 0"),
        ({"sigma_init": -1.0}, r"sigma_init \(=-1.0\) must be a number >= 0.0625 and <= 32"),
        ({"sigma_init": 33}, r"sigma_init \(=33\)"),
        ({"sigma_init": math.nan}, r"sigma_init \(=nan\)"),
        ({"learn_sigma": 1}, r"learn_sigma \(=1\) must be true or false"),
        ({"size_rule": "log"}, r"size_rule \(='log'\) must be one of \['code'"),
        ({"gauss_norm": "l1"}, r"gauss_norm \(='l1'\)"),
        ({"alpha_init": "xavier"}, r"alpha_init \(='xavier'\)"),
        ({"sigma_scale": 0.0}, r"sigma_scale \(=0.0\)"),
        ({"safe_subsample": 0}, r"safe_subsample \(=0\)"),
        ({"safe_rule": "x"}, r"safe_rule \(='x'\)"),
        ({"safe_position": "x"}, r"safe_position \(='x'\)"),
        ({"max_radius": 0}, r"max_radius \(=0\)"),
        ({"execution": "fft"}, r"execution \(='fft'\)"),
        ({"execution": "masked", "max_radius": None}, r"max_radius \(=None\)"),
        ({"padding_mode": "x"}, r"padding_mode \(='x'\)"),
        ({"padding": "full"}, r"padding \(='full'\)"),
        ({"padding": -1}, r"padding \(=-1\)"),
        ({"sigma_lr_scale": 0}, r"sigma_lr_scale \(=0\)"),
        ({"sigma_weight_decay": -1}, r"sigma_weight_decay \(=-1\)"),
        ({"alpha_weight_decay": -1}, r"alpha_weight_decay \(=-1\)"),
        ({"alpha_penalty": "l1"}, r"alpha_penalty \(='l1'\)"),
        ({"alpha_penalty": "frobenius"}, r"alpha_weight_decay \(=None\)"),
        ({"groups": 2}, r"in_channels \(=3\) must be divisible by groups \(=2\)"),
        ({"kernel_size": 4, "size_rule": "fixed"}, r"kernel_size \(=\(4, 4\)\) must be odd"),
        ({"kernel_size": 131, "size_rule": "fixed"}, r"max_radius \(=64\)"),
    ],
    ids=str,
)
def test_wrong_values_are_refused_at_construction(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        NJet2d(3, 4, **options)


def test_masked_form_refuses_literal_padding() -> None:
    with pytest.raises(UnsupportedError, match="needs padding 'same'"):
        NJet2d(1, 1, padding=2, execution="masked")
    assert NJet2d(1, 1, 3, padding=1, execution="masked").kernel_size == (7, 7)


def test_unknown_option_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'sigma_init'"):
        build_operator("njet", 1, 1, 3, sigma_ini=1.0)


def test_empty_input_gets_torchs_error() -> None:
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        NJet2d(1, 1)(torch.zeros(1, 1, 0, 4))
    assert NJet2d(1, 1)(torch.zeros(0, 1, 4, 4)).shape == (0, 1, 4, 4)


@pytest.mark.parametrize("form", FORMS)
def test_nan_propagates(form: str) -> None:
    layer = NJet2d(1, 1, execution=form, max_radius=4)
    assert layer(torch.full((1, 1, 5, 5), math.nan)).isnan().all()
    nn.init.constant_(layer.scale, math.nan)
    assert layer(torch.zeros(1, 1, 5, 5)).isnan().all()


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_those_of_finite_differences(form: str) -> None:
    layer = NJet2d(2, 2, order=2, execution=form, max_radius=4, bias=True).double()
    parameters = (layer.alpha, layer.scale, layer.bias)
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    names = ("alpha", "scale", "bias")

    def apply(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(apply, (x, *parameters))


def test_evaluation_keeps_the_filter_until_something_changes(monkeypatch) -> None:
    layer, builds = NJet2d(2, 2).eval(), []
    build = layer._build
    monkeypatch.setattr(layer, "_build", lambda *a, **k: builds.append(1) or build(*a, **k))
    x = torch.randn(1, 2, 8, 8)
    with torch.no_grad():
        assert torch.equal(layer(x), layer(x))
        assert len(builds) == 1
        for parameter in (layer.alpha, layer.scale):
            before = layer(x)
            parameter.add_(0.1)
            assert not torch.equal(layer(x), before)
        layer.load_state_dict(NJet2d(2, 2).state_dict())
        torch.testing.assert_close(layer(x), layer.train()(x))


def test_copies_and_state_hold_the_same_layer() -> None:
    layer = NJet2d(2, 3, sigma_init=1.4, bias=True).eval()
    x = torch.randn(1, 2, 8, 8)
    with torch.no_grad():
        expected = layer(x)
        pickled = pickle.loads(pickle.dumps(layer))  # noqa: S301 - our own bytes
        for other in (copy.deepcopy(layer), pickled):
            assert torch.equal(other(x), expected)
        fresh = NJet2d(2, 3, bias=True).eval()
        fresh.load_state_dict(layer.state_dict())
        assert torch.equal(fresh(x), expected)


def test_layers_of_a_network_read_their_sigmas_in_one_copy(monkeypatch) -> None:
    network = nn.Sequential(NJet2d(1, 2), NJet2d(2, 2, sigma_init=2.0), NJet2d(2, 1))
    finish_operators(list(network))
    monkeypatch.setattr(host_copy, "lies_on_host", lambda _: False)
    reads, read = [], host_copy.HostCopies._read_all
    monkeypatch.setattr(
        host_copy.HostCopies, "_read_all", lambda *args: reads.append(1) or read(*args)
    )
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for step in range(1, 4):
        network(torch.randn(1, 1, 8, 8)).mean().backward()
        optimiser.step()
        assert len(reads) == step


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("is_autocast", [False, True], ids=["bfloat16", "autocast"])
def test_low_precision_rounds_the_finished_filter(form: str, is_autocast: bool) -> None:
    layer = NJet2d(4, 4, execution=form, max_radius=4, sigma_init=0.9)
    x = torch.randn(2, 4, 8, 8)
    expected = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_autocast):
        y = layer(x) if is_autocast else layer.bfloat16()(x.bfloat16())
    assert y.dtype == torch.bfloat16
    # bfloat16 keeps 8 bits; sums of some hundred rounded products.
    assert (y.float() - expected).abs().max() < 0.02 * expected.abs().max()


def test_dense_filter_is_built_in_float32_under_autocast() -> None:
    layer = NJet2d(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer.effective_kernel(), copy.deepcopy(layer).effective_kernel())
        kernel = layer.effective_kernel()
    assert torch.equal(kernel, layer.effective_kernel())


@pytest.mark.parametrize("form", FORMS)
def test_unbatched_and_channels_last_inputs_give_the_same(form: str) -> None:
    layer = NJet2d(2, 3, execution=form, max_radius=4, bias=True, safe_subsample=4.0)
    x = torch.randn(2, 2, 8, 9)
    torch.testing.assert_close(layer(x[0]), layer(x)[0])
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x))


def test_meta_device_builds_and_maps_shapes() -> None:
    with torch.device("meta"):
        layer = NJet2d(3, 4, 3, 2, sigma_init=2.0, alpha_init="fan_in", safe_subsample=4)
        y = layer(torch.empty(2, 3, 32, 32))
    assert (y.is_meta, y.shape, layer.kernel_size) == (True, (2, 4, 11, 11), (11, 11))


def test_auto_composes_only_where_it_pays(monkeypatch) -> None:
    monkeypatch.setattr(NJet2d, "row_mix_col_least_channels", 4)
    layer = NJet2d(4, 4, sigma_init=4.0)
    assert [layer._form((9, 9)), layer._form((3, 3)), layer._form((9, 3))] == [
        "row_mix_col",
        "dense",
        "dense",
    ]
    assert NJet2d(4, 4, groups=4, sigma_init=4.0)._form((9, 9)) == "dense"
    assert NJet2d(3, 4, sigma_init=4.0)._form((9, 9)) == "dense"
    assert NJet2d(4, 4, order=5, sigma_init=4.0)._form((9, 9)) == "dense"


def test_auto_composes_wide_windows_of_few_channels() -> None:
    layer = NJet2d(16, 21, sigma_init=8.0)
    assert [layer._form((13, 13)), layer._form((12, 13))] == ["row_mix_col", "dense"]
    assert NJet2d(16, 15, sigma_init=8.0)._form((13, 13)) == "dense"


@pytest.mark.slow
@pytest.mark.parametrize(("form", "is_whole"), [("masked", True), ("auto", False)], ids=str)
def test_compiled_layer_is_the_layer(form: str, is_whole: bool) -> None:
    layer = NJet2d(2, 3, execution=form, max_radius=4)
    x = torch.randn(2, 2, 8, 8)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=is_whole)
    torch.testing.assert_close(compiled(x), layer(x))
    nn.init.constant_(layer.scale, 0.6)
    torch.testing.assert_close(compiled(x), layer(x))


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize(("reach", "dilation", "sigma"), [(6, 1, 3.0), (6, 2, 1.5), (1, 1, 0.5)])
def test_layer_of_another_reach_has_the_same_weights(
    dims: int, reach: int, dilation: int, sigma: float
) -> None:
    common = LAYERS[dims](2, 3, dilation=dilation, bias=True)
    layer = common.with_reach(reach)
    expected = LAYERS[dims](2, 3, dilation=dilation, bias=True, sigma_init=sigma)
    expected.load_state_dict(common.state_dict() | {"scale": torch.tensor([math.log2(sigma)])})
    x = torch.randn(2, 2, *(20,) * dims)
    assert (layer.alpha is common.alpha, layer.bias is common.bias) == (True, True)
    assert layer.scale is not common.scale
    assert (layer.sigma_init, common.sigma_init) == (sigma, 1.0)
    torch.testing.assert_close(layer(x), expected(x), rtol=0, atol=0)


def test_layers_of_several_reaches_read_their_sigmas_in_one_copy(monkeypatch) -> None:
    common = NJet2d(1, 2)
    layers = nn.ModuleList(common.with_reach(reach) for reach in (2, 4, 6))
    finish_operators([common])
    monkeypatch.setattr(host_copy, "lies_on_host", lambda _: False)
    reads, read = [], host_copy.HostCopies._read_all
    monkeypatch.setattr(
        host_copy.HostCopies, "_read_all", lambda *args: reads.append(1) or read(*args)
    )
    x = torch.randn(1, 1, 8, 8)
    sum(layer(x) for layer in layers).mean().backward()
    assert len(reads) == 1
    assert [layer.kernel_size for layer in layers] == [(7, 7), (11, 11), (15, 15)]


@pytest.mark.parametrize(
    ("options", "reach", "error", "expected"),
    [
        ({"size_rule": "fixed"}, 2, UnsupportedError, r"size_rule \(='fixed'\) has no reach"),
        ({}, 65, ValueError, r"sigma_init \(=32.5\) must be a number >= 0.0625 and <= 32"),
        ({}, 0, ValueError, r"sigma_init \(=0.0\) must be a number >= 0.0625"),
    ],
    ids=["fixed", "too_far", "nowhere"],
)
def test_refuses_a_reach_without_a_sigma(options, reach, error, expected) -> None:
    with pytest.raises(error, match=expected):
        NJet2d(1, 1, **options).with_reach(reach)


@pytest.mark.parametrize(("stride", "sides"), [(1, (32, 20)), (2, (26, 16)), ((1, 2), (26, 16))])
def test_subsampling_of_strided_layers_replaces_their_stride(stride, sides) -> None:
    layer = NJet2d(1, 1, 3, stride, 1, safe_subsample=4, safe_layers="strided")
    # int(side 2^(-1 / 4)), both axes alike.
    assert layer(torch.zeros(1, 1, 32, 20)).shape[2:] == sides


def test_layers_without_subsampling_keep_their_stride() -> None:
    layer = NJet2d(1, 1, 3, 2, 1, safe_layers="strided")
    assert layer(torch.zeros(1, 1, 32, 20)).shape[2:] == (16, 10)


def test_refuses_unknown_safe_layers() -> None:
    with pytest.raises(ValueError, match=r"safe_layers \(='none'\) must be one of"):
        NJet2d(1, 1, safe_layers="none")
