"""Pascal VOC and SBD, in small files of their formats that the tests write."""

import hashlib
import re
import shutil
import tarfile
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from kbench.datasets import build_dataset, voc2012
from kbench.datasets.prepare import prepare_dataset
from kbench.datasets.voc2012 import Voc2012Segmentation, put_on_canvas, read_boundaries
from kbench.errors import DatasetError

NAMES = {"train": ["2007_1", "2007_2"], "val": ["2007_3"]}
# One picture of SBD is in VOC's training split, one in its validation split, two are new.
SBD_NAMES = {"train": ["2007_1", "2008_1"], "val": ["2007_3", "2008_2"]}


@pytest.fixture
def root(tmp_path):
    generator = np.random.default_rng(0)
    voc, sbd = tmp_path / "VOCdevkit/VOC2012", tmp_path / "sbd"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (voc / folder).mkdir(parents=True)
    (sbd / "cls").mkdir(parents=True)
    for split, names in NAMES.items():
        (voc / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(names) + "\n")
    for split, names in SBD_NAMES.items():
        (sbd / f"{split}.txt").write_text("\n".join(names) + "\n")
    for name in {n for names in (*NAMES.values(), *SBD_NAMES.values()) for n in names}:
        pixels = generator.integers(0, 256, (6, 9, 3), np.uint8)
        Image.fromarray(pixels).save(voc / f"JPEGImages/{name}.jpg")
        mask = generator.integers(0, 21, (6, 9), np.uint8)
        mask[0, 0] = 255
        palette = Image.fromarray(mask, "L")
        palette = palette.convert("P")
        palette.putdata(mask.flatten().tolist())
        palette.putpalette(list(range(256)) * 3)
        palette.save(voc / f"SegmentationClass/{name}.png")
        boundaries = {"Segmentation": (mask + 1) % 21}
        savemat(sbd / f"cls/{name}.mat", {"GTcls": boundaries})
    return tmp_path


@pytest.fixture
def build(root):
    """Function that builds the set on the small files, with their numbers of pictures."""

    def make(**options):
        dataset = build_dataset("voc2012_segmentation", root, **options)
        train = 2 if dataset.training == "voc" else 4
        dataset.split_sizes = {"train": train, "test": 1}
        return dataset

    return make


class QuietHandler(SimpleHTTPRequestHandler):
    """Handler that writes no log."""

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def served(root, tmp_path_factory, monkeypatch):
    """Folder of a server that has both archives, packed as they are published from the root."""
    folder = tmp_path_factory.mktemp("server")
    (root / "VOCdevkit/VOC2012/Annotations").mkdir()
    (root / "VOCdevkit/VOC2012/Annotations/2007_1.xml").write_text("<annotation/>")
    with tarfile.open(folder / "VOCtrainval_11-May-2012.tar", "w") as tar:
        tar.add(root / "VOCdevkit", "VOCdevkit")
    with tarfile.open(folder / "benchmark.tgz", "w:gz") as tar:
        tar.add(root / "sbd", "benchmark_RELEASE/dataset")
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for name in ("VOC_ARCHIVE", "SBD_ARCHIVE"):
            archive = getattr(voc2012, name)
            file = archive.path.rpartition("/")[2]
            md5 = hashlib.md5((folder / file).read_bytes(), usedforsecurity=False).hexdigest()
            url = f"http://127.0.0.1:{server.server_port}/{file}"
            monkeypatch.setattr(voc2012, name, replace(archive, md5=md5, urls=(url,)))
        yield folder
        server.shutdown()


def mask_of(root, name):
    with Image.open(root / f"VOCdevkit/VOC2012/SegmentationClass/{name}.png") as picture:
        return np.array(picture)


def test_facts_are_known_without_data():
    dataset = build_dataset("voc2012_segmentation", Path("no-such-folder"))
    assert dataset.split_sizes == {"train": 10_582, "test": 1449}
    assert dataset.num_classes == len(dataset.class_names) == 21
    assert dataset.input_shape == (3, 500, 500)
    assert dataset.scored_classes == tuple(range(21))
    own = Voc2012Segmentation(Path("no-such-folder"), training="voc")
    assert own.split_sizes == {"train": 1464, "test": 1449}


