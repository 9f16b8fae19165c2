"""FlexConv against the plain convolution with its zero-filled kernel, and the published facts."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.errors import UnsupportedError
from kbench.operators.flexconv import FlexConv1d, FlexConv2d
from kbench.registry import OPERATORS, OPERATORS_1D

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d}
CLASSES = {1: FlexConv1d, 2: FlexConv2d}
PUBLISHED = {"rtol": 0.0, "atol": 5e-9}  # ten decimals printed; sums of many of them
GRADIENT = {"rtol": 0.0, "atol": 1e-6}  # six decimals printed


def fill(number, shape):
    """Return v(t, shape) of the specification, 11.1."""
    count = torch.arange(1, math.prod(shape) + 1, dtype=torch.double)
    return torch.cos(0.37 * count + 1.1 * number).view(shape)


@torch.no_grad()
def filled(layer):
    """Return the layer in float64 with the acceptance fill of a multiplicative filter network."""
    generator = layer.double().generator
    for number, gabor in enumerate(generator.filters):
        gabor.weight.copy_(4 * fill(4 * number, gabor.weight.shape))
        gabor.bias.copy_(fill(4 * number + 1, gabor.bias.shape))
        gabor.gamma.copy_(1.5 + 0.5 * fill(4 * number + 2, gabor.gamma.shape))
        gabor.mu.copy_(0.5 * fill(4 * number + 3, gabor.mu.shape))
    number = 4 * len(generator.filters)
    for linear in generator.hidden:
        linear.weight.copy_(fill(number, linear.weight.shape))
        linear.bias.copy_(0.1 * fill(number + 1, linear.bias.shape))
        number += 2
    out = generator.out
    out.weight.copy_(fill(number, out.weight.shape) / out.weight.shape[1])
    out.bias.copy_(0.1 * fill(number + 1, out.bias.shape))
    layer.bias.copy_(0.1 * fill(number + 2, layer.bias.shape))
    return layer


def filled_2d(**options):
    """Return the layer of fact E."""
    layer = filled(FlexConv2d(2, 3, 9, hidden=4, layers=2, **options))
    with torch.no_grad():
        layer.mask_params.copy_(torch.tensor([[0.1, 0.3], [-0.05, 0.2]], dtype=torch.double))
    return layer


def reference(layer, x):
    """Return the direct full-size convolution with the zero-filled kernel."""
    geometry = layer.geometry
    x = F.pad(x, [side for pair in reversed(geometry.padding) for side in pair])
    arguments = (geometry.stride, 0, geometry.dilation, geometry.groups)
    return CONVOLUTIONS[layer.dims](x, layer.full_kernel(), layer.bias, *arguments)


class TestPublishedFacts:
    @pytest.mark.parametrize(
        ("size", "sigma", "taps"),
        [
            (33, 0.01, 1),
            (33, 0.0291, 1),
            (33, 0.075, 5),
            (33, 0.1, 7),
            (33, 0.2, 13),
            (33, 0.4, 27),
            (33, 0.466, 33),
            (33, 2.0, 33),
            (17, 0.075, 3),
            (29, 0.075, 5),
        ],
    )
    def test_kept_taps(self, size, sigma, taps):
        bounds = FlexConv2d(1, 1, size, sigma_init=sigma).crop_bounds()
        assert [last - first for first, last in bounds] == [taps, taps]

    @pytest.mark.parametrize(("length", "taps"), [(784, 64), (1024, 83), (161, 13)])
    def test_kept_taps_of_a_causal_layer(self, length, taps):
        layer = FlexConv1d(1, 1)
        layer(torch.zeros(1, 1, length))
        assert layer.crop_bounds() == ((length - taps, length),)

    def test_mask_at_initialisation(self):
        layer = FlexConv2d(1, 1, 33)
        positions = [torch.linspace(-1, 1, 33)[14:19]] * 2
        mask = layer.mask(positions, layer.crop_bounds()).view(5, 5)
        expected = torch.tensor([0.249352, 0.706648, 1, 0.706648, 0.249352])
        torch.testing.assert_close(mask[2], expected, rtol=0, atol=1e-6)

    def test_one_channel_layer(self):
        layer = FlexConv2d(1, 1, 5, hidden=2, layers=1).double()
        values = {
            "bias": [0.25],
            "mask_params": [[0.1, 0.5], [-0.2, 0.3]],
            "train_length": [5],
            "generator.filters.0.weight": [[1, 2], [3, -1]],
            "generator.filters.0.bias": [0.1, 0.2],
            "generator.filters.0.gamma": [[1, 2], [0.5, 1.5]],
            "generator.filters.0.mu": [[0.1, -0.2], [0, 0.3]],
            "generator.filters.1.weight": [[-1, 0.5], [2, 2]],
            "generator.filters.1.bias": [-0.3, 0.4],
            "generator.filters.1.gamma": [[2, 1], [1, 0.25]],
            "generator.filters.1.mu": [[-0.1, 0.1], [0.2, -0.4]],
            "generator.hidden.0.weight": [[0.5, -1], [1.5, 0.25]],
            "generator.hidden.0.bias": [0.1, -0.2],
            "generator.out.weight": [[2, -0.5]],
            "generator.out.bias": [0.05],
        }
        state = {name: torch.tensor(value, dtype=torch.double) for name, value in values.items()}
        layer.load_state_dict(state)
        y = layer((torch.arange(25, dtype=torch.double) / 25).view(1, 1, 5, 5))
        y.square().sum().backward()
        kernel = [
            [-0.00199138, -0.00818050, 0.00014600],
            [-0.13885791, 0.03449789, 0.02271217],
            [0.12342154, 0.05710530, -0.00691234],
            [0.20157580, 0.04104754, 0.00758005],
            [0.00711363, -0.02709282, 0.00118503],
        ]
        rows = [
            [0.24943651, 0.29551363, 0.31171458, 0.32791553, 0.34175591],
            [0.32190444, 0.34050512, 0.34378275, 0.34706039, 0.33899302],
        ]
        eight = {"rtol": 0.0, "atol": 6e-9}  # eight decimals printed
        assert layer.crop_bounds() == ((0, 5), (1, 4))
        torch.testing.assert_close(
            layer.kernel()[0, 0], torch.tensor(kernel, dtype=torch.double), **eight
        )
        torch.testing.assert_close(y[0, 0, [0, 4]], torch.tensor(rows, dtype=torch.double), **eight)
        mask_gradient = torch.tensor(
            [[3.267974, 0.504863], [-3.530359, 10.477016]], dtype=torch.double
        )
        torch.testing.assert_close(layer.mask_params.grad, mask_gradient, **GRADIENT)
        assert float(layer.bias.grad) == pytest.approx(19.428559, abs=1e-6)

    def test_filled_layer(self):
        layer = filled_2d()
        y = layer(fill(50, (1, 2, 9, 7)))
        y.square().sum().backward()
        kernel = layer.kernel().detach()
        assert layer.crop_bounds() == ((2, 7), (3, 6))
        sums = [kernel.sum(), kernel.abs().sum(), y.detach().sum(), y.detach().abs().sum()]
        expected = [1.8003765301, 3.0603236990, -0.1158035682, 18.2403382918]
        torch.testing.assert_close(
            torch.stack(sums), torch.tensor(expected, dtype=torch.double), **PUBLISHED
        )
        row = torch.tensor([-0.0145579354, 0.0536555389, 0.0763525530], dtype=torch.double)
        torch.testing.assert_close(kernel[2, 0, 2], row, **PUBLISHED)
        mask_gradient = torch.tensor(
            [[5.755220, -0.162014], [7.985795, 11.769102]], dtype=torch.double
        )
        torch.testing.assert_close(layer.mask_params.grad, mask_gradient, **GRADIENT)
        bias_gradient = torch.tensor([6.551443, -1.693607, -5.089443], dtype=torch.double)
        torch.testing.assert_close(layer.bias.grad, bias_gradient, **GRADIENT)

    @pytest.mark.parametrize("execution", ["direct", "fft"])
    def test_filled_causal_layer(self, execution):
        layer = filled(
            FlexConv1d(2, 3, "same", hidden=4, layers=2, sigma_init=0.3, execution=execution)
        )
        with torch.no_grad():
            layer.mask_params[0, 1] = 0.3
        y = layer(fill(52, (2, 2, 13))).detach()
        kernel = layer.kernel().detach()
        assert layer.crop_bounds() == ((9, 13),)
        values = [kernel.sum(), kernel.abs().sum(), y.sum(), y.abs().sum(), y[-1, -1, -1]]
        expected = [0.5091346308, 0.8872953455, -0.7529147368, 9.7530263381, -0.1057848740]
        torch.testing.assert_close(
            torch.stack(values), torch.tensor(expected, dtype=torch.double), **PUBLISHED
        )

    def test_alias_penalty_of_uniform_frequencies(self):
        layer = FlexConv2d(1, 1, 33, alias=0.1).double()
        with torch.no_grad():
            for gabor in layer.generator.filters:
                gabor.weight.fill_(2 * math.pi * 1.5)
                gabor.gamma.fill_(2 * math.pi)
        assert float(layer.frequency_bound().detach()) == pytest.approx(4 * 3.5, abs=1e-9)
        assert float(layer.regularisation().detach()) == pytest.approx(0.9, abs=1e-9)

    @pytest.mark.parametrize("bound", ["official", "paper"])
    def test_frequency_of_the_mask(self, bound):
        layer = FlexConv2d(1, 1, 33).double()
        with torch.no_grad():
            layer.mask_params[:, 1] = 0.075
        added = layer.frequency_bound("gabor+mask", bound) - layer.frequency_bound("gabor", bound)
        assert float(added.detach()) == pytest.approx(4.244132, abs=1e-6)

    @pytest.mark.parametrize(
        ("bound", "frequencies", "penalty"),
        [
            ("official", [1.1725, 1.2368, 1.2684], 0.2394858),
            ("paper", [1.1160, 1.0274, 1.1835], 0.1816916),
        ],
    )
    def test_alias_penalty_of_the_filled_layer(self, bound, frequencies, penalty):
        layer = filled_2d(alias=0.1, alias_bound=bound, alias_resolution=5)
        actual = layer.generator.frequencies(2.0, bound).tolist()
        assert actual == pytest.approx(frequencies, abs=5e-5)
        assert float(layer.regularisation().detach()) == pytest.approx(penalty, abs=5e-8)

    @pytest.mark.parametrize(
        ("generator", "kernel_std", "output_std"),
        [("magnet", 0.048, 1.16), ("fourier", 0.049, 1.18)],
    )
    def test_initial_spread(self, generator, kernel_std, output_std):
        kernels, outputs = [], []
        for seed in range(20):
            torch.manual_seed(seed)
            layer = FlexConv2d(24, 24, 33, generator=generator)
            with torch.no_grad():
                kernels.append(float(layer.kernel().std()))
                outputs.append(float(layer(torch.randn(1, 24, 16, 16)).std()))
        # Seed spread .001 of the kernel's; zero padding lowers the output's at the border.
        assert sum(kernels) / 20 == pytest.approx(kernel_std, abs=0.001)
        assert sum(outputs) / 20 == pytest.approx(output_std, rel=0.08)

    @pytest.mark.parametrize("generator", ["magnet", "gabor", "fourier", "siren"])
    @pytest.mark.parametrize("dims", [1, 2])
    def test_every_parameter_learns_from_the_start(self, generator, dims):
        torch.manual_seed(0)
        layer = CLASSES[dims](3, 4, 33, generator=generator)
        layer(torch.randn(2, 3, *(20, 24)[:dims])).square().sum().backward()
        assert all(bool(p.grad.abs().sum() > 0) for p in layer.parameters())

    def test_layer_of_a_flextcn_has_33412_parameters(self):
        assert sum(p.numel() for p in FlexConv1d(30, 30).parameters()) == 33_412


CASES = st.fixed_dictionaries(
    {
        "dims": st.sampled_from([1, 2]),
        "size": st.sampled_from([3, 5, 7]),
        "stride": st.integers(1, 3),
        "padding": st.sampled_from(["same", "valid", 0, 1, 4]),
        "dilation": st.integers(1, 2),
        "groups": st.sampled_from([1, 2]),
        "padding_mode": st.sampled_from(["zeros", "circular", "replicate"]),
        "execution": st.sampled_from(["direct", "fft"]),
        "sigma": st.tuples(st.floats(0.05, 0.6), st.floats(0.05, 0.6)),
        "mean": st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
        "crop_bucket": st.sampled_from([0, 2]),
        "sides": st.tuples(st.integers(13, 17), st.integers(13, 17)),
    }
)


@given(CASES)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_layer_equals_the_plain_convolution_with_its_whole_kernel(case):
    torch.manual_seed(0)
    dims, options = (
        case["dims"],
        {key: case[key] for key in ("padding_mode", "execution", "crop_bucket")},
    )
    arguments = (case["stride"], case["padding"], case["dilation"], case["groups"])
    options |= {
        "sigma_init": case["sigma"][:dims],
        "mask_mean": case["mean"][:dims],
        "causal": False,
    }
    layer = CLASSES[dims](4, 6, case["size"], *arguments, hidden=3, layers=1, **options).double()
    x = torch.randn(2, 4, *case["sides"][:dims], dtype=torch.double)
    mode = {"zeros": "constant"}.get(case["padding_mode"], case["padding_mode"])
    amounts = [side for pair in reversed(layer.geometry.padding) for side in pair]
    padded = F.pad(x, amounts, mode=mode) if any(amounts) else x
    expected = CONVOLUTIONS[dims](
        padded, layer.full_kernel(), layer.bias, case["stride"], 0, case["dilation"], case["groups"]
    )
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(layer.fold()(x), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("length", [96, 97], ids=["even", "odd"])
@pytest.mark.parametrize("execution", ["direct", "fft"])
def test_causal_layer_equals_the_sum_over_the_past(length, execution):
    torch.manual_seed(0)
    layer = FlexConv1d(2, 3, sigma_init=0.3, dilation=2, execution=execution).double()
    x = torch.randn(2, 2, length, dtype=torch.double)
    y, kernel = layer(x), layer.full_kernel()
    expected = layer.bias.view(1, -1, 1).repeat(2, 1, length)
    for tap in range(length):
        lag = 2 * (length - 1 - tap)
        if lag < length:
            past = F.pad(x, (lag, 0))[..., :length]
            expected = expected + torch.einsum("oi,bit->bot", kernel[..., tap], past)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("sides", [(40,), (41,), (21, 34)], ids=["even", "odd", "rectangle"])
def test_fft_equals_direct_in_float32(sides):
    torch.manual_seed(0)
    kind = CLASSES[len(sides)]
    direct = kind(8, 8, sigma_init=[0.4, 0.15][: len(sides)], execution="direct")
    spectral = kind(8, 8, sigma_init=[0.4, 0.15][: len(sides)], execution="fft")
    spectral.load_state_dict(direct.state_dict())
    x = torch.randn(2, 8, *sides)
    # Unit-normal data in float32: specification 4.7 allows 5e-4.
    torch.testing.assert_close(spectral(x), direct(x), rtol=0, atol=5e-4)


@pytest.mark.parametrize(
    "options",
    [{"execution": "fft"}, {"crop_bucket": 3}, {"execution": "fft", "crop_bucket": 2}],
    ids=["fft", "bucket", "fft_bucket"],
)
def test_all_paths_have_the_same_gradients(options):
    torch.manual_seed(0)
    plain = FlexConv2d(3, 4, 9, sigma_init=(0.3, 0.15)).double()
    other = FlexConv2d(3, 4, 9, **options).double()
    other.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 11, 8, dtype=torch.double)
    for layer in (plain, other):
        layer(x).square().sum().backward()
    gradients = [[p.grad for p in layer.parameters()] for layer in (plain, other)]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-8, atol=1e-8)


class TestCropping:
    def test_cropped_kernel_is_a_slice_of_the_uncropped_one(self):
        torch.manual_seed(0)
        cropped = FlexConv2d(3, 4, 33, sigma_init=(0.2, 0.1))
        whole = FlexConv2d(3, 4, 33, crop=False)
        whole.load_state_dict(cropped.state_dict())
        (top, bottom), (left, right) = cropped.crop_bounds()
        window = whole.kernel()[:, :, top:bottom, left:right]
        torch.testing.assert_close(cropped.kernel(), window, rtol=0, atol=1e-6)
        assert whole.crop_bounds() == ((0, 33), (0, 33))

    def test_buckets_change_the_evaluated_windows_only(self):
        torch.manual_seed(0)
        plain, bucketed = FlexConv2d(3, 4, 33), FlexConv2d(3, 4, 33, crop_bucket=4)
        bucketed.load_state_dict(plain.state_dict())
        bounds = bucketed.crop_bounds()
        assert bounds == plain.crop_bounds() == ((14, 19), (14, 19))
        assert bucketed.evaluated_windows(bounds) == ((12, 21), (12, 21))
        torch.testing.assert_close(bucketed.kernel(), plain.kernel(), rtol=0, atol=1e-6)

    def test_without_mask_the_window_stays(self):
        layer = FlexConv2d(3, 4, 33, apply_mask=False)
        assert layer.crop_bounds() == ((14, 19), (14, 19))
        axes = [torch.linspace(-1, 1, 33)[14:19]] * 2
        expected = layer.generator(axes).view(4, 3, 5, 5)
        torch.testing.assert_close(layer.kernel(), expected, rtol=0, atol=1e-5)

    def test_window_follows_the_mask_as_it_learns(self):
        layer = FlexConv2d(3, 4, 33)
        layer(torch.zeros(1, 3, 8, 8)).sum().backward()
        with torch.no_grad():
            layer.mask_params[:, 1] = torch.tensor([0.2, -0.1])  # the sign does not matter
        sides = [last - first for first, last in layer.crop_bounds()]
        assert sides == [13, 7]
        torch.testing.assert_close(layer.sigma, torch.tensor([0.2, 0.1]), rtol=0, atol=0)

    def test_collapsed_mask_gets_no_gradient_but_a_floored_one_does(self):
        torch.manual_seed(0)
        gradients = []
        for floor in ("none", "grid"):
            layer = FlexConv2d(2, 2, 33, sigma_init=0.01, sigma_floor=floor)
            layer(torch.randn(1, 2, 8, 8)).square().sum().backward()
            gradients.append(
                (layer.crop_bounds()[0], float(layer.mask_params.grad[:, 1].abs().min()))
            )
        assert gradients[0] == ((16, 17), 0.0)
        assert gradients[1][0] == (15, 18)
        assert gradients[1][1] > 0

    def test_number_as_floor_is_used_by_mask_and_window(self):
        floored = FlexConv2d(2, 2, 33, sigma_init=0.01, sigma_floor=0.2)
        plain = FlexConv2d(2, 2, 33, sigma_init=0.2)
        plain.load_state_dict(floored.state_dict() | {"mask_params": plain.mask_params})
        torch.testing.assert_close(floored.kernel(), plain.kernel(), rtol=0, atol=1e-6)

    def test_nan_in_the_mask_reaches_the_output(self):
        layer = FlexConv2d(2, 2, 5)
        with torch.no_grad():
            layer.mask_params.fill_(torch.nan)
        assert layer(torch.ones(1, 2, 6, 6)).isnan().all()

    def test_masks_of_a_network_share_a_reader(self):
        layers = torch.nn.ModuleList(FlexConv2d(2, 2, 5) for _ in range(3))
        FlexConv2d.after_init(layers)
        copies = copy.deepcopy(layers)
        assert len({id(layer.reader) for layer in layers}) == 1
        assert len({id(layer.reader) for layer in copies}) == 1
        assert copies[0].reader is not layers[0].reader


class TestInvariants:
    @pytest.mark.parametrize("execution", ["direct", "fft"])
    def test_nothing_changes_before_a_changed_step(self, execution):
        torch.manual_seed(0)
        layer = FlexConv1d(2, 3, sigma_init=0.5, execution=execution).double()
        x = torch.randn(1, 2, 64, dtype=torch.double)
        changed = x.clone()
        changed[..., 40] += 1
        difference = (layer(changed) - layer(x)).detach().abs().amax((0, 1))
        # The transform mixes all steps, so its zeros are rounding errors.
        assert float(difference[:40].max()) <= {"direct": 0.0, "fft": 1e-12}[execution]
        assert float(difference[40]) > 1e-6

    def test_interior_moves_with_the_input(self):
        torch.manual_seed(0)
        layer = FlexConv2d(2, 3, 17).double()
        x = torch.randn(1, 2, 20, 20, dtype=torch.double)
        y, moved = layer(x), layer(x.roll((2, 3), (2, 3)))
        interior = (slice(None), slice(None), slice(5, -5), slice(6, -6))
        torch.testing.assert_close(
            moved[interior], y.roll((2, 3), (2, 3))[interior], rtol=0, atol=1e-12
        )

    @pytest.mark.parametrize("stride", [1, 2, 3])
    def test_same_padding_gives_one_output_a_stride(self, stride):
        y = FlexConv2d(1, 1, 9, stride)(torch.zeros(1, 1, 16, 11))
        assert y.shape[2:] == (math.ceil(16 / stride), math.ceil(11 / stride))

    @pytest.mark.parametrize("dims", [1, 2])
    def test_state_dict_round_trip(self, dims):
        torch.manual_seed(0)
        x = torch.randn(2, 3, *(12, 10)[:dims])
        first, second = CLASSES[dims](3, 4), CLASSES[dims](3, 4)
        y = first(x)
        second.load_state_dict(first.state_dict())
        torch.testing.assert_close(second(x), y, rtol=0, atol=0)

    def test_copies_and_pickles_after_a_backward_pass(self):
        layer = FlexConv2d(3, 4)
        x = torch.randn(2, 3, 9, 8)
        y = layer(x)
        y.sum().backward()
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301 - own bytes
            torch.testing.assert_close(other(x), y, rtol=0, atol=0)

    def test_evaluation_repeats_itself_and_sees_changes(self):
        layer = FlexConv2d(3, 4, 9).eval()
        x = torch.randn(2, 3, 9, 8)
        with torch.no_grad():
            y = layer(x)
            assert torch.equal(layer(x), y)
            layer.generator.out.weight.mul_(2)
            assert not torch.equal(layer(x), y)

    @pytest.mark.parametrize("execution", ["direct", "fft"])
    def test_autocast_computes_the_kernel_in_float32(self, execution):
        torch.manual_seed(0)
        layer = FlexConv2d(3, 4, 9, execution=execution)
        x = torch.randn(2, 3, 9, 8)
        with torch.autocast("cpu", torch.bfloat16):
            y, kernel = layer(x), layer.kernel()
        assert (y.dtype, kernel.dtype) == (torch.bfloat16, torch.float32)
        # bfloat16 has 8 bits: 2 ** -8 relative, of sums of about 1.
        torch.testing.assert_close(y.float(), layer(x), rtol=0.03, atol=0.03)

    def test_channels_last_input_gives_the_same_values(self):
        layer, x = FlexConv2d(3, 4, 9), torch.randn(2, 3, 9, 8)
        y = layer(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(y, layer(x), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("dims", [1, 2])
    @pytest.mark.parametrize("execution", ["direct", "fft"])
    def test_meta_device(self, dims, execution):
        with torch.device("meta"):
            layer = CLASSES[dims](3, 4, execution=execution)
            y = layer(torch.empty(2, 3, *(12, 10)[:dims]))
        assert y.shape == (2, 4, *(12, 10)[:dims])

    @pytest.mark.parametrize("dims", [1, 2])
    def test_input_without_batch(self, dims):
        layer, x = CLASSES[dims](3, 4), torch.randn(3, *(12, 10)[:dims])
        torch.testing.assert_close(layer(x), layer(x[None])[0], rtol=0, atol=0)

    @pytest.mark.parametrize("execution", ["direct", "fft"])
    def test_gradcheck(self, execution):
        torch.manual_seed(0)
        layer = FlexConv2d(2, 2, 5, 2, 1, 1, 2, hidden=2, layers=1, execution=execution).double()
        names, values = zip(*layer.named_parameters(), strict=True)
        inputs = tuple(value.detach().requires_grad_() for value in values)
        x = torch.randn(1, 2, 5, 4, dtype=torch.double, requires_grad=True)

        def evaluate(x, *tensors):
            return torch.func.functional_call(layer, dict(zip(names, tensors, strict=True)), (x,))

        assert torch.autograd.gradcheck(evaluate, (x, *inputs))

    def test_kernel_dropout_acts_in_training_only(self):
        torch.manual_seed(0)
        layer = FlexConv1d(4, 4, 33, kernel_dropout=0.5, execution="fft")
        x = torch.randn(2, 4, 33)
        assert not torch.equal(layer(x), layer(x))
        assert torch.equal(layer.eval()(x), layer(x))

    @pytest.mark.slow
    def test_uncropped_layer_compiles_without_graph_break(self):
        torch.manual_seed(0)
        layer, x = FlexConv2d(3, 4, 9, crop=False), torch.randn(2, 3, 9, 8)
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), layer(x), rtol=1e-5, atol=1e-5)

    @pytest.mark.slow
    def test_cropped_layer_compiles(self):
        torch.manual_seed(0)
        layer, x = FlexConv2d(3, 4, 9), torch.randn(2, 3, 9, 8)
        compiled = torch.compile(layer, backend="aot_eager")
        torch.testing.assert_close(compiled(x), layer(x), rtol=1e-5, atol=1e-5)


class TestResolution:
    def test_finer_grid_contains_the_coarse_samples(self):
        torch.manual_seed(0)
        layer = FlexConv2d(2, 3, 9, crop=False)
        coarse = layer.kernel()
        layer.set_resolution(17)
        torch.testing.assert_close(layer.kernel()[..., ::2, ::2], coarse, rtol=1e-4, atol=1e-5)

    def test_scale_multiplies_the_kernel_and_even_sizes_grow(self):
        torch.manual_seed(0)
        layer = FlexConv2d(2, 3, 17)
        layer.set_resolution(32)
        kernel = layer.kernel()
        layer.set_resolution(32, kernel_scale=0.25)
        assert (layer.size, int(layer.train_length)) == (33, 33)
        torch.testing.assert_close(layer.kernel(), 0.25 * kernel, rtol=1e-6, atol=0)

    @pytest.mark.parametrize(
        ("kind", "mode", "sides", "size"),
        [
            (FlexConv2d, "same", (12, 9), 13),
            (FlexConv2d, "same", (9, 5), 9),
            (FlexConv2d, "full", (6, 8), 15),
            (FlexConv1d, "same", (12,), 12),
            (FlexConv1d, "full", (12,), 23),
        ],
        ids=["even", "odd", "full", "sequence", "full_sequence"],
    )
    def test_first_input_sets_the_size(self, kind, mode, sides, size):
        layer = kind(1, 1, mode)
        shape = layer.effective_kernel(sides).shape
        assert (layer.size, shape) == (None, (1, 1, *[size] * layer.dims))
        assert layer(torch.zeros(1, 1, *sides)).shape == (1, 1, *sides)
        assert (layer.size, int(layer.train_length)) == (size, size)

    def test_size_stays_at_later_inputs_and_when_parameters_are_loaded(self):
        layer, other = FlexConv2d(1, 1, "same"), FlexConv2d(1, 1, 17)
        layer(torch.zeros(1, 1, 8, 8))
        layer(torch.zeros(1, 1, 20, 20))
        layer.load_state_dict(other.state_dict())
        assert (layer.size, int(layer.train_length)) == (9, 9)

    def test_unsized_layer_takes_the_stored_size(self):
        layer = FlexConv2d(1, 1, "same")
        layer.load_state_dict(FlexConv2d(1, 1, 17).state_dict())
        assert layer.size == 17

    def test_kernel_of_unknown_size_is_refused(self):
        with pytest.raises(RuntimeError, match=r"kernel_size \(='same'\) is not known before"):
            FlexConv2d(1, 1).kernel()

    def test_single_position_has_no_grid(self):
        with pytest.raises(ValueError, match="needs a side of at least 2, got 1"):
            FlexConv2d(1, 1)(torch.zeros(1, 1, 1, 1))

    def test_wrong_scale_is_refused(self):
        with pytest.raises(ValueError, match=r"kernel_scale \(=0\) must be a number > 0"):
            FlexConv2d(1, 1, 5).set_resolution(9, kernel_scale=0)


class TestTraining:
    def test_kernel_norm_adds_the_norms_of_kernel_and_bias(self):
        layer = FlexConv2d(2, 3, 9, kernel_norm=0.5)
        with torch.no_grad():
            layer.bias.copy_(torch.tensor([2.0, 0.0, -1.0]))
        expected = 0.5 * (layer.full_kernel().square().sum().sqrt() + math.sqrt(5))
        torch.testing.assert_close(layer.regularisation(), expected, rtol=1e-5, atol=0)

    def test_zero_bias_has_a_zero_subgradient(self):
        layer = FlexConv2d(2, 3, 9, kernel_norm=1.0)
        layer.regularisation().backward()
        assert torch.equal(layer.bias.grad, torch.zeros(3))

    def test_no_penalty_by_default(self):
        assert float(FlexConv2d(2, 3, 9).regularisation()) == 0

    @pytest.mark.parametrize("dims", [1, 2])
    def test_alias_penalty_of_the_mask_reaches_the_mask(self, dims):
        layer = CLASSES[dims](2, 3, 9, alias=0.1, alias_target="gabor+mask")
        layer.regularisation().backward()
        assert bool((layer.mask_params.grad[:, 1] != 0).any())

    def test_mask_has_its_own_parameter_group(self):
        layer = FlexConv2d(2, 3, 9, sigma_lr_scale=0.2, sigma_weight_decay=0.1)
        assert list(layer.parameter_groups()) == ["mask"]
        (parameters, lr_scale, weight_decay) = layer.parameter_groups()["mask"]
        assert parameters[0] is layer.mask_params
        assert (lr_scale, weight_decay) == (0.2, 0.1)

    def test_learned_omega_0_has_its_own_parameter_group(self):
        layer = FlexConv2d(2, 3, 9, generator="siren", learn_omega_0=True, omega_0_lr_scale=3.0)
        groups = layer.parameter_groups()
        assert list(groups) == ["omega_0", "mask"]
        assert groups["omega_0"][0][0] is layer.generator.omega_0
        assert groups["omega_0"][1:] == (3.0, None)

    def test_fixed_mask_does_not_learn(self):
        layer = FlexConv2d(2, 3, 9, learn_sigma=False)
        assert not layer.mask_params.requires_grad
        assert layer.parameter_groups() == {}


class TestRefusals:
    @pytest.mark.parametrize("size", [2, 4, 32, 1, 0, -3, "big", 3.0, True, (5, 4)], ids=str)
    def test_kernel_size(self, size):
        with pytest.raises(ValueError, match=r"must be 'same', 'full' or an odd integer >= 3"):
            FlexConv2d(1, 1, size)

    @pytest.mark.parametrize("size", [1, 4, (2, 3)], ids=str)
    def test_kernel_that_only_a_plain_convolution_can_have(self, size):
        with pytest.raises(UnsupportedError, match="an odd integer >= 3"):
            FlexConv2d(1, 1, size)

    def test_kernel_with_different_sides(self):
        with pytest.raises(UnsupportedError, match=r"\(=\(3, 5\)\) must have equal sides"):
            FlexConv2d(1, 1, (3, 5))

    @pytest.mark.parametrize("padding", [0, 1, (2,), "valid"], ids=str)
    def test_padding_of_a_causal_layer(self, padding):
        with pytest.raises(UnsupportedError, match="padding must be None or 'same'"):
            FlexConv1d(1, 1, 5, padding=padding)

    def test_border_of_a_causal_layer(self):
        with pytest.raises(UnsupportedError, match="padding_mode 'zeros'"):
            FlexConv1d(1, 1, 5, padding_mode="circular")

    @pytest.mark.parametrize("options", [{"causal": True}, {"causal_center": True}], ids=str)
    def test_causal_in_2d(self, options):
        with pytest.raises(ValueError, match="exist in 1-D only"):
            FlexConv2d(1, 1, 5, **options)

    @pytest.mark.parametrize(
        "arguments",
        [{"stride": 0}, {"dilation": 0}, {"groups": 0}, {"groups": 2}, {"padding": -1}],
        ids=str,
    )
    def test_arguments_of_the_convolution(self, arguments):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            FlexConv2d(3, 3, 5, **arguments)

    def test_bias_that_is_no_switch(self):
        with pytest.raises(TypeError, match=r"bias \(=1\) must be true or false"):
            FlexConv2d(1, 1, 5, bias=1)

    @pytest.mark.parametrize("value", [(0.1, 0.2, 0.3), (0.1, 0.0), -1.0, "wide"], ids=str)
    def test_sigma(self, value):
        with pytest.raises(
            ValueError, match=r"sigma_init \(=.*\) must be a number > 0, or 2 of them"
        ):
            FlexConv2d(1, 1, 5, sigma_init=value)

    def test_number_of_means(self):
        with pytest.raises(
            ValueError, match=r"mask_mean \(=\(0.1, 0.2\)\) must be a number, or 1 of"
        ):
            FlexConv1d(1, 1, 5, mask_mean=(0.1, 0.2))

    def test_input_of_size_zero(self):
        with pytest.raises(
            RuntimeError, match="Kernel size can't be greater than actual input size"
        ):
            FlexConv2d(1, 1, 5, padding=0)(torch.zeros(1, 1, 0, 4))

    def test_nan_in_the_input_reaches_the_output(self):
        x = torch.zeros(1, 1, 9, 9)
        x[..., 4, 4] = torch.nan
        assert FlexConv2d(1, 1, 9)(x)[..., 4, 4].isnan().all()


def test_registry_lists_the_options():
    names = set(OPERATORS.options("flexconv"))
    assert names == set(OPERATORS_1D.options("flexconv"))
    assert {"generator", "sigma_init", "execution", "alias", "crop_bucket"} <= names
    assert OPERATORS.options("flexconv")["sigma_init"].default == 0.075
