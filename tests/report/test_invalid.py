import pytest

from kbench.report.invalid import mark_invalid
from kbench.report.outcome import read_outcomes
from kbench.suite import load_suite


@pytest.mark.usefixtures("own_cache")
def test_what_cannot_exist_says_why_once_the_suite_has_run(write_suite, finish, tmp_path):
    operators = ["conv", {"name": "niff", "strided": "error"}]
    grid = {"dataset": "digits", "architecture": "resnet8_cifar", "operator": operators}
    suite = load_suite(write_suite(grid=[grid]))
    cells = suite.cells()
    results = tmp_path / "results"
    before = mark_invalid(suite, read_outcomes(cells, results))
    assert [outcome.status for outcome in before] == ["missing", "missing"]
    finish(cells[0])
    after = mark_invalid(suite, read_outcomes(cells, results))
    assert [outcome.status for outcome in after] == ["ok", "invalid"]
    assert after[1].reason
