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
    """Return the spectra whose combinations the responses are but for a constant.

    Args:
        points: (D, 2Q).
        imag: Weight (out, in) and bias of every layer of the imaginary network.
        real: The same of the real network.

    Returns:
        Complex (2h, Q): the features of the real network, then those of the imaginary one times i.
    """
    even, odd = _twofold_parts(features(points, imag), features(points, real))
    none = torch.zeros_like(even)
    return torch.cat((torch.complex(even, none), torch.complex(none, odd))) / 2


def half_response(points: Tensor, imag: Sequence[Layer], real: Sequence[Layer]) -> Tensor:
    """Return the half spectra of M kernels, complex (M, Q).

    The arguments are those of `half_basis`.
    """
    parameters = [tensor for layer in (*imag, *real) for tensor in layer]
    if torch.compiler.is_compiling():
        return _half_response(points, parameters)
    return _HalfResponse.apply(points, *parameters)[0]


def _preactivations(points: Tensor, layers: Sequence[Layer]) -> list[Tensor]:
    """Return the inputs of every SiLU, (width, N) each."""
    inputs, found = points, []
    for weight, bias in layers[:-1]:
        found.append(torch.addmm(bias[:, None], weight, inputs))
        inputs = F.silu(found[-1])
    return found


def _twofold_parts(imag: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Return twice the even part of the real features and the odd one of the others, (h, Q)."""
    bins = real.shape[1] // 2
    return real[:, :bins] + real[:, bins:], imag[:, :bins] - imag[:, bins:]


def _combine(even: Tensor, odd: Tensor, imag: Layer, real: Layer) -> Tensor:
    """Apply the last layers to twice the parts of their features: complex (M, Q)."""
    real_part = torch.addmm(real[1][:, None], real[0], even, alpha=0.5)
    # The last bias of the imaginary network has no effect, but a gradient of zeros.
    return torch.complex(real_part, torch.addmm(imag[1][:, None], imag[0], odd, beta=0, alpha=0.5))


def _layers(parameters: Sequence[Tensor]) -> tuple[list[Layer], list[Layer]]:
    pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
    return pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]


def _half_response(points: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Return the half spectrum, complex (M, Q)."""
    imag, real = _layers(parameters)
    parts = _twofold_parts(features(points, imag), features(points, real))
    return _combine(*parts, imag[-1], real[-1])


class _HalfResponse(torch.autograd.Function):
    """`_half_response` with a backward pass that does not record its many small steps.

    What the backward pass needs of the hidden layers are outputs only to be saved.
    """

    @staticmethod
    def forward(points: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        imag, real = _layers(parameters)
        before = [_preactivations(points, layers) for layers in (imag, real)]
        parts = _twofold_parts(F.silu(before[0][-1]), F.silu(before[1][-1]))
        return (_combine(*parts, imag[-1], real[-1]), *parts, *before[0], *before[1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ANN401 - torch's signature
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.num_inputs = len(inputs)
        ctx.save_for_backward(*inputs, *output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's signature
        if grad is None:
            return (None,) * ctx.num_inputs
        if torch.is_grad_enabled():
            points, *parameters = ctx.saved_tensors[: ctx.num_inputs]
            response = _half_response(points, parameters)
            return (None, *torch.autograd.grad(response, parameters, grad, create_graph=True))
        return (None, *_response_gradients(ctx.saved_tensors, ctx.num_inputs, grad))


def _response_gradients(saved: Sequence[Tensor], num_inputs: int, grad: Tensor) -> list[Tensor]:
    """Return the gradients of the parameters from that of the response, complex (M, Q)."""
    points, *parameters = saved[:num_inputs]
    even, odd, *before = saved[num_inputs:]
    imag, real = _layers(parameters)
    depth = len(before) // 2
    to_real, to_imag = grad.real / 2, grad.imag / 2
    to_even, to_odd = real[-1][0].T @ to_real, imag[-1][0].T @ to_imag
    # Transposed, the products of the last weights are fast for any layout of the gradient.
    return [
        *_hidden_gradients(points, imag, before[:depth], torch.cat((to_odd, -to_odd), 1)),
        *((odd @ to_imag.T).T, torch.zeros_like(imag[-1][1])),
        *_hidden_gradients(points, real, before[depth:], torch.cat((to_even, to_even), 1)),
        *((even @ to_real.T).T, 2 * to_real.sum(1)),
    ]


def _hidden_gradients(
    points: Tensor, layers: Sequence[Layer], before: Sequence[Tensor], grad: Tensor
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
