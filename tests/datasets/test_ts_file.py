"""Files of the UEA archive, as the archive writes them."""

import numpy as np
import pytest

from kbench.datasets.ts_file import pad_series, read_ts
from kbench.errors import DatasetError

TEXT = """# a comment
@problemName Demo
@dimensions 2
@equalLength false
@classLabel true 1 2
@data
1,2,3:-1,-2.5,0:1
4:5:2

0.5,1e-3:7,8:1
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "Demo_TRAIN.ts").write_text(TEXT)
    return tmp_path / "Demo_TRAIN.ts"


def test_series_keep_their_lengths(path):
    series, labels = read_ts(path)
    assert [values.tolist() for values in series] == [
        [[1, 2, 3], [-1, -2.5, 0]],
        [[4], [5]],
        [[0.5, pytest.approx(1e-3)], [7, 8]],
    ]
    assert labels == ["1", "2", "1"]
    assert {values.dtype for values in series} == {np.dtype(np.float32)}


def test_last_value_is_repeated(path):
    padded = pad_series(read_ts(path)[0], 4)
    assert padded.shape == (3, 2, 4)
    assert padded[0].tolist() == [[1, 2, 3, 3], [-1, -2.5, 0, 0]]
    assert padded[1].tolist() == [[4] * 4, [5] * 4]


def test_longer_series_is_refused(path):
    with pytest.raises(DatasetError, match="a series has 3 steps; at most 2 are expected"):
        pad_series(read_ts(path)[0], 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2:1,x:1", r"Demo_TRAIN.ts:11: not channels of numbers and a label: .*'x'"),
        ("1,2:1:1", "Demo_TRAIN.ts:11: not channels of numbers"),
        ("1,2,3", "Demo_TRAIN.ts:11: no series, only '1,2,3'"),
    ],
    ids=["text", "lengths", "label"],
)
def test_wrong_line_is_named(path, line, message):
    path.write_text(TEXT + line + "\n")
    with pytest.raises(DatasetError, match=message):
        read_ts(path)


def test_what_is_no_text_is_named(path):
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"'.*' is no text: 'utf-8' codec"):
        read_ts(path)
