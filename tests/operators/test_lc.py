"""Facts of section 11 of the LC specification that concern the operator alone, and invariants."""

import copy
import math

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor, nn

from kbench.errors import UnknownNameError, UnsupportedError
from kbench.operators import build_operator, finish_operators
from kbench.operators.lc import LC1d, LC2d

CONV = {1: F.conv1d, 2: F.conv2d}
CLASSES = {1: LC1d, 2: LC2d}
# The specification prints six decimals.
PRINTED = {"rtol": 0.0, "atol": 5.1e-7}
DOUBLE = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def sines(*shape: int, step: float = 1.0) -> Tensor:
    return (step * torch.arange(math.prod(shape), dtype=torch.float64)).sin().view(shape)


def set_waves(module: nn.Module) -> nn.Module:
    """Fill F with sin(arange) and P with cos(arange), in float64."""
    module.double()
    with torch.no_grad():
        module.spatial_weight.copy_(sines(*module.spatial_weight.shape))
        count = module.pointwise_weight.numel()
        waves = torch.arange(count, dtype=torch.float64).cos()
        module.pointwise_weight.copy_(waves.view_as(module.pointwise_weight))
    return module


def nested_form(module: nn.Module, x: Tensor) -> Tensor:
    """y_i = bias_i + sum_j P_ij conv(x, F_j), one filter at a time; padding is zeros."""
    g = module.geometry
    rows = g.out_channels // g.groups
    filters = module.expansion * rows
    channels = g.in_channels // g.groups
    pads = tuple(before for before, _ in g.padding)
    outputs = []
    for i in range(g.out_channels):
        q = i // rows
        part = x[:, q * channels : (q + 1) * channels]
        y = 0
        for j in range(filters):
            kernel = module.spatial_weight[q * filters + j][None]
            map_j = CONV[g.dims](part, kernel, None, g.stride, pads, g.dilation)
            y = y + module.pointwise_weight[i, j].squeeze() * map_j
        outputs.append(y if module.bias is None else y + module.bias[i])
    return torch.cat(outputs, 1)


def assert_printed(actual: Tensor, expected: list[float] | float) -> None:
    torch.testing.assert_close(
        actual.detach(), torch.tensor(expected, dtype=torch.float64), **PRINTED
    )


EXECUTIONS = pytest.mark.parametrize("execution", ["folded", "two_stage"])


