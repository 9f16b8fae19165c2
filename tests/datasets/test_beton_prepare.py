import errno
import json

import numpy as np
import pytest
import torch
from PIL import Image

from kbench.bench.loader_data import GivenImages, GivenPictures, draw_picture
from kbench.datasets.beton import beton_path, check_beton, sidecar_path
from kbench.datasets.beton_prepare import prepare_betons
from kbench.datasets.dataset import FileSplit, Split
from kbench.datasets.lock import hold_lock
from kbench.errors import DatasetError, UnsupportedError
from kbench.storage import Storage

pytestmark = pytest.mark.ffcv


@pytest.fixture
def images(tmp_path):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return GivenImages(tmp_path, "generated", Split(pixels, torch.arange(40) % 10))


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    paths = tuple(folder / f"{index}.jpg" for index in range(12))
    for path in paths:
        draw_picture(generator).save(path)
    return GivenPictures(tmp_path, "generated", FileSplit(paths, torch.arange(12) % 10))


def files(dataset):
    """Return what is in the folder of betons; remembered checksums do not count."""
    names = (path.name for path in (dataset.folder / "ffcv").iterdir())
    return {name for name in names if not name.startswith(".kbench")}


def read_samples(path):
    """Return modes, sizes and targets as FFCV's own reader finds them."""
    from ffcv.reader import Reader

    metadata = Reader(str(path)).metadata
    return metadata["f0"], metadata["f1"].tolist()


def test_ffcv_reads_what_was_written(images):
    from ffcv.loader import Loader

    threads = torch.get_num_threads()
    (prepared,) = prepare_betons(images)
    loader = Loader(str(prepared.path), batch_size=40, num_workers=1, drop_last=False)
    torch.set_num_threads(threads)
    ((pixels, targets),) = list(loader)
    expected = images.load("train")
    assert torch.equal(pixels, expected.images)
    assert torch.equal(targets[:, 0], expected.targets)


def test_the_sidecar_says_what_it_is(images):
    (prepared,) = prepare_betons(images)
    sidecar = json.loads(sidecar_path(prepared.path).read_bytes())
    assert prepared.num_samples == 40
    assert sidecar["versions"]["ffcv"] == "1.0.2"
    assert files(images) == {prepared.path.name, sidecar_path(prepared.path).name}


def test_what_is_whole_is_left_alone(images):
    (first,) = prepare_betons(images)
    before = first.path.stat().st_mtime_ns
    (second,) = prepare_betons(images)
    assert (first.written_s is None, second.written_s is None) == (False, True)
    assert second.path.stat().st_mtime_ns == before


def test_what_is_damaged_is_written_again(images):
    (first,) = prepare_betons(images)
    content = first.path.read_bytes()
    first.path.write_bytes(content[:-100])
    prepare_betons(images)
    assert first.path.read_bytes() == content


def test_the_number_of_workers_does_not_change_a_byte(pictures):
    (prepared,) = prepare_betons(pictures, num_workers=1)
    content = prepared.path.read_bytes()
    prepared.path.unlink()
    prepare_betons(pictures, num_workers=3)
    assert prepared.path.read_bytes() == content


@pytest.mark.parametrize(("share", "modes"), [(0.0, {1}), (1.0, {0}), (0.5, {0, 1})])
def test_the_share_of_compressed_pictures_is_kept(pictures, share, modes):
    (prepared,) = prepare_betons(pictures, Storage(jpeg_share=share))
    metadata, targets = read_samples(prepared.path)
    assert set(metadata["mode"].tolist()) == modes  # FFCV: 0 is JPEG, 1 is pixels
    assert targets == [*range(10), 0, 1]


def test_pictures_are_shrunk_to_the_longest_side(tmp_path):
    path = tmp_path / "wide.png"
    Image.new("L", (120, 60)).save(path)
    dataset = GivenPictures(tmp_path, "generated", FileSplit((path,), torch.tensor([3])))
    sizes = []
    for side in (50, None):
        (prepared,) = prepare_betons(dataset, Storage(max_side=side))
        metadata, _ = read_samples(prepared.path)
        sizes.append((int(metadata["height"][0]), int(metadata["width"][0])))
    assert sizes == [(25, 50), (60, 120)]


@pytest.mark.parametrize("done", [0, 7, 40])
def test_an_interrupted_run_is_gone_on_with(images, monkeypatch, done):
    """Bytes are those of a run without interruption, and what was done is not done again."""
    (prepared,) = prepare_betons(images)
    content = prepared.path.read_bytes()
    prepared.path.unlink()
    monkeypatch.setattr("kbench.datasets.beton_file.FLUSH_SIZE", 1)
    stop_after(monkeypatch, done)
    with pytest.raises(KeyboardInterrupt):
        prepare_betons(images)
    assert not prepared.path.exists()
    started = stop_after(monkeypatch, None)
    prepare_betons(images)
    assert started == [done]
    assert prepared.path.read_bytes() == content
    assert len(files(images)) == 2


def stop_after(monkeypatch, done):
    """Interrupt the encoding after so many samples; return where it starts."""
    from kbench.datasets import beton_samples

    encode, started = beton_samples.__dict__["encode_samples"], []
    encode = getattr(encode, "original", encode)

    def stopping(samples, storage, start, num_workers):
        started.append(start)
        for index, sample in enumerate(encode(samples, storage, start, num_workers)):
            if index == done:
                raise KeyboardInterrupt
            yield sample
        if done is not None:
            raise KeyboardInterrupt

    stopping.original = encode
    monkeypatch.setattr(beton_samples, "encode_samples", stopping)
    return started


def test_a_partial_file_of_other_data_is_written_anew(images):
    (prepared,) = prepare_betons(images)
    content = prepared.path.read_bytes()
    prepared.path.unlink()
    partial = prepared.path.with_name(f"{prepared.path.name}.partial")
    journal = prepared.path.with_name(f"{prepared.path.name}.journal")
    partial.write_bytes(b"x" * 10_000)
    journal.write_bytes(b"y" * 500)
    prepare_betons(images)
    assert prepared.path.read_bytes() == content


def test_a_full_disk_leaves_nothing(images, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kbench.datasets.beton_file.os.fsync", fail)
    message = "cannot write beton '.*beton': No space left on device"
    with pytest.raises(DatasetError, match=message):
        prepare_betons(images)
    assert files(images) == set()


def test_two_preparations_at_once_are_refused(images):
    path = beton_path(images, "train", Storage())
    path.parent.mkdir()
    with (
        hold_lock(path.with_name(f"{path.name}.lock"), "it"),
        pytest.raises(DatasetError, match=r"beton 'bench-train.*' is being prepared by process"),
    ):
        prepare_betons(images)


def test_a_truncated_picture_is_named(pictures):
    path = pictures.load("train").paths[5]
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DatasetError, match=r"picture '.*5.jpg' cannot be read: .*truncated"):
        prepare_betons(pictures)
    with pytest.raises(DatasetError, match="no beton"):
        check_beton(pictures, "train", Storage())


def test_images_of_floats_are_refused(tmp_path):
    dataset = GivenImages(tmp_path, "x", Split(torch.rand(4, 1, 8, 8), torch.arange(4)))
    with pytest.raises(UnsupportedError, match=r"of 8 bits, not torch\.float32"):
        prepare_betons(dataset)
