"""Facts of sections 5.1 and 11 of the LC specification and 5.2 of the GMConv specification."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from kbench.architectures import build_architecture
from kbench.architectures.cifar_resnet import CifarResNet, PadShortcut
from kbench.errors import UnsupportedError
from kbench.operators.conv import Conv2d
from kbench.operators.lc import LC2d
from kbench.registry import ARCHITECTURES

DEPTHS = (8, 14, 20, 32, 44, 56, 110, 164, 260)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module, *, learnable: bool = False) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad or not learnable)


def build_on_meta(depth: int, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return build_architecture(f"resnet{depth}_cifar", **arguments)


def sites(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, LC2d | Conv2d)]


def fold_sites(network: nn.Module) -> nn.Module:
    """Return a copy with every LC site replaced by its plain convolution."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, LC2d):
                setattr(module, name, child.fold())
    return network


class TestCounts:
    @pytest.mark.parametrize(
        ("depth", "options", "total"),
        [
            (20, {}, 272_474),
            (20, {"num_classes": 100}, 278_324),
            (20, {"kernel_size": 5}, 748_378),
            (20, {"kernel_size": 9}, 2_414_042),
            (20, {"width": 8}, 68_786),
            (20, {"width": 32}, 1_084_586),
            (20, {"width": 128}, 17_289_866),
            (8, {}, 78_042),
            (32, {}, 466_906),
            (110, {}, 1_730_714),
            (260, {}, 4_161_114),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("frozen", [True, False])
    def test_plain(self, depth: int, options: dict[str, int], total: int, frozen: bool) -> None:
        network = build_on_meta(depth, operator_options={"frozen": frozen}, **options)
        spatial = sum(site.weight.numel() for site in sites(network))
        assert count(network) == total
        assert count(network, learnable=True) == total - (spatial if frozen else 0)

    @pytest.mark.parametrize(
        ("options", "learnable"),
        [
            ({}, 4_778),
            ({"num_classes": 100}, 10_628),
            ({"kernel_size": 5}, 4_778),
            ({"kernel_size": 9}, 4_778),
        ],
        ids=str,
    )
    def test_learnable_of_the_frozen_baseline(
        self, options: dict[str, int], learnable: int
    ) -> None:
        network = build_on_meta(20, operator_options={"frozen": True}, **options)
        assert count(network, learnable=True) == learnable

    @pytest.mark.parametrize(
        ("depth", "options", "expansion", "total", "learnable"),
        [
            (20, {}, 1, 304_986, 37_290),
            (20, {}, 4, 1_205_610, 134_826),
            (20, {}, 8, 2_406_442, 264_874),
            (20, {}, 16, 4_808_106, 524_970),
            (20, {}, 64, 19_218_090, 2_085_546),
            (20, {}, 128, 38_431_402, 4_166_314),
            (20, {"kernel_size": 9}, 128, 312_552_106, 4_166_314),
            (20, {"width": 8}, 1, 76_914, 9_882),
            (20, {"width": 32}, 1, 1_214_634, 144_714),
            (20, {"width": 128}, 1, 19_370_634, 2_262_282),
            (8, {}, 1, 89_050, 14_890),
            (32, {}, 1, 520_922, 59_690),
            (110, {}, 1, 1_924_506, 205_290),
            (260, {}, 1, 4_623_706, 485_290),
        ],
        ids=str,
    )
    def test_lc(
        self, depth: int, options: dict[str, int], expansion: int, total: int, learnable: int
    ) -> None:
        lc = {"operator": "lc", "operator_options": {"expansion": expansion}}
        network = build_on_meta(depth, **lc, **options)
        assert count(network) == total
        assert count(network, learnable=True) == learnable

    @pytest.mark.slow
    @pytest.mark.parametrize("depth", DEPTHS)
    @pytest.mark.parametrize("intermediate", ["none", "bn"])
    def test_lc_follows_the_formulas(self, depth: int, intermediate: str) -> None:
        c, k, w, e, classes, n = 1, 5, 4, 3, 7, (depth - 2) // 6
        options = {"expansion": e, "intermediate": intermediate}
        network = build_on_meta(
            depth,
            operator="lc",
            operator_options=options,
            in_channels=c,
            num_classes=classes,
            width=w,
            kernel_size=k,
        )
        spatial = k**2 * (c * w + w**2 * (42 * n - 10))
        rest = 14 * w * (1 + 2 * n) + 10 * w**2 + 4 * w * classes + classes
        rest += 2 * e * w * (1 + 14 * n) if intermediate == "bn" else 0
        learnable = e * w**2 * (1 + 42 * n) + rest
        assert count(network, learnable=True) == learnable
        assert count(network) == e * spatial + learnable

    @pytest.mark.parametrize(
        ("depth", "total"),
        [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018)],
    )
    def test_pad_shortcut_has_no_parameters(self, depth: int, total: int) -> None:
        network = build_on_meta(depth, shortcut="pad", init="kaiming")
        assert count(network) == total
        assert len(sites(network)) == depth - 1

    @pytest.mark.parametrize(
        ("operator", "options", "macs"),
        [
            ("conv", {}, 40_812_544),
            ("lc", {"expansion": 1, "execution": "two_stage"}, 45_793_280),
            ("lc", {"expansion": 4, "execution": "two_stage"}, 182_386_688),
            ("lc", {"expansion": 8, "execution": "two_stage"}, 364_511_232),
            ("lc", {"expansion": 128, "execution": "two_stage"}, 5_828_247_552),
        ],
        ids=["conv", "lc1", "lc4", "lc8", "lc128"],
    )
    def test_macs(self, operator: str, options: dict[str, object], macs: int) -> None:
        network = build_on_meta(20, operator=operator, operator_options=options)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.empty(1, 3, 32, 32, device="meta"))
        # Two operations a multiplication; the classifier is counted apart.
        assert counter.get_total_flops() == 2 * (macs + 64 * 10)

    @pytest.mark.parametrize("expansion", [1, 8])
    def test_fold_costs_as_the_specification_says(self, expansion: int) -> None:
        network = build_on_meta(20, operator="lc", operator_options={"expansion": expansion})
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.empty(1, 3, 32, 32, device="meta"))
        expected = 40_812_544 + 64 * 10 + 14_826_240 * expansion
        assert counter.get_total_flops() == 2 * expected

    def test_shared_master(self) -> None:
        # Fact 15: 36 864 numbers against 267 696, at any expansion.
        for expansion in (1, 2):
            options = {"expansion": expansion, "sharing": "master"}
            network = build_on_meta(20, operator="lc", operator_options=options)
            frozen = count(network) - count(network, learnable=True)
            assert frozen == 36_864 * expansion
            names = [n for n in network.state_dict() if n.endswith("spatial_weight")]
            assert names == ["stem.spatial_weight"]


