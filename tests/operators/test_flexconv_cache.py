"""What is kept between forwards, and what makes it stale."""

import copy

import pytest
import torch
from torch import nn

from kbench.operators.flexconv_cache import EvalCache, MaskReader


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask_params = nn.Parameter(torch.tensor([[0.0, 0.5]]))


class Accelerated:
    """A mask that says it is on an accelerator."""

    def __init__(self, layer, *, learns=False):
        self.mask_params = OffHost(layer.mask_params.detach()).requires_grad_(learns)


class OffHost(torch.Tensor):
    device = torch.device("cuda")


@pytest.fixture
def cached():
    layer = nn.Linear(2, 2).eval()
    return layer, EvalCache()


def call(layer, cache, key="key"):
    """Return whether the cache computed, in evaluation without gradient."""
    computed = []

    def compute():
        computed.append(True)
        return (torch.zeros(1),)

    with torch.no_grad():
        cache.get(layer, key, compute)
    return bool(computed)


def test_second_evaluation_is_remembered(cached):
    assert [call(*cached), call(*cached)] == [True, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.weight.add_(1),
        lambda layer: layer.double(),
        lambda layer: layer.load_state_dict(nn.Linear(2, 2).state_dict()),
        lambda layer: layer.train(),
    ],
    ids=["step", "type", "load", "training"],
)
def test_change_makes_the_kernel_stale(cached, change):
    layer, cache = cached
    call(layer, cache)
    with torch.no_grad():
        change(layer)
    assert call(layer, cache)


def test_other_key_makes_the_kernel_stale(cached):
    call(*cached, key=1)
    assert call(*cached, key=2)


def test_graph_is_never_kept(cached):
    layer, cache = cached
    first, second = (cache.get(layer, "key", lambda: (layer.weight * 2,))[0] for _ in range(2))
    assert first is not second


def test_copy_starts_empty(cached):
    layer, cache = cached
    call(layer, cache)
    assert call(layer, copy.deepcopy(cache))


def test_masks_on_the_host_are_always_read():
    layer, reader = Layer(), MaskReader()
    before = reader.rows(layer)
    layer.mask_params.data.mul_(2)
    assert (before, reader.rows(layer)) == ([[0.0, 0.5]], [[0.0, 1.0]])


def test_masks_on_an_accelerator_are_read_together_once_a_change(monkeypatch):
    stack, reads = torch.stack, []
    monkeypatch.setattr(torch, "stack", lambda tensors: reads.append(1) or stack(tensors))
    layers, reader = [Accelerated(Layer()) for _ in range(3)], MaskReader()
    rows = [reader.rows(layer) for layer in layers]
    reads.clear()
    for layer in layers:
        layer.mask_params.mul_(2)
    for _ in range(2):
        changed = [reader.rows(layer) for layer in layers]
    assert (rows, changed) == ([[[0.0, 0.5]]] * 3, [[[0.0, 1.0]]] * 3)
    assert len(reads) == 1


def test_writes_that_torch_does_not_count_reach_the_next_forward_of_training(monkeypatch):
    stack, reads = torch.stack, []
    monkeypatch.setattr(torch, "stack", lambda tensors: reads.append(1) or stack(tensors))
    layers, reader = [Accelerated(Layer(), learns=True) for _ in range(3)], MaskReader()
    for layer in layers:
        reader.rows(layer)
    reads.clear()
    for layer in layers:
        layer.mask_params.data.mul_(2)  # as fused optimisers do
    assert [reader.rows(layer) for layer in layers] == [[[0.0, 1.0]]] * 3
    assert len(reads) == 1
    with torch.no_grad():
        assert [reader.rows(layer) for layer in layers] == [[[0.0, 1.0]]] * 3
        reader.rows(layers[0])
    assert len(reads) == 2


def test_fused_optimisers_do_not_count_their_writes():
    mask = nn.Parameter(torch.ones(1, 2))
    mask.sum().backward()
    torch.optim.Adam([mask], fused=True).step()
    assert mask._version == 0
