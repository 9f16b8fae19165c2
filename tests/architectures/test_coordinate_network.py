"""Facts of sections 2.4, 6 and 5.4 of the FlexConv specification for the fitted functions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbench.architectures import build_architecture


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def gabor_target(frequency: float) -> Tensor:
    """Return the target (1, 1, 33, 33) of section 6."""
    p = torch.linspace(-1, 1, 33)
    row = torch.sin(frequency * p) * torch.exp(-p.square() / (2 * 0.33**2))
    return (row[:, None] * row)[None, None]


def fit(network: nn.Module, target: Tensor, steps: int, lr: float) -> float:
    """Return the lowest MSE of the steps."""
    optimizer, best = torch.optim.Adam(network.parameters(), lr=lr), float("inf")
    for _ in range(steps):
        loss = F.mse_loss(network(torch.zeros_like(target)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        best = min(best, loss.item())
    return best


@pytest.mark.parametrize(
    ("frequency", "published"),
    [(1, 0.00021399), (4, 0.01368095), (16, 0.02010560), (64, 0.02010573)],
)
def test_targets_are_those_of_figure_4(frequency: float, published: float) -> None:
    # N-Jet of order 1 cannot draw any of them, so its published errors are their mean squares.
    mean_square = gabor_target(frequency).square().mean().item()
    # Eight decimals are printed; float32 sums add a few 1e-9.
    assert mean_square == pytest.approx(published, abs=1e-8)


class TestCoordinateNetwork:
    @pytest.mark.parametrize(
        ("channels", "options", "total"),
        [
            (1, {"hidden": 4}, 177),
            (3, {"hidden": 38, "layers": 4}, 7_375),
            (3, {"generator": "gabor", "hidden": 38, "layers": 4}, 7_185),
            (3, {"generator": "fourier", "hidden": 40, "layers": 4}, 7_283),
            (3, {"generator": "siren", "hidden": 41, "layers": 6}, 7_137),
        ],
        ids=["magnet_s", "magnet", "gabor", "fourier", "siren"],
    )
    def test_counts_are_those_of_section_6(
        self, channels: int, options: dict[str, object], total: int
    ) -> None:
        network = build_architecture("coordinate_network", in_channels=channels, **options)
        assert count(network) == total

    @pytest.mark.parametrize("generator", ["magnet", "gabor", "fourier"])
    def test_picture_is_the_literal_formula(self, generator: str) -> None:
        options = {"generator": generator, "hidden": 5, "layers": 2, "input_scale": 20.0}
        network = build_architecture("coordinate_network", in_channels=2, **options).double()
        picture = network(torch.zeros(1, 2, 5, 4, dtype=torch.float64))
        rows, columns = torch.linspace(-1, 1, 5), torch.linspace(-1, 1, 4)
        for i, row in enumerate(rows.double()):
            for j, column in enumerate(columns.double()):
                expected = multiplicative(network.generator, torch.stack((row, column)))
                # Grid positions in float32 here; frequencies of up to 200 rad a unit.
                torch.testing.assert_close(picture[0, :, i, j], expected, rtol=0, atol=1e-4)

    def test_siren_is_the_literal_formula(self) -> None:
        options = {"generator": "siren", "hidden": 6, "omega_0": 12.0}
        network = build_architecture("coordinate_network", in_channels=3, **options)
        picture = network(torch.zeros(1, 3, 4, 3))
        grid = torch.cartesian_prod(torch.linspace(-1, 1, 4), torch.linspace(-1, 1, 3))
        h = grid
        for linear in network.generator.hidden:
            h = torch.sin(12 * F.linear(h, linear.weight, linear.bias))
        out = network.generator.out
        expected = F.linear(h, out.weight, out.bias).T.reshape(1, 3, 4, 3)
        # Sums in another order, phases of up to some tens of radians in float32.
        torch.testing.assert_close(picture, expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize(
        ("generator", "factor"), [("magnet", 256), ("gabor", 256), ("fourier", 256)]
    )
    def test_frequencies_are_drawn_with_scale_256(self, generator: str, factor: float) -> None:
        network = build_architecture("coordinate_network", generator=generator, hidden=400)
        first = network.generator.filters[0]
        ratio = first.weight / (1 if first.gamma is None else first.gamma)
        # Uniform in +-scale / sqrt(2 * 4): of 800 numbers the largest is within 2 %.
        assert ratio.abs().max().item() == pytest.approx(factor / 8**0.5, rel=0.02)
        assert ratio.abs().max().item() <= factor / 8**0.5 * (1 + 1e-6)

    @pytest.mark.parametrize("generator", ["magnet", "gabor"])
    def test_centres_are_drawn_from_the_whole_picture(self, generator: str) -> None:
        network = build_architecture("coordinate_network", generator=generator, hidden=400)
        centres = network.generator.filters[0].mu
        assert 0.98 < centres.abs().max() <= 1

    @pytest.mark.parametrize(
        ("gamma_init", "means"), [("per_layer", [6, 3, 2, 1.5]), ("uniform", [1.5] * 4)]
    )
    def test_both_initialisations_of_table_5(self, gamma_init: str, means: list[float]) -> None:
        options = {"hidden": 2000, "gamma_init": gamma_init}
        network = build_architecture("coordinate_network", **options)
        found = [layer.gamma.mean().item() for layer in network.generator.filters]
        # Gamma(a) has variance a; four standard errors of the mean of 4,000 are below 0.16.
        assert found == pytest.approx(means, abs=0.16)

    def test_values_and_batch_of_the_canvas_do_not_matter(self) -> None:
        network = build_architecture("coordinate_network", in_channels=2, hidden=4)
        canvas = torch.randn(3, 2, 6, 5)
        pictures = network(canvas)
        assert pictures.shape == (3, 2, 6, 5)
        single = network(torch.zeros(1, 2, 6, 5))
        torch.testing.assert_close(pictures, single.expand(3, -1, -1, -1), rtol=0, atol=0)

    def test_autocast_does_not_reach_the_phases(self) -> None:
        network = build_architecture("coordinate_network", hidden=8)
        x = torch.zeros(1, 3, 7, 7)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = network(x)
        torch.testing.assert_close(mixed, network(x), rtol=0, atol=0)

    def test_meta_device(self) -> None:
        with torch.device("meta"):
            network = build_architecture("coordinate_network")
            assert network(torch.empty(1, 3, 64, 48)).shape == (1, 3, 64, 48)

    def test_some_steps_draw_a_gabor_filter(self) -> None:
        network = build_architecture("coordinate_network", in_channels=1)
        target = gabor_target(4)
        # The published end is below 5e-9; no filter at all has the target's mean square.
        assert fit(network, target, 60, 0.01) < target.square().mean().item() / 20

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"generator": "mlp"}, r"generator \(='mlp'\) must be one of"),
            ({"hidden": 0}, r"hidden \(=0\) must be an integer >= 1"),
            ({"generator": "siren", "input_scale": 256.0}, "input_scale"),
            ({"generator": "fourier", "gamma_init": "uniform"}, "gamma_init"),
            ({"omega_0": 0.0}, r"omega_0 \(=0.0\) must be a number > 0"),
        ],
        ids=["generator", "hidden", "scale_of_siren", "gamma_of_fourier", "omega_0"],
    )
    def test_refuses_wrong_options(self, options: dict[str, object], expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            build_architecture("coordinate_network", **options)


class TestImpulseResponse:
    @pytest.mark.parametrize("kernel_size", [3, 7, 9, 13])
    def test_plain_kernel_lies_in_the_middle_of_zeros_or_is_cut(self, kernel_size: int) -> None:
        network = build_architecture("impulse_response", in_channels=2, kernel_size=kernel_size)
        picture = network(torch.zeros(1, 2, 9, 9))
        margin = (9 - kernel_size) // 2
        expected = F.pad(network.conv.weight[:, 0], (margin,) * 4)
        torch.testing.assert_close(picture[0], expected, rtol=0, atol=0)

    def test_height_and_width_keep_their_order(self) -> None:
        network = build_architecture("impulse_response", in_channels=1, kernel_size=5)
        picture = network(torch.zeros(1, 1, 7, 3))
        weight = network.conv.weight[0, 0]
        torch.testing.assert_close(picture[0, 0, 1:6], weight[:, 1:4], rtol=0, atol=0)

    @pytest.mark.parametrize("generator", ["magnet", "siren"])
    def test_generated_kernel_is_the_coordinate_network(self, generator: str) -> None:
        scale = {} if generator == "siren" else {"input_scale": 256.0}
        options = {"generator": generator, "hidden": 4, **scale}
        response = build_architecture(
            "impulse_response", in_channels=1, operator="ckconv", operator_options=options
        )
        network = build_architecture(
            "coordinate_network", in_channels=1, generator=generator, hidden=4
        )
        network.generator.load_state_dict(response.conv.generator.state_dict())
        canvas = torch.zeros(1, 1, 33, 33)
        assert count(response) == count(network)
        # Same formula, positions a rounding apart, phases of hundreds of radians in float32.
        torch.testing.assert_close(response(canvas), network(canvas), rtol=0, atol=2e-3)

    @pytest.mark.parametrize(
        ("order", "steps", "share"), [(1, 20, 1), (2, 60, 0)], ids=["first", "second"]
    )
    def test_second_derivatives_are_needed_for_a_gabor_filter(
        self, order: int, steps: int, share: float
    ) -> None:
        # Figure 4: order 1 ends at the mean square of the target, as it is odd on both axes, order
        # 2 below 5e-9; a few steps show the difference.
        options = {"order": order, "sigma_init": 4.0, "size_rule": "fixed"}
        network = build_architecture(
            "impulse_response", in_channels=1, operator="njet", operator_options=options
        )
        found = fit(network, gabor_target(1), steps, 0.1)
        assert share * 0.000213991 <= found
        assert (found < 0.0001) == (order == 2)

    @pytest.mark.parametrize("operator", ["conv", "lc", "niff", "gmconv", "flexconv", "njet"])
    def test_gradient_reaches_the_parameters(self, operator: str) -> None:
        network = build_architecture("impulse_response", operator=operator, kernel_size=9)
        picture = network(torch.zeros(1, 3, 9, 9))
        (picture - torch.randn_like(picture)).square().sum().backward()
        grads = [p.grad for p in network.parameters() if p.requires_grad]
        assert picture.shape == (1, 3, 9, 9)
        assert any(grad is not None and grad.any() for grad in grads)

    @pytest.mark.parametrize(
        ("size", "expected"),
        [((8, 9), r"canvas \(=8x9\) must have odd sides"), ((9, 4), r"canvas \(=9x4\)")],
        ids=["height", "width"],
    )
    def test_refuses_a_canvas_without_a_centre(self, size: tuple[int, int], expected: str) -> None:
        network = build_architecture("impulse_response")
        with pytest.raises(ValueError, match=expected):
            network(torch.zeros(1, 3, *size))

    @pytest.mark.parametrize("size", [0, 4, 3.0], ids=repr)
    def test_refuses_a_kernel_without_a_centre(self, size: object) -> None:
        with pytest.raises(ValueError, match=rf"kernel_size \(={size!r}\) must be"):
            build_architecture("impulse_response", kernel_size=size)


@pytest.mark.parametrize("name", ["coordinate_network", "impulse_response"])
@pytest.mark.parametrize(
    "shape", [(3, 5, 5), (1, 2, 5, 5), (1, 3, 1, 5)], ids=["axes", "channels", "side"]
)
def test_refuses_what_is_no_canvas(name: str, shape: tuple[int, ...]) -> None:
    network = build_architecture(name)
    with pytest.raises(ValueError, match=r"canvas \(=.*\) must be \(B, 3, H, W\) with sides"):
        network(torch.zeros(shape))


def multiplicative(generator: nn.Module, p: Tensor) -> Tensor:
    """Return the outputs of a multiplicative filter network at one point, section 2.4."""
    h = None
    for layer, gabor in enumerate(generator.filters):
        value = torch.sin(gabor.weight @ p + gabor.bias)
        if gabor.gamma is not None:
            value = value * torch.exp(-0.5 * (gabor.gamma * (p - gabor.mu)).square().sum(1))
        if layer == 0:
            h = value
        else:
            linear = generator.hidden[layer - 1]
            h = (linear.weight @ h + linear.bias) * value
    return generator.out.weight @ h + generator.out.bias