def test_pictures_lie_at_the_top_left_of_an_ignored_canvas(build, root):
    loaded = build(training="voc", size=12).load("train")
    assert loaded.images.shape == (2, 3, 12, 12)
    for place, name in enumerate(NAMES["train"]):
        with Image.open(root / f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg") as picture:
            pixels = np.array(picture).transpose(2, 0, 1)
        assert loaded.images[place, :, :6, :9].tolist() == pixels.tolist()
        assert loaded.targets[place, :6, :9].tolist() == mask_of(root, name).tolist()
    assert loaded.images[:, :, 6:].count_nonzero() == 0
    assert (loaded.targets[:, 6:] == 255).all()
    assert (loaded.targets[:, :, 9:] == 255).all()


def test_sbd_adds_what_is_in_neither_split_of_voc(build, root):
    loaded = build(size=12).load("train")
    masks = [mask_of(root, n).astype(int) for n in ("2007_1", "2007_2", "2008_1", "2008_2")]
    # VOC's own masks first; those of SBD were written one class higher.
    expected = [*masks[:2], *((mask.astype(np.uint8) + 1) % 21 for mask in masks[2:])]
    assert loaded.targets[:, :6, :9].tolist() == [mask.tolist() for mask in expected]


def test_test_split_is_the_validation_split_of_voc(build, root):
    loaded = build(size=12).load("test")
    assert loaded.targets[0, :6, :9].tolist() == mask_of(root, "2007_3").tolist()


def test_large_picture_is_made_smaller():
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    target = torch.full((4, 4), 255, dtype=torch.uint8)
    picture = Image.fromarray(np.full((2, 8, 3), 200, np.uint8))
    mask = torch.arange(16, dtype=torch.uint8).view(2, 8)
    put_on_canvas(picture, mask, image, target)
    assert (image[:, 0] == 200).all()
    assert image[:, 1:].count_nonzero() == 0
    # Every second column of one of the two rows.
    assert target[0].tolist() in ([1, 3, 5, 7], [9, 11, 13, 15], [0, 2, 4, 6], [8, 10, 12, 14])
    assert (target[1:] == 255).all()


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({}, "kbench data prepare voc2012_segmentation --download"),
        (
            {"training": "voc"},
            "kbench data prepare voc2012_segmentation --option training=voc --download",
        ),
    ],
    ids=["both", "voc"],
)
def test_absent_lists_are_named_with_the_command(tmp_path, options, command):
    message = f"no file 'VOCdevkit/.*train.txt' in '{tmp_path}'; get it with: {command}$"
    with pytest.raises(DatasetError, match=message):
        prepare_dataset(build_dataset("voc2012_segmentation", tmp_path, **options))
    assert list(tmp_path.iterdir()) == []


def test_archives_are_those_of_torchvision():
    from torchvision.datasets.sbd import SBDataset
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    voc, sbd = build_dataset("voc2012_segmentation", Path("no-such-folder")).archives
    expected = DATASET_YEAR_DICT["2012"]
    assert (*voc.urls, voc.path, voc.md5) == tuple(expected[k] for k in ("url", "filename", "md5"))
    assert (*sbd.urls, sbd.path, sbd.md5) == (
        SBDataset.url,
        f"sbd/{SBDataset.filename}",
        SBDataset.md5,
    )


@pytest.mark.usefixtures("served")
def test_download_of_both_archives_makes_the_set_loadable(build, root):
    expected = build(size=12).load("train")
    for folder in ("VOCdevkit", "sbd"):
        shutil.rmtree(root / folder)
    prepare_dataset(build(size=12), download=True)
    loaded = build(size=12).load("train")
    assert torch.equal(loaded.images, expected.images)
    assert torch.equal(loaded.targets, expected.targets)
    # What is not used stays in the archive.
    folders = {path.name for path in (root / "VOCdevkit/VOC2012").iterdir()}
    assert folders == {"JPEGImages", "SegmentationClass", "ImageSets"}


