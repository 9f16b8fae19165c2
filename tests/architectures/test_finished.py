import copy
import pickle

import pytest
import torch
from torch import nn

from kbench.architectures.finished import change_convolution, require_sides, start_as_torch


def network() -> nn.Module:
    return nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 5, stride=2, padding=1)), nn.Flatten())


class TestChangeConvolution:
    def test_nothing_happens_without_a_change(self) -> None:
        model = network()
        before = model[0][0]
        change_convolution(model, "0.0", in_channels=3, kernel_size=(5, 5), stride=(2, 2))
        assert model[0][0] is before

    def test_arguments_not_named_stay(self) -> None:
        model = network()
        change_convolution(model, "0.0", in_channels=1, stride=(1, 1))
        assert repr(model[0][0]) == repr(nn.Conv2d(1, 4, 5, padding=1))

    def test_weights_are_drawn_and_biases_are_zero(self) -> None:
        model = network()
        change_convolution(model, "0.0", nn.init.ones_, in_channels=2)
        assert (model[0][0].weight == 1).all()
        assert (model[0][0].bias == 0).all()

    def test_without_a_draw_the_start_is_torchs(self) -> None:
        model = network()
        change_convolution(model, "0.0", kernel_size=(7, 7))
        assert 0 < model[0][0].weight.abs().max() <= (3 * 49) ** -0.5
        assert model[0][0].bias.abs().max() > 0


def test_start_draws_every_layer_as_torch_does() -> None:
    def plain() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 3))

    def filled() -> nn.Module:
        model = plain()
        for tensor in (*model.parameters(), *model.buffers()):
            nn.init.constant_(tensor, 7)
        return model

    torch.manual_seed(2)
    found = start_as_torch(filled)
    torch.manual_seed(2)
    torch.testing.assert_close(found.state_dict(), plain().state_dict(), rtol=0, atol=0)


def test_start_on_the_meta_device_stays_there() -> None:
    with torch.device("meta"):
        assert start_as_torch(network)[0][0].weight.is_meta


class TestRequireSides:
    @pytest.mark.parametrize("shape", [(1, 3, 6, 9), (1, 3, 9, 6)], ids=str)
    def test_small_sides_are_refused(self, shape: tuple[int, ...]) -> None:
        model = network()
        require_sides(model, 7, "it says so")
        expected = rf"input sides \(=\({shape[2]}, {shape[3]}\)\) must be >= 7: it says so"
        with pytest.raises(ValueError, match=expected):
            model(torch.zeros(shape))

    def test_the_least_side_passes(self) -> None:
        model = network()
        require_sides(model, 7, "it says so")
        assert model(torch.zeros(1, 3, 7, 7)).shape == (1, 4 * 3 * 3)

    def test_copies_refuse_as_well(self) -> None:
        model = network()
        require_sides(model, 7, "it says so")
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
            with pytest.raises(ValueError, match="it says so"):
                twin(torch.zeros(1, 3, 6, 6))
