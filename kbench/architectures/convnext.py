"""ConvNeXt of torchvision (arXiv 2201.03545)."""

from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import nn

from kbench.architectures.arguments import check_choice, check_flag, check_share
from kbench.architectures.finished import change_convolution, require_sides, start_as_torch
from kbench.architectures.replace import replace_convolutions
from kbench.architectures.selection import find_sites, select_sites, selects_pointwise
from kbench.operators import ConvFactory
from kbench.registry import ARCHITECTURES

Stem = Literal["imagenet", "cifar"]
Init = Literal["default", "trunc_normal"]

STAGES = (
    *(("features.0",), ("features.1",)),
    *((f"features.{n}", f"features.{n + 1}") for n in (2, 4, 6)),
)


class _Options(NamedTuple):
    where: str
    stem: Stem
    init: Init
    bias: bool
    drop_path: float
    layer_scale: float


@ARCHITECTURES.register("convnext_tiny")
def convnext_tiny(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    stem: Stem = "imagenet",
    init: Init = "default",
    bias: bool = True,
    drop_path: float = 0.0,
    layer_scale: float = 1e-6,
) -> nn.Module:
    """ConvNeXt-T of torchvision, 3-3-9-3 blocks, 96 to 768 channels.

    All convolutions have biases. The two linear layers of a block count as 1x1 convolutions for
    `where`, and are turned into such if it is about 1x1 convolutions. Stage 0 of `where` is the
    stem; stages 1 to 4 begin with their downsampling. NIFF replaces by `where='niff', bias=false`
    (section 5).

    Args:
        conv: Makes what stands in the place of the selected convolutions.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        where: Which convolutions, in the grammar of `kbench.architectures.selection`.
        stem: Patches of 4x4 pixels for `imagenet`, of 2x2 for `cifar` (NIFF, section 5).
        init: `default` leaves every layer as torch makes it, as the code of NIFF (section 2.6);
            `trunc_normal` is that of torchvision and of the ConvNeXt paper, N(0, 0.02) cut at
            -2 and 2, biases zero.
        bias: Whether what is replaced keeps its bias.
        drop_path: Share of the images for which training skips the last block, >= 0 and < 1; it
            falls linearly to 0 at the first block.
        layer_scale: Start of the learnable scale of a block's output.

    Raises:
        ValueError: If an argument is out of range or `where` selects nothing; by the network, if
            an input is too small.
        UnsupportedError: If the operator cannot stand in the place of a selected convolution.
    """
    options = _Options(where, stem, init, bias, drop_path, layer_scale)
    return _build(conv, num_classes, in_channels, 96, (3, 3, 9, 3), options)


@ARCHITECTURES.register("convnext_small")
def convnext_small(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    stem: Stem = "imagenet",
    init: Init = "default",
    bias: bool = True,
    drop_path: float = 0.0,
    layer_scale: float = 1e-6,
) -> nn.Module:
    """ConvNeXt-S of torchvision, 3-3-27-3 blocks, 96 to 768 channels; as `convnext_tiny`."""
    options = _Options(where, stem, init, bias, drop_path, layer_scale)
    return _build(conv, num_classes, in_channels, 96, (3, 3, 27, 3), options)


@ARCHITECTURES.register("convnext_base")
def convnext_base(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    *,
    where: str = "all",
    stem: Stem = "imagenet",
    init: Init = "default",
    bias: bool = True,
    drop_path: float = 0.0,
    layer_scale: float = 1e-6,
) -> nn.Module:
    """ConvNeXt-B of torchvision, 3-3-27-3 blocks, 128 to 1024 channels; as `convnext_tiny`."""
    options = _Options(where, stem, init, bias, drop_path, layer_scale)
    return _build(conv, num_classes, in_channels, 128, (3, 3, 27, 3), options)


def _build(
    conv: ConvFactory,
    num_classes: int,
    in_channels: int,
    width: int,
    depths: tuple[int, ...],
    options: _Options,
) -> nn.Module:
    check_choice("stem", options.stem, Stem)
    check_choice("init", options.init, Init)
    check_flag("bias", options.bias)
    check_share("drop_path", options.drop_path)
    model = _plain(num_classes, width, depths, options)
    patch = 4 if options.stem == "imagenet" else 2
    changes = {"kernel_size": (patch, patch), "stride": (patch, patch)}
    draw = partial(nn.init.trunc_normal_, std=0.02) if options.init == "trunc_normal" else None
    change_convolution(model, "features.0.0", draw, in_channels=in_channels, **changes)
    require_sides(model, 8 * patch, f"convnext divides them by {patch} and three times by 2")
    if selects_pointwise(options.where):
        _convolve_pointwise(model)
    if not options.bias:
        for site in select_sites(options.where, find_sites(model, STAGES)):
            site.module.bias = None
    replace_convolutions(model, conv, options.where, STAGES)
    return model


def _plain(num_classes: int, width: int, depths: tuple[int, ...], options: _Options) -> nn.Module:
    # Importing torchvision takes as long as importing torch.
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    widths = [width * 2**stage for stage in range(len(depths))]
    setting = list(map(CNBlockConfig, widths, [*widths[1:], None], depths))
    arguments = (setting, options.drop_path, options.layer_scale, num_classes)
    if options.init == "trunc_normal":
        return ConvNeXt(*arguments)
    model = start_as_torch(partial(ConvNeXt, *arguments))
    for name, parameter in model.named_parameters():
        if name.endswith(".layer_scale"):
            nn.init.constant_(parameter, options.layer_scale)
    return model


def _convolve_pointwise(model: nn.Module) -> None:
    """Turn the linear layers of all blocks into 1x1 convolutions of the same weights."""
    from torchvision.models.convnext import CNBlock, LayerNorm2d

    for block in (m.block for m in model.modules() if isinstance(m, CNBlock)):
        _, _, norm, expand, _, project, _ = block
        channels_first = LayerNorm2d(norm.normalized_shape, norm.eps)
        channels_first.load_state_dict(norm.state_dict())
        block[1], block[2], block[6] = nn.Identity(), channels_first, nn.Identity()
        block[3], block[5] = _as_convolution(expand), _as_convolution(project)


def _as_convolution(linear: nn.Linear) -> nn.Conv2d:
    sizes = (linear.in_features, linear.out_features, 1)
    with torch.device("meta"):
        convolution = nn.Conv2d(*sizes)
    convolution.to_empty(device=linear.weight.device)
    weight = linear.weight.detach()[:, :, None, None]
    convolution.load_state_dict({"weight": weight, "bias": linear.bias.detach()})
    return convolution
