import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kbench.operators.gmconv import GMConv1d, GMConv2d
from kbench.registry import OPERATORS, OPERATORS_1D

# (stride, padding, dilation, groups) of specification section 4, four channels.
GEOMETRIES = [
    pytest.param((1, 1, 1, 1), id="plain"),
    pytest.param((2, 1, 1, 1), id="strided"),
    pytest.param((1, 2, 2, 2), id="dilated"),
    pytest.param((1, 1, 1, 4), id="depthwise"),
]
SHARES = ["layer", "out", "in", "kernel"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def waves(function, step, shape):
    return function(step * torch.arange(math.prod(shape), dtype=torch.float64)).view(shape)


def scheme(module, shape):
    """Return module and input of the scheme cos/sin, in float64."""
    module = module.double()
    with torch.no_grad():
        module.weight.copy_(waves(torch.cos, 0.1, module.weight.shape))
    return module, waves(torch.sin, 0.01, shape)


def cosine_loss(y):
    return (y.flatten() * waves(torch.cos, 1.0, (y.numel(),)).to(y)).sum()


def set_sigma(module, value):
    with torch.no_grad():
        module.sigma_raw.copy_(torch.as_tensor(value, dtype=torch.float64))


def test_both_forms_are_registered():
    assert (OPERATORS["gmconv"], OPERATORS_1D["gmconv"]) == (GMConv2d, GMConv1d)


def test_tiny_example_of_the_specification():
    conv = GMConv2d(1, 1, 3, padding=1, bias=False, sigma_init=1.0, eps=0.0).double()
    nn.init.ones_(conv.weight)
    y = conv(torch.arange(25.0, dtype=torch.float64).view(1, 1, 5, 5))
    y.sum().backward()
    actual = [y[0, 0, 2, 2], y[0, 0, 0, 0], y.sum(), conv.sigma_raw.grad, *conv.weight.grad.view(9)]
    expected = [58.771685, 5.846461, 1164.800844, 1147.332255, 52.974640, 115.240825, 58.860711]
    expected += [139.502052, 300, 151.632665, 82.404995, 175.893891, 88.291066]
    assert [value.item() for value in actual] == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(
    ("arguments", "sigma", "out", "expected"),
    [
        pytest.param(
            (3, 8, 3, 1, 1, 1, 16),
            0.7,
            (2, 8, 16, 16),
            (128.199992426, 6035.044053994, 2.916987533, 51.108592),
            id="k3-sigma0.7",
        ),
        pytest.param(
            (3, 8, 3, 1, 1, 1, 16),
            1,
            (2, 8, 16, 16),
            (207.138736175, 15778.547674345, 1.589599049, 88.727428),
            id="k3-sigma1",
        ),
        pytest.param(
            (3, 8, 3, 1, 1, 1, 16),
            5,
            (2, 8, 16, 16),
            (363.037425353, 48631.934401159, 0.018705880, 165.256455),
            id="k3-sigma5",
        ),
        pytest.param(
            (3, 8, 11, 4, 2, 1, 32),
            0.7,
            (2, 8, 7, 7),
            (7.992560717, 406.839506198, 2.653878878, 22.137048),
            id="k11-sigma0.7",
        ),
        pytest.param(
            (3, 8, 11, 4, 2, 1, 32),
            1,
            (2, 8, 7, 7),
            (16.036647725, 801.022190942, 2.110678322, 45.292453),
            id="k11-sigma1",
        ),
        pytest.param(
            (3, 8, 11, 4, 2, 1, 32),
            5,
            (2, 8, 7, 7),
            (-2.056247184, 3875.882819035, -0.286866135, 426.577633),
            id="k11-sigma5",
        ),
        pytest.param(
            (4, 6, 7, 2, 3, 2, 16),
            1,
            (2, 6, 8, 8),
            (31.756082508, 5722.624305134, 7.942929424, 45.707585),
            id="k7-groups2",
        ),
    ],
)
def test_acceptance_table_of_the_specification(arguments, sigma, out, expected):
    in_channels, out_channels, side, stride, padding, groups, size = arguments
    conv = GMConv2d(
        in_channels, out_channels, side, stride, padding, groups=groups, bias=False, eps=0.0
    )
    conv, x = scheme(conv, (2, in_channels, size, size))
    set_sigma(conv, sigma)
    y = conv(x)
    cosine_loss(y).backward()
    actual = (y.sum(), y.square().sum(), conv.sigma_raw.grad, conv.weight.grad.abs().sum())
    assert y.shape == out
    assert [value.item() for value in actual] == pytest.approx(expected, abs=6e-7, rel=1e-11)


def test_per_image_sigma_of_the_specification():
    conv, x = scheme(GMConv2d(3, 8, 3, padding=1, bias=False, eps=0.0), (2, 3, 16, 16))
    sigma = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    kernels = conv.effective_kernel_for(sigma.view(2, 1, 1, 1, 1))
    y = torch.cat([F.conv2d(x[b : b + 1], kernels[b], padding=1) for b in range(2)])
    cosine_loss(y).backward()
    actual = [y.sum().item(), y.square().sum().item(), *sigma.grad.tolist()]
    expected = [-292.310355221, 14244.685807323, 0.528810359, 0.581442130]
    assert actual == pytest.approx(expected, abs=6e-9)


@given(
    channels=st.sampled_from([(4, 6, 1), (4, 6, 2), (4, 4, 4)]),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    share=st.sampled_from(SHARES),
    padding_mode=st.sampled_from(["zeros", "reflect", "circular"]),
)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_output_is_the_plain_convolution_of_the_masked_weight(
    channels, kernel, stride, padding, dilation, share, padding_mode
):
    torch.manual_seed(0)
    in_channels, out_channels, groups = channels
    arguments = (in_channels, out_channels, kernel, stride, padding, dilation, groups)
    conv = GMConv2d(*arguments, share=share, padding_mode=padding_mode, eps=0.0).double()
    set_sigma(conv, 0.5 + torch.rand_like(conv.sigma_raw))
    plain = nn.Conv2d(*arguments, padding_mode=padding_mode).double()
    height, width = kernel
    with torch.no_grad():
        plain.bias.copy_(conv.bias)
        for i in range(height):
            for j in range(width):
                r2 = (i - (height - 1) / 2) ** 2 + (j - (width - 1) / 2) ** 2
                mask = torch.exp(-r2 / (2 * conv.sigma[..., 0, 0] ** 2))
                plain.weight[:, :, i, j] = conv.weight[:, :, i, j] * mask
    x = torch.randn(2, in_channels, 9, 9, dtype=torch.float64)
    torch.testing.assert_close(conv(x), plain(x), rtol=1e-12, atol=1e-12)  # float64 rounding


@pytest.mark.parametrize("padding", ["same", "valid", 2])
@pytest.mark.parametrize("side", [3, 4])
def test_line_form_is_the_square_form_with_one_row(side, padding):
    line = GMConv1d(4, 6, side, padding=padding, groups=2, sigma_init=0.9)
    rows = (0, padding) if padding == 2 else padding
    square = GMConv2d(4, 6, (1, side), padding=rows, groups=2, sigma_init=0.9)
    square.load_state_dict(
        {k: v.view_as(square.get_parameter(k)) for k, v in line.state_dict().items()}
    )
    x = torch.randn(2, 4, 15)
    # fp32 rounding of another kernel order
    torch.testing.assert_close(line(x), square(x[:, :, None])[:, :, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("share", "shape"),
    [
        pytest.param("layer", (1, 1, 1, 1), id="layer"),
        pytest.param("out", (6, 1, 1, 1), id="out"),
        pytest.param("in", (1, 2, 1, 1), id="in"),
        pytest.param("kernel", (6, 2, 1, 1), id="kernel"),
    ],
)
def test_share_decides_shape_of_sigma_and_parameter_count(share, shape):
    conv = GMConv2d(4, 6, 3, groups=2, share=share)
    added = sum(p.numel() for p in conv.parameters()) - (6 * 2 * 9 + 6)
    assert (conv.sigma.shape, added) == (shape, math.prod(shape))
    assert GMConv1d(4, 6, 3, groups=2, share=share).sigma.shape == shape[:-1]


@pytest.mark.parametrize("share", SHARES)
def test_frozen_sigma_is_counted_but_not_learned(share):
    frozen = GMConv2d(4, 6, 3, share=share, learn_sigma=False)
    learned = GMConv2d(4, 6, 3, share=share)
    num_params, num_frozen = (
        sum(p.numel() for p in conv.parameters()) for conv in (learned, frozen)
    )
    assert num_params == num_frozen
    assert [name for name, p in frozen.named_parameters() if not p.requires_grad] == ["sigma_raw"]


def test_frozen_sigma_is_unchanged_by_decayed_steps():
    conv = GMConv2d(2, 3, 3, padding=1, learn_sigma=False)
    before = conv.weight.detach().clone()
    optimiser = torch.optim.SGD(conv.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(5):
        optimiser.zero_grad()
        conv(torch.randn(2, 2, 5, 5)).square().sum().backward()
        optimiser.step()
    assert conv.sigma.item() == 5.0
    assert not torch.equal(conv.weight, before)


def test_plain_checkpoint_loads_with_only_sigma_missing():
    plain = nn.Conv2d(3, 4, 3)
    missing, unexpected = GMConv2d(3, 4, 3).load_state_dict(plain.state_dict(), strict=False)
    assert (missing, unexpected) == (["sigma_raw"], [])


def test_weight_starts_as_torch_draws_it_and_sigma_draws_nothing():
    torch.manual_seed(3)
    plain, after_plain = nn.Conv2d(3, 4, 3), torch.rand(1)
    torch.manual_seed(3)
    conv, after_conv = GMConv2d(3, 4, 3, share="kernel"), torch.rand(1)
    assert torch.equal(conv.weight, plain.weight)
    assert torch.equal(conv.bias, plain.bias)
    assert torch.equal(after_plain, after_conv)


def test_init_gain_restores_the_variance_once():
    conv = GMConv2d(3, 4, 3, sigma_init=1.0, init_gain="var", eps=0.0)
    before = conv.weight.detach().clone()
    GMConv2d.after_init([conv])
    torch.testing.assert_close(conv.weight, 1.728351 * before, rtol=1e-6, atol=0)  # six decimals


def test_without_gain_the_start_is_left_alone():
    conv = GMConv2d(3, 4, 3)
    before = conv.weight.detach().clone()
    GMConv2d.after_init([conv])
    assert torch.equal(conv.weight, before)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("share", SHARES)
def test_folded_equals_unfolded_bit_for_bit(geometry, share):
    stride, padding, dilation, groups = geometry
    conv = GMConv2d(4, 4, 3, stride, padding, dilation, groups, share=share, sigma_init=0.8)
    x = torch.randn(2, 4, 9, 9)
    folded = conv.fold()
    assert torch.equal(folded(x), conv(x))
    assert type(folded) is nn.Conv2d


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
def test_even_kernel_with_same_padding_folds_bit_for_bit(padding_mode):
    conv = GMConv2d(4, 4, 4, padding="same", padding_mode=padding_mode)
    x = torch.randn(2, 4, 9, 9)
    assert torch.equal(conv.fold()(x), conv(x))


def test_effective_kernel_is_the_folded_weight():
    conv = GMConv2d(4, 6, 3, sigma_init=0.8)
    assert torch.equal(conv.effective_kernel((9, 9)), conv.fold().weight)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_huge_sigma_is_the_plain_convolution_bit_for_bit(geometry):
    stride, padding, dilation, groups = geometry
    conv = GMConv2d(4, 4, 3, stride, padding, dilation, groups, sigma_init=1e4)
    plain = nn.Conv2d(4, 4, 3, stride, padding, dilation, groups)
    plain.load_state_dict({"weight": conv.weight, "bias": conv.bias})
    x = torch.randn(2, 4, 9, 9)
    assert torch.equal(conv(x), plain(x))


def test_small_sigma_is_the_centre_tap():
    conv = GMConv2d(4, 6, 3, padding=1, sigma_init=0.05)
    x = torch.randn(2, 4, 9, 9)
    expected = F.conv2d(x, conv.weight[:, :, 1:2, 1:2], conv.bias)
    torch.testing.assert_close(conv(x), expected, rtol=0, atol=1.2e-7 * 4)  # fp32, four channels


def test_dilated_mask_is_indexed_by_taps():
    conv = GMConv2d(2, 3, 3, dilation=2, bias=False, sigma_init=0.9)
    spaced = torch.zeros(3, 2, 5, 5)
    spaced[:, :, ::2, ::2] = conv.effective_kernel().detach()
    x = torch.randn(1, 2, 8, 8)
    torch.testing.assert_close(conv(x), F.conv2d(x, spaced), rtol=0, atol=1e-6)  # fp32 order


def test_weight_gradient_is_the_mask_times_the_plain_gradient():
    conv = GMConv2d(3, 4, 3, padding=1, sigma_init=0.8)
    x = torch.randn(2, 3, 7, 7)
    kernel = conv.effective_kernel().detach().requires_grad_()
    F.conv2d(x, kernel, conv.bias, padding=1).square().sum().backward()
    conv(x).square().sum().backward()
    mask = conv.mask(conv.exponents, conv.sigma).detach()
    assert torch.equal(conv.weight.grad, kernel.grad * mask)


def test_one_step_moves_the_kernel_by_the_squared_mask():
    conv = GMConv2d(3, 4, 3, learn_sigma=False, sigma_init=1.0, eps=0.0).double()
    before = conv.effective_kernel().detach()
    kernel = before.clone().requires_grad_()
    x = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(cosine_loss(F.conv2d(x, kernel)), kernel)
    cosine_loss(conv(x)).backward()
    torch.optim.SGD([conv.weight], lr=0.1).step()
    ratio = (conv.effective_kernel().detach() - before) / (-0.1 * gradient)
    expected = [[0.1353, 0.3679, 0.1353], [0.3679, 1, 0.3679], [0.1353, 0.3679, 0.1353]]
    expected = torch.tensor(expected, dtype=torch.float64).expand_as(ratio)
    torch.testing.assert_close(ratio, expected, rtol=0, atol=6e-5)  # four decimals are printed


def test_interior_follows_a_circular_shift():
    conv = GMConv2d(3, 4, 3, padding=1, sigma_init=0.8)
    x = torch.randn(2, 3, 12, 12)
    moved = conv(x.roll((2, 3), (2, 3)))
    assert torch.equal(moved[..., 4:-1, 4:-1], conv(x).roll((2, 3), (2, 3))[..., 4:-1, 4:-1])


@pytest.mark.parametrize("eps", [0.0, 1e-6])
def test_single_tap_has_exactly_zero_sigma_gradient(eps):
    conv = GMConv2d(3, 4, 1, eps=eps)
    conv(torch.randn(2, 3, 5, 5)).square().sum().backward()
    assert conv.sigma_raw.grad.item() == 0.0


@pytest.mark.parametrize("share", ["layer", "out"])
@pytest.mark.parametrize("normalise", ["density", "sum", "peak"])
def test_normaliser_is_invisible_behind_batch_norm(normalise, share):
    conv = GMConv2d(3, 4, 4, share=share, sigma_init=1.5, bias=False)
    normalised = GMConv2d(3, 4, 4, share=share, sigma_init=1.5, bias=False, normalise=normalise)
    normalised.load_state_dict(conv.state_dict())
    norm = nn.BatchNorm2d(4, eps=1e-12)
    x = torch.randn(4, 3, 9, 9)
    # bound of the specification; the normaliser scales fp32 rounding errors
    torch.testing.assert_close(norm(normalised(x)), norm(conv(x)), rtol=0, atol=2e-6)


@pytest.mark.parametrize("sigma", [0.0, 1e-25, 1e-3])
def test_vanished_sigma_keeps_output_and_gradients_finite(sigma):
    conv = GMConv2d(3, 4, 3)
    set_sigma(conv, sigma)
    y = conv(torch.randn(2, 3, 7, 7))
    y.square().sum().backward()
    values = [y, conv.sigma_raw.grad, conv.weight.grad]
    assert all(value.isfinite().all() for value in values)


def test_literal_mask_at_zero_sigma_gives_no_number():
    conv = GMConv2d(3, 4, 3, eps=0.0)
    set_sigma(conv, 0.0)
    assert conv(torch.randn(2, 3, 7, 7)).isnan().all()


def test_mask_is_even_in_sigma():
    conv = GMConv2d(3, 4, 3, sigma_init=0.8)
    kernel = conv.effective_kernel()
    set_sigma(conv, -conv.sigma_raw.detach())
    assert torch.equal(conv.effective_kernel(), kernel)


@pytest.mark.parametrize("normalise", ["none", "density", "sum", "peak"])
@pytest.mark.parametrize(
    ("share", "param"),
    [
        pytest.param("layer", "raw", id="layer-raw"),
        pytest.param("in", "log", id="in-log"),
        pytest.param("kernel", "softplus", id="kernel-softplus"),
    ],
)
def test_gradcheck_in_input_weight_and_sigma(share, param, normalise):
    options = {"share": share, "param": param, "normalise": normalise, "coord": "unit"}
    conv = GMConv2d(2, 2, (3, 2), padding=1, sigma_init=0.9, **options).double()
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: conv(x), (x, *conv.parameters()))


@pytest.mark.parametrize(
    ("options", "lr_scale", "weight_decay"),
    [
        pytest.param({}, 1.0, 0.0, id="defaults"),
        pytest.param({"sigma_lr_scale": 10, "sigma_weight_decay": 0.1}, 10, 0.1, id="numbers"),
        pytest.param({"sigma_weight_decay": "same"}, 1.0, None, id="same"),
    ],
)
def test_sigma_has_its_own_parameter_group(options, lr_scale, weight_decay):
    conv = GMConv2d(3, 4, 3, **options)
    groups = conv.parameter_groups()
    assert groups == {"sigma": ([conv.sigma_raw], lr_scale, weight_decay)}


def test_frozen_sigma_is_in_no_group():
    assert GMConv2d(3, 4, 3, learn_sigma=False).parameter_groups() == {}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_module_computes_its_kernel_in_float32(dtype):
    conv = GMConv2d(2, 3, 11, sigma_init=1.0).to(dtype)
    nn.init.ones_(conv.weight)
    literal = math.exp(-25 / (2 + 1e-6)) ** 2
    expected = torch.tensor(literal).to(dtype).item()
    assert conv.effective_kernel()[0, 0, 0, 0].item() == pytest.approx(expected, rel=1e-2)
    assert (conv.exponents.dtype, conv.effective_kernel().dtype) == (torch.float32, dtype)


def test_autocast_differs_from_float32_by_the_stated_share():
    conv = GMConv2d(16, 16, 3, padding=1)
    x = torch.randn(2, 16, 9, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = conv(x)
    exact = conv(x)
    assert y.dtype == torch.bfloat16
    assert (y.float() - exact).norm() / exact.norm() < 5e-3  # about 0.3 %


def test_mask_survives_a_detour_through_half_precision():
    conv = GMConv2d(2, 3, 31, coord="unit", sigma_init=0.75).double()
    kernel = conv.mask(conv.exponents, conv.sigma)
    assert torch.equal(conv.bfloat16().double().mask(conv.exponents, conv.sigma), kernel)


@pytest.mark.parametrize("share", SHARES)
def test_copy_and_state_dict_keep_the_function(share):
    conv = GMConv2d(4, 6, 3, groups=2, share=share)
    set_sigma(conv, 0.5 + torch.rand_like(conv.sigma_raw))
    loaded = GMConv2d(4, 6, 3, groups=2, share=share)
    loaded.load_state_dict(conv.state_dict())
    x = torch.randn(1, 4, 6, 6)
    for other in (copy.deepcopy(conv), loaded):
        assert torch.equal(other(x), conv(x))


def test_channels_last_input_gives_the_same_output():
    conv = GMConv2d(4, 6, 3, padding=1)
    x = torch.randn(2, 4, 8, 8)
    y = conv(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(y, conv(x), rtol=0, atol=1e-6)  # fp32 rounding of another order


def test_input_without_batch_axis_is_taken_as_by_torch():
    conv = GMConv2d(3, 4, 3, padding=1)
    x = torch.randn(1, 3, 6, 6)
    torch.testing.assert_close(conv(x[0]), conv(x)[0])


def test_not_a_number_propagates():
    conv = GMConv2d(3, 4, 3, padding=1)
    x = torch.zeros(1, 3, 9, 9)
    x[0, 0, 4, 4] = math.nan
    assert conv(x).isnan()[0, 0].nonzero().aminmax() == (torch.tensor(3), torch.tensor(5))


def test_meta_device_gives_shapes():
    with torch.device("meta"):
        conv = GMConv2d(3, 4, 3, stride=2, init_gain="var")
        GMConv2d.after_init([conv])
        y = conv(torch.zeros(2, 3, 9, 9))
    assert (y.device.type, y.shape) == ("meta", (2, 4, 4, 4))


def test_empty_meta_module_finds_its_mask_again():
    with torch.device("meta"):
        conv = GMConv2d(3, 4, 3)
    conv = conv.to_empty(device="cpu")
    reference = GMConv2d(3, 4, 3)
    conv.load_state_dict(reference.state_dict())
    assert torch.equal(conv.effective_kernel(), reference.effective_kernel())


@pytest.mark.slow
@pytest.mark.parametrize("share", SHARES)
def test_compiled_module_has_no_graph_break(share):
    conv = GMConv2d(3, 4, 3, share=share)
    x = torch.randn(2, 3, 6, 6)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), conv(x))
