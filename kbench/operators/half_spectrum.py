"""Half spectra of real kernels from two coordinate networks (NIFF, section 4.1).

On a real signal only the even part of the real network and the odd part of the imaginary one act.
Both are taken of the last hidden features, before the last, affine layers.

Shapes: M maps, D spatial axes, N points, Q bins of the half spectrum, h width of the last hidden
layer. Lists of 2Q points hold every bin, then every bin's mirror.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Layer = tuple[Tensor, Tensor]


def features(points: Tensor, layers: Sequence[Layer]) -> Tensor:
    """Return the inputs of the last layer, (h, N), for coordinates (D, N)."""
    return F.silu(_preactivations(points, layers)[-1])


def half_basis(points: Tensor, imag: Sequence[Layer], real: Sequence[Layer]) -> Tensor:
    """Return the spectra whose combinations the responses are, real and imaginary part last.

    Args:
        points: (D, 2Q).
        imag: Weight (out, in) and bias of every layer of the imaginary network.
        real: The same of the real network.

    Returns:
        (2h + 2, Q, 2): the features of the real network, a constant for its last bias, those of
        the imaginary network, and zeros for its last bias.
    """
    return _symmetrise(features(points, real), features(points, imag))


def half_response(points: Tensor, imag: Sequence[Layer], real: Sequence[Layer]) -> Tensor:
    """Return the half spectra of M kernels, real and imaginary part last, (M, Q, 2).

    The arguments are those of `half_basis`.
    """
    parameters = [tensor for layer in (*imag, *real) for tensor in layer]
    if torch.compiler.is_compiling():
        return _half_response(points, parameters)
    return _HalfResponse.apply(points, *parameters)


def _preactivations(points: Tensor, layers: Sequence[Layer]) -> list[Tensor]:
    """Return the inputs of every SiLU, (width, N) each."""
    inputs, found = points, []
    for weight, bias in layers[:-1]:
        found.append(torch.addmm(bias[:, None], weight, inputs))
        inputs = F.silu(found[-1])
    return found


def _symmetrise(real: Tensor, imag: Tensor) -> Tensor:
    """Return even and odd parts and the constants under the last biases, as (2h + 2, Q, 2)."""
    width, bins = real.shape[0], real.shape[1] // 2
    basis = real.new_zeros(2 * width + 2, bins, 2)
    basis[:width, :, 0] = (real[:, :bins] + real[:, bins:]) / 2
    basis[width, :, 0] = 1
    basis[width + 1 : -1, :, 1] = (imag[:, :bins] - imag[:, bins:]) / 2
    return basis


def _head(imag: Sequence[Layer], real: Sequence[Layer]) -> Tensor:
    """Return the last layers of both networks side by side, (M, 2h + 2)."""
    return torch.cat((real[-1][0], real[-1][1][:, None], imag[-1][0], imag[-1][1][:, None]), 1)


def _layers(parameters: Sequence[Tensor]) -> tuple[list[Layer], list[Layer]]:
    pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
    return pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]


def _half_response(points: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Return the half spectrum with its real and imaginary parts last, (M, Q, 2)."""
    imag, real = _layers(parameters)
    basis = half_basis(points, imag, real)
    return (_head(imag, real) @ basis.flatten(1)).reshape(-1, *basis.shape[1:])


class _HalfResponse(torch.autograd.Function):
    """`_half_response` with a backward pass that does not record its many small steps."""

    @staticmethod
    def forward(points: Tensor, *parameters: Tensor) -> Tensor:
        return _half_response(points, parameters)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ANN401, ARG004 - torch's signature
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's signature
        points, *parameters = ctx.saved_tensors
        if torch.is_grad_enabled():
            response = _half_response(points, parameters)
            return (None, *torch.autograd.grad(response, parameters, grad, create_graph=True))
        return (None, *_response_gradients(points, parameters, grad.flatten(1)))


def _response_gradients(points: Tensor, parameters: Sequence[Tensor], grad: Tensor) -> list[Tensor]:
    """Return the gradients of the parameters from that of the response, (M, 2Q)."""
    imag, real = _layers(parameters)
    before = [_preactivations(points, layers) for layers in (imag, real)]
    basis = _symmetrise(F.silu(before[1][-1]), F.silu(before[0][-1]))
    width = basis.shape[0] // 2 - 1
    head = torch.split(grad @ basis.flatten(1).T, [width, 1, width, 1], 1)
    inner = (_head(imag, real).T @ grad).reshape(basis.shape) / 2
    even, odd = inner[:width, :, 0], inner[width + 1 : -1, :, 1]
    return [
        *_hidden_gradients(points, imag, before[0], torch.cat((odd, -odd), 1)),
        *(head[2], head[3].squeeze(1)),
        *_hidden_gradients(points, real, before[1], torch.cat((even, even), 1)),
        *(head[0], head[1].squeeze(1)),
    ]


def _hidden_gradients(
    points: Tensor, layers: Sequence[Layer], before: list[Tensor], grad: Tensor
) -> list[Tensor]:
    """Return the gradients of the hidden layers from that of the last features, (h, 2Q)."""
    found: list[Tensor] = []
    for index in reversed(range(len(before))):
        inner = torch.ops.aten.silu_backward(grad, before[index])
        inputs = F.silu(before[index - 1]) if index else points
        found = [inner @ inputs.T, inner.sum(1), *found]
        if index:
            grad = layers[index][0].T @ inner
    return found
