import pytest
import torch
from torch import nn

from kbench.bench.shapes import (
    SHAPE_SETS,
    VARIANTS,
    Shape,
    Variant,
    build_forms,
    kernel_text,
    variants_of,
)
from kbench.errors import UnsupportedError
from kbench.registry import OPERATORS, OPERATORS_1D

TINY = {1: Shape(4, (20,)), 2: Shape(4, (6, 6))}
CASES = [
    pytest.param(dims, name, variant, id=f"{name} {variant.label} {dims}-D")
    for dims, registry in ((2, OPERATORS), (1, OPERATORS_1D))
    for name in registry
    for variant in variants_of(name)
]


def test_sets_hold_the_stages_of_the_networks():
    assert [str(shape) for shape in SHAPE_SETS["cifar"]] == ["16x32x32", "32x16x16", "64x8x8"]
    assert [str(shape) for shape in SHAPE_SETS["imagenet"]] == [
        "64x56x56",
        "128x28x28",
        "256x14x14",
        "512x7x7",
    ]
    assert [shape.sides for shape in SHAPE_SETS["1d"]] == [(784,), (1000,), (16_000,)]


@pytest.mark.parametrize(("dims", "name", "variant"), CASES)
def test_all_forms_keep_channels_and_sides(dims, name, variant):
    shape = TINY[dims]
    forms = build_forms(name, variant, shape)
    assert list(forms)[:2] == ["operator", "plain"]
    for module in forms.values():
        assert module(torch.zeros(2, *shape.input_shape)).shape == (2, *shape.input_shape)


@pytest.mark.parametrize(
    ("name", "variant", "kernel"),
    [
        pytest.param("njet", Variant(), "7x7", id="the window of sigma 1"),
        pytest.param("lc", Variant(), "3x3", id="folded"),
        pytest.param("gmconv", Variant("", 5, {"variant": "dynamic"}), "5x5", id="replaced"),
        pytest.param("niff", Variant("", 7, is_depthwise=True), "7x7", id="depthwise"),
    ],
)
def test_plain_form_has_the_operators_kernel_or_the_replaced_one(name, variant, kernel):
    plain = build_forms(name, variant, TINY[2])["plain"]
    assert kernel_text(plain) == kernel
    assert plain.groups == (4 if variant.is_depthwise else 1)
    assert all(parameter.requires_grad for parameter in plain.parameters())


def test_every_operator_with_variants_exists():
    assert set(VARIANTS) <= set(OPERATORS)


def test_an_operator_of_the_users_is_measured_at_three_taps():
    assert variants_of("my_operator") == (Variant("k=3", 3),)


def test_what_the_operator_refuses_is_passed_on():
    with pytest.raises(UnsupportedError, match="no 1-D form"):
        build_forms("circular", Variant(), TINY[1])


def test_kernel_of_what_is_no_convolution_is_empty():
    assert kernel_text(nn.Identity()) == ""
