import numpy as np
import pytest
import torch
from scipy import stats
from timm.data.mixup import Mixup

from kbench.loaders.batch import Batch
from kbench.loaders.mixing import NO_MIX, Mix, draw_mix, mix_batch, mix_inputs, mix_targets
from kbench.recipe import Augmentation

BOTH = Augmentation(mixup=0.8, cutmix=1.0)


def draws(augmentation, count=4000, sides=(32, 24)):
    generator = np.random.default_rng(0)
    return [draw_mix(augmentation, sides, generator) for _ in range(count)]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.rand(6, 3, 12, 10, generator=generator), torch.tensor([0, 3, 1, 3, 2, 0]))


@pytest.mark.parametrize("kind", ["mixup_alpha", "cutmix_alpha"])
def test_a_mixed_batch_is_that_of_timm(batch, kind):
    """timm draws for itself; its share and rectangle are read from what it gives."""
    alphas = {"mixup_alpha": 0.0, "cutmix_alpha": 0.0, kind: 1.0}
    inputs, targets = Mixup(**alphas, label_smoothing=0.0, num_classes=4)(
        batch.inputs.clone(), batch.targets
    )
    # Images 1 and 4 have the classes 3 and 2.
    share, box = float(targets[1, 3]), None
    if kind == "cutmix_alpha":
        rows, columns = (inputs[1, 0] != batch.inputs[1, 0]).nonzero(as_tuple=True)
        box = (int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1)
    mix = Mix(share, box)
    torch.testing.assert_close(mix_inputs(batch.inputs, mix), inputs)
    torch.testing.assert_close(mix_targets(batch.targets, 4, mix), targets)


def test_inputs_are_not_changed_in_place(batch):
    before = batch.inputs.clone()
    mix_inputs(batch.inputs, Mix(0.5, (1, 4, 2, 6)))
    mix_inputs(batch.inputs, Mix(0.5, None))
    assert torch.equal(batch.inputs, before)


def test_the_middle_of_an_odd_batch_is_left_alone(batch):
    mixed = mix_inputs(batch.inputs[:5], Mix(0.3, None))
    torch.testing.assert_close(mixed[2], batch.inputs[2])


def test_shares_of_mixup_are_those_of_the_beta_distribution():
    shares = [mix.share for mix in draws(Augmentation(mixup=0.8))]
    assert all(mix.box is None for mix in draws(Augmentation(mixup=0.8), 10))
    # One seed: the bound is the chance that right shares fail.
    assert stats.kstest(shares, stats.beta(0.8, 0.8).cdf).pvalue > 1e-3


def test_share_of_cutmix_is_what_the_rectangle_leaves():
    for mix in draws(Augmentation(cutmix=1.0), 200):
        top, bottom, left, right = mix.box
        assert 0 <= top <= bottom <= 32
        assert 0 <= left <= right <= 24
        assert mix.share == pytest.approx(1 - (bottom - top) * (right - left) / (32 * 24))


def test_rectangles_are_drawn_as_timms(monkeypatch):
    mixup = Mixup(mixup_alpha=0.0, cutmix_alpha=1.0, num_classes=4, label_smoothing=0.0)
    targets = torch.tensor([0, 1])
    with monkeypatch.context() as patched:
        patched.setattr(np, "random", np.random.RandomState(1))
        expected = [float(mixup(torch.zeros(2, 1, 32, 24), targets)[1][0, 0]) for _ in range(2000)]
    found = [mix.share for mix in draws(Augmentation(cutmix=1.0), 2000)]
    assert stats.ks_2samp(found, expected).pvalue > 1e-3


def test_probabilities_hold_for_batches():
    mixes = draws(Augmentation(mixup=0.8, cutmix=1.0, mixup_prob=0.6, mixup_switch_prob=0.3))
    mixed = [mix for mix in mixes if mix is not NO_MIX]
    cut = [mix for mix in mixed if mix.box is not None]
    # Five standard deviations of a binomial.
    assert abs(len(mixed) - 0.6 * 4000) < 5 * np.sqrt(4000 * 0.24)
    assert abs(len(cut) - 0.3 * len(mixed)) < 5 * np.sqrt(len(mixed) * 0.21)


def test_a_batch_that_is_not_mixed_has_whole_shares(batch):
    found = mix_batch(batch, Augmentation(mixup=1.0, mixup_prob=0.0), 4, np.random.default_rng(0))
    assert torch.equal(found.inputs, batch.inputs)
    assert found.targets.argmax(1).tolist() == batch.targets.tolist()
    assert found.targets.unique().tolist() == [0.0, 1.0]


def test_same_generator_mixes_the_same(batch):
    first, second = (mix_batch(batch, BOTH, 4, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.targets, second.targets)
