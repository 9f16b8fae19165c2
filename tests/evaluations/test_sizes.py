"""What layers report of themselves, by name and as means."""

import pytest
import torch
from torch import Tensor, nn

from kbench.evaluations.network import Evaluated
from kbench.evaluations.sizes import predicted_sizes, sizes
from kbench.metrics import find_metric
from kbench.operators import build_operator


def njets(*sigmas: float, **options: object) -> nn.Sequential:
    layers = [build_operator("njet", 3, 3, 3, sigma_init=sigma, **options) for sigma in sigmas]
    return nn.Sequential(*layers)


def reported(evaluate, model: nn.Module, sides: tuple[int, ...] = (16, 16)) -> dict[str, float]:
    return dict(sizes(evaluate(model, torch.zeros(2, 3, *sides))))


class TestSizes:
    def test_njet_reports_sigma_window_and_side(self, evaluate) -> None:
        """Fact 3 of N-Jet's specification: windows of 7 and 11 taps for sigma 1 and 2."""
        assert reported(evaluate, njets(1.0, 2.0)) == pytest.approx(
            {
                "sigma.0": 1,
                "kernel_size.0": 7,
                "bounds_hit.0": 0,
                "map_side.0": 16,
                "sigma.1": 2,
                "kernel_size.1": 11,
                "bounds_hit.1": 0,
                "map_side.1": 16,
                "sigma": 1.5,
                "kernel_size": 9,
                "bounds_hit": 0,
                "macs": 3 * 3 * (7 * 7 + 11 * 11) * 16 * 16,
            }
        )

    def test_work_is_that_of_the_learned_sizes(self, evaluate) -> None:
        """Sections 2.8 and 3 of N-Jet's specification: Cin Cout K^2 H W at the present sigma."""
        model = njets(1.0, 1.0, safe_subsample=4.0)
        with torch.no_grad():
            model[0].scale.fill_(1.0)  # sigma 2: 11 taps, 32 pixels become 22
        found = reported(evaluate, model, (32, 32))
        assert found["macs"] == 3 * 3 * (11**2 * 32**2 + 7**2 * 22**2)

    def test_njet_reports_bounds_that_act(self, evaluate) -> None:
        """Section 2.9 of N-Jet's specification: 4 pixels cut a window that sigma 2 makes 11."""
        found = reported(evaluate, njets(1.0, 2.0, max_radius=4))
        assert (found["kernel_size.1"], found["bounds_hit.0"], found["bounds_hit.1"]) == (9, 0, 1)

    def test_fixed_windows_report_the_sides_that_differ(self, evaluate) -> None:
        layer = build_operator("njet", 3, 3, (3, 5), size_rule="fixed")
        found = reported(evaluate, nn.Sequential(layer))
        assert (found["kernel_size.0.axis0"], found["kernel_size.0.axis1"]) == (3, 5)

    @pytest.mark.parametrize(("sigma", "side"), [(0.5, 29), (1.0, 26), (3.0, 19)], ids=str)
    def test_map_side_follows_safe_subsampling(self, evaluate, sigma, side) -> None:
        """Fact 9 of N-Jet's specification: sides of 32 pixels with r_s 4."""
        found = reported(evaluate, njets(sigma, safe_subsample=4.0), (32, 32))
        assert found["map_side.0"] == side

    def test_flexconv_reports_both_axes_and_their_mean(self, evaluate) -> None:
        """Fact B of FlexConv's specification: 5 and 13 taps of 33 for sigma .075 and .2."""
        layer = build_operator("flexconv", 3, 2, 33)
        with torch.no_grad():
            layer.mask_params[:, 1] = torch.tensor([0.075, -0.2])
        found = reported(evaluate, nn.Sequential(layer))
        assert found["sigma.0.axis0"] == pytest.approx(0.075)
        assert found["sigma.0.axis1"] == pytest.approx(0.2)
        assert found["sigma.0"] == pytest.approx(0.1375)
        assert (found["kernel_size.0.axis0"], found["kernel_size.0.axis1"]) == (5, 13)
        assert found["kernel_size.0"] == found["kernel_size"] == 9

    def test_ckconv_reports_its_whole_kernel(self, evaluate) -> None:
        found = reported(evaluate, nn.Sequential(build_operator("ckconv", 3, 2, "same")))
        assert found["kernel_size.0"] == 17
        assert not any(name.startswith("sigma") for name in found)

    def test_gmconv_reports_dead_sigmas(self, evaluate) -> None:
        """Section 2.7 of GMConv's specification: below 0.2 taps sigma stays where it is."""
        layer = build_operator("gmconv", 3, 4, 3, padding=1, share="out")
        with torch.no_grad():
            layer.sigma_raw.copy_(torch.tensor([0.1, -0.1, -2.0, 3.0]).view(4, 1, 1, 1))
        found = reported(evaluate, nn.Sequential(layer))
        assert found["sigma.0"] == pytest.approx(5.2 / 4)
        assert found["dead_sigma.0"] == found["dead_sigma"] == 0.5

    def test_dead_sigmas_are_counted_in_taps(self, evaluate) -> None:
        """0.2 taps are 0.2 / sqrt(8) of the corner's distance in a 5x5 kernel."""
        layer = build_operator("gmconv", 3, 4, 5, padding=2, share="out", coord="unit")
        values = torch.tensor([0.0706, 0.0708, 0.3, 1.0])
        with torch.no_grad():
            layer.sigma_raw.copy_(values.view(4, 1, 1, 1))
        assert reported(evaluate, nn.Sequential(layer))["dead_sigma.0"] == 0.25

    def test_plain_layers_report_nothing(self, evaluate) -> None:
        assert reported(evaluate, nn.Sequential(nn.Conv2d(3, 4, 3))) == {}

    def test_sequences_have_one_axis(self, evaluate) -> None:
        """Fact B of FlexConv's specification: 83 taps of 1024 at the start."""
        model = nn.Sequential(build_operator("flexconv", 3, 2, "same", dims=1))
        found = reported(evaluate, model, (1024,))
        assert found["kernel_size.0"] == 83
        assert "kernel_size.0.axis0" not in found

    def test_it_runs_after_every_epoch(self) -> None:
        assert sizes.every_epoch

    def test_all_names_are_metrics(self, evaluate) -> None:
        assert all(find_metric(name) for name in reported(evaluate, njets(1.0)))


class Predicting(nn.Module):
    """A layer that predicts its sigma."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = build_operator("gmconv", 3, 4, 3, padding=1, variant="dynamic", share="out")
        nn.init.normal_(self.conv.head.fc2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class TestPredictedSizes:
    def test_mean_and_deviation_are_over_all_images(self, evaluate) -> None:
        torch.manual_seed(0)
        network: Evaluated = evaluate(model := Predicting(), images := torch.randn(11, 3, 8, 8))
        predicted = model.conv.sigma_of(images).detach().double()
        assert dict(predicted_sizes(network)) == pytest.approx(
            {
                "sigma.conv": float(predicted.mean()),
                "sigma_std.conv": float(predicted.std(correction=0)),
                "sigma": float(predicted.mean()),
            }
        )

    def test_a_static_layer_predicts_nothing(self, evaluate) -> None:
        model = nn.Sequential(build_operator("gmconv", 3, 4, 3))
        assert dict(predicted_sizes(evaluate(model, torch.zeros(2, 3, 8, 8)))) == {}
