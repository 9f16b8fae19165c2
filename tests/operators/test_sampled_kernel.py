"""How many taps a sampled kernel has, by sections 2.5, 2.10 and 3 of the FlexConv specification."""

import pytest
import torch

from kbench.errors import UnsupportedError
from kbench.operators.ckconv import CKConv1d, CKConv2d


@pytest.mark.parametrize(
    ("kind", "word", "side", "size"),
    [
        (CKConv2d, "same", 16, 17),
        (CKConv2d, "same", 17, 17),
        (CKConv2d, "full", 16, 31),
        (CKConv1d, "same", 16, 16),
        (CKConv1d, "full", 16, 31),
    ],
    ids=["even", "odd", "full", "sequence", "full-sequence"],
)
def test_words_follow_the_side_and_planes_have_a_centre(kind, word, side, size) -> None:
    assert kind(1, 1, word).size_for(side) == size


def test_padding_of_a_causal_layer_lies_in_the_past() -> None:
    layer = CKConv1d(1, 1, 9, dilation=2)
    assert layer.geometry.padding == ((16, 0),)
    layer.set_size(5)
    assert (layer.geometry.padding, layer.known_size(), int(layer.train_length)) == (
        ((8, 0),),
        5,
        5,
    )


@pytest.mark.parametrize(
    ("padding", "expected"), [("same", 8), (4, 8), (1, 1)], ids=["same", "centred", "literal"]
)
def test_padding_that_keeps_the_sides_follows_the_resolution(padding, expected) -> None:
    layer = CKConv2d(1, 1, 9, padding=padding)
    layer.change_resolution(8, 16)
    assert (layer.size, layer.kernel_scale) == (17, 0.25)
    assert layer.geometry.padding == ((expected, expected),) * 2


def test_a_word_waits_for_the_next_input() -> None:
    layer = CKConv2d(1, 1, "same")
    layer(torch.zeros(1, 1, 8, 8))
    layer.change_resolution(8, 12)
    with pytest.raises(RuntimeError, match="is not known before the first forward"):
        layer.known_size()
    layer(torch.zeros(1, 1, 12, 12))
    assert layer.size == 13


def test_two_axes_have_no_past() -> None:
    with pytest.raises(UnsupportedError, match="exist in 1-D only"):
        CKConv2d(1, 1, 3, causal=True)
