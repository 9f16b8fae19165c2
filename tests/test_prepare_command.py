import pytest
from click.testing import CliRunner

from kbench.cli import main
from kbench.errors import UnsupportedError
from kbench.prepare_command import PrepareOptions, prepare_data
from kbench.storage import Storage


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("KBENCH_DATA", str(tmp_path))


def test_without_ffcv_a_dataset_is_only_verified(tmp_path):
    assert prepare_data("digits", PrepareOptions(), progress=False) == (
        "digits: complete and verified"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "storage"),
    [
        ({}, None),
        ({"max_side": 0}, Storage(max_side=None)),
        ({"jpeg_share": 0.0}, Storage(jpeg_share=0.0)),
        ({"max_side": 160, "jpeg_quality": 95}, Storage(max_side=160, jpeg_quality=95)),
    ],
    ids=["nothing", "no-side", "no-jpeg", "two"],
)
def test_options_change_the_defaults(options, storage):
    assert PrepareOptions(**options).storage == storage


@pytest.mark.parametrize("name", ["digits", "imagenette_subset"])
def test_options_of_pictures_without_them_are_refused(name):
    with pytest.raises(UnsupportedError, match="--jpeg-share are for --ffcv and picture files"):
        prepare_data(name, PrepareOptions(jpeg_share=1.0), progress=False)


def test_an_option_out_of_range_is_refused():
    with pytest.raises(UnsupportedError, match=r"dataset 'digits': size \(=0\) must be"):
        prepare_data("digits", PrepareOptions(["size=0"]), progress=False)


@pytest.mark.ffcv
def test_betons_are_written_from_the_command_line(tmp_path):
    result = CliRunner().invoke(main, ["data", "prepare", "digits", "--ffcv"])
    assert result.exit_code == 2
    assert "betons hold images of 8 bits, not torch.float32" in result.output
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
