import math

import pytest

from kbench.errors import UnsupportedError
from kbench.operators.gmconv import GMConv1d, GMConv2d
from kbench.operators.gmconv_controls import CircularConv2d, MaskInitConv1d, MaskInitConv2d

DYNAMIC = {"variant": "dynamic"}


def case(text, **options):
    return pytest.param(options, text, id="-".join(f"{k}={v}" for k, v in options.items()))


@pytest.mark.parametrize("kind", [GMConv1d, GMConv2d])
@pytest.mark.parametrize(
    ("options", "text"),
    [
        case(r"variant \(='adaptive'\) must be one of \['static', 'dynamic'\]", variant="adaptive"),
        case(r"share \(='group'\) must be one of .*'kernel'", share="group"),
        case(r"coord \(='tap'\) must be one of \['pixel', 'unit'\]", coord="tap"),
        case(r"normalise \(=True\) must be one of", normalise=True),
        case(r"param \(='exp'\) must be one of", param="exp"),
        case(r"init_gain \(='mean'\) must be one of \['none', 'var'\]", init_gain="mean"),
        case(r"execution \(='fast'\) must be one of", execution="fast"),
        case(r"learn_sigma \(=1\) must be true or false", learn_sigma=1),
        case(r"sigma_init \(=0\) must be a finite number > 0 and <= 1e\+06", sigma_init=0),
        case(r"sigma_init \(=-1.0\)", sigma_init=-1.0),
        case(r"sigma_init \(=2000000.0\)", sigma_init=2e6),
        case(r"sigma_init \(=nan\)", sigma_init=math.nan),
        case(r"sigma_init \(=inf\)", sigma_init=math.inf),
        case(r"sigma_init \(=True\)", sigma_init=True),
        case(r"sigma_init \(='5'\)", sigma_init="5"),
        case(r"eps \(=-1e-06\) must be a finite number >= 0", eps=-1e-6),
        case(r"eps \(=nan\)", eps=math.nan),
        case(r"sigma_lr_scale \(=0\) must be a finite number > 0", sigma_lr_scale=0),
        case(r"sigma_lr_scale \(=inf\)", sigma_lr_scale=math.inf),
        case(r"sigma_weight_decay \(=-0.1\) must be a finite number >= 0", sigma_weight_decay=-0.1),
        case(r"sigma_weight_decay \(='none'\)", sigma_weight_decay="none"),
        case(r"sigma_weight_decay \(=False\)", sigma_weight_decay=False),
        case(r"reduction \(=0\) must be an integer >= 1", reduction=0, **DYNAMIC),
        case(r"reduction \(=True\)", reduction=True, **DYNAMIC),
        case(r"head_min \(=2.0\) must be an integer >= 1", head_min=2.0, **DYNAMIC),
    ],
)
def test_value_out_of_range_is_refused(kind, options, text):
    with pytest.raises(ValueError, match="gmconv: " + text):
        kind(4, 4, 3, **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        case("reduction .=2. has no effect for variant 'static'; leave it at 4", reduction=2),
        case("head_min .=8. has no effect for variant 'static'", head_min=8),
        case("execution .='loop'. has no effect for variant 'static'", execution="loop"),
        case("learn_sigma .=False. has no effect for variant 'dy", learn_sigma=False, **DYNAMIC),
        case("param .='softplus'. has no effect for variant 'dy", param="softplus", **DYNAMIC),
        case("sigma_lr_scale .=2. has no effect for variant 'dy", sigma_lr_scale=2, **DYNAMIC),
        case("sigma_weight_decay .='same'. has no", sigma_weight_decay="same", **DYNAMIC),
        case("share .='in'. must be one of ..layer', 'out'. for var", share="in", **DYNAMIC),
        case("share .='kernel'. must be one of ..layer', 'out'.", share="kernel", **DYNAMIC),
    ],
)
def test_option_without_effect_for_the_variant_is_refused(options, text):
    with pytest.raises(ValueError, match="gmconv: " + text):
        GMConv2d(4, 4, 3, **options)


@pytest.mark.parametrize("kind", [MaskInitConv1d, MaskInitConv2d])
@pytest.mark.parametrize(
    ("options", "text"),
    [
        case(r"sigma_init \(=0.0\)", sigma_init=0.0),
        case(r"coord \(='tap'\)", coord="tap"),
        case(r"normalise \(='l2'\)", normalise="l2"),
        case(r"eps \(=inf\)", eps=math.inf),
        case(r"init_gain \(='mean'\)", init_gain="mean"),
    ],
)
def test_control_names_itself_in_its_refusals(kind, options, text):
    with pytest.raises(ValueError, match="conv_maskinit: " + text):
        kind(4, 4, 3, **options)


@pytest.mark.parametrize(
    ("kernel_size", "options", "kind", "text"),
    [
        pytest.param(3, {"mode": "round"}, ValueError, r"mode \(='round'\)", id="mode"),
        pytest.param(3, {"angles": "even"}, ValueError, r"angles \(='even'\)", id="angles"),
        pytest.param(
            3,
            {"mode": "cut", "angles": "uniform"},
            ValueError,
            "no effect for mode 'cut'",
            id="cut",
        ),
        pytest.param(4, {}, UnsupportedError, r"\(=\(4, 4\)\) must be square and odd", id="even"),
        pytest.param(
            (3, 5), {}, UnsupportedError, r"\(=\(3, 5\)\) must be square and odd", id="oblong"
        ),
        pytest.param(
            9, {"angles": "uniform"}, UnsupportedError, r"\(=9\) must be <= 7 for", id="uniform"
        ),
    ],
)
def test_circular_refuses_what_it_has_no_form_for(kernel_size, options, kind, text):
    with pytest.raises(kind, match="circular: .*" + text):
        CircularConv2d(4, 4, kernel_size, **options)


@pytest.mark.parametrize("kind", [GMConv2d, MaskInitConv2d, CircularConv2d])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param((4, 6, 3, 1, 0, 1, 4), r"out_channels \(=6\) must be divisible", id="groups"),
        pytest.param((0, 4, 3), r"in_channels \(=0\) must be an integer >= 1", id="channels"),
        pytest.param((4, 4, 0), r"kernel_size \(=0\) must be an integer >= 1", id="kernel"),
        pytest.param((4, 4, 3, 2, "same"), "'same' is not defined for a stride", id="same"),
        pytest.param((4, 4, 3, 1, "full"), r"padding \(='full'\)", id="padding"),
    ],
)
def test_wrong_argument_of_the_convolution_is_refused(kind, arguments, text):
    with pytest.raises(ValueError, match=text):
        kind(*arguments)


@pytest.mark.parametrize("kind", [GMConv2d, MaskInitConv2d, CircularConv2d])
def test_unknown_padding_mode_is_refused(kind):
    with pytest.raises(ValueError, match=r"padding_mode \(='mirror'\)"):
        kind(4, 4, 3, padding_mode="mirror")


@pytest.mark.parametrize("value", [1, 1.0, 1e6, 1e-30], ids=str)
@pytest.mark.parametrize("param", ["raw", "log", "softplus"])
def test_limits_of_sigma_are_allowed(value, param):
    assert GMConv2d(2, 2, 3, sigma_init=value, param=param).sigma.item() == pytest.approx(value)