@pytest.mark.usefixtures("served")
def test_own_split_of_voc_needs_one_archive(build, root):
    for folder in ("VOCdevkit", "sbd"):
        shutil.rmtree(root / folder)
    prepare_dataset(build(training="voc"), download=True)
    assert not (root / "sbd").exists()
    assert len(build(training="voc", size=12).load("test")) == 1


@pytest.mark.usefixtures("served")
def test_absent_folder_is_brought_back_and_other_files_are_kept(build, root):
    own = root / "VOCdevkit/VOC2012/JPEGImages/own.jpg"
    own.write_bytes(b"mine")
    (root / "VOCdevkit/VOC2012/JPEGImages/2007_1.jpg").unlink()
    shutil.rmtree(root / "VOCdevkit/VOC2012/ImageSets")
    prepare_dataset(build(size=12), download=True)
    assert len(build(size=12).load("train")) == 4
    assert own.read_bytes() == b"mine"
    assert not (root / "sbd/benchmark.tgz").exists()  # nothing of it was missing


def test_archives_that_are_there_are_unpacked_without_network(served, build, root, monkeypatch):
    for folder in ("VOCdevkit", "sbd"):
        shutil.rmtree(root / folder)
    (root / "sbd").mkdir()
    shutil.copy(served / "VOCtrainval_11-May-2012.tar", root)
    shutil.copy(served / "benchmark.tgz", root / "sbd")
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_: pytest.fail("network"))
    prepare_dataset(build(size=12))
    assert len(build(size=12).load("train")) == 4


def test_archive_without_a_folder_is_refused(served, build, root, monkeypatch):
    for folder in ("VOCdevkit", "sbd"):
        shutil.rmtree(root / folder)
    empty = served / "VOCtrainval_11-May-2012.tar"
    tarfile.open(empty, "w").close()
    md5 = hashlib.md5(empty.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr(voc2012, "VOC_ARCHIVE", replace(voc2012.VOC_ARCHIVE, md5=md5))
    message = r"2012\.tar' holds no 'VOCdevkit/VOC2012/JPEGImages'; delete it and get it with"
    with pytest.raises(DatasetError, match=message):
        prepare_dataset(build(), download=True)
    assert not (root / "VOCdevkit").exists()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("VOCdevkit/VOC2012/JPEGImages/2007_2.jpg", "2007_2.jpg' cannot be read"),
        ("VOCdevkit/VOC2012/SegmentationClass/2007_1.png", "2007_1.png' cannot be read"),
        ("sbd/cls/2008_2.mat", "no file '.*2008_2.mat'; delete '.*sbd/cls' and get"),
    ],
    ids=["picture", "mask", "sbd"],
)
def test_absent_file_is_named(build, root, path, message):
    (root / path).unlink()
    with pytest.raises(DatasetError, match=message):
        build(size=12).load("train")


def test_mask_of_another_size_is_named(build, root):
    path = root / "VOCdevkit/VOC2012/SegmentationClass/2007_3.png"
    Image.fromarray(np.zeros((5, 9), np.uint8)).save(path)
    with pytest.raises(DatasetError, match="picture and mask '2007_3' differ in size"):
        build(size=12).load("test")


def test_class_number_out_of_range_is_named(build, root):
    mask = np.full((6, 9), 21, np.uint8)
    Image.fromarray(mask).save(root / "VOCdevkit/VOC2012/SegmentationClass/2007_2.png")
    message = "picture '2007_2' has class number 21; it must be 0 to 20, or 255 for none"
    with pytest.raises(DatasetError, match=message):
        build(training="voc").load("train")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
def test_truncated_mask_of_sbd_is_named(tmp_path, share, packed):
    path = tmp_path / "x.mat"
    classes = np.arange(300, dtype=np.uint8).reshape(20, 15) % 20
    savemat(path, {"GTcls": {"Segmentation": classes}}, do_compression=packed)
    assert read_boundaries(path).tolist() == classes.tolist()
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DatasetError, match=r"mask '.*x\.mat' cannot be read: "):
        read_boundaries(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"training": "sbd"}, "training (='sbd') must be one of ['voc', 'voc_sbd']"),
        ({"size": 0}, "size (=0) must be >= 1"),
    ],
    ids=["training", "size"],
)
def test_option_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build_dataset("voc2012_segmentation", Path("no-such-folder"), **options)
