import json

import pytest

from kbench.cell import Cell
from kbench.errors import RecordError
from kbench.progress import write_history
from kbench.show import describe_cell, find_directory


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def test_a_cell_is_shown_in_full(demo_cell, finish, results) -> None:
    cell = demo_cell()
    path = finish(cell)
    write_history(path.parent, [{"epoch": n, "train_loss": 1 / n} for n in range(1, 31)])
    sections = describe_cell(results, cell.id).split("\n\n")
    assert sections[0] == f"{cell.id}  (demo, scale full)"
    assert sections[1] == "ok after 7.5 s"
    assert sections[2].splitlines()[-1].split() == ["top1", "97.50", "percent"]
    configuration = json.loads(sections[3].removeprefix("configuration\n"))
    assert configuration == cell.definition
    curve = sections[4].splitlines()
    assert curve[0] == "curve"
    assert len(curve) <= 15
    assert curve[-1].split() == ["30", "0.033333"]
    assert json.loads(sections[5].removeprefix("environment\n")) == {"host": "here"}
    assert len(sections) == 7


def test_the_line_that_reproduces_a_cell_is_the_cell(demo_cell, finish, results) -> None:
    finish(demo_cell())
    *_, command, _, line = describe_cell(results, demo_cell().id).splitlines()
    assert command == f"reproduce with: kbench cell manifest.jsonl 0 --results {results}"
    assert Cell.from_json(json.loads(line)) == demo_cell()


def test_a_failed_cell_shows_reason_and_log(demo_cell, finish, results) -> None:
    finish(demo_cell(), status="oom", reason="too big", metrics={}, log_tail=("one", "two"))
    text = describe_cell(results, demo_cell().id)
    assert "oom after 7.5 s: too big\n" in text
    assert "\n\nlog\none\ntwo\n\n" in text
    assert "curve" not in text


def test_a_metric_of_a_later_version_is_shown_too(demo_cell, finish, results) -> None:
    path = finish(demo_cell())
    path.write_text(path.read_text().replace('"top1"', '"later"'))
    assert "97.5000" in describe_cell(results, demo_cell().id)


def test_a_cell_is_found_by_id_by_its_beginning_and_by_its_folder(
    demo_cell, finish, results
) -> None:
    first, second = finish(demo_cell(1)).parent, finish(demo_cell(2)).parent
    assert find_directory(results, second.name) == second
    assert find_directory(results, "digits-resnet8_cifar-conv-s1") == first
    assert find_directory(results, str(first)) == first


def test_of_a_name_that_begins_others_the_exact_one_is_meant(demo_cell, finish, results) -> None:
    path = finish(demo_cell()).parent
    longer = path.with_name(f"{path.name}0")
    longer.mkdir()
    (longer / "record.json").touch()
    assert find_directory(results, path.name) == path


@pytest.mark.parametrize("name", ["nothing", "**", "[a", "../x", "/no/such", "*"], ids=str)
def test_a_cell_that_is_not_there_is_told(demo_cell, finish, results, name) -> None:
    finish(demo_cell())
    with pytest.raises(RecordError, match=r"no record in .*results' for a cell"):
        find_directory(results, name)


def test_several_that_fit_are_told(demo_cell, finish, results) -> None:
    finish(demo_cell(1))
    finish(demo_cell(2))
    expected = r"^2 records fit 'digits': demo/full/digits-\S+, demo/full/digits-\S+; give the fol"
    with pytest.raises(RecordError, match=expected):
        find_directory(results, "digits")


def test_a_damaged_record_is_told(demo_cell, finish, results) -> None:
    finish(demo_cell()).write_text("{")
    with pytest.raises(RecordError, match=r"record\.json: not a readable record"):
        describe_cell(results, "digits")