class TestFacts:
    def test_tiny_combined_weight(self) -> None:
        weight = set_waves(LC2d(2, 3, 3, padding=1, bias=False, expansion=2)).combined_weight()
        corner = [0.647845, 2.652439, 2.218392, -0.255234, -2.494199, -2.440009, -0.142486]
        assert_printed(weight[0, 0].flatten(), [*corner, 2.286038, 2.612789])
        assert_printed(weight.sum(), 6.281286)
        assert_printed(weight.abs().sum(), 102.954229)

    @EXECUTIONS
    def test_tiny_output_and_gradients(self, execution: str) -> None:
        options = {"bias": False, "expansion": 2, "frozen": False, "execution": execution}
        module = set_waves(LC2d(2, 3, 3, padding=1, **options))
        x = sines(1, 2, 5, 5, step=0.1).requires_grad_()
        y = module(x)
        loss = 0.5 * y.square().sum()
        loss.backward()
        assert_printed(y[0, 0, 2, 2], 4.525787)
        assert_printed(loss, 344.204109)
        assert_printed(x.grad.sum(), 208.431043)
        assert_printed(module.spatial_weight.grad.sum(), -71.748960)
        assert_printed(module.pointwise_weight.grad.sum(), -429.394088)

    @EXECUTIONS
    def test_tiny_stride(self, execution: str) -> None:
        options = {"bias": False, "expansion": 2, "execution": execution}
        module = set_waves(LC2d(2, 3, 3, stride=2, padding=1, **options))
        y = module(sines(1, 2, 5, 5, step=0.1))
        assert y.shape == (1, 3, 3, 3)
        assert_printed(y[0, 0, 0, 0], 4.494951)

    def test_tiny_relu(self) -> None:
        options = {"bias": False, "expansion": 2, "intermediate": "relu"}
        y = set_waves(LC2d(2, 3, 3, padding=1, **options))(sines(1, 2, 5, 5, step=0.1))
        assert_printed(y[0, 0, 2, 2], 1.525582)
        assert_printed(y.sum(), 66.156455)

    @EXECUTIONS
    def test_one_dimension(self, execution: str) -> None:
        options = {"bias": False, "expansion": 2, "execution": execution}
        module = set_waves(LC1d(2, 2, 3, padding=1, **options))
        row = [[0.815796, 0.873214, 0.127803], [-0.735109, -0.922166, -0.261387]]
        line = [-0.768824, -1.227277, -1.176949, -1.114862, -1.041635, -0.958001, -0.689544]
        assert_printed(module.combined_weight()[0], row)
        assert_printed(module(sines(1, 2, 7, step=0.1))[0, 0], line)

    @EXECUTIONS
    def test_depthwise(self, execution: str) -> None:
        options = {"bias": False, "expansion": 4, "execution": execution}
        module = set_waves(LC2d(5, 5, 3, padding=2, dilation=2, groups=5, **options))
        y = module(sines(1, 5, 7, 7, step=0.1))
        assert_printed(y.sum(), 2.177337)
        assert_printed(y.abs().sum(), 111.520155)
        assert_printed(y[0, 4, 3, 3], -0.507260)
        assert_printed(module.combined_weight()[4, 0, 0, 0], 0.567812)

    @EXECUTIONS
    def test_bias(self, execution: str) -> None:
        module = set_waves(LC2d(2, 3, 3, execution=execution))
        with torch.no_grad():
            module.bias.copy_(torch.tensor([0.5, -0.25, 2.0]))
        y = module(sines(1, 2, 4, 4, step=0.1))
        assert_printed(y[0, 0].flatten(), [0.364857, 0.569380, 1.170672, 1.360332])
        assert_printed(y.sum(), 10.702695)

    @pytest.mark.parametrize("expansion", [1, 8, 128])
    def test_uniform_init(self, expansion: int) -> None:
        module = LC2d(16, 16, 3, expansion=expansion)
        for weight, fan_in in (
            (module.spatial_weight, 16 * 9),
            (module.pointwise_weight, 16 * expansion),
        ):
            # The largest of n numbers from U[0, 1] is below 1 - 7/n with probability e^-7.
            largest = weight.abs().max().item() * fan_in**0.5
            assert 1 - 7 / weight.numel() < largest <= 1 + 1e-6
        # 0.0278 is 1 / (3 sqrt(16 9)); the specification allows 8 % per draw.
        assert module.combined_weight().std().item() == pytest.approx(0.0278, rel=0.08)

    @pytest.mark.parametrize("expansion", [1, 8])
    def test_normal_init(self, expansion: int) -> None:
        module = LC2d(64, 64, 3, expansion=expansion, init="normal_fan_out")
        deviation = (2 / (expansion * 64 * 9)) ** 0.5
        assert module.spatial_weight.std().item() == pytest.approx(deviation, rel=0.02)
        # 64 x 64 numbers: 3 standard errors are 3 / sqrt(2 4096) = 3.3 %.
        assert module.pointwise_weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.033)
        assert module.combined_weight().std().item() == pytest.approx(0.0833, rel=0.02)

    def test_bias_init_follows_the_pointwise_stage(self) -> None:
        bias = LC2d(8, 512, 3, expansion=4, groups=8).bias.detach()
        bound = (4 * 512 / 8) ** -0.5
        assert 0.9 * bound < bias.abs().max().item() <= bound

    @pytest.mark.parametrize(
        ("expansion", "rank", "left"),
        [(1, 16, 0.94), (4, 64, 0.74), (8, 128, 0.31), (9, 144, 0.0), (16, 144, 0.0)],
    )
    def test_rank_law(self, expansion: int, rank: int, left: float) -> None:
        module = LC2d(16, 16, 3, expansion=expansion).double()
        filters = module.spatial_weight.detach().flatten(1)
        target = torch.randn(144, 16, dtype=torch.float64)
        fitted = filters.T @ torch.linalg.pinv(filters.T) @ target
        assert torch.linalg.matrix_rank(filters).item() == rank
        # Expected is sqrt(1 - rank/144); over 16 targets it varies by about 0.02.
        assert ((target - fitted).norm() / target.norm()).item() == pytest.approx(left, abs=0.05)

    @pytest.mark.parametrize(
        ("in_channels", "out_channels", "kernel_size", "expansion"),
        [
            *[(4, 4, 3, 9), (4, 4, 5, 25), (2, 2, 7, 49), (2, 2, 9, 81)],
            *[(3, 16, 3, 2), (3, 16, 5, 5), (3, 16, 7, 10), (3, 16, 9, 16)],
        ],
    )
    def test_smallest_spanning_expansion(
        self, in_channels: int, out_channels: int, kernel_size: int, expansion: int
    ) -> None:
        dimensions = in_channels * kernel_size**2
        ranks = [
            torch.linalg.matrix_rank(
                LC2d(in_channels, out_channels, kernel_size, expansion=e)
                .spatial_weight.detach()
                .double()
                .flatten(1)
            ).item()
            for e in (expansion - 1, expansion)
        ]
        assert ranks[0] < dimensions
        assert ranks[1] == dimensions

    def test_shifted_patch_gives_shifted_output(self) -> None:
        module = LC2d(2, 3, 3, padding=1, bias=False, expansion=2).double()
        x = torch.zeros(1, 2, 16, 16, dtype=torch.float64)
        x[:, :, 5:9, 4:8] = torch.randn(1, 2, 4, 4, dtype=torch.float64)
        moved = module(x.roll((3, 4), (2, 3)))
        torch.testing.assert_close(moved, module(x).roll((3, 4), (2, 3)), rtol=0, atol=0)


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, tuple[int, ...], dict[str, object], tuple[int, ...]]:
    """Dimensions, channels and kernel, arguments, and the input's shape."""
    dims = draw(st.integers(1, 2))
    groups = draw(st.integers(1, 3))
    channels = [groups * draw(st.integers(1, 2)) for _ in range(2)]
    sides = st.tuples(*[st.integers(1, 4)] * dims)
    kernel = draw(sides.filter(lambda k: math.prod(k) > 1))
    arguments = {
        "kernel_size": kernel,
        "stride": draw(st.tuples(*[st.integers(1, 3)] * dims)),
        "padding": draw(st.tuples(*[st.integers(0, 2)] * dims)),
        "dilation": draw(st.tuples(*[st.integers(1, 2)] * dims)),
        "groups": groups,
        "bias": draw(st.booleans()),
        "expansion": draw(st.integers(1, 3)),
    }
    reach = [d * (k - 1) + 1 for d, k in zip(arguments["dilation"], kernel, strict=True)]
    size = tuple(r + draw(st.integers(0, 3)) for r in reach)
    return dims, tuple(channels), arguments, (2, channels[0], *size)


