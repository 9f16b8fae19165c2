"""Filters applied to real signals through their half spectrum.

Shapes: B batch, I input channels, O output channels, S spatial sides, P sides of the transform,
P' its half spectrum.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kbench.operators.precision import without_autocast


def filter_spectrum(
    x: Tensor,
    response: Tensor,
    size: tuple[int, ...],
    *,
    dense: bool,
    is_hermitian: bool = True,
) -> Tensor:
    """Convolve a real signal circularly with the filters of a half spectrum.

    A signal smaller than `size` is extended by zeros at the end and the result is cropped to it,
    which for twice the sides is the linear convolution.

    Args:
        x: (B, I, *S), or for a filter per channel any leading axes that broadcast.
        response: (I, *P') or, if dense, (I, O, *P').
        size: P, no side smaller than that of S.
        dense: Whether every output sums over all inputs.
        is_hermitian: Whether the response is that of real kernels; of another the Hermitian part
            acts.

    Returns:
        (B, I, *S) or, if dense, (B, O, *S).
    """
    output, _ = _SpectralFilter.apply(x, response, size, dense, is_hermitian)
    return output


class _SpectralFilter(torch.autograd.Function):
    """The filter with four real transforms in all; torch's own backward takes complex ones.

    The spectrum of the input is an output only to be differentiable when it is used backwards.
    """

    @staticmethod
    def forward(
        x: Tensor, response: Tensor, size: tuple[int, ...], dense: bool, is_hermitian: bool
    ) -> tuple[Tensor, Tensor]:
        dim = _spatial(size)
        spectrum = torch.fft.rfftn(x, size, dim)
        product = _mix(spectrum, response) if dense else spectrum * response
        if not is_hermitian:
            make_hermitian(product, size)
        return crop(torch.fft.irfftn(product, size, dim), x.shape[-len(size) :]), spectrum

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:  # noqa: ANN401 - torch's signature
        x, response, ctx.size, ctx.dense, ctx.is_hermitian = inputs
        ctx.sides = tuple(x.shape[-len(ctx.size) :])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(response, output[1])

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 - torch's signature
        grad: Tensor | None,
        grad_spectrum: Tensor | None,
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        response, spectrum = ctx.saved_tensors
        grad_x = grad_response = None
        with without_autocast(response):
            if grad is not None:
                grad_x, grad_response = _filter_gradients(ctx, grad, spectrum, response)
            if grad_spectrum is not None:
                extra = _transform_adjoint(grad_spectrum, ctx.size, ctx.sides)
                grad_x = extra if grad_x is None else grad_x + extra
        return grad_x, grad_response, None, None, None


def _filter_gradients(
    ctx: Any,  # noqa: ANN401 - torch gives it no type
    grad: Tensor,
    spectrum: Tensor,
    response: Tensor,
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of the signal and of the response."""
    dim = _spatial(ctx.size)
    transform = torch.fft.rfftn(grad, ctx.size, dim)
    grad_x = grad_response = None
    if ctx.needs_input_grad[0]:
        adjoint = response.conj().transpose(0, 1) if ctx.dense else response.conj()
        product = _mix(transform, adjoint) if ctx.dense else transform * adjoint
        product = product.sum_to_size(spectrum.shape)
        if not ctx.is_hermitian:
            make_hermitian(product, ctx.size)
        grad_x = crop(torch.fft.irfftn(product, ctx.size, dim), ctx.sides)
    if ctx.needs_input_grad[1]:
        if ctx.dense:
            product = torch.einsum("bi...,bo...->io...", spectrum.conj(), transform)
        elif torch.is_grad_enabled():
            product = (spectrum.conj() * transform).sum_to_size(response.shape)
        else:
            transform.conj_physical_().mul_(spectrum)
            product = transform.sum_to_size(response.shape).conj()
        grad_response = product * _column_weights(ctx.size, grad)
    return grad_x, grad_response


def make_hermitian(spectrum: Tensor, size: tuple[int, ...]) -> Tensor:
    """Replace frequencies that a half spectrum holds twice by what real signals have, in place.

    Inverse transforms presuppose it, and not every library ignores the rest.

    Args:
        spectrum: (..., *P').
        size: P.
    """
    others = _spatial(size[1:])
    for index in (0, size[-1] // 2) if size[-1] % 2 == 0 else (0,):
        column = spectrum[..., index]
        mirrored = column.flip(others).roll((1,) * len(others), others) if others else column
        spectrum[..., index] = (column + mirrored.conj()) / 2
    return spectrum


def _mix(spectrum: Tensor, response: Tensor) -> Tensor:
    """Map (..., I, *P') to (..., O, *P') by (I, O, *P')."""
    dims = response.dim() - 2
    axes = "xyz"[:dims]
    return torch.einsum(f"...i{axes},io{axes}->...o{axes}", spectrum, response)


def _column_weights(size: tuple[int, ...], like: Tensor) -> Tensor:
    """Return how often a bin of the half spectrum occurs in the whole one, over its points."""
    side = size[-1]
    points = torch.Size(size).numel()
    weights = like.new_full((side // 2 + 1,), 2 / points)
    weights[0] = 1 / points
    if side % 2 == 0:
        weights[-1] = 1 / points
    return weights


def _transform_adjoint(grad: Tensor, size: tuple[int, ...], sides: tuple[int, ...]) -> Tensor:
    """Return the gradient of a signal from that of its half spectrum."""
    missing = size[-1] - grad.shape[-1]
    whole = F.pad(grad, (0, missing))
    return crop(torch.fft.ifftn(whole, dim=_spatial(size), norm="forward").real, sides)


def crop(x: Tensor, sides: tuple[int, ...]) -> Tensor:
    """Return the first entries of every spatial axis."""
    for axis, side in zip(_spatial(sides), sides, strict=True):
        x = x.narrow(axis, 0, side)
    return x


def _spatial(size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(-len(size), 0))


def subsample(x: Tensor, stride: tuple[int, ...]) -> Tensor:
    """Return every stride-th pixel of every spatial axis, from the first: (B, I, *S')."""
    if all(step == 1 for step in stride):
        return x
    return x[(slice(None), slice(None), *(slice(None, None, step) for step in stride))]


def low_pass_pool(x: Tensor, dims: int) -> Tensor:
    """Halve the spatial sides by keeping the lowest frequencies (FLC pooling, section 2.8).

    Of n frequencies an axis keeps m = ceil(n / 2), from -floor(m / 2) upwards, each in its own
    place of the shorter transform. The official form misplaces them where m is odd.

    Args:
        x: (B, I, *S), floating point, at least single precision.
        dims: Number of spatial axes.

    Returns:
        (B, I, *S') with S' = ceil(S / 2).
    """
    dim = tuple(range(-dims, 0))
    spectrum = torch.fft.fftn(x, dim=dim, norm="forward")
    for axis in dim:
        side = spectrum.shape[axis]
        kept = (side + 1) // 2
        index = torch.arange(kept, device=x.device)
        frequency = (index + kept // 2) % kept - kept // 2
        spectrum = spectrum.index_select(axis, frequency % side)
    return torch.fft.ifftn(spectrum, dim=dim, norm="forward").real
