import pytest
from click.testing import CliRunner

from kbench.cli import main
from kbench.data_command import list_data, verify_data
from kbench.errors import SuiteError, UnknownNameError, UnsupportedError


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("KBENCH_DATA", str(tmp_path))


def test_verified_dataset_is_described():
    text = verify_data("digits", [], progress=False)
    assert "train    1,437      10         141 (8) to 146 (1)" in text
    assert "digits.csv.gz  9b335364a7bfd63947c7480a5bd51f2d" in text


def test_options_are_those_of_the_dataset():
    text = verify_data("noise", ["count=20", "classes=4"], progress=False)
    assert "train    20         4          5 each" in text


def test_unknown_option_is_refused_with_the_known():
    with pytest.raises(UnknownNameError, match=r"dataset 'noise' has no option 'cont'.*'count'"):
        verify_data("noise", ["cont=20"], progress=False)


def test_option_of_another_type_is_refused():
    with pytest.raises(SuiteError, match="'count=many': expected int, got 'many'"):
        verify_data("noise", ["count=many"], progress=False)


def test_option_out_of_range_is_refused():
    with pytest.raises(UnsupportedError, match=r"dataset 'noise': count \(=0\) must be >= 1"):
        verify_data("noise", ["count=0"], progress=False)


def test_list_names_the_data_folder(tmp_path):
    assert list_data().startswith(f"data folder: {tmp_path} ")


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["list"], 0, "imagenet1k"),
        (["verify", "digits"], 0, "digits: complete and verified"),
        (["verify", "noise", "--option", "count=20"], 0, "2 each"),
        (["verify", "stl10"], 2, "no file 'stl10_binary/train_X.bin' in "),
        (["verify", "stl1"], 2, "unknown dataset 'stl1' (did you mean 'stl10'?)"),
    ],
    ids=["list", "whole", "option", "missing", "unknown"],
)
def test_commands(arguments, status, text):
    result = CliRunner().invoke(main, ["data", *arguments])
    assert result.exit_code == status
    assert text in result.output