def gradients(y: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(y.mul(sines(*y.shape)).sum(), inputs)


class TestFoldedForm:
    @settings(deadline=None, max_examples=30, derandomize=True)
    @given(case=cases())
    def test_equals_two_stages_and_the_nested_sum(
        self, case: tuple[int, tuple[int, int], dict[str, object], tuple[int, ...]]
    ) -> None:
        dims, channels, arguments, shape = case
        folded = CLASSES[dims](*channels, **arguments, frozen=False).double()
        staged = CLASSES[dims](*channels, **arguments, frozen=False, execution="two_stage").double()
        staged.load_state_dict(folded.state_dict())
        x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        outputs = [folded(x), staged(x), nested_form(folded, x)]
        found = [
            gradients(y, x, *module.parameters())
            for y, module in zip(outputs, (folded, staged, folded), strict=True)
        ]
        torch.testing.assert_close(outputs[0], outputs[1], **DOUBLE)
        torch.testing.assert_close(outputs[0], outputs[2], **DOUBLE)
        torch.testing.assert_close(found[0], found[1], **DOUBLE)
        torch.testing.assert_close(found[0], found[2], **DOUBLE)

    @pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
    @pytest.mark.parametrize("padding", [1, (2, 1), "same", "valid"], ids=str)
    @pytest.mark.parametrize("kernel_size", [3, (2, 4)], ids=str)
    def test_equals_two_stages_for_every_padding(
        self, padding_mode: str, padding: object, kernel_size: object
    ) -> None:
        options = {"padding": padding, "padding_mode": padding_mode, "expansion": 2}
        folded = LC2d(2, 3, kernel_size, **options).double()
        staged = LC2d(2, 3, kernel_size, **options, execution="two_stage").double()
        staged.load_state_dict(folded.state_dict())
        x = torch.randn(2, 2, 8, 9, dtype=torch.float64)
        torch.testing.assert_close(folded(x), staged(x), **DOUBLE)
        torch.testing.assert_close(folded(x), folded.fold()(x), **DOUBLE)

    def test_identity_twin_is_the_convolution(self) -> None:
        plain = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        module = LC2d(3, 4, 3, stride=2, padding=1)
        with torch.no_grad():
            module.spatial_weight.copy_(plain.weight)
            module.pointwise_weight.copy_(torch.eye(4)[..., None, None])
            module.bias.copy_(plain.bias)
        x = torch.randn(2, 3, 9, 9)
        torch.testing.assert_close(module(x), plain(x), rtol=0, atol=0)

    def test_order_and_scale_of_filters_do_not_matter(self) -> None:
        module = LC2d(3, 4, 3, expansion=3, execution="two_stage").double()
        twin = copy.deepcopy(module)
        order = torch.randperm(12)
        with torch.no_grad():
            twin.spatial_weight.copy_(module.spatial_weight[order] / 4)
            twin.pointwise_weight.copy_(module.pointwise_weight[:, order] * 4)
        x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
        torch.testing.assert_close(twin(x), module(x), **DOUBLE)

    @pytest.mark.parametrize("frozen", [True, False])
    def test_gradcheck(self, frozen: bool) -> None:
        module = LC2d(2, 4, 3, padding=1, groups=2, expansion=2, frozen=frozen).double()
        x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
        learnable = [p for p in module.parameters() if p.requires_grad]
        assert torch.autograd.gradcheck(lambda x, *_: module(x), (x, *learnable))

    def test_frozen_filters_take_no_part_in_autograd(self) -> None:
        module = LC2d(2, 3, 3, expansion=2)
        product = module.combined_weight().grad_fn
        while product.name() != "BmmBackward0":
            product = product.next_functions[0][0]
        assert product.next_functions[1][0] is None
        module(torch.randn(1, 2, 5, 5)).sum().backward()
        assert module.spatial_weight.grad is None
        assert module.pointwise_weight.grad is not None


class TestIntermediate:
    @pytest.mark.parametrize(("dims", "size"), [(1, (9,)), (2, (9, 8))], ids=["1d", "2d"])
    @pytest.mark.parametrize("groups", [1, 2])
    @pytest.mark.parametrize("bias", [True, False])
    def test_norm_folds_in_evaluation(
        self, dims: int, size: tuple[int, ...], groups: int, bias: bool
    ) -> None:
        options = {"groups": groups, "bias": bias, "expansion": 3, "intermediate": "bn"}
        module = CLASSES[dims](4, 6, 3, stride=2, padding=1, **options)
        for _ in range(3):
            module(torch.randn(8, 4, *size) + 1)
        with torch.no_grad():
            module.norm.weight.uniform_(0.5, 2)
            module.norm.bias.uniform_(-1, 1)
        module.eval()
        x = torch.randn(2, 4, *size)
        # Fact 16: error below 1e-6 in fp32, for outputs of order one.
        torch.testing.assert_close(module.fold()(x), module(x), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(module.effective_kernel(), module.fold().weight)

    @pytest.mark.parametrize("frozen", [True, False])
    @pytest.mark.parametrize(("intermediate", "extra"), [("bn", 24), ("bn_relu", 24), ("relu", 0)])
    def test_parameters(self, frozen: bool, intermediate: str, extra: int) -> None:
        module = LC2d(3, 4, 3, bias=False, expansion=3, frozen=frozen, intermediate=intermediate)
        spatial, pointwise = 12 * 3 * 9, 12 * 4
        learnable = sum(p.numel() for p in module.parameters() if p.requires_grad)
        assert sum(p.numel() for p in module.parameters()) == spatial + pointwise + extra
        assert learnable == pointwise + extra + (0 if frozen else spatial)

    def test_bn_relu_normalises_before_the_relu(self) -> None:
        module = LC2d(2, 3, 3, expansion=2, intermediate="bn_relu").eval()
        x = torch.randn(2, 2, 6, 6)
        maps = F.batch_norm(
            F.conv2d(x, module.spatial_weight), module.norm.running_mean, module.norm.running_var
        )
        expected = F.conv2d(maps.relu(), module.pointwise_weight, module.bias)
        torch.testing.assert_close(module(x), expected)

    @pytest.mark.parametrize("intermediate", ["relu", "bn_relu"])
    @pytest.mark.parametrize("method", ["fold", "effective_kernel", "combined_weight"])
    def test_relu_refuses_to_fold(self, intermediate: str, method: str) -> None:
        module = LC2d(2, 3, 3, intermediate=intermediate).eval()
        with pytest.raises(UnsupportedError, match=rf"intermediate \(='{intermediate}'\) is not"):
            getattr(module, method)()

    def test_norm_refuses_to_fold_in_training(self) -> None:
        with pytest.raises(ValueError, match=r"intermediate \(='bn'\) folds in evaluation mode"):
            LC2d(2, 3, 3, intermediate="bn").fold()


class TestKeptKernel:
    @pytest.fixture
    def module(self) -> LC2d:
        module = LC2d(2, 3, 3, expansion=2).eval()
        with torch.no_grad():
            module(torch.zeros(1, 2, 4, 4))
        return module

    @staticmethod
    def assert_current(module: LC2d) -> None:
        x = torch.randn(1, 2, 4, 4, dtype=module.bias.dtype)
        with torch.no_grad():
            expected = F.conv2d(x, module.combined_weight(), module.bias)
            torch.testing.assert_close(module(x), expected, rtol=0, atol=0)

    def test_is_computed_once(self, module: LC2d, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "combined_weight", lambda: pytest.fail("folded again"))
        with torch.no_grad():
            assert module(torch.zeros(1, 2, 4, 4)).shape == (1, 3, 2, 2)

    @pytest.mark.parametrize("name", ["spatial_weight", "pointwise_weight"])
    def test_follows_a_change_in_place(self, module: LC2d, name: str) -> None:
        with torch.no_grad():
            getattr(module, name).mul_(2)
        self.assert_current(module)

    @pytest.mark.parametrize("assign", [False, True])
    def test_follows_load_state_dict(self, module: LC2d, assign: bool) -> None:
        module.load_state_dict(LC2d(2, 3, 3, expansion=2).state_dict(), assign=assign)
        self.assert_current(module)

    def test_follows_to(self, module: LC2d) -> None:
        self.assert_current(module.double())
        self.assert_current(module.half().float())

    def test_follows_data_between_evaluations(self, module: LC2d) -> None:
        module.pointwise_weight.data.mul_(2)
        self.assert_current(module.eval())

    def test_follows_new_data(self, module: LC2d) -> None:
        module.pointwise_weight.data = torch.randn_like(module.pointwise_weight)
        self.assert_current(module)

    def test_is_not_copied(self, module: LC2d) -> None:
        twin = copy.deepcopy(module)
        with torch.no_grad():
            twin.pointwise_weight.mul_(2)
        self.assert_current(twin)
        self.assert_current(module)

    def test_leaves_gradients_in_evaluation(self, module: LC2d) -> None:
        module(torch.randn(1, 2, 4, 4)).sum().backward()
        assert module.pointwise_weight.grad is not None

    def test_from_inference_mode_serves_autograd(self) -> None:
        module = LC2d(2, 3, 3).eval().requires_grad_(requires_grad=False)
        with torch.inference_mode():
            module(torch.zeros(1, 2, 4, 4))
        x = torch.randn(1, 2, 4, 4, requires_grad=True)
        module(x).sum().backward()
        assert x.grad is not None

    def test_ignores_replaced_parameters(self, module: LC2d) -> None:
        x = torch.randn(1, 2, 4, 4)
        with torch.no_grad():
            for factor in (2.0, 3.0):
                other = {"pointwise_weight": module.pointwise_weight * factor}
                y = torch.func.functional_call(module, other, x)
                expected = F.conv2d(x, module.combined_weight() * factor, module.bias)
                torch.testing.assert_close(y, expected)


class TestSharing:
    @pytest.fixture
    def network(self) -> nn.Sequential:
        options = {"bias": False, "expansion": 2, "sharing": "master"}
        network = nn.Sequential(LC2d(2, 3, 3, **options), LC2d(3, 6, 3, **options))
        finish_operators(list(network))
        return network

    def test_master_is_stored_and_counted_once(self, network: nn.Sequential) -> None:
        pointwise = 2 * 3**2 + 2 * 6**2
        assert sum(p.numel() for p in network.parameters()) == 12 * 3 * 9 + pointwise
        assert list(network.state_dict()) == [
            "0.spatial_weight",
            "0.pointwise_weight",
            "1.pointwise_weight",
        ]

    def test_sites_use_scaled_corners(self, network: nn.Sequential) -> None:
        master = network[0].spatial_weight
        assert master.abs().max() <= 1
        for module, scale in zip(network, (18**-0.5, 27**-0.5), strict=True):
            filters, channels = module.spatial_shape[:2]
            expected = scale * master[:filters, :channels]
            torch.testing.assert_close(module.spatial_filters(), expected)
            mixed = torch.einsum("ij,jckl->ickl", module.pointwise_weight[:, :, 0, 0], expected)
            torch.testing.assert_close(module.combined_weight(), mixed)

    def test_survives_deepcopy_and_state_dict(self, network: nn.Sequential) -> None:
        twin = copy.deepcopy(network)
        with torch.no_grad():
            twin[0].spatial_weight.zero_()
        assert twin[1].spatial_filters().abs().sum() == 0
        assert network[1].spatial_filters().abs().sum() > 0
        twin.load_state_dict(network.state_dict())
        x = torch.randn(1, 2, 8, 8)
        torch.testing.assert_close(twin(x), network(x), rtol=0, atol=0)

    def test_moves_with_the_network(self, network: nn.Sequential) -> None:
        x = torch.randn(1, 2, 8, 8, dtype=torch.float64)
        assert network.double()(x).dtype == torch.float64
        network.eval()
        with torch.no_grad():
            before = network(x)
            network[0].spatial_weight.mul_(2)
            # Two sites in a row, each linear in the master.
            torch.testing.assert_close(network(x), 4 * before, **DOUBLE)

    def test_single_operator_is_its_own_master(self) -> None:
        module = build_operator("lc", 2, 3, 3, sharing="master", execution="two_stage")
        assert module.fold().weight.shape == (3, 2, 3, 3)
        x = torch.randn(1, 2, 5, 5)
        torch.testing.assert_close(module(x), module.fold()(x))

    def test_refuses_different_kernels(self) -> None:
        modules = [LC2d(2, 2, k, sharing="master") for k in (5, 3)]
        with pytest.raises(UnsupportedError, match=r"one kernel size .* \[\(3, 3\), \(5, 5\)\]"):
            finish_operators(modules)


class TestModule:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({"expansion": 0}, r"expansion \(=0\) must be an integer >= 1"),
            ({"expansion": True}, r"expansion \(=True\) must be an integer >= 1"),
            ({"expansion": 2.0}, r"expansion \(=2.0\) must be an integer >= 1"),
            ({"expansion": "2"}, r"expansion \(='2'\) must be an integer >= 1"),
            ({"frozen": "yes"}, r"frozen \(='yes'\) must be one of \[True, False\]"),
            ({"intermediate": "gelu"}, r"intermediate \(='gelu'\) must be one of \['none', 'relu'"),
            ({"execution": "fast"}, r"execution \(='fast'\) must be one of \['auto', 'folded'"),
            ({"init": "zeros"}, r"init \(='zeros'\) must be one of \['uniform', 'normal_fan_out'"),
            ({"sharing": "all"}, r"sharing \(='all'\) must be one of \['none', 'master'\]"),
            ({"groups": 3}, r"in_channels \(=4\) must be divisible by groups \(=3\)"),
            ({"padding_mode": "wrap"}, r"padding_mode \(='wrap'\) must be one of \['zeros'"),
        ],
        ids=lambda value: str(value) if isinstance(value, dict) else "",
    )
    def test_refuses_wrong_values(self, arguments: dict[str, object], expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            LC2d(4, 4, 3, **arguments)

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({"kernel_size": 1}, r"kernel_size \(=\(1, 1\)\) must have more than one tap"),
            ({"execution": "folded", "intermediate": "bn"}, r"intermediate \(='bn'\) needs"),
            ({"sharing": "master", "frozen": False}, r"frozen \(=False\) must be true with"),
        ],
        ids=["one_tap", "folded_norm", "learned_master"],
    )
    def test_refuses_impossible_combinations(
        self, arguments: dict[str, object], expected: str
    ) -> None:
        with pytest.raises(UnsupportedError, match=expected):
            LC2d(4, 4, **{"kernel_size": 3, **arguments})

    def test_refuses_unknown_options(self) -> None:
        with pytest.raises(UnknownNameError, match=r"has no option 'expand' \(did you mean 'exp"):
            build_operator("lc", 4, 4, 3, expand=2)

    @pytest.mark.parametrize("kernel_size", [(1, 3), (5, 1)], ids=str)
    def test_accepts_kernels_of_one_axis(self, kernel_size: tuple[int, int]) -> None:
        y = LC2d(2, 3, kernel_size, padding="same")(torch.randn(1, 2, 6, 7))
        assert y.shape == (1, 3, 6, 7)

    def test_kernel_is_combined_in_fp32_under_autocast(self) -> None:
        module = LC2d(2, 3, 3, expansion=4)
        x = torch.randn(1, 2, 6, 6)
        expected = module.combined_weight()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.testing.assert_close(module.combined_weight(), expected, rtol=0, atol=0)
            y = module(x)
        rounded = [t.bfloat16() for t in (x, expected, module.bias)]
        torch.testing.assert_close(y, F.conv2d(*rounded), rtol=0, atol=0)

    def test_kernel_of_half_parameters_is_combined_in_fp32(self) -> None:
        module = LC2d(2, 3, 3, expansion=64).bfloat16()
        parts = module.pointwise_weight[:, :, 0, 0].float(), module.spatial_weight.float()
        expected = torch.einsum("ij,jckl->ickl", *parts).bfloat16()
        # One rounding to bfloat16 remains; sums in another order may tip it by one step, 2^-8.
        torch.testing.assert_close(module.combined_weight(), expected, rtol=2**-7, atol=1e-6)

    def test_channels_last(self) -> None:
        module = LC2d(4, 8, 3, padding=1, expansion=2)
        x = torch.randn(2, 4, 8, 8)
        expected = module(x)
        module.to(memory_format=torch.channels_last)
        y = module(x.contiguous(memory_format=torch.channels_last))
        assert y.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(y, expected)

    @pytest.mark.parametrize("intermediate", ["none", "bn_relu"])
    def test_meta_device(self, intermediate: str) -> None:
        with torch.device("meta"):
            module = LC2d(4, 8, 3, expansion=2, intermediate=intermediate)
            assert module.eval()(torch.empty(2, 4, 8, 8)).shape == (2, 8, 6, 6)

    @pytest.mark.parametrize("execution", ["folded", "two_stage"])
    def test_nan_propagates(self, execution: str) -> None:
        module = LC2d(2, 3, 3, execution=execution)
        assert module(torch.full((1, 2, 5, 5), torch.nan)).isnan().all()

    def test_empty_input_is_refused_as_by_the_plain_convolution(self) -> None:
        x = torch.randn(1, 2, 0, 5)
        with pytest.raises(RuntimeError) as plain:
            nn.Conv2d(2, 3, 3)(x)
        with pytest.raises(RuntimeError, match="Kernel size can't be greater") as found:
            LC2d(2, 3, 3)(x)
        assert str(found.value) == str(plain.value)

    def test_unbatched_input(self) -> None:
        module, x = LC2d(2, 3, 3), torch.randn(2, 6, 6)
        torch.testing.assert_close(module(x), module(x[None])[0])

    def test_representation_names_the_options(self) -> None:
        module = LC2d(2, 3, 3, expansion=4)
        assert repr(module) == (
            "LC2d((3, 2, 3, 3), expansion=4, frozen=True, intermediate='none', is_folded=True)"
        )

    @pytest.mark.slow
    @pytest.mark.parametrize("training", [True, False])
    def test_compiles_without_graph_breaks(self, training: bool) -> None:
        module = LC2d(2, 3, 3, expansion=2).train(training)
        compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
        x = torch.randn(2, 2, 6, 6)
        torch.testing.assert_close(compiled(x), module(x))
        with torch.no_grad():
            torch.testing.assert_close(compiled(x), module(x))
