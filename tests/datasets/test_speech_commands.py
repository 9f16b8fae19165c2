"""Spoken words: clips that the tests write, and the real subset."""

import shutil
import tarfile
import wave
from dataclasses import replace

import numpy as np
import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.mfcc import compute_mfcc
from kbench.datasets.prepare import prepare_dataset
from kbench.datasets.series import split_stratified
from kbench.datasets.speech_commands import WORDS, SpeechCommands, read_clip
from kbench.errors import DatasetError

PER_WORD = 8


def write_clip(path, samples, rate=16_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """Eight clips a word and some that are too short; returns the root and the clips in order."""
    monkeypatch.setattr(SpeechCommands, "clips", PER_WORD * len(WORDS))
    generator = np.random.default_rng(0)
    folder = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    whole = generator.integers(-(2**15), 2**15, (len(WORDS), PER_WORD, 16_000), np.int16)
    for word, samples in zip(WORDS, whole, strict=True):
        for number, clip in enumerate(samples):
            write_clip(folder / word / f"{number:02}_nohash_0.wav", clip)
        write_clip(folder / word / "00_nohash_1.wav", samples[0, :15_999])
    write_clip(folder / "bed" / "00_nohash_0.wav", whole[0, 0])
    return tmp_path, whole.reshape(-1, 1, 16_000)


@pytest.mark.parametrize(
    ("name", "options", "shape", "sizes"),
    [
        ("speech_commands_raw", {}, (1, 16_000), (24_482, 5246, 5247)),
        ("speech_commands_mfcc", {}, (20, 161), (24_482, 5246, 5247)),
        ("speech_commands_subset", {}, (20, 161), (67, 14, 15)),
        ("speech_commands_subset", {"features": "raw"}, (1, 16_000), (67, 14, 15)),
    ],
    ids=["raw", "mfcc", "subset", "subset_raw"],
)
def test_facts_are_those_of_the_specification(tmp_path, name, options, shape, sizes):
    dataset = build_dataset(name, tmp_path, **options)
    assert dataset.input_shape == shape
    assert tuple(dataset.split_sizes.values()) == sizes
    assert " ".join(dataset.class_names) == "yes no up down left right on off stop go"


def test_samples_are_shares_of_two_to_the_15_then_normalised(clips):
    root, whole = clips
    values = whole.astype(np.float64) / 2**15
    targets = np.repeat(np.arange(10), PER_WORD)
    places = split_stratified(targets)
    train = values[places["train"]]
    loaded = build_dataset("speech_commands_raw", root).load("val")
    expected = (values[places["val"]] - train.mean((0, 1))) / (train.std((0, 1), ddof=1) + 1e-5)
    # Float32.
    np.testing.assert_allclose(loaded.images.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert loaded.targets.tolist() == targets[places["val"]].tolist()


def test_coefficients_are_those_of_the_samples(clips):
    root, whole = clips
    features = compute_mfcc(torch.from_numpy(whole[:, 0].astype(np.float32) / 2**15))
    places = split_stratified(np.repeat(np.arange(10), PER_WORD))
    train = features[places["train"]]
    std, mean = torch.std_mean(train, (0, 1))
    loaded = build_dataset("speech_commands_mfcc", root).load("test")
    expected = (features[places["test"]] - mean) / (std + 1e-5)
    # Batches of another size may be summed in another order.
    torch.testing.assert_close(loaded.images, expected, rtol=1e-4, atol=1e-4)


def test_incomplete_set_is_refused(clips):
    root, _ = clips
    (root / "SpeechCommands/speech_commands_v0.02/go/00_nohash_0.wav").unlink()
    with pytest.raises(DatasetError, match="'speech_commands_raw': 79 series, expected 80"):
        build_dataset("speech_commands_raw", root).load("train")


def test_absent_set_is_named_with_the_command(tmp_path):
    command = "kbench data prepare speech_commands_mfcc --download"
    message = f"no files in '.*speech_commands_v0.02'; get it with: {command}$"
    with pytest.raises(DatasetError, match=message):
        prepare_dataset(build_dataset("speech_commands_mfcc", tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def published(clips, tmp_path_factory, monkeypatch):
    """An archive of the clips on a server, whose members begin with `./`; their folder is gone."""
    root, _ = clips
    path = tmp_path_factory.mktemp("server") / "speech_commands_v0.02.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(root / SpeechCommands.tree, ".")
    shutil.rmtree(root / "SpeechCommands")
    (archive,) = SpeechCommands.archives
    monkeypatch.setattr(SpeechCommands, "archives", (replace(archive, urls=(path.as_uri(),)),))
    return path


def test_download_brings_the_ten_words(clips, published):
    root, whole = clips
    dataset = build_dataset("speech_commands_raw", root)
    prepare_dataset(dataset, download=True)
    folder = root / SpeechCommands.tree
    assert sorted(path.name for path in folder.iterdir()) == sorted(WORDS)
    found = [read_clip(path) for path in dataset.list_files() if path.name.endswith("_0.wav")]
    assert np.array_equal(np.stack(found), whole[:, 0])
    assert (root / published.name).is_file()


def test_absent_word_is_brought_back(clips, published):
    root, _ = clips
    dataset = build_dataset("speech_commands_raw", root)
    prepare_dataset(dataset, download=True)
    shutil.rmtree(root / SpeechCommands.tree / "go")
    published.unlink()  # the copy that was downloaded is enough
    prepare_dataset(dataset)
    assert len(dataset.list_files()) == (PER_WORD + 1) * len(WORDS)


@pytest.mark.parametrize("damage", ["cut", "end", "changed"])
def test_damaged_archive_leaves_no_clip(clips, published, damage):
    root, _ = clips
    content = published.read_bytes()
    checksum = bytes([content[-8] ^ 1])
    changed = {
        "cut": content[: len(content) // 2],
        "end": content[:-4],
        "changed": content[:-8] + checksum + content[-7:],
    }
    published.write_bytes(changed[damage])
    message = r"v0\.02\.tar\.gz' cannot be unpacked: .*; delete it and get it with: kbench data"
    with pytest.raises(DatasetError, match=message):
        prepare_dataset(build_dataset("speech_commands_raw", root), download=True)
    assert [path.name for path in root.iterdir()] == [published.name]


def test_no_clip_of_a_second_is_refused(clips):
    root, _ = clips
    for path in root.rglob("*_nohash_0.wav"):
        path.unlink()
    with pytest.raises(DatasetError, match="no clip has 16000 samples"):
        build_dataset("speech_commands_raw", root).load("train")


def test_damaged_clip_is_named(tmp_path):
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    with pytest.raises(DatasetError, match=r"x.wav' is no wave file"):
        read_clip(tmp_path / "x.wav")


@pytest.mark.parametrize("count", [1, 2], ids=["within-a-sample", "between-samples"])
def test_truncated_clip_is_named(tmp_path, count):
    path = tmp_path / "x.wav"
    write_clip(path, np.zeros(50))
    path.write_bytes(path.read_bytes()[:-count])
    with pytest.raises(DatasetError, match=r"x.wav' is truncated: 9[89] bytes of 50 samples"):
        read_clip(path)


def test_clip_of_another_rate_is_named(tmp_path):
    write_clip(tmp_path / "x.wav", np.zeros(5), rate=8000)
    with pytest.raises(DatasetError, match="has 1 channels of 16 bits at 8000 Hz; expected 1"):
        read_clip(tmp_path / "x.wav")


def test_unknown_features_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"features \(='mel'\) must be 'mfcc' or 'raw'"):
        build_dataset("speech_commands_subset", tmp_path, features="mel")


@pytest.mark.parametrize("features", ["mfcc", "raw"])
def test_subset_is_verified_and_loads(real_dataset, features):
    dataset = real_dataset("speech_commands_subset", features=features)
    assert dataset.tree_sum() == dataset.checksums()["speech-commands-subset"]
    assert "not the 34,975" in dataset.note
    for split, size in dataset.split_sizes.items():
        loaded = dataset.load(split)
        assert loaded.images.shape == (size, *dataset.input_shape)
        assert loaded.targets.unique().tolist() == list(range(10))
