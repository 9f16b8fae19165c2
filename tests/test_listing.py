from pathlib import Path

import pytest

from kbench.catalogue import KINDS, read_entries
from kbench.errors import SuiteError
from kbench.listing import format_listing
from kbench.metrics import METRICS

ROOT = Path(__file__).parents[1]


def first_column(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[2:] if line[:1].strip()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_of_a_registry_is_listed(kind) -> None:
    text = format_listing(f"{kind}s")
    assert first_column(text) == list(read_entries(kind))
    assert all(entry.summary in text for entry in read_entries(kind).values())


def test_options_are_shown_as_a_suite_has_them() -> None:
    text = format_listing("operators")
    assert "frozen=true (bool)" in text
    assert "intermediate=none ('none' | 'relu' | 'bn' | 'bn_relu')" in text


def test_every_metric_is_listed_with_its_direction() -> None:
    lines = format_listing("metrics").splitlines()
    assert first_column("\n".join(lines)) == list(METRICS)
    assert "higher is better" in next(line for line in lines if line.startswith("top1 "))
    assert "lower is better" in next(line for line in lines if line.startswith("loss "))


def test_suites_and_recipes_of_the_working_directory_are_listed(write_suite, monkeypatch) -> None:
    path = write_suite(title="Of mine")
    monkeypatch.chdir(path.parent.parent)
    assert format_listing("suites").splitlines()[2:] == ["suites/demo.yaml  Of mine"]
    assert format_listing("recipes").splitlines()[2:] == ["plain     a few steps"]


def test_a_suite_that_cannot_be_read_is_named(write_suite, monkeypatch) -> None:
    path = write_suite("title: [\n")
    monkeypatch.chdir(path.parent.parent)
    with pytest.raises(SuiteError, match=r"^suites/demo\.yaml:2: "):
        format_listing("suites")


def test_without_suites_the_list_is_empty(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert format_listing("suites").splitlines()[2:] == []


def test_the_suites_of_this_repository_have_titles(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    lines = format_listing("suites").splitlines()[2:]
    assert any(line.startswith("suites/smoke.yaml ") for line in lines)
    assert all(len(line.split()) > 2 for line in lines)
