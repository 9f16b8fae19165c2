"""Facts of sections 2.10, 5.1 and 6 of the FlexConv specification."""

import pytest
import torch
from torch import nn

from kbench.architectures import build_architecture
from kbench.architectures.resolution import transfer
from kbench.operators import build_operator


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def kernels(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if hasattr(module, "effective_kernel")]


@pytest.mark.parametrize("operator", ["flexconv", "ckconv"])
@pytest.mark.parametrize("kernel_size", [17, "same"])
def test_generated_kernels_are_sampled_on_the_finer_grid(operator, kernel_size) -> None:
    # 16 to 32 pixels: k' = 33 contains the 17 samples as every second tap, times (16 / 32)^2.
    options = {"crop": False} if operator == "flexconv" else {}
    network = build_architecture(
        "flexnet3", operator=operator, operator_options=options, kernel_size=kernel_size, width=4
    ).eval()
    network(torch.zeros(1, 3, 16, 16))
    moved = transfer(network, 16, 32)
    moved(torch.zeros(1, 3, 32, 32))
    assert len(kernels(network)) == 7
    for old, new in zip(kernels(network), kernels(moved), strict=True):
        assert (old.size, new.size) == (17, 33)
        # Phases of hundreds of radians leave an error of a few 1e-5 in single precision.
        torch.testing.assert_close(
            new.full_kernel()[..., ::2, ::2], 0.25 * old.full_kernel(), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("target", [28, 30, 32, 34, 36])
def test_figure_5s_targets_get_one_tap_more_than_pixels(target) -> None:
    layer = build_operator("flexconv", 1, 1, 17, padding="same")
    moved = transfer(layer, 16, target)
    assert (moved.size, moved.kernel_scale) == (target + 1, pytest.approx((16 / target) ** 2))
    assert moved(torch.zeros(1, 1, target, target)).shape == (1, 1, target, target)


def test_sequences_are_scaled_by_one_power_of_the_lengths() -> None:
    layer = build_operator("flexconv", 1, 1, "same", dims=1)
    layer(torch.zeros(1, 1, 40))
    moved = transfer(layer, 40, 20)
    assert moved.kernel_scale == 2
    assert moved(torch.zeros(1, 1, 20)).shape == (1, 1, 20)
    assert moved.size == 20


def test_a_strided_network_keeps_a_kernel_as_large_as_each_stage() -> None:
    network = build_architecture("resnet32_cifar_biased", operator="flexconv", width=1).eval()
    network(torch.zeros(1, 3, 16, 16))
    moved = transfer(network, 16, 32)
    moved(torch.zeros(1, 3, 32, 32))
    sizes = [[layer.size for layer in kernels(net)] for net in (network, moved)]
    assert sorted(set(sizes[0])) == [5, 9, 17]
    assert sorted(set(sizes[1])) == [9, 17, 33]


def test_a_smaller_kernel_grows_with_the_sides_and_its_padding_too() -> None:
    layer = build_operator("ckconv", 1, 1, 5, padding=2)
    moved = transfer(layer, 16, 32)
    assert moved.size == 9
    assert moved(torch.zeros(1, 1, 32, 32)).shape == (1, 1, 32, 32)


def test_a_second_transfer_leads_back() -> None:
    layer = build_operator("flexconv", 2, 3, 17, padding="same")
    back = transfer(transfer(layer, 16, 32), 32, 16)
    torch.testing.assert_close(back.full_kernel(), layer.full_kernel(), rtol=0, atol=0)


def test_gaussian_derivatives_get_twice_the_sigma() -> None:
    network = build_architecture(
        "flexnet3", operator="njet", operator_options={"order": 4}, kernel_size=3, bias=False
    )
    moved = transfer(network, 16, 32)
    for old, new in zip(kernels(network), kernels(moved), strict=True):
        assert (old.sigma.item(), new.sigma.item()) == (1, 2)
    assert moved(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("operator", ["conv", "lc", "gmconv"])
def test_discrete_kernels_stay(operator) -> None:
    network = build_architecture("resnet8_cifar", operator=operator, width=4).eval()
    x = torch.randn(2, 3, 24, 24)
    torch.testing.assert_close(transfer(network, 16, 32)(x), network(x), rtol=0, atol=0)


def test_the_network_itself_stays_and_both_train() -> None:
    network = build_architecture("flexnet3", operator="flexconv", kernel_size=17, width=4)
    network(torch.randn(2, 3, 16, 16)).sum().backward()
    network.eval()
    expected = network(torch.ones(1, 3, 16, 16)).detach()
    moved = transfer(network, 16, 32).train()
    moved(torch.randn(2, 3, 32, 32)).square().sum().backward()
    for parameter in moved.parameters():
        parameter.data.zero_()
    assert all(p.grad is not None for p in moved.parameters())
    torch.testing.assert_close(network(torch.ones(1, 3, 16, 16)), expected, rtol=0, atol=0)


def test_parameters_load_into_a_network_that_was_built_and_transferred() -> None:
    def make() -> nn.Module:
        network = build_architecture("flexnet3", operator="flexconv", kernel_size=9, width=4)
        return transfer(network, 8, 12).eval()

    source, target = make(), make()
    target.load_state_dict(source.state_dict())
    x = torch.randn(2, 3, 12, 12)
    torch.testing.assert_close(target(x), source(x), rtol=0, atol=0)


@pytest.mark.parametrize("sides", [(0, 16), (16, 0), (True, 16), (16, 1.5)], ids=str)
def test_sides_that_are_no_positive_integers_are_refused(sides) -> None:
    with pytest.raises(ValueError, match=r"(source|target)_size \(=.*\) must be an integer >= 1"):
        transfer(nn.Identity(), *sides)
