"""What the arguments of a NIFF mean, checked once (NIFF, section 3)."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

from kbench.errors import UnsupportedError
from kbench.operators.frequency_response import Coordinates, ResponseInit
from kbench.operators.geometry import Geometry, Padding, Size

Form = Literal["auto", "depthwise", "split", "full", "pointwise"]
Execution = Literal["auto", "half", "full_spectrum", "basis", "fft"]
Boundary = Literal["circular", "zeros"]
Strided = Literal["error", "subsample", "flc"]

HIDDEN_WIDTHS = {"tiny": (8,), "small": (8, 4), "big": (16, 128, 32)}
MAX_HIDDEN_LAYERS = 8
UNAVAILABLE = {
    "depthwise": ("basis", "fft"),
    "split": ("basis", "fft"),
    "full": ("fft",),
    "pointwise": (),
}


def replaced_geometry(
    channels: tuple[int, int],
    kernel_size: Size | None,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    *,
    dims: int,
    padding_mode: str,
    operator: str = "niff",
) -> Geometry:
    """Return the geometry of the replaced layer; a kernel of None counts as one tap.

    Messages name the operator that has a filter as large as the map.

    Raises:
        ValueError: If an argument is not one that `torch.nn.ConvNd` takes.
        UnsupportedError: If such an operator cannot replace it.
    """
    kernel = 1 if kernel_size is None else kernel_size
    geometry = Geometry.of(
        *channels, kernel, stride, 0, dilation, groups, dims=dims, padding_mode=padding_mode
    )
    pads = Geometry.of(*channels, kernel, 1, padding, 1, groups, dims=dims).padding
    if any(d != 1 for d in geometry.dilation):
        message = (
            f"{operator}: dilation (={dilation!r}) must be 1, the filter is as large as the map"
        )
        raise UnsupportedError(message)
    if any(sum(pair) != k - 1 for pair, k in zip(pads, geometry.kernel_size, strict=True)):
        message = (
            f"{operator}: padding (={padding!r}) must keep the spatial size, "
            f"which for kernel_size (={kernel_size!r}) 'same' does"
        )
        raise UnsupportedError(message)
    if groups != 1 and not channels[0] == channels[1] == groups:
        message = (
            f"{operator}: groups (={groups}) must be 1 or in_channels == out_channels {channels}"
        )
        raise UnsupportedError(message)
    if padding_mode not in get_args(Boundary):
        message = f"{operator}: padding_mode (={padding_mode!r}) must be 'circular' or 'zeros'"
        raise UnsupportedError(message)
    return geometry


def check_choices(**values: str) -> None:
    """Refuse a value that is none of its option's choices."""
    choices = {
        "form": Form,
        "coords": Coordinates,
        "init": ResponseInit,
        "execution": Execution,
        "strided": Strided,
    }
    for name, value in values.items():
        allowed = get_args(choices[name])
        if value not in allowed:
            message = f"{name} (={value!r}) must be one of {list(allowed)}"
            raise ValueError(message)


def check_gain(init_gain: float) -> None:
    """Refuse a gain that is not a positive number."""
    if isinstance(init_gain, bool) or not 0 < init_gain < math.inf:
        message = f"init_gain (={init_gain!r}) must be > 0 and finite"
        raise ValueError(message)


def check_stride(geometry: Geometry, strided: Strided, operator: str = "niff") -> None:
    """Refuse a stride that `strided` does not allow."""
    if all(s == 1 for s in geometry.stride):
        return
    if strided == "error":
        thinning = "'subsample' or 'flc'" if operator == "niff" else "'subsample'"
        message = (
            f"{operator}: stride (={geometry.stride}) must be 1: stride stays spatial; "
            f"strided: {thinning} thins the output of stride 1"
        )
        raise UnsupportedError(message)
    if strided == "flc" and any(s != 2 for s in geometry.stride):
        message = f"niff: stride (={geometry.stride}) must be 2 on every axis for strided: 'flc'"
        raise UnsupportedError(message)


def resolve_form(form: Form, geometry: Geometry, execution: Execution, *, has_kernel: bool) -> Form:
    """Return the form that is built, never `auto`.

    A dense layer with one tap is pointwise whatever the form of the others: networks replace every
    1x1 so (section 5).

    Raises:
        UnsupportedError: If the form cannot replace this layer or be executed like that.
    """
    if has_kernel and geometry.num_taps == 1 and geometry.groups == 1:
        return "pointwise"
    channels = (geometry.in_channels, geometry.out_channels)
    if form == "auto":
        form = "depthwise" if channels == (geometry.groups, geometry.groups) else "split"
    if form == "depthwise" and channels[0] != channels[1]:
        message = f"niff: form 'depthwise' needs in_channels == out_channels, not {channels}"
        raise UnsupportedError(message)
    if form != "depthwise" and geometry.groups != 1:
        message = f"niff: form {form!r} mixes channels, groups (={geometry.groups}) must be 1"
        raise UnsupportedError(message)
    if execution in UNAVAILABLE[form]:
        message = f"niff: form {form!r} has no execution {execution!r}"
        raise UnsupportedError(message)
    return form


def hidden_widths(mlp: str | Sequence[int] | None, form: Form) -> tuple[int, ...]:
    """Return the hidden widths of the coordinate networks (section 2.3).

    Raises:
        ValueError: If `mlp` is no name and no 1 to 8 integers >= 1.
    """
    if mlp is None or mlp == "auto":
        mlp = "tiny" if form == "full" else "small"
    if isinstance(mlp, str) and mlp in HIDDEN_WIDTHS:
        return HIDDEN_WIDTHS[mlp]
    widths = _widths(mlp)
    if not 1 <= len(widths) <= MAX_HIDDEN_LAYERS or min(widths) < 1:
        message = (
            f"mlp (={mlp!r}) must be 'auto', one of {list(HIDDEN_WIDTHS)}, "
            f"or 1 to {MAX_HIDDEN_LAYERS} hidden widths >= 1 as in '16-128-32'"
        )
        raise ValueError(message)
    return widths


def _widths(mlp: str | Sequence[int]) -> tuple[int, ...]:
    """Return the numbers that are written, 0 for what is none."""
    if isinstance(mlp, str):
        return tuple(int(part) if part.isdecimal() else 0 for part in mlp.split("-"))
    if isinstance(mlp, Sequence):
        return tuple(width if type(width) is int else 0 for width in mlp)
    return ()
