"""Pictures to be fitted, against their formulas."""

import hashlib
import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from kbench.datasets import build_dataset, fit_targets
from kbench.errors import DatasetError

NOWHERE = Path("no-such-folder")


def picture(name, root=NOWHERE, **options):
    return build_dataset(name, root, **options).load("train").targets[0]


@pytest.fixture
def alexnet(tmp_path, monkeypatch):
    """A file of AlexNet's format with drawn weights; returns its folder and the weights."""
    weights = torch.randn(64, 3, 11, 11, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "alexnet-owt-7be5be79.pth"
    torch.save({"features.0.weight": weights}, path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(fit_targets, "ALEXNET_SHA256", found[:8])
    return tmp_path, weights


@pytest.mark.parametrize("omega", [1.0, 16.0])
def test_gabor_is_the_literal_formula(omega):
    found = picture("kernel_target", omega=omega)
    assert found.shape == (1, 33, 33)
    for i, j in [(0, 0), (16, 16), (5, 30), (30, 5), (20, 12)]:
        x, y = -1 + i / 16, -1 + j / 16
        expected = math.sin(omega * x) * math.sin(omega * y)
        expected *= math.exp(-(x**2 + y**2) / (2 * 0.33**2))
        # Float32.
        assert float(found[0, i, j]) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_noise_is_uniform_and_fixed_by_its_seed():
    drawn = [picture("kernel_target", target="random", channels=3, seed=s) for s in (0, 0, 1)]
    assert drawn[0].shape == (3, 33, 33)
    assert 0 <= drawn[0].min() < 0.01
    assert 0.99 < drawn[0].max() < 1
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_alexnet_filter_is_its_weight(alexnet):
    root, weights = alexnet
    found = picture("kernel_target", root, target="alexnet", size=11, index=5)
    assert torch.equal(found, weights[5, :1])
    found = picture("kernel_target", root, target="alexnet", size=11, channels=3, index=63)
    assert torch.equal(found, weights[63])


def test_alexnet_filter_is_enlarged_three_times(alexnet):
    root, weights = alexnet
    found = picture("kernel_target", root, target="alexnet")
    expected = F.interpolate(weights[:1, :1], (33, 33), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, expected[0])


def test_standardised_filter_has_mean_0_and_deviation_1(alexnet):
    root, weights = alexnet
    options = {"target": "alexnet", "size": 11, "channels": 3, "standardised": True}
    found = picture("kernel_target", root, **options).double()
    assert float(found.mean()) == pytest.approx(0, abs=1e-6)
    assert float(found.square().mean()) == pytest.approx(1, abs=1e-6)
    assert torch.corrcoef(torch.stack([found.flatten(), weights[0].double().flatten()]))[
        0, 1
    ] == pytest.approx(1)


def test_absent_alexnet_is_named_with_the_command(tmp_path):
    dataset = build_dataset("kernel_target", tmp_path, target="alexnet")
    message = (
        "no file 'alexnet-owt-7be5be79.pth' in .*; get it with: curl -o .*pth "
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
    )
    with pytest.raises(DatasetError, match=message):
        dataset.load("train")


def test_damaged_alexnet_is_refused(alexnet):
    root, _ = alexnet
    (root / "alexnet-owt-7be5be79.pth").write_bytes(b"damaged")
    dataset = build_dataset("kernel_target", root, target="alexnet")
    with pytest.raises(DatasetError, match=r"has sha256 .*, expected .*; delete it and get it"):
        dataset.load("test")


def test_synthetic_picture_is_the_literal_formula():
    found = picture("synthetic_picture", size=10)
    assert found.shape == (3, 10, 10)
    turn = 2 * math.pi / 10
    for c, y, x in [(0, 0, 0), (0, 3, 7), (1, 9, 4), (2, 6, 6)]:
        expected = (1 + math.sin((c + 1) * turn * x) * math.cos((3 - c) * turn * y)) / 2
        # Float32.
        assert float(found[c, y, x]) == pytest.approx(expected, abs=1e-6)
    assert 0 <= found.min() < 0.1
    assert 0.9 < found.max() <= 1


@pytest.mark.parametrize("name", ["kernel_target", "synthetic_picture"])
def test_canvas_is_blank_and_as_large_as_the_picture(name):
    dataset = build_dataset(name, NOWHERE)
    for split in ("train", "test"):
        loaded = dataset.load(split)
        assert loaded.images.shape == loaded.targets.shape == (1, *dataset.input_shape)
        assert loaded.images.count_nonzero() == 0
        assert loaded.targets.dtype == torch.float32
    assert dataset.task == "fitting"
    assert dataset.mean == (0.0,) * dataset.input_shape[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "gabbor"}, "target (='gabbor') is unknown"),
        ({"size": 1}, "size (=1) must be >= 2"),
        ({"target": "alexnet", "size": 12}, "size (=12) must be 11 or 33 for alexnet"),
        ({"omega": 0.0}, "omega (=0.0) must be > 0"),
        ({"channels": 2, "target": "random"}, "channels (=2) must be 1 or 3"),
        ({"channels": 3}, "channels (=3) must be 1 for gabor"),
        ({"index": 64}, "index (=64) must be 0 to 63"),
        ({"seed": -1}, "seed (=-1) must be >= 0"),
    ],
    ids=["target", "size", "alexnet", "omega", "channels", "gabor", "index", "seed"],
)
def test_option_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build_dataset("kernel_target", NOWHERE, **options)


def test_size_of_the_synthetic_picture_is_checked():
    with pytest.raises(ValueError, match=r"size \(=1\) must be >= 2"):
        build_dataset("synthetic_picture", NOWHERE, size=1)
