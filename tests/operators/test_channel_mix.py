"""The pointwise part of NIFF against torch's 1x1 convolutions (NIFF, sections 2.4 and 10)."""

import pytest
import torch
import torch.nn.functional as F

from kbench.operators.channel_mix import ChannelMix, roll_by_half

SIDES = {1: (9,), 2: (6, 7)}
WAYS = {"convolution": False, "fft": True}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("through_fft", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("dims", [1, 2])
def test_output_and_gradients_are_those_of_a_linear_layer_at_every_pixel(dims, through_fft) -> None:
    mix = ChannelMix(4, 6, dims, roll=False, through_fft=through_fft).double()
    x = torch.randn(2, 4, *SIDES[dims], dtype=torch.float64, requires_grad=True)
    found = mix(x)
    expected = F.linear(x.movedim(1, -1), mix.weight).movedim(-1, 1)
    torch.testing.assert_close(found, expected)
    gradient = torch.randn_like(expected)
    grads, literal = (torch.autograd.grad(y, (x, mix.weight), gradient) for y in (found, expected))
    torch.testing.assert_close(grads, literal)


def test_the_start_is_that_of_a_linear_layer() -> None:
    torch.manual_seed(3)
    expected = torch.nn.Linear(5, 7, bias=False).weight
    torch.manual_seed(3)
    mix = ChannelMix(5, 7, 2, roll=False, through_fft=False)
    assert torch.equal(mix.weight, expected)


def test_the_rolled_matrix_takes_rows_and_columns_half_way_round() -> None:
    """Columns by (i + I // 2) mod I, rows by (o + O // 2) mod O (section 10, quirk 1)."""
    mix = ChannelMix(5, 4, 2, roll=True, through_fft=False)
    rows, columns = [2, 3, 0, 1], [2, 3, 4, 0, 1]
    assert torch.equal(mix.matrix(), mix.weight[rows][:, columns])
    x = torch.randn(1, 5, 3, 3)
    expected = F.conv2d(x, mix.weight[rows][:, columns][..., None, None])
    torch.testing.assert_close(mix(x), expected)


@pytest.mark.parametrize(("axes", "expected"), [(1, [3, 4, 5, 0, 1, 2]), (2, [4, 5, 3, 1, 2, 0])])
def test_roll_puts_the_entry_half_way_round_on_each_of_the_first_axes(axes, expected) -> None:
    values = torch.arange(6).reshape(2, 3)
    assert roll_by_half(values, axes).flatten().tolist() == expected


def test_the_way_through_the_spectrum_keeps_half_precision() -> None:
    mix = ChannelMix(4, 6, 2, roll=False, through_fft=True)
    x = torch.randn(2, 4, 5, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = mix(x.bfloat16())
    assert found.dtype == torch.bfloat16
    # One rounding of the input and one of the output, 8 bits each.
    torch.testing.assert_close(found.float(), mix(x), rtol=2e-2, atol=2e-2)
