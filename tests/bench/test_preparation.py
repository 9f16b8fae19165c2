import pytest

from kbench.bench.loader_data import find_pictures
from kbench.bench.preparation import bench_preparation, repeat_pictures


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("KBENCH_DATA", str(tmp_path / "none"))


def test_too_few_pictures_are_used_again(tmp_path):
    found = find_pictures(tmp_path, 2)
    first, second = found.load("train").paths
    samples = repeat_pictures(found, 5)
    assert samples.paths == (first, second, first, second, first)
    assert samples.targets.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.ffcv
def test_writing_has_a_row_beside_decoding():
    rows = bench_preparation(count=6, num_workers=1, repetitions=2)
    works = ["decode", "decode_encode", "beton_0", "beton_0.5", "beton_1"]
    assert [row.work for row in rows] == works
    assert all(row.pictures_per_s == pytest.approx(6 / row.seconds) for row in rows)
