"""Facts of section 5 of the N-Jet specification about DeepLabv2."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from kbench.architectures import build_architecture
from kbench.architectures.deeplab import AtrousPyramid
from kbench.errors import UnsupportedError
from kbench.operators import ConvFactory, build_operator
from kbench.optim import build_optimizer
from kbench.recipe import Recipe

NAME = "deeplabv2_resnet101"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def build_on_meta(operator: str, pyramid: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        arguments = {"operator": operator, "operator_options": options, "num_classes": 21}
        return build_architecture(NAME, **arguments, pyramid=pyramid)


def factory(name: str, **options: object) -> ConvFactory:
    def conv(*arguments: int, **sizes: object) -> nn.Module:
        return build_operator(name, *arguments, **sizes, **options)

    return conv


@pytest.mark.parametrize(
    ("operator", "pyramid", "options", "total"),
    [
        ("conv", "separate", {}, 1_548_372),
        ("conv", "shared", {}, 387_093),
        # Table 6 prints the counts without the four sigmas.
        ("njet", "shared", {"order": 3}, 430_101 + 4),
        ("njet", "shared", {"order": 2}, 258_069 + 4),
        ("njet", "shared", {"order": 1}, 129_045 + 4),
    ],
    ids=["separate", "shared", "order3", "order2", "order1"],
)
def test_pyramid_has_the_published_counts(
    operator: str, pyramid: str, options: dict[str, int], total: int
) -> None:
    assert count(build_on_meta(operator, pyramid, **options).pyramid) == total
    with torch.device("meta"):
        arguments = {"operator": operator, "operator_options": options, "pyramid": pyramid}
        head = build_architecture(
            "deeplabv2_pyramid", num_classes=21, in_channels=2048, **arguments
        )
    assert count(head) == total


def test_trunk_is_resnet_101_without_its_classifier() -> None:
    # 44 549 160 with the classifier (NIFF, section 5.1), 2048 1000 + 1000 in it.
    assert count(build_on_meta("conv", "separate").trunk) == 44_549_160 - 2_049_000


def test_trunk_subsamples_by_eight() -> None:
    network = build_on_meta("conv", "separate")
    x = torch.empty(1, 3, 321, 321, device="meta")
    assert network.trunk(x).shape == (1, 2048, 41, 41)
    assert network(x).shape == (1, 21, 321, 321)


def test_gaussians_start_with_the_extents_of_the_dilated_kernels() -> None:
    branches = build_on_meta("njet", "shared").pyramid.branches
    assert [branch.sigma_init for branch in branches] == [3, 6, 9, 12]


@pytest.mark.parametrize("pyramid", ["separate", "shared"])
def test_pyramid_of_plain_convolutions_is_the_sum_of_dilated_ones(pyramid: str) -> None:
    module = AtrousPyramid(factory("conv"), 3, 2, pyramid).double()
    x = torch.randn(1, 3, 30, 31, dtype=torch.float64)
    expected: Tensor = torch.zeros(1, 2, 30, 31, dtype=torch.float64)
    for branch, rate in zip(module.branches, (6, 12, 18, 24), strict=True):
        expected = expected + F.conv2d(x, branch.weight, branch.bias, 1, rate, rate)
    # Two orders of summation in float64.
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("operator", "shared"), [("conv", "weight"), ("njet", "alpha")])
def test_training_keeps_shared_weights_equal(operator: str, shared: str) -> None:
    module = AtrousPyramid(factory(operator), 3, 2, "shared")
    optimiser = build_optimizer(module, Recipe(lr=0.1, epochs=1, batch_size=1))
    for _ in range(2):
        optimiser.zero_grad()
        module(torch.randn(1, 3, 9, 9)).square().mean().backward()
        optimiser.step()
    first, *others = module.branches
    for name in (shared, "bias"):
        assert all(getattr(branch, name) is getattr(first, name) for branch in others)


def test_training_moves_the_sigmas_apart() -> None:
    module = AtrousPyramid(factory("njet"), 3, 2, "shared")
    module(torch.randn(1, 3, 9, 9)).square().mean().backward()
    slopes = [branch.scale.grad.item() for branch in module.branches]
    assert len(set(slopes)) == 4
    assert 0 not in slopes


def test_operator_that_cannot_share_its_weights_is_refused() -> None:
    expected = r"pyramid \(='shared'\) needs an operator with `with_reach`, which LC2d does not"
    with pytest.raises(UnsupportedError, match=expected):
        AtrousPyramid(factory("lc"), 3, 2, "shared")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operator", "pyramid"), [("conv", "separate"), ("njet", "shared")], ids=["conv", "njet"]
)
def test_smallest_input_trains(operator: str, pyramid: str) -> None:
    network = build_architecture(
        NAME, operator=operator, in_channels=1, num_classes=5, pyramid=pyramid
    )
    logits = network(torch.randn(2, 1, 1, 1))
    logits.square().sum().backward()
    assert logits.shape == (2, 5, 1, 1)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_unknown_pyramid_is_refused() -> None:
    expected = r"pyramid \(='tied'\) must be one of \['separate', 'shared'\]"
    with pytest.raises(ValueError, match=expected):
        build_architecture(NAME, pyramid="tied")


def test_frozen_normalisations_stay_in_training() -> None:
    with torch.device("meta"):
        network = build_architecture(NAME, num_classes=3, frozen_norm=True).train()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 104
    assert not any(norm.training for norm in norms)
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert len(frozen) == 2 * 104
    assert network.training
    assert network.trunk.training


def test_normalisations_learn_by_default() -> None:
    with torch.device("meta"):
        network = build_architecture(NAME).train()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(norm.training and norm.weight.requires_grad for norm in norms)


def test_weights_of_torchvisions_network_for_segmentation_fit() -> None:
    with torch.device("meta"):
        theirs = models.segmentation.deeplabv3_resnet101(weights_backbone=None).backbone
        ours = build_architecture(NAME, num_classes=21).trunk
    shapes = [{k: v.shape for k, v in net.state_dict().items()} for net in (theirs, ours)]
    assert shapes[0] == shapes[1]
