import resource
import shutil
import signal
from dataclasses import replace

import pytest
import torch

from kbench.datasets import build_dataset, prepare
from kbench.datasets.lock import hold_lock
from kbench.datasets.prepare import prepare_dataset
from kbench.errors import DatasetError

DOWNLOADED = ["mnist", "fashion_mnist", "cifar10", "cifar100", "svhn", "stl10"]


@pytest.fixture
def published(write_small, tmp_path_factory, monkeypatch):
    """Function that leaves only a server's copy of a small set, and returns the empty root."""

    def publish(name):
        root, arrays = write_small(name)
        server = tmp_path_factory.mktemp("server")
        shutil.copytree(root, server, dirs_exist_ok=True)
        shutil.rmtree(root)
        root.mkdir()
        kind = type(build_dataset(name, root))
        archives = [replace(a, urls=((server / a.path).as_uri(),)) for a in kind.archives]
        monkeypatch.setattr(kind, "archives", tuple(archives))
        return root, arrays

    return publish


@pytest.mark.parametrize("name", DOWNLOADED)
def test_download_makes_the_set_loadable(published, name):
    root, arrays = published(name)
    dataset = build_dataset(name, root)
    prepare_dataset(dataset, download=True)
    assert torch.equal(dataset.load("test").images, torch.from_numpy(arrays["test"][0]))


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_archives_that_are_there_are_unpacked_without_network(write_small, monkeypatch, name):
    root, _ = write_small(name)
    dataset = build_dataset(name, root)
    contents = {file.path: (root / file.path).read_bytes() for file in dataset.files}
    for path in contents:
        (root / path).unlink()
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_: pytest.fail("network"))
    prepare_dataset(dataset, download=True)
    assert {path: (root / path).read_bytes() for path in contents} == contents


@pytest.mark.parametrize("name", ["digits", "cifar10"])
def test_complete_set_is_left_alone(write_small, monkeypatch, name):
    root, _ = write_small("cifar10")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*batch*")}
    assert before
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_: pytest.fail("network"))
    prepare_dataset(build_dataset(name, root), download=True)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*batch*")} == before


def test_nothing_is_fetched_without_the_flag(published, monkeypatch):
    root, _ = published("cifar100")
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_: pytest.fail("network"))
    message = "no file 'cifar-100-python/train'.* kbench data prepare cifar100 --download"
    with pytest.raises(DatasetError, match=message):
        prepare_dataset(build_dataset("cifar100", root))
    assert list(root.iterdir()) == []


def test_damaged_file_is_replaced(published):
    root, arrays = published("svhn")
    (root / "train_32x32.mat").write_bytes(b"damaged")
    dataset = build_dataset("svhn", root)
    prepare_dataset(dataset, download=True)
    assert dataset.load("train").targets.tolist() == arrays["train"][1].tolist()


def test_second_address_is_tried(published, monkeypatch, tmp_path):
    root, arrays = published("cifar10")
    dataset = build_dataset("cifar10", root)
    (archive,) = dataset.archives
    urls = ((tmp_path / "nothing").as_uri(), *archive.urls)
    monkeypatch.setattr(type(dataset), "archives", (replace(archive, urls=urls),))
    prepare_dataset(dataset, download=True)
    assert dataset.load("test").targets.tolist() == arrays["test"][1].tolist()


def test_failed_download_names_the_address(published, monkeypatch):
    root, _ = published("cifar10")
    dataset = build_dataset("cifar10", root)
    (archive,) = dataset.archives
    missing = replace(archive, urls=("file:///no/such/file",))
    monkeypatch.setattr(type(dataset), "archives", (missing,))
    message = "cannot download 'cifar-10-python.tar.gz' to .*: file:///no/such/file: "
    with pytest.raises(DatasetError, match=message):
        prepare_dataset(dataset, download=True)
    assert list(root.iterdir()) == []


def test_download_with_another_checksum_is_discarded(published, monkeypatch):
    root, _ = published("cifar10")
    dataset = build_dataset("cifar10", root)
    (archive,) = dataset.archives
    monkeypatch.setattr(type(dataset), "archives", (replace(archive, md5="0" * 32),))
    with pytest.raises(DatasetError, match=r"tar.gz: md5 is [0-9a-f]{32}, expected 0{32}"):
        prepare_dataset(dataset, download=True)
    assert list(root.iterdir()) == []


def test_folder_that_cannot_be_written_is_named(published, tmp_path):
    published("mnist")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"'mnist': cannot write to '.*file': .*File exists"):
        prepare_dataset(build_dataset("mnist", tmp_path / "file"), download=True)


@pytest.fixture
def limit_file_size():
    """Function that makes writing past a number of bytes fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("name", ["cifar10", "mnist"], ids=["tar", "gzip"])
def test_full_disk_leaves_archives_and_no_part_of_a_file(write_small, limit_file_size, name):
    root, _ = write_small(name)
    dataset = build_dataset(name, root)
    contents = {file.path: (root / file.path).read_bytes() for file in dataset.files}
    for path in contents:
        (root / path).unlink()
    before = {path for path in root.rglob("*") if path.is_file()}
    limit_file_size(min(map(len, contents.values())) - 1)
    with pytest.raises(DatasetError, match=rf"'{name}': cannot write to '{root}': .*too large"):
        prepare_dataset(dataset)
    assert {path for path in root.rglob("*") if path.is_file()} == before
    limit_file_size(resource.RLIM_INFINITY)
    prepare_dataset(dataset)
    assert {path: (root / path).read_bytes() for path in contents} == contents


def test_full_disk_while_downloading_leaves_nothing(published, limit_file_size):
    root, _ = published("svhn")
    limit_file_size(100)
    with pytest.raises(DatasetError, match=r"cannot download 'train_32x32\.mat' .*too large"):
        prepare_dataset(build_dataset("svhn", root), download=True)
    assert list(root.iterdir()) == []


def test_interrupted_unpacking_leaves_no_part_of_a_file(write_small, monkeypatch):
    root, _ = write_small("cifar10")
    dataset = build_dataset("cifar10", root)
    for file in dataset.files:
        (root / file.path).unlink()

    def stop(folder, member):
        (folder / member).write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "_unpack", lambda _, archive, at: stop(at, archive.path))
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        prepare_dataset(dataset)
    assert sorted(path.name for path in root.iterdir()) == [
        "cifar-10-batches-py",
        "cifar-10-python.tar.gz",
    ]
    assert dataset.missing_files() == [file.path for file in dataset.files]


def test_second_preparation_at_once_is_refused(published):
    root, _ = published("mnist")
    lock = root / ".kbench-mnist.lock"
    message = f"dataset 'mnist' is being prepared by process .*, which holds '{lock}'"
    with hold_lock(lock, "the test"), pytest.raises(DatasetError, match=message):
        prepare_dataset(build_dataset("mnist", root), download=True)
    prepare_dataset(build_dataset("mnist", root), download=True)
    assert not lock.exists()


def test_archive_with_another_checksum_is_named(write_small):
    root, _ = write_small("cifar10")
    dataset = build_dataset("cifar10", root)
    (root / dataset.files[0].path).unlink()
    (root / "cifar-10-python.tar.gz").write_bytes(b"damaged")
    message = r"python\.tar\.gz' has md5 46cc0df5.*, expected .*; get it with: kbench data"
    with pytest.raises(DatasetError, match=message):
        prepare_dataset(dataset)
