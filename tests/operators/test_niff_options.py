"""What a NIFF refuses, with the reason."""

import pytest
import torch

from kbench.errors import UnsupportedError
from kbench.operators.niff import NIFF1d, NIFF2d
from kbench.operators.niff_options import hidden_widths

WRONG_VALUES = {
    "channels": ((0, 4, 3), {}, r"in_channels \(=0\) must be an integer >= 1"),
    "kernel": ((4, 4, 0), {}, r"kernel_size \(=0\) must be an integer >= 1"),
    "kernel-axes": ((4, 4, (3, 3, 3)), {}, r"kernel_size \(=\(3, 3, 3\)\)"),
    "stride": ((4, 4, 3), {"stride": 0}, r"stride \(=0\)"),
    "groups": ((4, 4, 3), {"groups": 3}, r"must be divisible by groups \(=3\)"),
    "padding": ((4, 4, 3), {"padding": -1}, r"padding \(=-1\)"),
    "mode": ((4, 4, 3), {"padding_mode": "cyclic"}, r"padding_mode \(='cyclic'\)"),
    "form": ((4, 4, 3), {"form": "dense"}, r"form \(='dense'\) must be one of"),
    "coords": ((4, 4, 3), {"coords": "polar"}, r"coords \(='polar'\) must be one of"),
    "init": ((4, 4, 3), {"init": "zeros"}, r"init \(='zeros'\) must be one of"),
    "execution": ((4, 4, 3), {"execution": "fast"}, r"execution \(='fast'\) must be one of"),
    "strided": ((4, 4, 3), {"strided": "crop"}, r"strided \(='crop'\) must be one of"),
    "gain": ((4, 4, 3), {"init_gain": 0.0}, r"init_gain \(=0\.0\) must be > 0"),
    "gain-nan": ((4, 4, 3), {"init_gain": float("nan")}, r"init_gain \(=nan\) must be > 0"),
    "mlp-name": ((4, 4, 3), {"mlp": "huge"}, r"mlp \(='huge'\) must be"),
    "mlp-zero": ((4, 4, 3), {"mlp": [8, 0]}, r"mlp \(=\[8, 0\]\) must be"),
    "mlp-empty": ((4, 4, 3), {"mlp": []}, r"mlp \(=\[\]\) must be"),
    "mlp-deep": ((4, 4, 3), {"mlp": "2-2-2-2-2-2-2-2-2"}, "1 to 8 hidden widths"),
    "mlp-number": ((4, 4, 3), {"mlp": 8}, r"mlp \(=8\) must be"),
}
REFUSED = {
    "stride": ((4, 4, 3), {"stride": 2}, "stride stays spatial"),
    "flc-stride": ((4, 4, 3), {"stride": 3, "strided": "flc"}, r"must be 2 on every axis"),
    "padding": ((4, 4, 3), {"padding": 0}, r"padding \(=0\) must keep the spatial size"),
    "even": ((4, 4, 4), {"padding": 2}, r"padding \(=2\) must keep the spatial size"),
    "dilation": ((4, 4, 3), {"dilation": 2}, r"dilation \(=2\) must be 1"),
    "groups": ((4, 4, 3), {"groups": 2}, r"groups \(=2\) must be 1"),
    "multiplier": ((4, 8, 3), {"groups": 4}, r"groups \(=4\) must be 1"),
    "mode": ((4, 4, 3), {"padding_mode": "reflect"}, r"padding_mode \(='reflect'\)"),
    "unequal": ((4, 6, 3), {"form": "depthwise"}, r"needs in_channels == out_channels"),
    "split": ((4, 4, 3), {"form": "split", "groups": 4}, "mixes channels"),
    "basis": ((4, 6, 3), {"execution": "basis"}, "'split' has no execution 'basis'"),
    "fft": ((4, 6, 3), {"execution": "fft"}, "'split' has no execution 'fft'"),
}


@pytest.mark.parametrize(("arguments", "options", "match"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_wrong_value_is_named(arguments, options, match):
    with pytest.raises(ValueError, match=match):
        NIFF2d(*arguments, **options)


@pytest.mark.parametrize(("arguments", "options", "match"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_niff_is_refused_with_its_reason(arguments, options, match):
    with pytest.raises(UnsupportedError, match=match):
        NIFF2d(*arguments, **options)


def test_an_unknown_option_is_a_type_error():
    with pytest.raises(TypeError, match="sigma"):
        NIFF2d(4, 4, 3, sigma=1.0)


@pytest.mark.parametrize(
    ("kernel_size", "groups", "channels", "form"),
    [
        (3, 1, (4, 4), "split"),
        (3, 4, (4, 4), "depthwise"),
        (7, 1, (1, 1), "depthwise"),
        (1, 1, (4, 6), "pointwise"),
        ((1, 1), 1, (4, 6), "pointwise"),
        (1, 4, (4, 4), "depthwise"),
        (None, 1, (4, 6), "split"),
        ((1, 3), 1, (4, 6), "split"),
    ],
    ids=str,
)
def test_auto_follows_kernel_and_groups(kernel_size, groups, channels, form):
    assert NIFF2d(*channels, kernel_size, groups=groups).form == form


@pytest.mark.parametrize(
    ("mlp", "form", "widths"),
    [
        ("auto", "depthwise", (8, 4)),
        ("auto", "full", (8,)),
        (None, "split", (8, 4)),
        ("small", "full", (8, 4)),
        ("big", "depthwise", (16, 128, 32)),
        ("8", "depthwise", (8,)),
        ((3, 5), "split", (3, 5)),
        ("2-2-2-2-2-2-2-2", "full", (2,) * 8),
    ],
    ids=str,
)
def test_hidden_widths_are_those_of_section_2_3_or_as_written(mlp, form, widths):
    assert hidden_widths(mlp, form) == widths


@pytest.mark.parametrize("padding", ["same", 1, (1, 1)], ids=str)
def test_paddings_that_keep_the_size_are_taken(padding):
    assert NIFF2d(2, 2, 3, padding=padding)(torch.zeros(1, 2, 5, 4)).shape == (1, 2, 5, 4)


@pytest.mark.parametrize("size", [(2, 4, 0), (2, 3, 8), (8,), (1, 2, 3, 4)], ids=str)
def test_an_input_of_another_shape_is_refused(size):
    with pytest.raises(RuntimeError, match=r"niff: expected .* 4 channels, 1 non-empty"):
        NIFF1d(4, 4, 3)(torch.zeros(size))


def test_pointwise_has_no_spectrum():
    with pytest.raises(UnsupportedError, match="'pointwise' has no spectrum"):
        NIFF2d(4, 6, 1).spectrum(8)


@pytest.mark.parametrize("size", [0, (4,), (4, 4, 4)], ids=str)
def test_a_wrong_map_size_is_named(size):
    with pytest.raises(ValueError, match=r"size \(=.*\) must be an integer >= 1"):
        NIFF2d(4, 4, 3).effective_kernel(size)


def test_the_kernel_needs_a_map_size():
    with pytest.raises(ValueError, match=r"size \(=None\) must be given"):
        NIFF2d(4, 4, 3).effective_kernel()
