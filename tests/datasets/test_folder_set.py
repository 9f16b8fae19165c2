"""Folders that are known by their number of files and one checksum."""

import hashlib
from typing import ClassVar

import pytest
import torch

from kbench.datasets.dataset import Split
from kbench.datasets.folder_set import FolderSet
from kbench.errors import DatasetError

CONTENTS = {"a/1.bin": b"one", "a/2.bin": b"two", "b/1.bin": b"three"}


class Words(FolderSet):
    """Whatever lies in two folders."""

    name = "words"
    tree = "some/words"
    num_classes = 2
    split_sizes: ClassVar = {"train": 3}

    def list_files(self):
        return sorted((self.folder / self.tree).glob("*/*.bin"))

    def _read(self, split):
        count = self.split_sizes[split]
        return Split(torch.zeros(count, 1), torch.zeros(count, dtype=torch.int64))


@pytest.fixture
def words(tmp_path):
    for path, content in CONTENTS.items():
        (tmp_path / "some/words" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "some/words" / path).write_bytes(content)
    return Words(tmp_path)


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def expected_sum(contents):
    """The sum of `md5sum a/1.bin a/2.bin b/1.bin`'s output."""
    lines = [f"{md5(c)}  {path}\n" for path, c in sorted(contents.items())]
    return md5("".join(lines).encode())


def test_sum_is_that_of_the_output_of_md5sum(words):
    assert words.tree_sum() == expected_sum(CONTENTS)
    assert words.checksums() == {"some/words": expected_sum(CONTENTS)}


def test_known_sum_is_known_without_data(tmp_path, monkeypatch):
    monkeypatch.setattr(Words, "tree_md5", "0" * 32)
    assert Words(tmp_path).checksums() == {"some/words": "0" * 32}


def test_complete_folder_is_verified(words, monkeypatch):
    monkeypatch.setattr(Words, "num_files", 3)
    monkeypatch.setattr(Words, "tree_md5", expected_sum(CONTENTS))
    words.verify()
    assert words.missing_files() == []
    assert len(words.load("train")) == 3


@pytest.mark.parametrize("change", ["content", "name"])
def test_changed_file_is_noticed(words, monkeypatch, change):
    monkeypatch.setattr(Words, "tree_md5", expected_sum(CONTENTS))
    words.verify()
    path = words.folder / "some/words/b/1.bin"
    if change == "content":
        path.write_bytes(b"four!")
    else:
        path.rename(path.with_name("2.bin"))
    with pytest.raises(DatasetError, match=rf"'words': the files of .* expected {words.tree_md5}"):
        words.verify()


def test_absent_file_is_noticed(words, monkeypatch):
    monkeypatch.setattr(Words, "num_files", 3)
    (words.folder / "some/words/a/2.bin").unlink()
    with pytest.raises(DatasetError, match="holds 2 files, expected 3; delete it and get it with"):
        words.load("train")


def test_absent_folder_is_named(tmp_path):
    words = Words(tmp_path)
    assert words.missing_files() == ["some/words"]
    with pytest.raises(DatasetError, match=r"'words': no files in '.*some/words'; get it with"):
        words.verify()
