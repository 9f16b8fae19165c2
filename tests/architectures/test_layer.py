"""One convolution as a network: the shapes that the suites of timing list."""

import pytest
import torch

from kbench.architectures import build_architecture
from kbench.errors import UnsupportedError

# GMConv, section 8, suite 8: input, options, weights.
SPEED = [
    ((16, 32, 32), {"out_channels": 16}, 16 * 16 * 9),
    ((64, 56, 56), {"out_channels": 64}, 64 * 64 * 9),
    ((512, 7, 7), {"out_channels": 512}, 512 * 512 * 9),
    ((3, 224, 224), {"out_channels": 64, "kernel_size": 11, "stride": 4, "padding": 2}, 23_232),
    ((192, 28, 28), {"depthwise": True}, 192 * 9),
]


@pytest.mark.parametrize(("shape", "options", "weights"), SPEED, ids=[str(s[0]) for s in SPEED])
def test_shapes_of_the_speed_suite(shape, options, weights) -> None:
    with torch.device("meta"):
        network = build_architecture("layer", in_channels=shape[0], pooled=False, **options)
        y = network(torch.empty(2, *shape))
    assert sum(p.numel() for p in network.parameters()) == weights
    side = 55 if "stride" in options else shape[1]  # AlexNet's first map
    assert y.shape == (2, options.get("out_channels", shape[0]), side, side)


@pytest.mark.parametrize(
    ("name", "shape"), [("layer", (4, 6, 5)), ("layer1d", (4, 9))], ids=["2d", "1d"]
)
@pytest.mark.parametrize("operator", ["conv", "lc", "flexconv", "niff", "separable"])
def test_classifier_sees_the_mean_over_positions(name, shape, operator) -> None:
    network = build_architecture(name, operator=operator, in_channels=4, out_channels=3, bias=True)
    x = torch.randn(2, *shape)
    logits = network(x)
    logits.sum().backward()
    expected = network.classifier(network.conv(x).flatten(2).mean(2))
    assert logits.shape == (2, 10)
    torch.testing.assert_close(logits, expected, rtol=0, atol=0)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("word", ["same", "full"])
def test_kernel_may_follow_the_input(word) -> None:
    network = build_architecture("layer", operator="ckconv", kernel_size=word, stride=2)
    network(torch.zeros(1, 3, 9, 9))
    assert network.conv.size == {"same": 9, "full": 17}[word]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"out_channels": 0}, r"out_channels \(=0\) must be an integer >= 1"),
        ({"stride": 0}, r"stride \(=0\) must be an integer >= 1"),
        ({"depthwise": 1}, r"depthwise \(=1\) must be true or false"),
        ({"pooled": "yes"}, r"pooled \(='yes'\) must be true or false"),
        ({"kernel_size": "same"}, r"kernel_size \(='same'\) must be .*knows no word"),
        ({"depthwise": True, "out_channels": 4}, "must be divisible by groups"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(options, expected) -> None:
    with pytest.raises(ValueError, match=expected):
        build_architecture("layer", **options)


def test_form_that_an_operator_does_not_have() -> None:
    with pytest.raises(UnsupportedError, match="'circular' has no 1-D form"):
        build_architecture("layer1d", operator="circular")
