import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kbench.architectures import build_architecture
from kbench.operators.lc import LC2d


def count(module: nn.Module, *, learnable: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not learnable)


def build_on_meta(name: str, operator: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(
            name, num_classes=1000, operator=operator, operator_options=options
        )


@pytest.mark.parametrize(
    ("operator", "options", "total", "learnable"),
    [
        ("conv", {"frozen": True}, 11_708_744, 694_760),
        ("lc", {"expansion": 1}, 13_107_528, 2_093_544),
        ("lc", {"expansion": 8}, 99_996_904, 11_885_032),
        ("lc", {"expansion": 128}, 1_589_529_064, 179_739_112),
    ],
    ids=["conv", "lc1", "lc8", "lc128"],
)
def test_counts(operator: str, options: dict[str, object], total: int, learnable: int) -> None:
    network = build_on_meta("resnet18d", operator, **options)
    assert count(network) == total
    assert count(network, learnable=True) == learnable


@pytest.mark.parametrize(
    ("operator", "options", "macs"),
    [
        ("conv", {}, 2_053_201_920),
        ("lc", {"expansion": 1, "execution": "two_stage"}, 2_335_793_152),
        ("lc", {"expansion": 128, "execution": "two_stage"}, 296_534_540_288),
    ],
    ids=["conv", "lc1", "lc128"],
)
def test_macs(operator: str, options: dict[str, object], macs: int) -> None:
    network = build_on_meta("resnet18d", operator, **options)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, 224, 224, device="meta"))
    # Two operations a multiplication; the classifier is counted apart.
    assert counter.get_total_flops() == 2 * (macs + 512 * 1000)


def test_all_nineteen_spatial_convolutions_become_lc() -> None:
    network = build_on_meta("resnet18d", "lc")
    names = [name for name, m in network.named_modules() if isinstance(m, LC2d)]
    assert len(names) == 19
    assert names[:4] == ["conv1.0", "conv1.3", "conv1.6", "layer1.0.conv1"]


def test_stem_is_stage_zero() -> None:
    with torch.device("meta"):
        network = build_architecture("resnet18d", operator="lc", where="not_stem")
    names = [name for name, m in network.named_modules() if isinstance(m, LC2d)]
    assert len(names) == 16
    assert not any(name.startswith("conv1") for name in names)


@pytest.mark.parametrize("side", [1, 4, 7])
def test_shortcut_is_the_mean_of_whole_and_cut_squares(side: int) -> None:
    network = build_architecture("resnet18d").eval()
    shortcut = network.layer2[0].downsample
    x = torch.randn(1, 64, side, side)
    rows = [x[:, :, i : i + 2, j : j + 2].mean((2, 3)) for i in (0, 2, 4, 6) for j in (0, 2, 4, 6)]
    half = (side + 1) // 2
    means = torch.stack([row for row in rows if not row.isnan().any()], -1)
    expected = F.conv2d(means.reshape(1, 64, half, half), shortcut[1].weight)
    # Means are rounded in another order.
    torch.testing.assert_close(shortcut[:2](x), expected, rtol=1e-5, atol=1e-6)


def test_bottlenecks_have_shortcuts_without_pooling_at_stride_one() -> None:
    with torch.device("meta"):
        network = build_architecture("resnet50d", num_classes=1000)
    kinds = [
        type(stage[0].downsample[0])
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4)
    ]
    assert kinds == [nn.Identity, *[nn.AvgPool2d] * 3]
    # torchvision's ResNet-50 with 28,384 weights and 128 norm parameters in place of 9,408.
    assert count(network) == 25_557_032 - 9_408 + 28_512 + 128


def test_stem_halves_twice() -> None:
    with torch.device("meta"):
        network = build_architecture("resnet18d")
    sides = []
    for part in (network.conv1, network.layer1, network.layer4):
        part.register_forward_hook(lambda _, __, y: sides.append(y.shape[-1]))
    network(torch.empty(1, 3, 64, 64, device="meta"))
    assert sides == [32, 16, 2]


@pytest.mark.parametrize("zero", [True, False])
def test_last_normalisations_start_at_zero_unless_told(zero: bool) -> None:
    network = build_architecture("resnet18d", zero_init_residual=zero)
    weights = [block.bn2.weight for stage in (network.layer1, network.layer4) for block in stage]
    assert all((weight == (0 if zero else 1)).all() for weight in weights)
    assert (network.layer1[0].bn1.weight == 1).all()


def test_convolutions_start_from_kaiming_for_fan_out() -> None:
    weight = build_architecture("resnet18d").layer3[0].conv2.weight
    expected = (2 / (weight.shape[0] * 9)) ** 0.5
    # Four standard errors of a deviation are 4 / sqrt(2 n).
    tolerance = 4 / (2 * weight.numel()) ** 0.5
    assert weight.std().item() == pytest.approx(expected, rel=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["conv", "lc"])
@pytest.mark.parametrize("name", ["resnet18d", "resnet50d"])
def test_smallest_input_trains(name: str, operator: str) -> None:
    arguments = {"in_channels": 1, "num_classes": 2, "zero_init_residual": False}
    network = build_architecture(name, operator=operator, **arguments)
    y = network(torch.randn(2, 1, 1, 1))
    y.square().sum().backward()
    assert y.shape == (2, 2)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18d", "resnet50d"])
def test_names_and_numbers_are_timms(name: str) -> None:
    timm = pytest.importorskip("timm")
    theirs = timm.create_model(name, num_classes=7).eval()
    ours = build_architecture(name, num_classes=7).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 63, 64)
    # Pooling and mean over pixels are summed in another order.
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
