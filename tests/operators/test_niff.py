"""NIFF against the acceptance facts of its specification and against its literal form."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kbench.architectures import build_architecture
from kbench.errors import UnsupportedError
from kbench.operators.niff import NIFF1d, NIFF2d

ELEMENT, SUM, NORM = 2e-5, 5e-4, 5e-5  # tolerances that section 11 states


def deterministic(module, amplitude=0.5):
    """Set the k-th parameter to amplitude * sin(1 + i + 10 k) (section 11)."""
    for k, parameter in enumerate(module.parameters()):
        index = torch.arange(parameter.numel(), dtype=torch.float64)
        values = amplitude * torch.sin(1 + index + 10 * k)
        parameter.data.copy_(values.float().view_as(parameter))
    return module


def cosine_input(*shape):
    index = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.cos(0.7 * index).float().view(shape)


def literal(module, x, *, linear=False):
    """Complex transforms and both networks on the whole centred grid, then the real part."""
    dim = tuple(range(-module.dims, 0))
    sides = x.shape[2:]
    size = [2 * side for side in sides] if linear else list(sides)
    axes = [torch.arange(n, dtype=x.dtype) - n / 2 for n in size]
    planes = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1])[None]
    parts = []
    for network in (module.response.mlp_real, module.response.mlp_imag):
        values = planes
        for index, (weight, bias) in enumerate(network.layers(x.dtype)):
            values = torch.einsum("oi,bi...->bo...", weight, F.silu(values) if index else values)
            values = values + bias.view(-1, *(1,) * module.dims)
        parts.append(values[0])
    response = torch.fft.ifftshift(torch.complex(*parts), dim)
    spectrum = torch.fft.fftn(x, size, dim)
    if module.form == "full":
        response = response.view(module.in_channels, module.out_channels, *size)
        spectrum = torch.einsum("bi...,io...->bo...", spectrum, response)
    else:
        spectrum = spectrum * response
    y = torch.fft.ifftn(spectrum, dim=dim).real[(..., *(slice(side) for side in sides))]
    if module.form == "split":
        y = torch.einsum("oi,bi...->bo...", module.mix.weight.to(x.dtype), y)
    return y


def depthwise(channels, **options):
    return NIFF2d(channels, channels, 3, groups=channels, **options)


FACTS = {
    "depthwise-1": (
        lambda: depthwise(1),
        (1, 1, 8, 8),
        (-0.519483, 18.041489, 2.490887, -0.412076, -0.341654, -0.071895, 0.205075),
    ),
    "depthwise-4": (
        lambda: depthwise(4),
        (2, 4, 8, 8),
        (-0.036480, 107.986027, 6.024501, -0.412076, -0.341654, -0.071895, 0.205075),
    ),
    "depthwise-4-rolled": (
        lambda: depthwise(4, ref_channel_roll=True),
        (2, 4, 8, 8),
        (-0.063549, 107.213176, 6.002715, 0.022916, 0.027127, 0.013810, -0.007544),
    ),
    "depthwise-6x9": (
        lambda: depthwise(2),
        (1, 2, 6, 9),
        (-0.132145, 31.618438, 3.405693, -0.400814, -0.299673, -0.057928, 0.211167),
    ),
    "big": (
        lambda: depthwise(4, mlp="big"),
        (2, 4, 8, 8),
        (-0.264449, 265.2017, 14.27244, -1.291756, -1.014140, -0.253269, 0.625848),
    ),
    "full": (
        lambda: NIFF2d(4, 6, 3, form="full"),
        (2, 4, 8, 8),
        (-0.027072, 415.655164, 17.728001, 0.468959, -0.396696, -1.094614, -1.265260),
    ),
    "full-by-basis": (
        lambda: NIFF2d(4, 6, 3, form="full", execution="basis"),
        (2, 4, 8, 8),
        (-0.027072, 415.655164, 17.728001, 0.468959, -0.396696, -1.094614, -1.265260),
    ),
    "split-rolled": (
        lambda: NIFF2d(4, 6, 3, ref_channel_roll=True),
        (2, 4, 8, 8),
        (-0.026068, 156.894498, 6.591195, 0.087705, 0.348780, 0.443495, 0.328661),
    ),
    "pointwise": (
        lambda: NIFF2d(4, 6, 1),
        (2, 4, 8, 8),
        (-0.017065, 498.877961, 20.058659, 1.019319, 0.675454, 0.013913, -0.654172),
    ),
    "pointwise-through-fft": (
        lambda: NIFF2d(4, 6, 1, execution="fft", ref_channel_roll=True),
        (2, 4, 8, 8),
        (-0.017065, 498.877961, 20.058659, 1.019319, 0.675454, 0.013913, -0.654172),
    ),
    "linear": (
        lambda: depthwise(2, padding_mode="zeros"),
        (1, 2, 4, 6),
        (-1.085556, 13.779154, 2.261248, -0.294066, -0.407591, -0.120409, 0.076109),
    ),
    "1d": (
        lambda: NIFF1d(1, 1, 3),
        (1, 1, 8),
        (0.337735, 2.202902, 0.888491, -0.242775, -0.486742, -0.203065, 0.025638),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("build", "shape", "fact"), FACTS.values(), ids=FACTS)
def test_output_equals_the_acceptance_fact(build, shape, fact, dtype):
    module = deterministic(build()).to(dtype)
    y = module(cosine_input(*shape).to(dtype)).detach().double()
    assert y.sum().item() == pytest.approx(fact[0], abs=SUM)
    assert y.abs().sum().item() == pytest.approx(fact[1], abs=SUM)
    assert y.norm().item() == pytest.approx(fact[2], abs=NORM)
    assert y.flatten()[:4].tolist() == pytest.approx(fact[3:], abs=ELEMENT)


RE = """-.138767 -.247288 -.345341 -.428990 -.209413 -.315776 -.407052 -.478978
-.268358 -.368463 -.448839 -.507145 -.310171 -.399662 -.467172 -.513137"""
IM = """.021084 .012437 .004219 -.000981 -.011487 -.027233 -.040560 -.046141
-.047679 -.065411 -.075154 -.070508 -.080077 -.089336 -.083578 -.059100"""
KERNEL = """-.365910 -.045907 .041520 -.046805 -.015359 -.003595 .000174 .003661
.021761 -.000161 .002302 -.003891 -.038693 .005817 -.004394 .000641"""


def table(text):
    return torch.tensor([float(word) for word in text.split()]).view(4, 4)


def test_spectrum_and_kernel_at_side_4_equal_the_acceptance_fact():
    module = deterministic(depthwise(1))
    spectrum = module.spectrum((4, 4)).detach()[0]
    kernel = module.effective_kernel(4).detach()[0, 0]
    impulse = torch.zeros(1, 1, 4, 4)
    impulse[..., 0, 0] = 1
    for measured, text in ((spectrum.real, RE), (spectrum.imag, IM), (kernel, KERNEL)):
        torch.testing.assert_close(measured, table(text), atol=ELEMENT, rtol=0)
    torch.testing.assert_close(module(impulse)[0, 0].detach(), kernel, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("module", "count"),
    [
        (lambda: depthwise(1), 130),
        (lambda: depthwise(64), 760),
        (lambda: depthwise(96, mlp="big"), 19040),
        (lambda: NIFF2d(4, 6, 3, form="full"), 480),
        (lambda: NIFF2d(64, 64, 3, form="full"), 73776),
        (lambda: NIFF2d(64, 128, 3), 120 + 10 * 64 + 64 * 128),
        (lambda: NIFF2d(64, 128, 1), 64 * 128),
        (lambda: NIFF1d(5, 5, 3, groups=5), 104 + 10 * 5),
        (lambda: NIFF2d(6, 6, 3, form="full", mlp=[8]), 48 + 18 * 36),
        (lambda: depthwise(3, mlp="16-128-32", bias=True), 12704 + 66 * 3 + 3),
    ],
    ids=["dw1", "dw64", "big96", "full", "full64", "split", "pointwise", "1d", "list", "bias"],
)
def test_number_of_parameters_follows_the_formula(module, count):
    assert sum(parameter.numel() for parameter in module().parameters()) == count


def test_parameters_come_in_the_reference_order():
    names = [name for name, _ in NIFF2d(4, 6, 3).named_parameters()]
    assert [name.split(".")[-2] for name in names] == ["mlp_imag"] * 6 + ["mlp_real"] * 6 + ["mix"]
    assert [name.split(".")[-1][:-1] for name in names[:4]] == ["weight", "bias"] * 2


cases = st.fixed_dictionaries(
    {
        "form": st.sampled_from(["depthwise", "split", "full"]),
        "mlp": st.sampled_from(["tiny", "small", "big", "3-5"]),
        "padding_mode": st.sampled_from(["circular", "zeros"]),
        "execution": st.sampled_from(["half", "full_spectrum"]),
    }
)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(cases, st.lists(st.integers(1, 9), min_size=1, max_size=2), st.integers(1, 3))
def test_output_and_gradients_equal_the_literal_form(options, sides, batch):
    out_channels = 3 if options["form"] == "depthwise" else 2
    build = NIFF1d if len(sides) == 1 else NIFF2d
    torch.manual_seed(0)
    module = build(3, out_channels, 3, **options).double()
    x = torch.randn(batch, 3, *sides, dtype=torch.float64, requires_grad=True)
    leaves = [x, *module.parameters()]
    y, expected = module(x), literal(module, x, linear=options["padding_mode"] == "zeros")
    weights = torch.randn_like(y)
    grads = torch.autograd.grad((y * weights).sum(), leaves)
    expected_grads = torch.autograd.grad((expected * weights).sum(), leaves)
    # Sums of fewer than 1000 terms in float64; the specification saw 1e-12.
    torch.testing.assert_close(y, expected, atol=1e-10, rtol=1e-9)
    torch.testing.assert_close(grads, expected_grads, atol=1e-8, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("linear", [False, True], ids=["circular", "linear"])
@pytest.mark.parametrize("form", ["depthwise", "split", "full"])
@pytest.mark.parametrize("sides", [(7, 7), (6, 9), (1, 5)], ids=str)
def test_output_is_the_explicit_convolution_with_the_effective_kernel(form, sides, linear):
    torch.manual_seed(0)
    mode = "zeros" if linear else "circular"
    module = NIFF2d(4, 4, 3, form=form, padding_mode=mode).double()
    kernel = module.effective_kernel(sides)
    if form == "depthwise":
        kernel = torch.diag_embed(kernel[:, 0].permute(1, 2, 0)).permute(2, 3, 0, 1)
    x = torch.randn(2, 4, *sides, dtype=torch.float64)
    expected = torch.zeros_like(x)
    for row in range(sides[0]):
        for column in range(sides[1]):
            for i in range(sides[0]):
                for j in range(sides[1]):
                    tap = kernel[..., (row - i) % kernel.shape[2], (column - j) % kernel.shape[3]]
                    expected[..., row, column] += x[..., i, j] @ tap.T
    torch.testing.assert_close(module(x), expected, atol=1e-11, rtol=0)


def test_circular_form_commutes_with_shifts():
    module, x = depthwise(3), torch.randn(2, 3, 7, 10)
    shifted = module(x.roll((3, 2), (2, 3)))
    # The specification saw 1.2e-7 in float32.
    torch.testing.assert_close(shifted, module(x).roll((3, 2), (2, 3)), atol=1e-5, rtol=0)


def test_form_is_linear_and_independent_of_the_batch():
    module, x = NIFF2d(3, 5, 3), torch.randn(4, 3, 8, 8)
    y = module(x)
    # Powers of two scale floating point exactly; one map alone may be mixed by another kernel.
    torch.testing.assert_close(module(2 * x), 2 * y, atol=0, rtol=0)
    torch.testing.assert_close(module(x[1:2]), y[1:2], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(module(x[1]), y[1], atol=1e-6, rtol=1e-5)


def test_split_is_depthwise_then_a_1x1_convolution():
    split, x = NIFF2d(4, 6, 3), torch.randn(2, 4, 9, 8)
    alone = depthwise(4)
    alone.response.load_state_dict(split.response.state_dict())
    expected = F.conv2d(alone(x), split.mix.weight[..., None, None])
    torch.testing.assert_close(split(x), expected)


@pytest.mark.parametrize("execution", ["auto", "fft"])
@pytest.mark.parametrize("form", ["auto", "split", "full", "pointwise", "depthwise"])
def test_a_dense_1x1_is_a_1x1_convolution(form, execution):
    module, x = NIFF2d(4, 6, 1, form=form, execution=execution), torch.randn(2, 4, 5, 6)
    expected = F.conv2d(x, module.mix.weight[..., None, None])
    torch.testing.assert_close(module(x), expected)
    channels_last = F.linear(x.permute(0, 2, 3, 1), module.mix.weight).permute(0, 3, 1, 2)
    torch.testing.assert_close(module(x), channels_last)
    assert module.effective_kernel().shape == (6, 4, 1, 1)


@pytest.mark.parametrize("side", [7, 8])
def test_only_the_last_imaginary_bias_is_dead(side):
    module = deterministic(depthwise(4))
    module(torch.randn(2, 4, side, side)).square().sum().backward()
    dead = module.response.mlp_imag.bias2
    norms = {id(p): p.grad.norm().item() for p in module.parameters()}
    assert norms.pop(id(dead)) == 0
    assert min(norms.values()) > 1e-3


@pytest.mark.parametrize("execution", ["half", "full_spectrum", "basis"])
def test_every_parameter_has_a_gradient_whatever_the_execution(execution):
    """Section 4.1: distributed training needs one of the dead bias, too."""
    module = NIFF2d(2, 3, 3, form="full", execution=execution)
    module(torch.randn(1, 2, 5, 4)).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    # Its share of the real part is a sum of 40 rounded terms of about one.
    assert module.response.mlp_imag.bias1.grad.abs().max() < 1e-5


@pytest.mark.parametrize(("part", "factor"), [("mlp_real", 1), ("mlp_imag", 0)])
def test_last_bias_alone_is_a_gain_or_nothing(part, factor):
    module, x = depthwise(3), torch.randn(2, 3, 7, 6)
    for parameter in module.parameters():
        parameter.data.zero_()
    gain = torch.tensor([0.5, -1.0, 2.0])
    getattr(module.response, part).bias2.data.copy_(gain)
    torch.testing.assert_close(module(x), factor * gain[:, None, None] * x, atol=1e-6, rtol=0)


def test_sum_of_the_kernel_depends_only_on_the_parity_of_the_side():
    module = depthwise(3).double()
    sums = {n: module.effective_kernel(n).sum((1, 2, 3)) for n in (2, 4, 14, 5, 7, 13)}
    torch.testing.assert_close([sums[2], sums[2]], [sums[4], sums[14]], atol=1e-12, rtol=0)
    torch.testing.assert_close([sums[5], sums[5]], [sums[7], sums[13]], atol=1e-12, rtol=0)
    assert (sums[4] - sums[5]).abs().min() > 1e-4


def test_filters_of_a_layer_have_rank_two_h_plus_one():
    torch.manual_seed(0)
    kernels = depthwise(24, init="kaiming_fan_out").double().effective_kernel(14).flatten(1)
    assert torch.linalg.matrix_rank(kernels, rtol=1e-9) == 9


@pytest.mark.parametrize(("mlp", "bound"), [("small", 9), ("big", 65), ("5-3", 7)], ids=str)
def test_rank_bound_is_two_h_plus_one(mlp, bound):
    assert depthwise(2, mlp=mlp).rank_bound == bound


@pytest.mark.parametrize("sides", [(8, 8), (7, 7), (6, 9)], ids=str)
@pytest.mark.parametrize("padding_mode", ["circular", "zeros"])
def test_centred_kernels_are_those_of_single_channels(sides, padding_mode):
    torch.manual_seed(0)
    module = depthwise(3, padding_mode=padding_mode)
    centred = module.centred_kernels(sides)
    kernel = module.effective_kernel(sides)[:, 0]
    size = kernel.shape[1:]
    assert torch.equal(centred[:, size[0] // 2, size[1] // 2], kernel[:, 0, 0])
    torch.testing.assert_close(torch.fft.ifftshift(centred, (1, 2)), kernel)


def test_centred_kernels_come_before_the_channels_are_mixed():
    torch.manual_seed(0)
    split = NIFF2d(4, 6, 3)
    assert split.centred_kernels(8).shape == (4, 8, 8)
    assert NIFF2d(4, 6, 3, form="full").centred_kernels((8, 6)).shape == (24, 8, 6)
    kernels = torch.fft.ifftshift(split.centred_kernels(8), (1, 2))
    mixed = torch.einsum("oi,i...->oi...", split.mix.matrix(), kernels)
    torch.testing.assert_close(split.effective_kernel(8), mixed)


def test_a_pointwise_layer_has_no_centred_kernels():
    with pytest.raises(UnsupportedError, match="has no spectrum, it is a 1x1 convolution"):
        NIFF2d(4, 6, 1).centred_kernels(8)


def test_mass_ratio_equals_the_acceptance_fact():
    module = deterministic(depthwise(4), amplitude=0.1)
    kernel = torch.fft.fftshift(module.effective_kernel(14)[:, 0], (1, 2)).abs().detach()
    ratios = []
    for reach in range(8):
        inner = kernel[:, max(0, 7 - reach) : 8 + reach, max(0, 7 - reach) : 8 + reach]
        ratios.append((inner.sum((1, 2)) / kernel.sum((1, 2))).mean().item())
    expected = [0.8368, 0.8759, 0.9008, 0.9229, 0.9445, 0.9664, 0.9887, 1]
    assert ratios == pytest.approx(expected, abs=1e-4)


def test_principal_components_equal_the_acceptance_fact():
    kernels = deterministic(depthwise(24)).effective_kernel(14)[:, 0].detach()
    samples = torch.fft.fftshift(kernels, (1, 2)).flatten(1).double()
    variance = torch.linalg.svdvals(samples - samples.mean(0)).square()
    ratios = (variance / variance.sum())[:4].tolist()
    assert ratios == pytest.approx([0.85984, 0.12596, 0.01421, 0], abs=1e-4)


@pytest.mark.parametrize("coords", ["centred", "centered"])
def test_centred_coordinates_differ_for_odd_sides_only(coords):
    reference, centred = deterministic(depthwise(2)), deterministic(depthwise(2, coords=coords))
    even, odd = torch.randn(1, 2, 8, 6), torch.randn(1, 2, 7, 7)
    torch.testing.assert_close(reference(even), centred(even), atol=0, rtol=0)
    assert (reference(odd) - centred(odd)).abs().max() > 1e-3


@pytest.mark.parametrize("form", ["depthwise", "split", "full"])
@pytest.mark.parametrize("padding_mode", ["circular", "zeros"])
def test_gradients_are_those_of_finite_differences(form, padding_mode):
    module = NIFF2d(2, 2, 3, form=form, mlp="tiny", padding_mode=padding_mode).double()
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    parameters = tuple(module.parameters())
    names = [name for name, _ in module.named_parameters()]

    def call(value, *values):
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), value)

    assert torch.autograd.gradcheck(call, (x, *parameters), fast_mode=True)
    assert torch.autograd.gradgradcheck(call, (x, *parameters), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@pytest.mark.parametrize("form", ["depthwise", "full"])
def test_autocast_leaves_spectra_in_single_precision(form, dtype):
    module, x = NIFF2d(4, 4, 3, form=form), torch.randn(2, 4, 7, 7, requires_grad=True)
    with torch.autocast("cpu", dtype=dtype):
        y = module(x)
        low = module(x.to(dtype))
        y.sum().backward()
    assert low.dtype == dtype
    torch.testing.assert_close(y, module(x), atol=0, rtol=0)


def test_module_survives_copies_casts_and_new_sizes():
    module = NIFF2d(3, 4, 3)
    module(torch.randn(2, 3, 8, 8)).sum().backward()
    text = pickle.dumps(copy.deepcopy(module))
    twin = pickle.loads(text).double()  # noqa: S301 - written one line above
    twin.load_state_dict(module.state_dict())
    with torch.inference_mode():
        twin(torch.randn(1, 3, 11, 5, dtype=torch.float64))
    x = torch.randn(1, 3, 11, 5)
    twin(x.double()).sum().backward()
    torch.testing.assert_close(twin(x.double()).float(), module(x), atol=1e-5, rtol=1e-5)


def test_meta_device_gives_the_shape():
    with torch.device("meta"):
        y = NIFF2d(3, 4, 3, padding=1)(torch.empty(2, 3, 8, 5))
    assert y.shape == (2, 4, 8, 5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_a_second_call_and_another_layout_give_the_same(layout):
    module, x = NIFF2d(3, 4, 3).eval(), torch.randn(2, 3, 8, 6)
    torch.testing.assert_close(module(x.to(memory_format=layout)), module(x))


@pytest.mark.parametrize("form", ["depthwise", "split", "full"])
def test_an_empty_batch_gives_an_empty_batch_and_no_gradient(form):
    module = NIFF2d(2, 2, 3, form=form)
    y = module(torch.zeros(0, 2, 5, 4))
    y.sum().backward()
    assert y.shape == (0, 2, 5, 4)
    assert all((parameter.grad == 0).all() for parameter in module.parameters())


def test_not_a_number_stays_in_its_sample():
    x = torch.randn(2, 2, 6, 6)
    x[0, 0, 0, 0] = math.nan
    y = depthwise(2)(x)
    assert y[0, 0].isnan().all()
    assert not y[1].isnan().any()


@pytest.mark.parametrize("build", [NIFF1d, NIFF2d])
def test_subsampling_takes_every_second_output(build):
    x = torch.randn(2, 3, *(7,) * build.dims)
    strided = build(3, 4, 3, stride=2, padding=1, strided="subsample")
    dense = build(3, 4, 3, padding=1)
    dense.load_state_dict(strided.state_dict())
    expected = dense(x)[..., ::2] if build.dims == 1 else dense(x)[..., ::2, ::2]
    torch.testing.assert_close(strided(x), expected)


def test_low_pass_stride_keeps_a_constant():
    module = NIFF2d(3, 3, 3, groups=3, stride=2, strided="flc")
    y = module(torch.ones(1, 3, 14, 14))
    gain = module.effective_kernel(14).sum((1, 2, 3))
    torch.testing.assert_close(y, gain[:, None, None].expand(1, 3, 7, 7), atol=1e-5, rtol=1e-5)


def test_bias_is_added_once_at_every_position():
    module = NIFF2d(3, 4, 3, bias=True)
    module.bias.data.fill_(2.0)
    y = module(torch.zeros(1, 3, 5, 5))
    torch.testing.assert_close(y, torch.full_like(y, 2.0), atol=0, rtol=0)


def test_macs_follow_the_cost_model():
    points, bins, channels = 64, 8 * 5, 4
    networks = 4 * bins * (2 * 8 + 8 * 4) + 2 * bins * 4 * channels
    transforms = 2 * channels * 1.25 * points * 6
    module = NIFF2d(4, 4, 3, groups=4)
    assert module.macs_per_batch(8) == networks
    assert module.macs(8) == networks + 4 * bins * channels + transforms
    assert NIFF2d(4, 6, 1).macs((8, 8)) == points * 24


def build_resnet18(monkeypatch, **options):
    """Return torchvision's ResNet-18 with NIFF, initialised as the official network is."""
    from torchvision.models import resnet

    def conv3x3(inputs, outputs, stride=1, groups=1, dilation=1):
        if stride == 1:
            return NIFF2d(inputs, outputs, 3, padding=1, **options)
        return nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, groups, bias=False)

    monkeypatch.setattr(resnet, "conv3x3", conv3x3)
    with monkeypatch.context() as patch:
        patch.setattr(nn.init, "kaiming_normal_", lambda *_, **__: None)
        network = resnet.resnet18(num_classes=10)
    for module in network.modules():
        if isinstance(module, NIFF2d):
            module.response.initialise("kaiming_fan_out")
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


