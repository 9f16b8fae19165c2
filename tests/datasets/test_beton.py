import importlib
import json
import re

import pytest
import torch

from kbench.datasets import build_dataset
from kbench.datasets.beton import (
    beton_path,
    check_beton,
    check_storable,
    describe_origin,
    import_ffcv,
    prepare_command,
    sidecar_path,
)
from kbench.datasets.checksum import file_crc32
from kbench.errors import DatasetError, UnsupportedError
from kbench.files import write_json
from kbench.storage import Storage


@pytest.fixture
def dataset(tmp_path):
    return build_dataset("cifar10", tmp_path)


@pytest.fixture
def beton(dataset):
    """Return the file of a split that `check_beton` takes for whole, whatever is in it."""
    path = beton_path(dataset, "train", Storage())
    path.parent.mkdir()
    path.write_bytes(b"samples")
    origin = describe_origin(dataset, "train", Storage())
    write_json(sidecar_path(path), {"crc32": file_crc32(path), "origin": origin})
    return path


def test_a_whole_beton_is_found(dataset, beton):
    assert check_beton(dataset, "train", Storage()) == beton
    assert beton.parent == dataset.folder / "ffcv"
    assert beton.name.startswith("cifar10-train-raw-")


def test_images_of_one_size_are_stored_alike_whatever_the_storage(dataset, beton):
    assert check_beton(dataset, "train", Storage(jpeg_share=1.0)) == beton


def test_every_split_storage_and_option_has_its_own_file(tmp_path):
    def path(name, split="train", storage=None, **options):
        return beton_path(build_dataset(name, tmp_path, **options), split, storage or Storage())

    paths = {
        path("mnist"),
        path("mnist", size=14),
        path("mnist", "test"),
        path("imagenette_subset"),
        path("imagenette_subset", per_class=5),
        path("imagenette_subset", storage=Storage(jpeg_share=1.0)),
    }
    assert len(paths) == 6
    assert path("imagenette_subset").name.startswith("imagenette_subset-train-500px-q90-s0.5-")


def test_what_is_missing_says_how_to_make_it(dataset, beton):
    beton.unlink()
    message = f"no beton {str(beton)!r} of split 'train'; make it with: "
    command = "kbench data prepare cifar10 --ffcv"
    with pytest.raises(DatasetError, match=re.escape(message + command) + "$"):
        check_beton(dataset, "train", Storage())


def test_a_damaged_beton_is_named(dataset, beton):
    beton.write_bytes(b"sample")
    with pytest.raises(DatasetError, match=r"raw-.*.beton' has crc32 .*, expected .*; renew it"):
        check_beton(dataset, "train", Storage())


@pytest.mark.parametrize("content", [None, b"{", b"[]"], ids=["gone", "cut", "list"])
def test_a_beton_without_its_sidecar_is_not_complete(dataset, beton, content):
    sidecar_path(beton).unlink()
    if content is not None:
        sidecar_path(beton).write_bytes(content)
    message = r"beton '.*\.beton' is not complete, '.*\.beton\.json' .*; renew it with: kbench data"
    with pytest.raises(DatasetError, match=message):
        check_beton(dataset, "train", Storage())


@pytest.mark.usefixtures("beton")
def test_a_beton_of_other_files_is_refused(dataset, monkeypatch):
    sums = dataset.checksums()
    first = next(iter(sums))
    monkeypatch.setattr(type(dataset), "checksums", lambda _: sums | {first: "0" * 32})
    with pytest.raises(DatasetError, match="was made from other data; renew it with: kbench data"):
        check_beton(dataset, "train", Storage())


def test_a_beton_stands_for_data_that_is_gone(dataset, beton, monkeypatch):
    monkeypatch.setattr(type(dataset), "checksums", lambda _: {})
    assert check_beton(dataset, "train", Storage()) == beton


def test_the_command_has_the_options_that_differ(tmp_path):
    dataset = build_dataset("imagenette_subset", tmp_path, per_class=5)
    command = prepare_command(dataset, Storage(max_side=None, jpeg_share=1.0))
    assert command == (
        "kbench data prepare imagenette_subset --option per_class=5 --ffcv "
        "--max-side 0 --jpeg-quality 90 --jpeg-share 1"
    )


@pytest.mark.parametrize("name", ["smnist", "camvid"], ids=["sequences", "masks"])
def test_what_betons_cannot_hold_is_refused(tmp_path, name):
    with pytest.raises(UnsupportedError, match=rf"dataset '{name}': betons hold images"):
        check_storable(build_dataset(name, tmp_path))


@pytest.mark.parametrize(
    "error",
    [ImportError("no module named ffcv"), OSError("libopencv_core.so: cannot open")],
    ids=["package", "library"],
)
def test_without_ffcv_the_error_has_the_line_that_installs_it(monkeypatch, error):
    def fail(name):
        assert name == "ffcv.loader"
        torch.set_num_threads(1)
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(DatasetError, match=rf"{error}.*apt-get install.*pip install.*ffcv=="):
            import_ffcv()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_the_origin_is_json_and_equal_after_reading(dataset):
    origin = describe_origin(dataset, "test", Storage())
    assert json.loads(json.dumps(origin)) == origin
    assert origin["checksums"] == dataset.checksums()
