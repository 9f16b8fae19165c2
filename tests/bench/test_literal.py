import pytest
import torch

from kbench.bench.literal import LiteralNIFF, literal_form
from kbench.operators import build_operator

GENERATORS = ("magnet", "gabor", "fourier", "siren")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def assert_equal(operator, literal, x, tolerance=1e-9):
    """Output and gradients of input and parameters agree in double precision."""
    results = []
    for module in (operator, literal):
        given = x.clone().requires_grad_()
        y = module(given)
        learned = [p for p in module.parameters() if p.requires_grad]
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        grads = torch.autograd.grad(y, [given, *learned], weight, materialize_grads=True)
        results.append([y, *grads])
    for own, other in zip(*results, strict=True):
        scale = max(1.0, own.abs().max().item())
        torch.testing.assert_close(other, own, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("channels", "sides", "options"),
    [
        pytest.param((6, 6), (8, 6), {"form": "depthwise", "groups": 6}, id="depthwise"),
        pytest.param((5, 5), (7, 9), {"groups": 5, "mlp": "big"}, id="odd channels and sides"),
        pytest.param((5, 7), (7, 6), {"form": "split", "bias": True}, id="split"),
        pytest.param((3, 4), (6, 5), {"form": "full"}, id="full"),
        pytest.param((5, 5), (7, 5), {"coords": "centred", "groups": 5}, id="centred"),
        pytest.param((5, 7), (9,), {"form": "split"}, id="1-D"),
    ],
)
def test_niff_equals_its_literal_form(channels, sides, options):
    """Batches of 3 show that the roll of the batch is undone."""
    given = {"padding": "same", "ref_channel_roll": True, **options}
    operator = build_operator("niff", *channels, 3, dims=len(sides), **given).double()
    x = torch.randn(3, channels[0], *sides, dtype=torch.float64)
    assert_equal(operator, literal_form("niff", operator), x)


def test_pointwise_niff_equals_its_way_through_the_spectrum():
    operator = build_operator("niff", 5, 7, 1).double()
    literal = literal_form("niff", operator)
    assert isinstance(literal, LiteralNIFF)
    assert_equal(operator, literal, torch.randn(3, 5, 6, 7, dtype=torch.float64))


@pytest.mark.parametrize(
    ("dims", "options"),
    [
        pytest.param(2, {}, id="default"),
        pytest.param(2, {"order": 4, "sigma_init": 1.7, "stride": 2}, id="order 4, stride"),
        pytest.param(2, {"gauss_norm": "analytic", "groups": 2, "bias": True}, id="analytic"),
        pytest.param(2, {"execution": "row_mix_col"}, id="row_mix_col"),
        pytest.param(1, {"order": 5}, id="1-D"),
    ],
)
def test_njet_equals_its_literal_form(dims, options):
    operator = build_operator("njet", 4, 6, 3, dims=dims, **options).double()
    x = torch.randn(2, 4, *(13, 12)[:dims], dtype=torch.float64)
    assert_equal(operator, literal_form("njet", operator), x)


@pytest.mark.parametrize("name", ["ckconv", "flexconv"])
@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("dims", [1, 2])
def test_generated_kernels_equal_their_literal_form(name, generator, dims):
    options = {"generator": generator, "hidden": 5, "layers": 2}
    operator = build_operator(name, 4, 6, 9, dims=dims, groups=2, **options).double()
    x = torch.randn(2, 4, *(12, 11)[:dims], dtype=torch.float64)
    # Phases reach hundreds, which leaves about 1e-13 of a sine, times many taps.
    assert_equal(operator, literal_form(name, operator), x, 1e-8)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"sigma_init": 0.3}, id="wide"),
        pytest.param({"sigma_init": 0.01, "sigma_floor": "grid"}, id="floor"),
        pytest.param({"apply_mask": False}, id="unweighted window"),
        pytest.param({"crop_bucket": 2, "execution": "fft"}, id="bucket, FFT"),
        pytest.param({"mask_mean": 0.2, "kernel_scale": 0.5}, id="shifted, scaled"),
    ],
)
def test_options_of_the_mask_reach_the_literal_form(options):
    operator = build_operator("flexconv", 3, 4, 9, hidden=5, **options).double()
    x = torch.randn(2, 3, 10, 11, dtype=torch.float64)
    assert_equal(operator, literal_form("flexconv", operator), x, 1e-8)


@pytest.mark.parametrize("dims", [1, 2])
def test_lc_equals_its_two_stages(dims):
    operator = build_operator("lc", 4, 6, 3, dims=dims, expansion=3, groups=2).double()
    literal = literal_form("lc", operator)
    assert not literal.is_folded
    assert_equal(operator, literal, torch.randn(2, 4, *(9, 8)[:dims], dtype=torch.float64))


@pytest.mark.parametrize("dims", [1, 2])
def test_dynamic_gmconv_equals_its_loop(dims):
    operator = build_operator("gmconv", 4, 6, 3, dims=dims, variant="dynamic").double()
    literal = literal_form("gmconv", operator)
    assert literal.options.execution == "loop"
    assert_equal(operator, literal, torch.randn(3, 4, *(9, 8)[:dims], dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("conv", {}, id="plain"),
        pytest.param("circular", {}, id="circular"),
        pytest.param("gmconv", {}, id="static mask"),
        pytest.param("niff", {"padding": "same", "padding_mode": "zeros"}, id="not in the paper"),
        pytest.param("njet", {"safe_subsample": 4.0}, id="subsampled"),
        pytest.param("lc", {"intermediate": "relu"}, id="two stages already"),
    ],
)
def test_what_has_no_literal_form_says_so(name, options):
    assert literal_form(name, build_operator(name, 4, 4, 3, **options)) is None


def test_literal_form_leaves_the_operator_alone():
    operator = build_operator("lc", 4, 6, 3)
    literal_form("lc", operator)
    assert operator.is_folded
