from pathlib import Path

import pytest

from kbench.datasets import build_dataset


def test_without_a_folder_the_data_is_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("KBENCH_DATA", str(tmp_path))
    assert build_dataset("mnist").folder == tmp_path


def test_options_reach_the_dataset():
    assert build_dataset("mnist", Path("nowhere"), size=14).input_shape == (1, 14, 14)


def test_option_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"size \(=0\) must be >= 1"):
        build_dataset("mnist", size=0)
