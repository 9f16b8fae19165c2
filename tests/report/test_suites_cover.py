"""The published numbers of kbench: unchanged, and each measured by a suite or with a reason."""

from pathlib import Path

import pytest

from kbench.report.coverage_command import find_papers_coverage
from kbench.report.published import read_published
from kbench.report.published_files import PUBLISHED
from kbench.report.uncovered import read_uncovered
from kbench.suite import load_suite
from kbench.yaml_file import read_yaml

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "papers"
FILES = sorted((ROOT / "suites" / PUBLISHED).glob("*.yaml"))
# Papers whose suites are complete.
DONE = ("flexconv", "gmconv", "lc", "niff", "njet")
# What kbench adds to say how a number may be compared; no value, no source.
ADDED = {"statistic", "from_paper"}


def without_added(value):
    """Return a value without the keys that kbench adds."""
    if isinstance(value, dict):
        return {key: without_added(item) for key, item in value.items() if key not in ADDED}
    return [without_added(item) for item in value] if isinstance(value, list) else value


@pytest.mark.skipif(not SHARED.is_dir(), reason="the transcribed numbers are not beside kbench")
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_published_numbers_and_sources_are_those_that_were_transcribed(path):
    ours, theirs = read_yaml(path), read_yaml(SHARED / f"{path.stem}.published.yaml")
    assert without_added(ours.value) == without_added(theirs.value)
    numbers = [
        [text for loc, text in document.texts.items() if loc[-1] == "value"]
        for document in (ours, theirs)
    ]
    assert numbers[0] == numbers[1]


def test_every_baseline_that_is_a_best_of_runs_is_marked():
    cells = [
        cell
        for path in FILES
        for table in read_published(path).tables
        for cell in table.cells
        if (cell.note or "").startswith("best of")
    ]
    # N-Jet's tables 3 and 4: three data sets, and four networks on two data sets each.
    assert len(cells) == 3 + 4 * 2
    assert all(cell.statistic == "best" for cell in cells)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_reasons_for_gaps_name_numbers_that_exist(path):
    assert all(rule.reason for rule in read_uncovered(path, read_published(path)))


@pytest.mark.slow
@pytest.mark.parametrize("paper", DONE)
def test_every_published_number_has_a_cell_or_a_reason(paper, tmp_path):
    suites = [
        load_suite(path)
        for path in sorted((ROOT / "suites").rglob("*.yaml"))
        if not {"recipes", PUBLISHED} & set(path.parts)
    ]
    own = [suite for suite in suites if suite.file.paper == paper]
    found = find_papers_coverage(own, tmp_path, is_all=False)[paper]
    gaps = [
        (item.table.id, item.cell.row, item.cell.column)
        for item in found
        if not item.is_covered and not item.reason
    ]
    assert gaps == []