def scheme_q(seed: int, *shape: int) -> Tensor:
    """Numbers of section 11, scheme Q, in float64."""
    t = torch.arange(1, math.prod(shape) + 1) % 1009
    q = ((seed + 2) * t**3 + 37 * t**2 + 5 * t) % 1009
    return (q / 504.0 - 1).double().view(shape)


def scaled_q(seed: int, like: Tensor, gain: float) -> Tensor:
    return scheme_q(seed, *like.shape) * (gain / like[0].numel()) ** 0.5


def set_scheme_q(network: nn.Module) -> nn.Module:
    network.double().eval()
    with torch.no_grad():
        for m, site in enumerate(sites(network)):
            if isinstance(site, LC2d):
                site.spatial_weight.copy_(scaled_q(2 * m, site.spatial_weight, 3))
                site.pointwise_weight.copy_(scaled_q(2 * m + 1, site.pointwise_weight, 6))
            else:
                site.weight.copy_(scaled_q(2 * m, site.weight, 6))
        shortcuts = [m for m in network.modules() if type(m) is nn.Conv2d]
        for j, shortcut in enumerate(shortcuts):
            shortcut.weight.copy_(scaled_q(500 + j, shortcut.weight, 6))
        network.classifier.weight.copy_(scaled_q(600, network.classifier.weight, 6))
        network.classifier.bias.zero_()
    return network


