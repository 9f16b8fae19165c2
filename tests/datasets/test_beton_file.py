import numpy as np
import pytest

from kbench.datasets.beton import import_ffcv

pytestmark = pytest.mark.ffcv
ORIGIN, PAGE = b"o" * 16, 256
SAMPLES = np.random.default_rng(0).integers(0, 256, (9, 100), np.uint8)


def make(path, origin=ORIGIN):
    import_ffcv()
    from ffcv.fields import IntField, NDArrayField

    from kbench.datasets.beton_file import BetonFile

    fields = {"image": NDArrayField(np.dtype(np.uint8), (100,)), "label": IntField()}
    return BetonFile(path, origin, fields, len(SAMPLES), PAGE)


def write(path, first, last, *, origin=ORIGIN, finish=True):
    """Write samples `first` to `last` into a file; return how many were there before."""
    with make(path, origin) as file:
        before = file.count
        for number in range(first, last):
            file.add(((), number), SAMPLES[number])
        if finish:
            file.finish()
        else:
            file._flush()
    return before


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.beton"


@pytest.fixture
def whole(tmp_path):
    """Return the bytes of a file that was written without an interruption."""
    write(tmp_path / "whole.beton", 0, 9)
    return (tmp_path / "whole.beton").read_bytes()


def test_ffcv_reads_every_sample_at_its_place(path):
    write(path, 0, 9)
    from ffcv.reader import Reader

    reader = Reader(str(path))
    content = path.read_bytes()
    places = reader.metadata["f0"].astype(int).tolist()
    assert reader.metadata["f1"].tolist() == list(range(9))
    for place, expected in zip(places, SAMPLES, strict=True):
        assert content[place : place + 100] == expected.tobytes()
        # No sample crosses the border of a page.
        assert place // PAGE == (place + 99) // PAGE


def test_without_finish_there_is_no_beton(path):
    write(path, 0, 4, finish=False)
    assert not path.exists()
    assert {place.name for place in path.parent.iterdir()} == {
        "x.beton.partial",
        "x.beton.journal",
    }


@pytest.mark.parametrize("done", [1, 4, 9])
def test_a_file_that_is_gone_on_with_has_the_same_bytes(path, whole, done):
    write(path, 0, done, finish=False)
    assert write(path, done, 9) == done
    assert path.read_bytes() == whole
    assert {place.name for place in path.parent.iterdir()} == {"x.beton", "whole.beton"}


@pytest.mark.parametrize("cut", [1, 31], ids=["last-byte", "row-and-more"])
def test_a_row_that_was_cut_short_is_written_again(path, whole, cut):
    write(path, 0, 4, finish=False)
    journal = path.with_name("x.beton.journal")
    row = (journal.stat().st_size - 16) // 4
    journal.write_bytes(journal.read_bytes()[:-cut])
    known = 4 - -(-cut // row)
    assert write(path, known, 9) == known
    assert path.read_bytes() == whole


def test_samples_that_are_not_on_disk_are_not_believed(path, whole):
    write(path, 0, 4, finish=False)
    partial = path.with_name("x.beton.partial")
    partial.write_bytes(partial.read_bytes()[:-1])
    assert write(path, 0, 9) == 0
    assert path.read_bytes() == whole


def test_what_another_origin_left_is_not_gone_on_with(path, whole):
    write(path, 0, 4, origin=b"x" * 16, finish=False)
    assert write(path, 0, 9) == 0
    assert path.read_bytes() == whole


def test_rows_reach_the_journal_behind_their_bytes(path, monkeypatch):
    import_ffcv()
    monkeypatch.setattr("kbench.datasets.beton_file.FLUSH_SIZE", 250)
    with make(path) as file:
        for number in range(4):
            file.add(((), number), SAMPLES[number])
        # Three samples take more than 250 bytes; the fourth is not known yet.
        assert make(path).count == 3


def test_discarded_files_are_gone(path):
    with make(path) as file:
        file.add(((), 0), SAMPLES[0])
    file.discard()
    assert list(path.parent.iterdir()) == []


def test_a_sample_longer_than_a_page_is_refused(path):
    with make(path) as file, pytest.raises(ValueError, match="257 bytes is longer than 256"):
        file.add(((), 0), np.zeros(257, np.uint8))
