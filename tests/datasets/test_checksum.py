import json
import os

import pytest

from kbench.datasets import checksum
from kbench.datasets.checksum import (
    CACHE_NAME,
    Fact,
    file_crc32,
    file_md5,
    find_crc32,
    find_sums,
    forget,
    recall,
)

# RFC 1321, appendix A.5.
SUM_OF_ABC = "900150983cd24fb0d6963f7d28e17f72"
SUM_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture
def data_file(tmp_path):
    path = tmp_path / "data" / "file"
    path.parent.mkdir()
    path.write_bytes(b"abc")
    return path


@pytest.fixture
def hashed(monkeypatch):
    """Names of the files that were read to be hashed."""
    names = []

    def spy(path):
        names.append(path.name)
        return file_md5(path)

    monkeypatch.setattr(checksum, "file_md5", spy)
    return names


@pytest.mark.parametrize(
    ("content", "expected"), [(b"abc", SUM_OF_ABC), (b"", SUM_OF_NOTHING)], ids=["abc", "empty"]
)
def test_md5_of_known_content(tmp_path, content, expected):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert file_md5(path) == expected


def test_unchanged_file_is_read_once(data_file, hashed):
    for _ in range(3):
        assert find_sums([data_file], data_file.parent) == [SUM_OF_ABC]
    assert hashed == ["file"]


def test_same_size_with_another_time_is_read_again(data_file, hashed):
    find_sums([data_file], data_file.parent)
    data_file.write_bytes(b"cba")
    os.utime(data_file, ns=(0, 0))
    assert find_sums([data_file], data_file.parent) != [SUM_OF_ABC]
    assert hashed == ["file", "file"]


def test_same_time_with_another_size_is_read_again(data_file, hashed):
    find_sums([data_file], data_file.parent)
    before = data_file.stat().st_mtime_ns
    data_file.write_bytes(b"")
    os.utime(data_file, ns=(before, before))
    assert find_sums([data_file], data_file.parent) == [SUM_OF_NOTHING]
    assert hashed == ["file", "file"]


def test_other_entries_of_the_cache_are_kept(data_file, hashed):
    other = data_file.with_name("other")
    other.write_bytes(b"")
    find_sums([data_file], data_file.parent)
    find_sums([other], data_file.parent)
    assert find_sums([data_file, other], data_file.parent) == [SUM_OF_ABC, SUM_OF_NOTHING]
    assert hashed == ["file", "other"]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"x": 1}'], ids=str)
def test_unreadable_cache_is_replaced(data_file, hashed, content):
    (data_file.parent / CACHE_NAME).write_bytes(content)
    assert find_sums([data_file], data_file.parent) == [SUM_OF_ABC]
    assert find_sums([data_file], data_file.parent) == [SUM_OF_ABC]
    assert hashed == ["file"]


def test_malformed_entry_is_computed_again(data_file, hashed):
    entry = {str(data_file.resolve()): "what"}
    (data_file.parent / CACHE_NAME).write_text(json.dumps(entry))
    assert find_sums([data_file], data_file.parent) == [SUM_OF_ABC]
    assert hashed == ["file"]


def test_user_cache_serves_where_data_cannot_be_written(data_file, hashed, monkeypatch, tmp_path):
    (data_file.parent / CACHE_NAME).mkdir()  # in the way, also for a superuser
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    for _ in range(2):
        assert find_sums([data_file], data_file.parent) == [SUM_OF_ABC]
    assert hashed == ["file"]
    assert (tmp_path / "user/kbench/checksums.json").is_file()


def test_user_cache_is_below_home_by_default(data_file, monkeypatch, tmp_path):
    (data_file.parent / CACHE_NAME).mkdir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    find_sums([data_file], data_file.parent)
    assert (tmp_path / ".cache/kbench/checksums.json").is_file()


def test_sums_are_right_where_nothing_can_be_written(data_file, hashed, monkeypatch):
    (data_file.parent / CACHE_NAME).mkdir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    for _ in range(2):
        assert find_sums([data_file], data_file.parent) == [SUM_OF_ABC]
    assert hashed == ["file", "file"]
    assert [path.name for path in data_file.parent.iterdir() if path.suffix == ".tmp"] == []


def test_fact_is_found_out_once_until_its_stamp_changes(tmp_path):
    answers = iter(["first", "second"])
    for stamp, expected in [((3, 7), "first"), ((3, 7), "first"), ((3, 8), "second")]:
        facts = {"key": Fact(*stamp, lambda: next(answers))}
        assert recall(facts, tmp_path) == {"key": expected}


def test_forgotten_files_are_read_again(data_file, hashed):
    other = data_file.with_name("file2")
    other.write_bytes(b"")
    find_sums([data_file, other], data_file.parent)
    forget([data_file], data_file.parent)
    find_sums([data_file, other], data_file.parent)
    assert hashed == ["file", "file2", "file"]


def test_forgotten_folder_includes_what_lies_below(data_file, hashed):
    find_sums([data_file], data_file.parent)
    forget([data_file.parent], data_file.parent)
    find_sums([data_file], data_file.parent)
    assert hashed == ["file", "file"]


@pytest.mark.parametrize(
    ("content", "expected"),
    # The check value of CRC-32 in the catalogue of parametrised CRC algorithms.
    [(b"123456789", "cbf43926"), (b"", "00000000")],
    ids=["check", "empty"],
)
def test_crc32_of_known_content(tmp_path, content, expected):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert file_crc32(path) == expected


def test_crc32_does_not_depend_on_how_a_file_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(checksum, "CHUNK", 4)
    path = tmp_path / "file"
    path.write_bytes(b"123456789")
    assert file_crc32(path) == "cbf43926"


def test_crc32_and_md5_of_a_file_are_remembered_apart(data_file):
    crc32 = find_crc32(data_file)
    assert find_sums([data_file], data_file.parent) == [SUM_OF_ABC]
    status = data_file.stat()
    data_file.write_bytes(b"xyz")
    os.utime(data_file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert find_crc32(data_file) == crc32
    forget([data_file], data_file.parent)
    assert find_crc32(data_file) != crc32
