"""Both forms of the set: files of the archive that the tests write, and the real stretched one."""

import re

import numpy as np
import pytest

from kbench.datasets import build_dataset, character_trajectories
from kbench.datasets.series import split_stratified
from kbench.errors import DatasetError

COUNT = 200


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Two files of the archive; returns the root, the series and their labels from 1."""
    monkeypatch.setattr(character_trajectories, "COUNT", COUNT)
    generator = np.random.default_rng(0)
    series = [generator.normal(size=(3, n)).round(3) for n in generator.integers(60, 183, COUNT)]
    labels = [str(number % 20 + 1) for number in range(COUNT)]
    lines = [
        ":".join([*(",".join(map(str, row)) for row in values), label])
        for values, label in zip(series, labels, strict=True)
    ]
    folder = tmp_path / "character-trajectories"
    folder.mkdir()
    for part, chosen in (("TRAIN", lines[:90]), ("TEST", lines[90:])):
        text = "\n".join(["@problemName CharacterTrajectories", "@data", *chosen, ""])
        (folder / f"CharacterTrajectories_{part}.ts").write_text(text)
    return tmp_path, series, labels


def test_facts_are_those_of_the_specification(tmp_path):
    dataset = build_dataset("character_trajectories", tmp_path)
    assert dataset.input_shape == (3, 182)
    assert dataset.num_classes == len(dataset.class_names) == 20
    assert dataset.split_sizes == {"train": 2000, "val": 429, "test": 429}
    assert (dataset.mean, dataset.std) == ((0.0,) * 3, (1.0,) * 3)


def test_parts_are_joined_padded_split_and_normalised(archive):
    root, series, labels = archive
    dataset = build_dataset("character_trajectories", root)
    whole = np.stack([np.pad(s, ((0, 0), (0, 182 - s.shape[1])), mode="edge") for s in series])
    targets = np.array([int(label) - 1 for label in labels])
    places = split_stratified(targets)
    train = whole[places["train"]]
    for split in ("train", "val", "test"):
        loaded = dataset.load(split)
        expected = whole[places[split]] - train.mean((0, 1))
        expected /= train.std((0, 1), ddof=1) + 1e-5
        # Float32.
        np.testing.assert_allclose(loaded.images.numpy(), expected, rtol=1e-5, atol=1e-5)
        assert loaded.targets.tolist() == targets[places[split]].tolist()


def test_checksums_are_those_of_the_files(archive):
    sums = build_dataset("character_trajectories", archive[0]).checksums()
    assert set(sums) == {
        f"character-trajectories/CharacterTrajectories_{part}.ts" for part in ("TRAIN", "TEST")
    }


def test_absent_part_is_named(archive):
    root, _, _ = archive
    (root / "character-trajectories" / "CharacterTrajectories_TEST.ts").unlink()
    message = r"no file 'character-trajectories/.*_TEST.ts' in .*; unpack CharacterTrajectories.zip"
    with pytest.raises(DatasetError, match=message):
        build_dataset("character_trajectories", root).load("train")


def test_unknown_label_is_refused(archive):
    root, _, _ = archive
    path = root / "character-trajectories" / "CharacterTrajectories_TEST.ts"
    path.write_text(path.read_text() + "1:2:3:21\n")
    with pytest.raises(DatasetError, match="label '21'; labels are 1 to 20"):
        build_dataset("character_trajectories", root).load("train")


def test_missing_series_are_noticed(archive):
    root, _, _ = archive
    path = root / "character-trajectories" / "CharacterTrajectories_TRAIN.ts"
    path.write_text(re.sub(r"\n[^@\n]+\n$", "\n", path.read_text()))
    with pytest.raises(DatasetError, match="199 series, expected 200"):
        build_dataset("character_trajectories", root).load("test")


def test_stretched_form_is_another_dataset(real_dataset):
    dataset = real_dataset("character_trajectories_205")
    assert "not the 182 steps" in dataset.note
    assert dataset.input_shape == (3, 205)
    sizes = dict(dataset.split_sizes)
    counts = 0
    for split, size in sizes.items():
        loaded = dataset.load(split)
        assert loaded.images.shape == (size, 3, 205)
        assert not loaded.images.isnan().any()
        counts = counts + loaded.targets.bincount()
    assert sizes == {"train": 2000, "val": 429, "test": 429}
    # UCI: 20 letters, 2,858 samples.
    assert (int(counts.sum()), len(counts)) == (2858, 20)
