"""The speed and memory that the operators shall reach, on two CPU cores in single precision."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import Tensor, nn

from kbench.architectures import build_architecture
from kbench.bench.literal import literal_form
from kbench.bench.operators import NETWORK, NETWORK_SHAPE
from kbench.bench.shapes import build_same
from kbench.bench.targets import Forms, Target
from kbench.operators.geometry import PLAIN_MODULES

BATCH = 8
WIDE_SHAPES = ((64, 56, 56), (256, 14, 14))
MASKED_SHAPES = ((16, 32, 32), (32, 16, 16), (64, 56, 56))
NJET_SIGMAS = {5: 0.5, 7: 1.0, 11: 2.0, 15: 3.0}  # by the side of the window
CROPPED_SIGMA, CROPPED_SIDE = 0.19, 13  # of 33 taps
LONG_SHAPE = (8, 16_000)


def operator_targets() -> list[Target]:
    """Return the targets of all operators."""
    return [
        *_niff_targets(),
        *_lc_targets(),
        *_gmconv_targets(),
        *_njet_targets(),
        *_flexconv_targets(),
    ]


def _niff_targets() -> Iterator[Target]:
    for shape, speed_up in zip(WIDE_SHAPES, (4.0, 2.5), strict=True):
        against = partial(_niff_forms, shape)
        what = "depthwise against its literal form"
        yield Target("niff", what, shape, 4, partial(against, "literal"), speed_up, "speed-up")
        what = "depthwise against a depthwise 7x7"
        yield Target("niff", what, shape, 4, partial(against, "plain"), 1.0)
    for shape in WIDE_SHAPES:
        forms = partial(_two_options, "niff", shape, 1, {}, {"execution": "fft"})
        yield Target("niff", "1x1 against the FFT", shape, BATCH, forms, 5.0, "speed-up")


def _lc_targets() -> Iterator[Target]:
    shape = NETWORK_SHAPE
    stages = partial(_networks, {"expansion": 8}, {"expansion": 8, "execution": "two_stage"})
    yield Target("lc", f"{NETWORK}, E=8 against two-stage", shape, 8, stages, 3.5, "speed-up")
    for expansion, batch_size, limit in ((8, 8, 1.5), (8, 128, 1.1), (128, 128, 1.3)):
        what = f"{NETWORK}, E={expansion} against plain"
        yield Target(
            "lc", what, shape, batch_size, partial(_networks, {"expansion": expansion}), limit
        )
    forms = partial(_networks, {"expansion": 128}, {"expansion": 1})
    yield Target("lc", f"{NETWORK}, E=128 against E=1", shape, 128, forms, 1.5, part="memory")


def _gmconv_targets() -> Iterator[Target]:
    for shape in MASKED_SHAPES:
        what = "static k=3 against plain"
        yield Target("gmconv", what, shape, BATCH, partial(_gmconv_forms, shape), 1.1)
    what = "static k=3, folded, against plain"
    folded = partial(_gmconv_forms, MASKED_SHAPES[0], is_folded=True)
    yield Target("gmconv", what, MASKED_SHAPES[0], BATCH, folded, 1.1, part="forward")


def _njet_targets() -> Iterator[Target]:
    shape = (64, 32, 32)
    for side, sigma in NJET_SIGMAS.items():
        forms = partial(_against_plain, "njet", shape, side, {"sigma_init": sigma})
        what = f"order 3, K={side}, against plain"
        yield Target("njet", what, shape, BATCH, forms, 1.1)


def _flexconv_targets() -> Iterator[Target]:
    shape, cropped = (24, 32, 32), {"sigma_init": CROPPED_SIGMA}
    side = f"{CROPPED_SIDE}x{CROPPED_SIDE}"
    whole = partial(_two_options, "flexconv", shape, 33, cropped, {**cropped, "crop": False})
    yield Target("flexconv", f"k=33, {side} against 33x33", shape, BATCH, whole, None, "speed-up")
    # The generator may take a fifth of the step, so the step at most 1 / (1 - 1/5) of the rest.
    plain = partial(_against_plain, "flexconv", shape, CROPPED_SIDE, cropped, kernel_size=33)
    yield Target("flexconv", f"k=33, against plain {side}", shape, 64, plain, 1.25)
    share = partial(_generator_forms, shape, cropped)
    yield Target("flexconv", f"generator's share at {side}", shape, 64, share, 0.2)
    for what, options in (("cropped", {}), ("whole", {"crop": False})):
        fft, direct = {**options, "execution": "fft"}, {**options, "execution": "direct"}
        forms = partial(_two_options, "flexconv", LONG_SHAPE, "same", fft, direct)
        name = f"{what}, FFT against direct"
        yield Target("flexconv", name, LONG_SHAPE, 1, forms, 5.0, "speed-up")


class GeneratedKernel(nn.Module):
    """The kernel of a layer as output, whatever the input: what generating it costs."""

    def __init__(self, layer: Any) -> None:  # noqa: ANN401 - with a method `kernel`
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return the kernel (O, I/G, *T)."""
        del x
        return self.layer.kernel()


def _two_options(
    name: str,
    shape: tuple[int, ...],
    kernel_size: int | str,
    options: dict[str, Any],
    others: dict[str, Any],
) -> Forms:
    """Return an operator with options, and with others."""
    return {
        "operator": build_same(name, shape, kernel_size, **options),
        "peer": build_same(name, shape, kernel_size, **others),
    }


def _against_plain(
    name: str,
    shape: tuple[int, ...],
    side: int,
    options: dict[str, Any],
    kernel_size: int = 3,
    groups: int = 1,
) -> Forms:
    """Return an operator, and the plain convolution with a kernel of `side`."""
    channels, convolution = shape[0], PLAIN_MODULES[len(shape) - 1]
    plain = convolution(channels, channels, side, padding=side // 2, groups=groups, bias=False)
    operator = build_same(name, shape, kernel_size, groups, **options)
    return {"operator": operator, "peer": plain}


def _niff_forms(shape: tuple[int, ...], peer: str) -> Forms:
    forms = _against_plain("niff", shape, 7, {}, 7, groups=shape[0])
    literal = literal_form("niff", forms["operator"])
    return forms if peer == "plain" or literal is None else {**forms, "peer": literal}


def _gmconv_forms(shape: tuple[int, ...], *, is_folded: bool = False) -> Forms:
    forms = _against_plain("gmconv", shape, 3, {})
    layer: Any = forms["operator"]
    return {**forms, "operator": layer.fold()} if is_folded else forms


def _generator_forms(shape: tuple[int, ...], options: dict[str, Any]) -> Forms:
    """Return the generator and the layer that it is a part of."""
    layer = build_same("flexconv", shape, 33, **options)
    return {"operator": GeneratedKernel(layer), "peer": layer}


def _networks(options: dict[str, Any], others: dict[str, Any] | None = None) -> Forms:
    """Return the network with `lc`, and with `lc` of other options or plain convolutions."""
    peer = build_architecture(NETWORK)
    if others is not None:
        peer = build_architecture(NETWORK, operator="lc", operator_options=others)
    return {
        "operator": build_architecture(NETWORK, operator="lc", operator_options=options),
        "peer": peer,
    }
