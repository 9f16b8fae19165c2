from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from kbench.architectures.replace import replace_convolutions
from kbench.errors import UnsupportedError
from kbench.operators import construct_operator, finish_operators
from kbench.operators.conv import Conv2d
from kbench.operators.lc import LC2d


def operator(name: str, **options: object) -> partial[nn.Module]:
    return partial(construct_operator, name, **options)


def small_network(**arguments: object) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(4, 6, 1), nn.Conv2d(6, 6, 3, **{"padding": 1, **arguments})),
    )


class _Twice(nn.Module):
    """One convolution under two names, which holds the same weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.inner = nn.Sequential(self.first, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.first(x))


class TestArguments:
    @given(
        kernel=st.tuples(st.integers(1, 4), st.integers(2, 4)),
        stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
        dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
        groups=st.sampled_from([1, 2, 4]),
        bias=st.booleans(),
        mode=st.sampled_from(["zeros", "circular"]),
    )
    @settings(max_examples=25, deadline=None, derandomize=True)
    def test_plain_operator_computes_the_same(self, **arguments: object) -> None:
        geometry = {k: arguments[k] for k in ("stride", "padding", "dilation", "groups", "bias")}
        old = nn.Conv2d(4, 8, arguments["kernel"], **geometry, padding_mode=arguments["mode"])
        network = nn.Sequential(old)
        (replaced,) = replace_convolutions(network, operator("conv"))
        x = torch.randn(2, 4, 9, 10)
        assert type(network[0]) is Conv2d
        torch.testing.assert_close(network(x), old(x), rtol=0, atol=0)
        assert replaced.arguments == {
            "in_channels": 4,
            "out_channels": 8,
            "kernel_size": arguments["kernel"],
            **geometry,
            "padding_mode": arguments["mode"],
        }

    def test_same_padding_is_handed_on(self) -> None:
        old = nn.Conv2d(2, 2, (3, 5), padding="same", bias=False)
        network = nn.Sequential(old)
        replace_convolutions(network, operator("gmconv", sigma_init=1e6))
        x = torch.randn(1, 2, 7, 7)
        # A Gaussian that wide is 1 everywhere (GMConv, section 4).
        torch.testing.assert_close(network(x), old(x), rtol=0, atol=0)

    def test_padding_mode_needs_an_operator_that_takes_it(self) -> None:
        def conv(in_channels: int, out_channels: int, kernel_size: int, **_: int) -> nn.Module:
            return Conv2d(in_channels, out_channels, kernel_size)

        def closed(in_channels: int, out_channels: int, kernel_size: int, *, stride: int) -> None:
            raise NotImplementedError

        network = small_network(padding_mode="reflect")
        with pytest.raises(UnsupportedError, match=r"layer '2.1': padding_mode \(='reflect'\)"):
            replace_convolutions(network, closed, "name:2.1")
        assert replace_convolutions(network, conv, "name:2.1")[0].name == "2.1"

    def test_device_type_and_mode_are_the_layers(self) -> None:
        with torch.device("meta"):
            network = small_network().to(torch.bfloat16).eval()
        replaced = replace_convolutions(network, operator("lc", expansion=2))
        for item in replaced:
            parameters = list(item.module.parameters())
            assert {(p.device.type, p.dtype) for p in parameters} == {("meta", torch.bfloat16)}
            assert not item.module.training


class TestPlaces:
    def test_names_and_order_stay(self) -> None:
        network = small_network()
        names = [name for name, _ in network.named_modules()]
        replaced = replace_convolutions(network, operator("conv", frozen=True))
        assert [name for name, _ in network.named_modules()] == names
        assert [item.name for item in replaced] == ["0", "2.1"]
        assert [network.get_submodule(item.name) for item in replaced] == [
            item.module for item in replaced
        ]
        assert type(network[2][0]) is nn.Conv2d

    def test_operators_are_made_in_the_order_of_registration(self) -> None:
        made = []

        def conv(*sizes: int, **arguments: object) -> nn.Module:
            made.append(sizes)
            return Conv2d(*sizes, **arguments)

        replace_convolutions(small_network(), conv, "all|1x1")
        assert made == [(3, 4, (3, 3)), (4, 6, (1, 1)), (6, 6, (3, 3))]

    def test_a_shared_convolution_is_replaced_everywhere(self) -> None:
        network = _Twice()
        replaced = replace_convolutions(network, operator("lc"))
        assert [item.name for item in replaced] == ["first"]
        assert network.first is network.inner[0] is replaced[0].module

    def test_stages_reach_the_selection(self) -> None:
        network = small_network()
        replaced = replace_convolutions(network, operator("lc"), "stage:1", [("0",), ("2",)])
        assert [item.name for item in replaced] == ["2.1"]

    def test_second_exchange_leaves_operators_alone(self) -> None:
        network = small_network()
        replace_convolutions(network, operator("conv"))
        with pytest.raises(ValueError, match="selects no convolution; candidates: none; and 1 1x1"):
            replace_convolutions(network, operator("lc"))

    def test_model_that_is_a_convolution(self) -> None:
        with pytest.raises(ValueError, match="model is itself a convolution"):
            replace_convolutions(nn.Conv2d(1, 1, 3), operator("conv"))


class TestNumbers:
    @pytest.mark.parametrize(
        ("name", "options", "is_copied"),
        [
            ("conv", {}, True),
            ("gmconv", {"learn_sigma": False}, True),
            ("gmconv", {"variant": "dynamic"}, True),
            ("circular", {}, True),
            ("lc", {}, False),
            ("niff", {"strided": "subsample"}, False),
            ("njet", {}, False),
        ],
        ids=["conv", "gmconv", "gmconv_d", "circular", "lc", "niff", "njet"],
    )
    def test_weight_and_bias_are_copied_where_there_are_equal_ones(
        self, name: str, options: dict[str, object], is_copied: bool
    ) -> None:
        network = small_network()
        plain = [network[0], network[2][1]]
        replaced = replace_convolutions(network, operator(name, **options))
        assert [item.is_copied for item in replaced] == [is_copied] * 2
        for old, item in zip(plain, replaced, strict=True):
            if is_copied:
                torch.testing.assert_close(item.module.weight, old.weight, rtol=0, atol=0)
        if is_copied:
            torch.testing.assert_close(replaced[1].module.bias, plain[1].bias, rtol=0, atol=0)

    def test_a_weight_of_the_same_shape_is_no_copy_of_the_storage(self) -> None:
        network = small_network()
        old = network[0]
        replace_convolutions(network, operator("conv"))
        with torch.no_grad():
            network[0].weight.zero_()
        assert old.weight.abs().sum() > 0

    def test_random_state_stays(self) -> None:
        network = small_network()
        torch.manual_seed(7)
        expected = torch.rand(3)
        torch.manual_seed(7)
        replaced = replace_convolutions(network, operator("lc", expansion=3))
        torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
        # Within the exchange the state moves on: no layer repeats another's numbers.
        first, second = (item.module.spatial_weight.flatten() for item in replaced)
        assert not torch.allclose(first[:20] / first.abs().max(), second[:20] / second.abs().max())

    def test_masked_start_equals_the_masked_operator(self) -> None:
        # GMConv, section 2.8: the same initial function for the same sigma and seed.
        networks = []
        for name in ("gmconv", "conv_maskinit"):
            torch.manual_seed(3)
            networks.append(small_network())
            replaced = replace_convolutions(networks[-1], operator(name, sigma_init=1.5))
            finish_operators([item.module for item in replaced])
        x = torch.randn(2, 3, 9, 9)
        torch.testing.assert_close(networks[1](x), networks[0](x))

    def test_seed_decides(self) -> None:
        weights = []
        for _ in range(2):
            torch.manual_seed(3)
            network = small_network()
            replaced = replace_convolutions(network, operator("lc"))
            weights.append([item.module.spatial_weight for item in replaced])
        torch.testing.assert_close(*weights, rtol=0, atol=0)

    def test_gradients_reach_the_operators(self) -> None:
        network = small_network()
        replaced = replace_convolutions(network, operator("lc", frozen=False))
        network(torch.randn(2, 3, 8, 8)).square().sum().backward()
        assert all(p.grad is not None for p in network.parameters())
        assert all(isinstance(item.module, LC2d) for item in replaced)


class TestErrors:
    def test_unsupported_arguments_name_the_layer(self) -> None:
        with pytest.raises(UnsupportedError, match=r"layer '0': .*stride") as caught:
            replace_convolutions(small_network(), operator("niff"))
        assert isinstance(caught.value.__cause__, UnsupportedError)

    def test_wrong_option_names_the_layer(self) -> None:
        with pytest.raises(ValueError, match=r"layer '0': .*expansion.*0") as caught:
            replace_convolutions(small_network(), operator("lc", expansion=0))
        assert not isinstance(caught.value, UnsupportedError)

    def test_pointwise_layer_is_no_place_for_lc(self) -> None:
        with pytest.raises(UnsupportedError, match=r"layer '2.0': .*must have more"):
            replace_convolutions(small_network(), operator("lc"), "1x1")
