"""Convolution with a stored spectrum against torch's circular convolution."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kbench.errors import UnsupportedError
from kbench.operators import build_operator

FORMS = [((6, 4), 1), ((4, 4), 4)]
FORM_IDS = ["dense", "depthwise"]
ROUNDING = {"rtol": 1e-5, "atol": 1e-6}  # transforms and sums round differently
EXACT = {"rtol": 0, "atol": 0}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(channels=(4, 4), kernel_size=3, **options) -> nn.Module:
    return build_operator("stored_spectrum", *channels, kernel_size, padding="same", **options)


def stored_kernel(module: nn.Module, sides: tuple[int, int]) -> torch.Tensor:
    """Return the real kernel (O, I/G, H, W) whose spectrum is stored, by torch's whole inverse."""
    half = torch.view_as_complex(module.weight.detach())
    kernel = torch.fft.irfft2(half, sides)  # (G, I/G, O/G, H, W)
    return kernel.transpose(1, 2).flatten(0, 1)


def convolve_by_torch(x, kernel, bias, groups):
    """Convolve circularly: y[n] is the sum of kernel[m] x[n - m], by a padded correlation."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (width - 1, 0, height - 1, 0), mode="circular")
    return F.conv2d(padded, kernel.flip(-2, -1), bias, groups=groups)


@pytest.mark.parametrize("sides", [(8, 8), (7, 7), (6, 9), (5, 4), (1, 2), (3, 1)], ids=str)
@pytest.mark.parametrize(("channels", "groups"), FORMS, ids=FORM_IDS)
def test_equals_the_circular_convolution_with_the_kernel_of_any_spectrum(
    channels, groups, sides
) -> None:
    module = build(channels, groups=groups)
    x = torch.randn(2, channels[0], *sides)
    module(x)
    with torch.no_grad():
        module.weight.normal_()  # no Hermitian one
    kernel = stored_kernel(module, sides)
    expected = convolve_by_torch(x, kernel, module.bias, groups)
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(module.effective_kernel(), kernel, **ROUNDING)


@pytest.mark.parametrize("kernel_size", [1, 3, 4, (5, 2)], ids=str)
@pytest.mark.parametrize(("channels", "groups"), FORMS, ids=FORM_IDS)
def test_starts_as_the_default_convolution_of_torch(channels, groups, kernel_size) -> None:
    arguments = {"padding": "same", "groups": groups, "padding_mode": "circular"}
    torch.manual_seed(3)
    plain = nn.Conv2d(*channels, kernel_size, **arguments)
    torch.manual_seed(3)
    module = build(channels, kernel_size, groups=groups)
    x = torch.randn(2, channels[0], 8, 9)
    torch.testing.assert_close(module(x), plain(x), **ROUNDING)


def test_a_kernel_larger_than_the_map_starts_as_its_periodic_sum() -> None:
    torch.manual_seed(3)
    plain = nn.Conv2d(4, 4, 7, padding=3)
    torch.manual_seed(3)
    module = build(kernel_size=7)
    x = torch.randn(2, 4, 3, 2)
    periodic = x.repeat(1, 1, 5, 7)  # 6 and 6 pixels before the middle, at least 3 after it
    expected = plain(periodic)[..., 6:9, 6:8]
    torch.testing.assert_close(module(x), expected, **ROUNDING)


@pytest.mark.parametrize(("channels", "groups"), FORMS, ids=FORM_IDS)
def test_gradients_are_those_of_the_convolution(channels, groups) -> None:
    module = build(channels, groups=groups).double()
    x = torch.randn(2, channels[0], 6, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn_like(module(x))
    leaves = [x, module.weight, module.bias]
    found = torch.autograd.grad((module(x) * weights).sum(), leaves)
    half = torch.view_as_complex(module.weight)
    kernel = torch.fft.irfft2(half, (6, 5)).transpose(1, 2).flatten(0, 1)
    literal = convolve_by_torch(x, kernel, module.bias, groups)
    expected = torch.autograd.grad((literal * weights).sum(), leaves)
    for gradient, other in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("channels", "groups", "bias", "sides", "expected"),
    [
        ((6, 4), 1, True, (8, 8), 2 * 6 * 4 * 8 * 5 + 4),
        ((6, 4), 1, False, (7, 9), 2 * 6 * 4 * 7 * 5),
        ((4, 4), 4, True, (5, 6), 2 * 4 * 5 * 4 + 4),
    ],
    ids=["dense", "odd", "depthwise"],
)
def test_has_the_numbers_of_the_half_spectrum(channels, groups, bias, sides, expected) -> None:
    with torch.device("meta"):
        module = build(channels, groups=groups, bias=bias)
        parameters = list(module.parameters())
        assert module(torch.empty(1, channels[0], *sides)).shape == (1, channels[1], *sides)
    # The parameters that an optimiser was given before are those that have grown.
    assert sum(p.numel() for p in parameters) == module.num_params == expected


def test_an_optimiser_made_before_the_first_forward_trains_the_spectrum() -> None:
    module, target = build(), torch.randn(8, 4, 6, 6)
    x = torch.randn(8, 4, 6, 6)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    losses = []
    for _ in range(40):
        loss = (module(x) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_a_first_forward_in_inference_mode_leaves_it_trainable() -> None:
    module = build()
    with torch.inference_mode():
        module(torch.zeros(1, 4, 6, 6))
    module(torch.randn(1, 4, 6, 6)).sum().backward()
    assert module.weight.grad.count_nonzero()


@pytest.mark.slow
def test_the_first_forward_may_be_that_of_a_compiled_module() -> None:
    module = build()
    twin, x = copy.deepcopy(module), torch.randn(2, 4, 6, 5)
    compiled = torch.compile(module, backend="aot_eager")
    for _ in range(2):
        torch.testing.assert_close(compiled(x), twin(x), **ROUNDING)


@pytest.mark.parametrize("sides", [(6, 6), (6, 7)], ids=["even", "odd"])
def test_state_brings_the_size_along(sides) -> None:
    source, x = build(), torch.randn(2, 4, *sides)
    expected = source(x)
    target = build()
    target.load_state_dict(source.state_dict())
    assert target.sides == sides
    torch.testing.assert_close(target(x), expected, **EXACT)
    torch.testing.assert_close(copy.deepcopy(target)(x), expected, **EXACT)


def test_state_of_a_module_without_size_loads_into_one_without() -> None:
    source, target = build(), build()
    target.load_state_dict(source.state_dict())
    assert target.sides is None
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(target(x), source(x), **EXACT)


def test_state_of_another_size_is_refused() -> None:
    source, target = build(), build()
    source(torch.zeros(1, 4, 6, 6))
    target(torch.zeros(1, 4, 8, 8))
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        target.load_state_dict(source.state_dict())


def test_maps_of_another_size_are_refused() -> None:
    module = build()
    module(torch.zeros(1, 4, 6, 6))
    with pytest.raises(RuntimeError, match=r"maps of \(6, 6\) since the first one, got \(6, 7\)"):
        module(torch.zeros(1, 4, 6, 7))
    with pytest.raises(UnsupportedError, match=r"size \(=7\) must be \(6, 6\)"):
        module.effective_kernel(7)


def test_the_kernel_needs_a_size() -> None:
    module = build()
    with pytest.raises(ValueError, match=r"size \(=None\) must be given before the first"):
        module.effective_kernel()
    assert module.effective_kernel((6, 5)).shape == (4, 4, 6, 5)


def test_stride_takes_pixels_of_the_output_of_stride_1() -> None:
    x = torch.randn(2, 4, 7, 8)
    torch.manual_seed(3)
    whole = build()(x)
    torch.manual_seed(3)
    options = {"stride": (2, 3), "padding": 1, "strided": "subsample"}
    thinned = build_operator("stored_spectrum", 4, 4, 3, **options)(x)
    torch.testing.assert_close(thinned, whole[..., ::2, ::3], **EXACT)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"stride": 2, "padding": 1}, r"^stored_spectrum: stride \(=\(2, 2\)\) must be 1"),
        ({"padding": 0}, r"^stored_spectrum: padding \(=0\) must keep the spatial size"),
        ({"dilation": 2}, r"^stored_spectrum: dilation \(=2\) must be 1"),
        ({"groups": 2}, r"^stored_spectrum: groups \(=2\) must be 1 or"),
        ({"padding_mode": "zeros"}, r"padding_mode \(='zeros'\) must be 'circular'$"),
        ({"dims": 1}, "operator 'stored_spectrum' has no 1-D form"),
    ],
    ids=["stride", "padding", "dilation", "groups", "boundary", "1d"],
)
def test_other_forms_are_refused(options, expected) -> None:
    with pytest.raises(UnsupportedError, match=expected):
        build_operator("stored_spectrum", 4, 4, 3, **{"padding": 1, **options})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"strided": "flc"}, r"strided \(='flc'\) must be one of \['error', 'subsample'\]"),
        ({"padding_mode": "some"}, r"padding_mode \(='some'\) must be one of"),
    ],
    ids=["strided", "boundary"],
)
def test_wrong_values_are_refused(options, expected) -> None:
    with pytest.raises(ValueError, match=expected):
        build_operator("stored_spectrum", 4, 4, 3, padding=1, **options)
