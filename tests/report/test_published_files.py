from pathlib import Path

import pytest

from kbench.errors import SuiteError
from kbench.report.published_files import find_published, published_files, published_path
from kbench.suite import load_suite


@pytest.fixture
def load(write_suite):
    """Return a function that loads a suite."""

    def load(**keys):
        return load_suite(write_suite(**keys))

    return load


def put(folder: Path, published, name: str = "demo") -> Path:
    """Write published numbers into a folder `published`; return the file."""
    path = folder / "published" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(published.model_copy().model_dump_json())
    return path


def test_published_numbers_are_looked_for_in_the_folders_above(load, published, tmp_path) -> None:
    assert find_published(load()) is None
    suite = load(paper="demo")
    far = put(tmp_path, published)
    assert published_path(suite) == far
    (found,) = find_published(suite).tables
    assert [cell.value for cell in found.cells] == [91.5, 93.0, 98.0, None, 60.0, 61.2, 2.0]
    near = put(suite.path.parent, published)
    assert published_path(suite) == near


def test_a_paper_without_numbers_is_named_with_its_line(load) -> None:
    suite = load(paper="demo")
    with pytest.raises(SuiteError, match=r"demo\.yaml:\d+: no file 'published/demo\.yaml' here"):
        published_path(suite)


def test_files_are_those_of_the_suites_or_all_beside_them(load, published) -> None:
    suite = load(paper="demo")
    folder = suite.path.parent
    own, other = put(folder, published), put(folder, published, "other")
    assert published_files([suite, suite], whole_folders=False) == [own]
    assert published_files([suite], whole_folders=True) == [own, other]
    assert published_files([load()], whole_folders=True) == []


def test_published_numbers_are_read_once_for_many_suites(load, published) -> None:
    suite = load(paper="demo")
    put(suite.path.parent, published)
    assert find_published(suite) is find_published(suite)
