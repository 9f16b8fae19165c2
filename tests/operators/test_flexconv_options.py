"""Options of FlexConv and CKConv: what is refused, and what the registry sees."""

import dataclasses
import inspect

import pytest

from kbench.operators.flexconv import FlexConv2d
from kbench.operators.flexconv_options import CKConvOptions, FlexConvOptions


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("generator", "mlp", "must be one of ['magnet', 'gabor', 'fourier', 'siren']"),
        ("gamma_init", "wide", "must be one of ['per_layer', 'uniform']"),
        ("bias_init", "one", "must be one of ['default', 'uniform', 'zero']"),
        ("execution", "always", "must be one of ['auto', 'direct', 'fft']"),
        ("hidden", 0, "must be an integer >= 1"),
        ("hidden", 2.0, "must be an integer >= 1"),
        ("layers", 0, "must be an integer >= 1"),
        ("fft_threshold", -1, "must be an integer >= 0"),
        ("crop_bucket", True, "must be an integer >= 0"),
        ("input_scale", 0, "must be a number > 0"),
        ("alpha", -1.0, "must be a number > 0"),
        ("beta", float("nan"), "must be a number > 0"),
        ("center_scale", 0.0, "must be a number > 0"),
        ("omega_0", float("inf"), "must be a number > 0"),
        ("omega_0", True, "must be a number > 0"),
        ("kernel_dropout", 1.0, "must be a number >= 0 and < 1"),
        ("kernel_scale", 0.0, "must be a number > 0"),
        ("kernel_norm", -1.0, "must be a number >= 0"),
        ("mask_threshold", 1.0, "must be a number > 0 and < 1"),
        ("mask_threshold", 0.0, "must be a number > 0 and < 1"),
        ("sigma_floor", 0.0, "must be 'none', 'grid' or a number > 0"),
        ("sigma_floor", "cell", "must be 'none', 'grid' or a number > 0"),
        ("alias_target", "mask", "must be one of ['gabor', 'gabor+mask']"),
        ("alias_bound", "tight", "must be one of ['official', 'paper']"),
        ("alias_resolution", 0, "must be an integer >= 2"),
        ("alias_resolution", "full", "must be an integer >= 2"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_value_out_of_range_is_refused_with_its_name(option, value, message):
    with pytest.raises(ValueError, match=option) as error:
        FlexConvOptions(**{option: value})
    assert str(error.value) == f"{option} (={value!r}) {message}"


@pytest.mark.parametrize(
    "option", ["causal", "anisotropic", "learn_omega_0", "weight_norm", "crop", "apply_mask"]
)
def test_switch_takes_bools_only(option):
    with pytest.raises(TypeError, match=rf"{option} \(=1\) must be true or false"):
        FlexConvOptions(**{option: 1})


@pytest.mark.parametrize(
    ("generator", "options"),
    [
        ("siren", {"input_scale": 25.6}),
        ("siren", {"anisotropic": True}),
        ("fourier", {"anisotropic": False}),
        ("fourier", {"gamma_init": "uniform"}),
        ("siren", {"gamma_init": "per_layer"}),
        ("magnet", {"weight_norm": True}),
        ("gabor", {"bias_init": "zero"}),
        ("fourier", {"learn_omega_0": True}),
        ("magnet", {"omega_0": 25.0}),
        ("gabor", {"omega_0_lr_scale": 0.1}),
        ("fourier", {"alpha": 2.0}),
        ("siren", {"beta": 2.0}),
        ("siren", {"center_scale": 0.5}),
        ("siren", {"causal_center": True}),
        ("siren", {"alias": 0.1}),
        ("fourier", {"alias": 0.1}),
    ],
    ids=str,
)
def test_option_of_another_generator_is_refused(generator, options):
    (name,) = options
    with pytest.raises(
        ValueError, match=rf"{name} \(=.*\) does not apply to generator '{generator}'"
    ):
        FlexConvOptions(generator=generator, **options)


def test_siren_needs_two_linear_layers():
    with pytest.raises(ValueError, match=r"layers \(=1\) must be an integer >= 2"):
        CKConvOptions(generator="siren", layers=1)


def test_unknown_option_is_named():
    with pytest.raises(TypeError, match="'kernel_sigma'"):
        FlexConvOptions(kernel_sigma=1)


def test_fields_are_the_keyword_only_parameters_of_the_operator():
    parameters = inspect.signature(FlexConv2d).parameters.values()
    keywords = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert keywords == {f.name: f.default for f in dataclasses.fields(FlexConvOptions)}
    assert [p.name for p in parameters][:4] == [
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
    ]