class TestNetwork:
    def test_scheme_q_starts_as_printed(self) -> None:
        starts = [[-0.912698, -0.654762, -0.202381, 0.468254]]
        starts += [[-0.910714, -0.638889, -0.148810, 0.595238]]
        found = torch.stack([scheme_q(s, 4) for s in (0, 1)])
        expected = torch.tensor(starts, dtype=torch.float64)
        torch.testing.assert_close(found, expected, rtol=0, atol=5.1e-7)

    @pytest.mark.parametrize(
        ("operator", "options", "total", "logit_sum", "logits"),
        [
            ("conv", {}, 5_214, -1.591144, [-0.017609, -0.436366, -0.842938]),
            ("lc", {"expansion": 2}, 11_306, -10.874492, [0.768230, -2.599182, -2.407912]),
        ],
        ids=["conv", "lc2"],
    )
    def test_logits_without_random_numbers(
        self,
        operator: str,
        options: dict[str, int],
        total: int,
        logit_sum: float,
        logits: list[float],
    ) -> None:
        network = set_scheme_q(
            build_architecture(
                "resnet8_cifar", operator=operator, operator_options=options, width=4
            )
        )
        found = network(scheme_q(700, 2, 3, 16, 16)).detach()
        expected = torch.tensor(logits, dtype=torch.float64)
        assert count(network) == total
        # The tolerance is the specification's.
        assert found.sum().item() == pytest.approx(logit_sum, abs=1e-5)
        torch.testing.assert_close(found[0, :3], expected, rtol=0, atol=1e-5)

    def test_shared_master_is_the_same_after_a_round_trip(self) -> None:
        options = {"expansion": 2, "sharing": "master"}
        arguments = {"operator": "lc", "operator_options": options, "width": 4}
        first, second = (build_architecture("resnet8_cifar", **arguments) for _ in range(2))
        twin = copy.deepcopy(first)
        second.load_state_dict(first.state_dict())
        x = torch.randn(2, 3, 8, 8)
        torch.testing.assert_close(twin(x), first(x), rtol=0, atol=0)
        torch.testing.assert_close(second(x), first(x), rtol=0, atol=0)

    def test_training_moves_all_but_the_frozen_filters(self) -> None:
        # Facts 2 and 3, with the optimiser and the loss of section 6.1.
        network = build_architecture(
            "resnet20_cifar", operator="lc", operator_options={"expansion": 8}
        )
        before = copy.deepcopy(network.state_dict())
        learnable = [p for p in network.parameters() if p.requires_grad]
        optimiser = torch.optim.SGD(
            learnable, lr=1e-2, momentum=0.9, nesterov=True, weight_decay=1e-2
        )
        for _ in range(3):
            optimiser.zero_grad()
            x, y = torch.randn(4, 3, 16, 16), torch.randint(0, 10, (4,))
            F.cross_entropy(network(x), y, label_smoothing=0.1).backward()
            optimiser.step()
        same = {n for n, p in network.named_parameters() if torch.equal(p, before[n])}
        frozen = {n for n, _ in network.named_parameters() if n.endswith("spatial_weight")}
        assert same == frozen
        assert len(frozen) == 19
        assert all(site.spatial_weight.grad is None for site in sites(network))
        assert len(learnable) == 65
        assert sum(p.numel() for p in learnable) == 264_874

        network.eval()
        folded = fold_sites(network)
        x = torch.randn(4, 3, 32, 32)
        assert len(sites(network)) == 19
        assert count(folded) == 272_474
        # Fact 2: within 1e-6 in fp32, for logits of order one.
        torch.testing.assert_close(folded(x), network(x), rtol=0, atol=1e-6)

    def test_folded_and_two_stage_networks_agree(self) -> None:
        networks = [
            build_architecture(
                "resnet8_cifar",
                operator="lc",
                operator_options={"expansion": 3, "execution": execution},
                width=4,
            ).double()
            for execution in ("folded", "two_stage")
        ]
        networks[1].load_state_dict(networks[0].state_dict())
        x = torch.randn(4, 3, 16, 16, dtype=torch.float64)
        outputs = [network(x) for network in networks]
        torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-10)
        learnable = [[p for p in network.parameters() if p.requires_grad] for network in networks]
        grads = [
            torch.autograd.grad(y.square().sum(), parameters)
            for y, parameters in zip(outputs, learnable, strict=True)
        ]
        torch.testing.assert_close(*grads, rtol=1e-8, atol=1e-10)

    def test_one_step_lowers_the_loss(self) -> None:
        network = build_architecture("resnet8_cifar", width=4)
        x, y = torch.randn(16, 3, 8, 8), torch.arange(16) % 10
        losses = []
        for _ in range(2):
            loss = F.cross_entropy(network(x), y)
            losses.append(loss.item())
            grads = torch.autograd.grad(loss, list(network.parameters()))
            with torch.no_grad():
                for parameter, grad in zip(network.parameters(), grads, strict=True):
                    parameter.sub_(0.05 * grad)
        assert losses[1] < losses[0]


