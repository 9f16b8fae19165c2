import pytest

from kbench.datasets import build_dataset
from kbench.datasets.inventory import find_state, format_inventory
from kbench.registry import DATASETS


def lines_of(root):
    """Return the line of each dataset by its name."""
    lines = format_inventory(root).splitlines()[4:]
    return {line.split()[0]: line for line in lines if not line.startswith(" ")}


def test_every_dataset_has_a_line(tmp_path):
    assert set(lines_of(tmp_path)) == set(DATASETS)


def test_a_line_says_what_the_dataset_is(tmp_path):
    words = " ".join(lines_of(tmp_path)["svhn"].split())
    assert words == "svhn classification 10 3x32x32 train 73,257, test 26,032 missing"


def test_folder_is_named_where_it_is_not_the_root(tmp_path):
    assert format_inventory(tmp_path).startswith(f"data folder: {tmp_path} (KBENCH_DATA)\n")
    assert str(build_dataset("digits").folder)[:20] in lines_of(tmp_path)["digits"]


def test_notes_are_shown(tmp_path):
    assert "subset, not comparable with CIFAR-100:" in lines_of(tmp_path)["cifar100_subset"]
    assert "pictures of the user's own" in lines_of(tmp_path)["image_folder"]


@pytest.mark.parametrize(
    ("gone", "state"), [(0, "complete"), (1, "3 of 4"), (4, "missing")], ids=["all", "some", "none"]
)
def test_state_tells_how_many_files_are_there(write_small, gone, state):
    root, _ = write_small("mnist")
    dataset = build_dataset("mnist", root)
    for file in dataset.files[:gone]:
        (root / file.path).unlink()
    assert find_state(dataset) == state


def test_state_of_pictures_tells_how_many_class_folders_are_there(tmp_path):
    dataset = build_dataset("imagenette_subset", tmp_path)
    assert find_state(dataset) == "missing"
    (tmp_path / "imagenette-subset/train/n01440764").mkdir(parents=True)
    assert find_state(dataset) == "1 of 20"
