"""CKConv: a generated kernel without mask."""

import pytest
import torch
import torch.nn.functional as F

from kbench.operators import build_operator
from kbench.operators.ckconv import CKConv1d, CKConv2d


@pytest.mark.parametrize("generator", ["magnet", "gabor", "fourier", "siren"])
def test_layer_equals_the_plain_convolution_with_the_generated_kernel(generator):
    torch.manual_seed(0)
    layer = CKConv2d(4, 6, 9, 2, groups=2, generator=generator).double()
    x = torch.randn(2, 4, 9, 12, dtype=torch.double)
    axes = [torch.linspace(-1, 1, 9, dtype=torch.double)] * 2
    kernel = layer.generator(axes).view(6, 2, 9, 9)
    expected = F.conv2d(x, kernel, layer.bias, 2, 4, 1, 2)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-9)


def test_last_tap_of_a_causal_layer_is_the_current_step():
    torch.manual_seed(0)
    layer = CKConv1d(2, 3).double()
    x = torch.randn(2, 2, 21, dtype=torch.double)
    axis = torch.linspace(-1, 1, 21, dtype=torch.double)
    kernel = layer.generator([axis]).view(3, 2, 21)
    expected = F.conv1d(F.pad(x, (20, 0)), kernel)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("length", [160, 161], ids=["even", "odd"])
def test_long_kernels_go_through_the_transform_and_equal_the_direct_ones(length):
    torch.manual_seed(0)
    layer, direct = CKConv1d(3, 4), CKConv1d(3, 4, execution="direct")
    x = torch.randn(2, 3, length)
    y = layer(x)
    direct.load_state_dict(layer.state_dict())
    # Unit-normal data in float32: FlexConv specification 4.7 allows 5e-4.
    torch.testing.assert_close(y, direct(x), rtol=0, atol=5e-4)
    assert not torch.equal(y, direct(x))


def test_parameters_are_those_of_the_generator_and_the_bias():
    layer = CKConv1d(30, 30, generator="siren", weight_norm=True, bias_init="uniform")
    generator = 32 + 32 + (32**2 + 32) + 33 * 900 + 32 * 2 + 900
    assert sum(p.numel() for p in layer.parameters()) == generator + 30
    assert set(layer.state_dict()) >= {"bias", "train_length", "generator.hidden.1.weight"}


def test_bias_starts_at_zero_and_may_be_left_out():
    assert torch.equal(CKConv2d(2, 3, 5).bias, torch.zeros(3))
    assert CKConv2d(2, 3, 5, bias=False).bias is None


@pytest.mark.parametrize("option", ["sigma_init", "crop", "mask_mean", "colour"])
def test_options_of_the_mask_are_unknown(option):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}'"):
        CKConv2d(2, 3, 5, **{option: 1})


@pytest.mark.parametrize("dims", [1, 2])
def test_layer_is_built_by_name(dims):
    layer = build_operator("ckconv", 2, 3, 5, dims=dims, generator="gabor", stride=2)
    assert layer(torch.zeros(1, 2, *[9] * dims)).shape == (1, 3, *[5] * dims)


def test_nothing_to_treat_apart_without_learned_factors():
    assert CKConv2d(2, 3, 5).parameter_groups() == {}


def test_evaluation_under_inference_mode_repeats_itself():
    torch.manual_seed(0)
    layer, x = CKConv2d(2, 3, 5).eval(), torch.randn(1, 2, 6, 6)
    with torch.inference_mode():
        first, second = layer(x), layer(x)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert layer(x).requires_grad


def test_fold_is_a_plain_convolution():
    torch.manual_seed(0)
    layer, x = CKConv2d(2, 3, 5, 2), torch.randn(1, 2, 9, 8)
    folded = layer.fold()
    assert isinstance(folded, torch.nn.Conv2d)
    torch.testing.assert_close(folded(x), layer(x), rtol=1e-5, atol=1e-6)