class TestLayout:
    def test_every_depth_is_registered(self) -> None:
        assert {f"resnet{depth}_cifar" for depth in DEPTHS} <= set(ARCHITECTURES)

    @pytest.mark.parametrize("depth", [8, 20])
    def test_sites_are_made_in_the_order_of_execution(self, depth: int) -> None:
        made = []

        def conv(*arguments: int, **options: object) -> nn.Module:
            made.append(Conv2d(*arguments, **options))
            return made[-1]

        network = ARCHITECTURES[f"resnet{depth}_cifar"](conv, 10, 3, width=4)
        run = []
        for module in made:
            module.register_forward_hook(lambda module, *_: run.append(module))
        network(torch.randn(1, 3, 8, 8))
        assert [id(module) for module in run] == [id(module) for module in made]
        assert len(made) == depth - 1

    @pytest.mark.parametrize("kernel_size", [1, 3, 9])
    @pytest.mark.parametrize("shortcut", ["conv", "pad"])
    @pytest.mark.parametrize(("in_channels", "size"), [(1, 8), (3, 9), (3, 1)])
    def test_small_inputs(
        self, kernel_size: int, shortcut: str, in_channels: int, size: int
    ) -> None:
        network = build_architecture(
            "resnet8_cifar",
            in_channels=in_channels,
            num_classes=7,
            width=3,
            kernel_size=kernel_size,
            shortcut=shortcut,
        )
        assert network(torch.randn(2, in_channels, size, size)).shape == (2, 7)

    def test_stages_halve_the_size(self) -> None:
        network = build_architecture("resnet14_cifar", width=4)
        shapes = []
        for block in network.blocks:
            block.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape[1:])))
        network(torch.randn(1, 3, 16, 16))
        assert shapes == [(4, 16, 16)] * 2 + [(8, 8, 8)] * 2 + [(16, 4, 4)] * 2

    def test_pad_shortcut_takes_every_second_pixel_between_zeros(self) -> None:
        x = torch.randn(2, 4, 5, 6)
        y = PadShortcut(4, 8)(x)
        assert y.shape == (2, 8, 3, 3)
        torch.testing.assert_close(y[:, 2:6], x[:, :, ::2, ::2], rtol=0, atol=0)
        assert y[:, :2].abs().sum() == y[:, 6:].abs().sum() == 0

    @pytest.mark.parametrize("shortcut", ["conv", "pad"])
    @pytest.mark.parametrize(("sigma", "middle", "last"), [(1.0, 26, 21), (4.0, 16, 8)])
    def test_operator_may_subsample_in_the_place_of_a_stride(
        self, shortcut: str, sigma: float, middle: int, last: int
    ) -> None:
        # N-Jet, section 2.8: int(32 2^(-sigma / 4)), only where the original subsamples.
        options = {"safe_subsample": 4, "safe_layers": "strided", "sigma_init": sigma}
        network = build_architecture(
            "resnet14_cifar", operator="njet", operator_options=options, width=2, shortcut=shortcut
        )
        sides = []
        for block in network.blocks:
            block.register_forward_hook(lambda _, __, y: sides.append(y.shape[-1]))
        network(torch.randn(2, 3, 32, 32))
        assert sides == [32] * 2 + [middle] * 2 + [last] * 2

    def test_shortcut_takes_the_nearest_pixels_that_the_operator_leaves(self) -> None:
        options = {"safe_subsample": 4, "safe_layers": "strided", "alpha_init": "dcn"}
        network = build_architecture(
            "resnet8_cifar", operator="njet", operator_options=options, width=4
        ).eval()
        block = network.blocks[1]
        pointwise, norm = block.shortcut
        x = torch.randn(2, 4, 32, 32)
        y = F.conv2d(F.interpolate(x, size=26, mode="nearest"), pointwise.weight)
        branch = F.relu(block.norm1(block.conv1(x)))
        expected = F.relu(block.norm2(block.conv2(branch)) + norm(y))
        # Two orders of summation in float32.
        torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)

    def test_operator_that_subsamples_beside_an_identity_is_refused(self) -> None:
        network = build_on_meta(8, operator="njet", operator_options={"safe_subsample": 4})
        expected = r"the operator leaves sides \(17, 17\) where the network needs \(26, 26\)"
        with pytest.raises(UnsupportedError, match=expected):
            network(torch.empty(1, 3, 32, 32, device="meta"))

    @pytest.mark.parametrize(
        ("shortcut", "order", "total"),
        [("conv", 3, 518_185), ("conv", 2, 313_193), ("pad", 3, 515_433), ("pad", 2, 310_441)],
    )
    def test_counts_of_the_n_jet_paper(self, shortcut: str, order: int, total: int) -> None:
        arguments = {"operator": "njet", "operator_options": {"order": order}}
        assert count(build_on_meta(32, **arguments, shortcut=shortcut)) == total

    @pytest.mark.parametrize("shortcut", ["conv", "pad"])
    def test_kaiming_draws_convolutions_and_classifier(self, shortcut: str) -> None:
        network = build_architecture(
            "resnet8_cifar", width=32, shortcut=shortcut, num_classes=100, init="kaiming"
        )
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(layers) == (8 if shortcut == "pad" else 10)
        for layer in layers:
            expected = (2 / layer.weight[0].numel()) ** 0.5
            # Four standard errors of a deviation are 4 / sqrt(2 n).
            tolerance = 4 / (2 * layer.weight.numel()) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=tolerance)
        assert all((m.weight == 1).all() for m in network.modules() if type(m) is nn.BatchNorm2d)

    def test_kaiming_leaves_operators_without_a_plain_weight(self) -> None:
        network = build_architecture("resnet8_cifar", operator="lc", width=4, init="kaiming")
        bound = (4 * 9) ** -0.5
        assert network.blocks[0].conv1.spatial_weight.abs().max() <= bound

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"kernel_size": 4}, r"kernel_size \(=4\) must be odd"),
            ({"kernel_size": -3}, r"kernel_size \(=-3\) must be an integer >= 1"),
            ({"kernel_size": 3.0}, r"kernel_size \(=3.0\) must be an integer >= 1"),
            ({"width": 0}, r"width \(=0\) must be an integer >= 1"),
            ({"width": True}, r"width \(=True\) must be an integer >= 1"),
            ({"shortcut": "a"}, r"shortcut \(='a'\) must be one of \['conv', 'pad'\]"),
            ({"init": "zeros"}, r"init \(='zeros'\) must be one of \['default', 'kaiming'\]"),
        ],
        ids=[
            *("even_kernel", "negative_kernel", "float_kernel", "no_width", "bool_width"),
            *("shortcut", "init"),
        ],
    )
    def test_refuses_wrong_options(self, options: dict[str, object], expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            build_architecture("resnet8_cifar", **options)

    @pytest.mark.parametrize("depth", [2, 5, 23])
    def test_refuses_depths_without_whole_stages(self, depth: int) -> None:
        with pytest.raises(ValueError, match=rf"depth \(={depth}\) must be 2 more than"):
            type("Odd", (CifarResNet,), {"depth": depth})

    def test_one_tap_kernel_is_no_place_for_lc(self) -> None:
        with pytest.raises(UnsupportedError, match=r"kernel_size \(=\(1, 1\)\) must have more"):
            build_architecture("resnet8_cifar", operator="lc", kernel_size=1)


class TestPlacement:
    @pytest.mark.parametrize(
        ("where", "names"),
        [
            ("first", ["stem"]),
            ("stage:0", ["stem"]),
            ("stage:1", ["blocks.0.conv1", "blocks.0.conv2", "blocks.1.conv1", "blocks.1.conv2"]),
            ("stage:3&stride1", ["blocks.4.conv2", "blocks.5.conv1", "blocks.5.conv2"]),
            ("first|name:blocks.3.*", ["stem", "blocks.3.conv1", "blocks.3.conv2"]),
        ],
    )
    def test_only_what_is_selected_is_replaced(self, where: str, names: list[str]) -> None:
        network = build_architecture("resnet14_cifar", operator="lc", where=where, width=4)
        assert [n for n, m in network.named_modules() if isinstance(m, LC2d)] == names
        plain = [m for m in network.modules() if type(m) is nn.Conv2d]
        assert len(plain) == 13 + 2 - len(names)

    def test_niff_replaces_what_has_stride_1_behind_the_stem(self) -> None:
        # NIFF, section 5: 18 - 2 strided convolutions of ResNet-20; 120 + 10 C - 8 C^2 each.
        network = build_on_meta(20, operator="niff", where="niff")
        changes = sum(n * (120 + 10 * c - 8 * c**2) for n, c in ((6, 16), (5, 32), (5, 64)))
        assert count(network) == 272_474 + changes

    @pytest.mark.parametrize("where", ["first", "stage:1", "depth<=0.5"])
    def test_masked_convolutions_start_from_the_weights_of_the_others(self, where: str) -> None:
        # GMConv, section 5.1: all operators of a seed start from the same plain weights.
        weights = []
        for place in ("all", where):
            torch.manual_seed(1)
            options = {"shortcut": "pad", "init": "kaiming", "width": 4, "where": place}
            network = build_architecture("resnet8_cifar", operator="gmconv", **options)
            weights.append({n: p for n, p in network.named_parameters() if n.endswith("weight")})
        torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)

    def test_selection_of_nothing_lists_the_candidates(self) -> None:
        expected = r"there is no convolution in stage 4; stages: \[0, 1, 2, 3\]; candidates: stem"
        with pytest.raises(ValueError, match=expected):
            build_architecture("resnet8_cifar", where="stage:4")