@pytest.mark.parametrize(
    ("roll", "total", "norm", "first"),
    [(True, 53.7789, 7.16901, 0.982206), (False, 46.3248, 6.39709, -0.618815)],
    ids=["rolled", "plain"],
)
def test_resnet18_equals_the_acceptance_fact(monkeypatch, roll, total, norm, first):
    torch.manual_seed(0)
    network = build_resnet18(monkeypatch, ref_channel_roll=roll)
    torch.manual_seed(1)
    y = network(torch.randn(8, 3, 32, 32)).detach()
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_824_034
    # Tolerances of section 11 for random networks; batch norm magnifies a first element's rounding.
    assert y.abs().sum().item() == pytest.approx(total, abs=1e-3)
    assert y.norm().item() == pytest.approx(norm, abs=1e-4)
    assert y.flatten()[0].item() == pytest.approx(first, abs=1e-4)


def test_resnet18_of_kbench_is_that_of_the_acceptance_fact(monkeypatch):
    network = build_resnet18(monkeypatch)
    own = build_architecture("resnet18", operator="niff", where="niff", num_classes=10)
    own.load_state_dict(network.state_dict())
    x = torch.randn(8, 3, 32, 32)
    torch.testing.assert_close(own(x), network(x), atol=0, rtol=0)


def box_blur(x):
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="circular"), 3, stride=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("target", [box_blur, lambda x: x.roll(1, 2)], ids=["blur", "shift"])
def test_a_blur_and_a_shift_are_learned(target, seed):
    torch.manual_seed(seed)
    module, x = depthwise(1), torch.randn(64, 1, 16, 16)
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(400):
        optimiser.zero_grad()
        F.mse_loss(module(x), target(x)).backward()
        optimiser.step()
    assert F.mse_loss(module(x), target(x)).item() < 0.01


def test_low_pass_pooling_takes_an_empty_batch() -> None:
    module = NIFF2d(3, 3, 3, groups=3, stride=2, strided="flc")
    assert module(torch.zeros(0, 3, 8, 6)).shape == module(torch.zeros(1, 3, 8, 6))[:0].shape
