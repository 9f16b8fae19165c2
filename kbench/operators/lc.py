"""Linear combinations of frozen random filters (LC), arXiv 2301.11360, version 2.

A spatial convolution with E O filters, frozen at random or learned, is followed by a learned
pointwise convolution. Without an operation in between the two equal one convolution with the
combined kernel, which is what runs: one matrix product a step, then an ordinary convolution.
Related: LBCNN (frozen sparse binary filters, a ReLU, then 1x1; `juefeix/lbcnn.torch`) and the
fixed depthwise filters of Linse et al.

Shapes: B batch, I input channels, O output channels, E expansion, G groups, K kernel sides,
S spatial sides.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from torch import Tensor, nn

from kbench.errors import UnsupportedError
from kbench.operators.geometry import CONVOLUTIONS, Geometry, Padding, Size
from kbench.operators.precision import computing_dtype, without_autocast
from kbench.registry import OPERATORS, OPERATORS_1D

Intermediate = Literal["none", "relu", "bn", "bn_relu"]
Execution = Literal["auto", "folded", "two_stage"]
Init = Literal["uniform", "normal_fan_out"]
Sharing = Literal["none", "master"]

CHOICES: dict[str, tuple[object, ...]] = {
    "frozen": (True, False),
    "intermediate": get_args(Intermediate),
    "execution": get_args(Execution),
    "init": get_args(Init),
    "sharing": get_args(Sharing),
}
NORMS: dict[int, Callable[[int], nn.BatchNorm1d | nn.BatchNorm2d]] = {
    1: nn.BatchNorm1d,
    2: nn.BatchNorm2d,
}


class _LC(nn.Module):
    """Spatial filters and their linear combination, for any number of spatial axes."""

    version: ClassVar[int] = 1
    dims: ClassVar[int]
    is_translation_equivariant: ClassVar[bool] = True
    spatial_weight: nn.Parameter
    norm: nn.BatchNorm1d | nn.BatchNorm2d | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        expansion: int = 1,
        frozen: bool = True,
        intermediate: Intermediate = "none",
        execution: Execution = "auto",
        init: Init = "uniform",
        padding_mode: str = "zeros",
        sharing: Sharing = "none",
    ) -> None:
        super().__init__()
        self.geometry = Geometry.of(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            dims=self.dims,
            padding_mode=padding_mode,
        )
        self.expansion, self.frozen, self.intermediate = expansion, frozen, intermediate
        self.execution, self.init, self.sharing = execution, init, sharing
        self._check()
        self.is_folded = execution == "folded" or (execution == "auto" and intermediate == "none")
        # In a tuple, as a module in an attribute of its own would become a part of this one.
        self.master_owner: tuple[_LC, ...] = ()
        self._kept: tuple[object, tuple[Tensor, ...], Tensor] | None = None
        has_norm = intermediate in ("bn", "bn_relu")
        num_filters, ones = self.spatial_shape[0], (1,) * self.dims
        self.spatial_weight = nn.Parameter(torch.empty(self.spatial_shape), not frozen)
        self.pointwise_weight = nn.Parameter(torch.empty(out_channels, self.num_mixed, *ones))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.norm = NORMS[self.dims](num_filters) if has_norm else None
        self.reset_parameters()

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Return (E O, I/G, *K), the shape of the spatial stage's weight."""
        out_channels, *rest = self.geometry.weight_shape
        return (self.expansion * out_channels, *rest)

    @property
    def num_params(self) -> int:
        """Number of parameters of the two stages, frozen ones and the normalisation's too."""
        geometry, num_filters = self.geometry, self.spatial_shape[0]
        stages = num_filters * geometry.fan_in + geometry.out_channels * self.num_mixed
        biases = geometry.out_channels * (self.bias is not None)
        return stages + biases + 2 * num_filters * (self.norm is not None)

    @property
    def num_mixed(self) -> int:
        """Return E O/G, the number of spatial filters that one output channel combines."""
        return self.expansion * self.geometry.out_channels // self.geometry.groups

    def _check(self) -> None:
        expansion: object = self.expansion
        if isinstance(expansion, bool) or not isinstance(expansion, int) or expansion < 1:
            message = f"expansion (={expansion!r}) must be an integer >= 1"
            raise ValueError(message)
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                message = f"{name} (={value!r}) must be one of {list(choices)}"
                raise ValueError(message)
        if self.geometry.num_taps == 1:
            message = f"kernel_size (={self.geometry.kernel_size}) must have more than one tap"
            raise UnsupportedError(message)
        if self.execution == "folded" and self.intermediate != "none":
            message = (
                f"intermediate (={self.intermediate!r}) needs execution 'two_stage' or 'auto', "
                "got 'folded'"
            )
            raise UnsupportedError(message)
        if self.sharing == "master" and not self.frozen:
            message = "frozen (=False) must be true with sharing 'master'"
            raise UnsupportedError(message)

    def reset_parameters(self) -> None:
        """Draw the filters, the coefficients, then the bias (section 2.3)."""
        filters, mixing = self._stored_filters(), self.pointwise_weight
        fan_in = self.geometry.fan_in
        bound = self.num_mixed**-0.5
        # Normal numbers for the meta device cost seconds of imports inside torch.
        if mixing.is_meta:
            return
        with torch.no_grad():
            if self.sharing == "master":
                filters.uniform_(-1, 1)
            elif self.init == "uniform":
                filters.uniform_(-(fan_in**-0.5), fan_in**-0.5)
            else:
                filters.normal_(std=(2 / (filters.shape[0] * self.geometry.num_taps)) ** 0.5)
            if self.init == "uniform":
                mixing.uniform_(-bound, bound)
            else:
                mixing.normal_(std=(2 / mixing.shape[0]) ** 0.5)
            if self.bias is not None:
                self.bias.uniform_(-bound, bound)

    @staticmethod
    def after_init(modules: Sequence["_LC"]) -> None:
        """Give all modules with `sharing='master'` one tensor, the first one's `spatial_weight`.

        The master is uniform in [-1, 1] and has the most filters and the most input channels of any
        module; each uses its leading corner, scaled to the default initialisation (section 2.5, our
        reconstruction). The other modules are left without a `spatial_weight`.

        Raises:
            UnsupportedError: If the modules have kernels of different sizes.
        """
        shared = [module for module in modules if module.sharing == "master"]
        if not shared:
            return
        kernels = sorted({module.geometry.kernel_size for module in shared})
        if len(kernels) > 1:
            message = f"sharing 'master' needs one kernel size in the network, found {kernels}"
            raise UnsupportedError(message)
        owner, *others = shared
        shape = [max(sizes) for sizes in zip(*(m.spatial_shape for m in shared), strict=True)]
        values = owner.spatial_weight.new_empty(shape).uniform_(-1, 1)
        owner.spatial_weight = nn.Parameter(values, requires_grad=False)
        for module in others:
            del module.spatial_weight
            module.master_owner = (owner,)

    def _stored_filters(self) -> nn.Parameter:
        """Return the parameter that the filters are taken from."""
        return (self.master_owner or (self,))[0].spatial_weight

    def spatial_filters(self) -> Tensor:
        """Return F, the (E O, I/G, *K) filters of the spatial stage, shared or not."""
        stored = self._stored_filters()
        if self.sharing == "none":
            return stored
        num_filters, num_channels = self.spatial_shape[:2]
        return stored[:num_filters, :num_channels] * self.geometry.fan_in**-0.5

    def combined_weight(self) -> Tensor:
        """Return the (O, I/G, *K) kernel that both stages amount to, differentiable.

        With a normalisation in between it holds for evaluation, with the running statistics.

        Raises:
            UnsupportedError: If a ReLU lies between the stages.
            ValueError: If a normalisation lies between them and the module is in training mode.
        """
        if self.intermediate == "none":
            return self._combine(self.pointwise_weight)
        return self._combine(self.pointwise_weight.flatten(1) * self._norm_factors()[0])

    def effective_kernel(self, size: Size | None = None) -> Tensor:  # noqa: ARG002 - any size has the same kernel
        """Return `combined_weight()`, whatever the size of the input."""
        return self.combined_weight()

    def fold(self) -> nn.Module:
        """Return the plain convolution with the combined kernel, which owns its weight.

        Raises:
            UnsupportedError: If a ReLU lies between the stages.
            ValueError: If a normalisation lies between them and the module is in training mode.
        """
        with torch.no_grad():
            weight, bias = self.combined_weight(), self.bias
            if self.norm is None:
                return self.geometry.plain(weight, bias)
            offset = (self.pointwise_weight.flatten(1) * self._norm_factors()[1]).sum(1)  # (O,)
            return self.geometry.plain(weight, offset if bias is None else bias + offset)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, *S) to (B, O, *S')."""
        if self.is_folded:
            return self.geometry.convolve(x, self._current_weight(), self.bias)
        hidden = self.geometry.convolve(x, self.spatial_filters())  # (B, E O, *S')
        if self.norm is not None:
            hidden = self.norm(hidden)
        if self.intermediate in ("relu", "bn_relu"):
            hidden = hidden.relu()
        convolution = CONVOLUTIONS[self.dims]
        return convolution(hidden, self.pointwise_weight, self.bias, groups=self.geometry.groups)

    def _norm_factors(self) -> tuple[Tensor, Tensor]:
        """Return what evaluation multiplies and adds to F's maps, (O, E O/G) each."""
        norm = self.norm
        if norm is None or self.intermediate == "bn_relu":
            message = f"intermediate (={self.intermediate!r}) is not linear, so it cannot fold"
            raise UnsupportedError(message)
        if self.training:
            message = f"intermediate (={self.intermediate!r}) folds in evaluation mode only"
            raise ValueError(message)
        precise = computing_dtype(norm.weight)
        mean, variance = (norm.get_buffer(n).to(precise) for n in ("running_mean", "running_var"))
        scale = norm.weight * (variance + norm.eps).rsqrt()
        shift = norm.bias - mean * scale
        groups = self.geometry.groups
        repeats = self.geometry.out_channels // groups
        scale, shift = (v.view(groups, -1).repeat_interleave(repeats, 0) for v in (scale, shift))
        return scale, shift

    def _combine(self, mixing: Tensor) -> Tensor:
        """Return the kernel for (O, E O/G, ...) coefficients, computed in at least fp32."""
        groups, filters = self.geometry.groups, self.spatial_filters()
        precise = computing_dtype(mixing)
        mixing = mixing.reshape(groups, -1, self.num_mixed)  # (G, O/G, E O/G)
        filters = filters.reshape(groups, self.num_mixed, -1)  # (G, E O/G, I/G taps)
        with without_autocast(filters):
            weight = torch.bmm(mixing.to(precise), filters.to(precise))
        return weight.to(self.pointwise_weight.dtype).view(self.geometry.weight_shape)

    def _current_weight(self) -> Tensor:
        """Return the combined kernel, kept in evaluation mode while no parameter changes."""
        sources: list[Tensor] = [self.pointwise_weight, self._stored_filters()]
        if self.training or torch.compiler.is_compiling() or not _is_lasting(sources):
            return self.combined_weight()
        key = [(p.data_ptr(), p._version) for p in sources]  # noqa: SLF001 - the counter has no public name
        if self._kept is None or self._kept[0] != key:
            with torch.inference_mode(mode=False), torch.no_grad():
                # The aliases hold the memory, so that no other tensor can get its address.
                aliases = tuple(p.detach() for p in sources)
                self._kept = (key, aliases, self.combined_weight())
        return self._kept[2]

    def train(self, mode: bool = True) -> Self:
        """Set the mode and forget the kernel kept for evaluation.

        Writing through `parameter.data` leaves no trace, so do it before `eval()`.
        """
        self._kept = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def extra_repr(self) -> str:
        """Return the shape of the kernel and the options that matter."""
        return (
            f"{self.geometry.weight_shape}, expansion={self.expansion}, frozen={self.frozen}, "
            f"intermediate={self.intermediate!r}, is_folded={self.is_folded}"
        )


def _is_lasting(sources: list[Tensor]) -> bool:
    """Say whether what is computed from these tensors may be kept until they change."""
    if torch.is_grad_enabled() and any(source.requires_grad for source in sources):
        return False
    # What `torch.func` puts in a parameter's place, and inference tensors, have no history.
    return all(isinstance(source, nn.Parameter) and not source.is_inference() for source in sources)


@OPERATORS_1D.register("lc")
class LC1d(_LC):
    """1-D form of `LC2d` (ours; the paper has 2-D convolutions only)."""

    dims: ClassVar[int] = 1


@OPERATORS.register("lc")
class LC2d(_LC):
    r"""2-D convolution whose kernels are learned combinations of random filters.

    The kernel is :math:`W_i = \sum_j P_{ij} F_j` with E O filters F of the spatial stage and the
    coefficients P of a pointwise stage that is always learned (section 2.1). With groups both
    stages have the same groups. Stride, padding and dilation belong to the spatial stage.

    Args:
        in_channels: I, the number of input channels.
        out_channels: O, the number of output channels.
        kernel_size: Side of the kernel, or (height, width); more than one tap.
        stride: Distance between output positions, in input pixels.
        padding: Pixels added at each side, `'same'` or `'valid'`.
        dilation: Distance between kernel taps, in input pixels.
        groups: G; divides I and O.
        bias: Whether a learnable vector of length O is added to the output (ours; the paper's
            networks have none).
        expansion: E, spatial filters for each output channel, >= 1.
        frozen: Keep the initial filters: they are parameters without gradient.
        intermediate: What lies between the stages (Table 3): `none`, `relu`, `bn` or `bn_relu`.
            A ReLU makes the operator non-linear; `bn` folds in evaluation mode only.
        execution: `folded` convolves once with the combined kernel, `two_stage` twice as the paper
            wrote it; `auto` folds if `intermediate` is `none`.
        init: `uniform` is torch's default for both stages (the paper's low-resolution networks);
            `normal_fan_out` is Kaiming's normal with the ReLU gain (its ImageNet networks).
        padding_mode: As for `torch.nn.Conv2d`.
        sharing: `master` takes the frozen filters of all modules of a network from one tensor
            (version 1 of the paper; reconstruction, section 2.5). `init` then concerns P only.

    Shape:
        - input: (B, I, H, W), floating point
        - output: (B, O, H', W'), as for `torch.nn.Conv2d`

    Raises:
        ValueError: If an argument is out of range.
        UnsupportedError: If the kernel has one tap, `execution='folded'` meets an intermediate
            operation, or `sharing='master'` meets learned filters.

    Example:
        >>> LC2d(3, 8, 3, padding=1, expansion=4)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 8, 16, 16])
    """

    dims: ClassVar[int] = 2
