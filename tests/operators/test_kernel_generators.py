"""Generators against a loop over points, and their initial values against the paper's ranges."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.operators.flexconv_options import CKConvOptions, build_generator
from kbench.operators.kernel_generators import MultiplicativeFilterNetwork, Siren

GENERATORS = ["magnet", "gabor", "fourier", "siren"]


def make(generator="magnet", dims=2, outputs=6, scale=1.0, **options):
    """Return a generator as the operators build it."""
    return build_generator(
        CKConvOptions(generator=generator, **options), dims, outputs, [scale] * dims
    )


def value_at(generator, point):
    """Return psi (M) at one point, the formulas of the specification taken literally."""
    if isinstance(generator, Siren):
        h = point
        for index, linear in enumerate(generator.hidden):
            omega_0 = (
                generator.fixed_omega_0 if generator.omega_0 is None else generator.omega_0[index]
            )
            h = torch.sin(omega_0 * (effective(linear) @ h + linear.bias))
        return effective(generator.out) @ h + generator.out.bias
    h = filter_at(generator.filters[0], point)
    for linear, gabor in zip(generator.hidden, generator.filters[1:], strict=True):
        h = (linear.weight @ h + linear.bias) * filter_at(gabor, point)
    return generator.out.weight @ h + generator.out.bias


def filter_at(gabor, point):
    sine = torch.sin(gabor.weight @ point + gabor.bias)
    if gabor.gamma is None:
        return sine
    return torch.exp(-0.5 * ((gabor.gamma * (point - gabor.mu)) ** 2).sum(1)) * sine


def effective(linear):
    if linear.gain is None:
        return linear.weight
    rows = zip(linear.gain, linear.weight, strict=True)
    return torch.stack([gain * row / row.norm() for gain, row in rows])


@given(
    st.sampled_from(GENERATORS),
    st.sampled_from([1, 2]),
    st.integers(2, 4),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
@settings(deadline=None, max_examples=24, derandomize=True)
def test_grid_values_equal_a_loop_over_points(name, dims, layers, sides):
    torch.manual_seed(0)
    generator = make(name, dims, hidden=3, layers=layers).double()
    axes = [torch.linspace(-1, 1, side, dtype=torch.double) for side in sides[:dims]]
    points = torch.cartesian_prod(*axes).view(-1, dims)  # the last axis fastest
    expected = torch.stack([value_at(generator, point) for point in points], dim=1)
    torch.testing.assert_close(generator(axes), expected, rtol=1e-10, atol=1e-10)


def test_weight_normed_siren_with_learned_factors_equals_the_loop():
    generator = make("siren", 1, weight_norm=True, learn_omega_0=True, bias_init="uniform").double()
    with torch.no_grad():
        generator.omega_0.mul_(torch.tensor([0.5, 0.25]))
        for linear in (*generator.hidden, generator.out):
            linear.gain.mul_(1.5)
    axis = torch.linspace(-1, 1, 5, dtype=torch.double)
    expected = torch.stack([value_at(generator, point) for point in axis.view(-1, 1)], dim=1)
    torch.testing.assert_close(generator([axis]), expected, rtol=1e-10, atol=1e-10)


def test_tiny_magnet_has_the_published_values():
    generator = make(outputs=1, hidden=2, layers=1).double()
    values = {
        "filters.0.weight": [[1, 2], [3, -1]],
        "filters.0.bias": [0.1, 0.2],
        "filters.0.gamma": [[1, 2], [0.5, 1.5]],
        "filters.0.mu": [[0.1, -0.2], [0, 0.3]],
        "filters.1.weight": [[-1, 0.5], [2, 2]],
        "filters.1.bias": [-0.3, 0.4],
        "filters.1.gamma": [[2, 1], [1, 0.25]],
        "filters.1.mu": [[-0.1, 0.1], [0.2, -0.4]],
        "hidden.0.weight": [[0.5, -1], [1.5, 0.25]],
        "hidden.0.bias": [0.1, -0.2],
        "out.weight": [[2, -0.5]],
        "out.bias": [0.05],
    }
    generator.load_state_dict(
        {name: torch.tensor(value, dtype=torch.double) for name, value in values.items()}
    )
    axis = torch.linspace(-1, 1, 3, dtype=torch.double)
    expected = [  # FlexConv specification, fact C
        [0.08954604, -0.11488999, 0.00865173],
        [-0.08959642, 0.07275657, 0.26155088],
        [0.09898522, -0.17097048, 0.04557481],
    ]
    actual = generator([axis, axis]).view(3, 3)
    # Evaluated with scalars, entry (1, 0) is -0.0895964391: the eighth printed decimal is off.
    torch.testing.assert_close(
        actual, torch.tensor(expected, dtype=torch.double), rtol=0, atol=2e-8
    )


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize(
    ("name", "columns"),
    [("magnet", lambda d: 3 * d + 1), ("gabor", lambda d: 2 * d + 2), ("fourier", lambda d: d + 1)],
)
def test_filter_networks_have_the_published_number_of_parameters(name, columns, dims):
    layers, hidden, outputs = 3, 32, 576
    expected = (layers + 1) * hidden * columns(dims)
    expected += layers * (hidden**2 + hidden) + (hidden + 1) * outputs
    assert sum(p.numel() for p in make(name, dims, outputs).parameters()) == expected


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("is_normed", [False, True])
def test_siren_has_the_published_number_of_parameters(dims, is_normed):
    layers, hidden, outputs = 3, 32, 900
    expected = dims * hidden + hidden + (layers - 2) * (hidden**2 + hidden) + (hidden + 1) * outputs
    expected += (hidden * (layers - 1) + outputs) * is_normed
    siren = make("siren", dims, outputs, weight_norm=is_normed)
    assert sum(p.numel() for p in siren.parameters()) == expected


def test_small_magnet_of_figure_4_has_177_parameters():
    assert sum(p.numel() for p in make("magnet", 2, 1, hidden=4).parameters()) == 177


@pytest.mark.parametrize(
    ("name", "options", "means"),
    [
        ("magnet", {}, [6, 3, 2, 1.5]),
        ("gabor", {}, [1.5] * 4),
        ("gabor", {"gamma_init": "per_layer"}, [6, 3, 2, 1.5]),
        ("magnet", {"gamma_init": "uniform", "beta": 2.0}, [0.75] * 4),
    ],
    ids=["magnet", "gabor", "gabor_init", "rate"],
)
def test_inverse_widths_have_the_mean_of_their_gamma_distribution(name, options, means):
    torch.manual_seed(0)
    generator = make(name, hidden=600, outputs=1, **options)
    # At least 600 draws of variance at most 6: the standard error of the mean is at most 0.1.
    actual = [float(f.gamma.detach().mean()) for f in generator.filters]
    assert actual == pytest.approx(means, abs=0.2)


def test_initial_tensors_stay_in_and_fill_their_ranges():
    torch.manual_seed(0)
    generator = make(hidden=64, scale=0.125, dims=2)
    for f in generator.filters:
        ranges = [
            (f.mu, 0.125),
            (f.bias, math.pi),
            (f.weight / f.gamma, 25.6 / math.sqrt(2) / math.sqrt(4)),
        ]
        for tensor, bound in ranges:
            assert 0.9 * bound < float(tensor.detach().abs().max()) <= bound * (1 + 1e-6)
    for linear in (*generator.hidden, generator.out):
        assert 0.9 / 8 < float(linear.weight.detach().abs().max()) <= 1 / 8


def test_fourier_frequencies_use_a_ten_times_larger_scale():
    torch.manual_seed(0)
    generator = make("fourier", 1, hidden=64)
    largest = max(float(f.weight.detach().abs().max()) for f in generator.filters)
    assert 0.9 * 128 < largest <= 128
    assert all(f.gamma is None and f.mu is None for f in generator.filters)


@pytest.mark.parametrize("is_normed", [False, True])
def test_siren_matrices_start_in_the_ranges_of_the_paper(is_normed):
    torch.manual_seed(0)
    siren = make("siren", 2, 100, hidden=32, omega_0=20.0, weight_norm=is_normed)
    bounds = [1 / 2, math.sqrt(6 / 32) / 20, math.sqrt(6 / 32) / 20]
    for linear, bound in zip((*siren.hidden, siren.out), bounds, strict=True):
        assert 0.9 * bound < float(linear.matrix().detach().abs().max()) <= bound * (1 + 1e-6)


@pytest.mark.parametrize(
    ("how", "bound"), [("default", 1 / math.sqrt(32)), ("uniform", 1.0), ("zero", 0.0)]
)
def test_siren_biases_start_as_asked_for(how, bound):
    torch.manual_seed(0)
    bias = make("siren", 2, 200, bias_init=how).out.bias.detach()
    assert 0.9 * bound <= float(bias.abs().max()) <= bound


def test_centers_are_clipped_to_the_grid_and_may_crowd_the_last_tap():
    torch.manual_seed(0)
    wide = make(dims=1, center_scale=5.0)
    causal = make(dims=1, center_scale=0.25, causal_center=True)
    assert 0.9 < max(float(f.mu.detach().abs().max()) for f in wide.filters) <= 1
    assert all(
        float(f.mu.detach().min()) >= 0.75 and float(f.mu.detach().max()) <= 1
        for f in causal.filters
    )


@pytest.mark.parametrize(
    ("name", "width"), [("magnet", 2), ("gabor", 1)], ids=["anisotropic", "isotropic"]
)
def test_envelope_has_a_width_an_axis_or_one_for_all(name, width):
    assert all(f.gamma.shape == (32, width) for f in make(name).filters)
    assert all(f.gamma.shape == (32, 3 - width) for f in make(name, anisotropic=width == 1).filters)


@pytest.mark.parametrize("name", GENERATORS)
def test_gradcheck(name):
    torch.manual_seed(0)
    options = {"siren": {"omega_0": 3.0}}.get(name, {})
    generator = make(name, 2, 2, hidden=2, layers=2, **options).double()
    axes = [torch.linspace(-1, 1, side, dtype=torch.double) for side in (2, 3)]
    names, values = zip(*generator.named_parameters(), strict=True)
    inputs = tuple(value.detach().requires_grad_() for value in values)

    def evaluate(*tensors):
        return torch.func.functional_call(
            generator, dict(zip(names, tensors, strict=True)), (axes,)
        )

    assert torch.autograd.gradcheck(evaluate, inputs)


def test_half_precision_parameters_are_evaluated_in_float32():
    generator = make().bfloat16()
    axes = [torch.linspace(-1, 1, 5)] * 2
    assert generator(axes).dtype == torch.float32


@pytest.mark.parametrize("name", ["fourier", "siren"])
def test_generators_without_envelope_have_no_frequency_bound(name):
    with pytest.raises(ValueError, match="without Gaussian envelope has no frequency bound"):
        make(name).frequencies(2.0, "official")


def test_same_seed_gives_the_same_network():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(make().state_dict())
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def test_generators_are_built_on_the_meta_device():
    with torch.device("meta"):
        generators = [make(name) for name in GENERATORS]
    assert all(p.is_meta for generator in generators for p in generator.parameters())
    assert isinstance(generators[0], MultiplicativeFilterNetwork)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("magnet", {}),
        ("gabor", {}),
        ("gabor", {"causal_center": True, "anisotropic": True}),
        ("fourier", {}),
        ("siren", {"weight_norm": True, "learn_omega_0": True, "bias_init": "uniform"}),
    ],
    ids=["magnet", "gabor", "anisotropic", "fourier", "siren"],
)
@pytest.mark.parametrize("dims", [1, 2])
def test_the_meta_device_gives_the_shapes_of_a_real_one(name, options, dims):
    with torch.device("meta"):
        skeleton = make(name, dims, **options).state_dict()
    expected = {key: value.shape for key, value in make(name, dims, **options).state_dict().items()}
    assert {key: value.shape for key, value in skeleton.items()} == expected


@pytest.mark.parametrize("name", GENERATORS)
def test_nothing_is_drawn_or_computed_on_the_meta_device(name):
    with torch.device("meta"), torch.profiler.profile() as profile:
        make(name)
    names = {event.name for event in profile.events()}
    assert "aten::empty" in names
    assert not names & {"aten::uniform_", "aten::rand", "aten::mul", "aten::add", "aten::sub"}
