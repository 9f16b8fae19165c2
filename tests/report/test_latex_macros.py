from dataclasses import replace

import pytest

from kbench.report.latex_macros import table_name


@pytest.mark.parametrize(
    ("suite", "table_id", "paper", "expected"),
    [
        ("lc-table1", "table1", "lc", "lc.table1"),
        ("lc-table1", "cost", "lc", "lc.table1.cost"),
        ("smoke", "accuracy", "", "smoke.accuracy"),
        ("mine", "main", "lc", "mine.main"),
    ],
    ids=["the-table", "another", "no-paper", "other-suite"],
)
def test_a_name_begins_with_the_paper_or_the_suite(table, suite, table_id, paper, expected):
    assert table_name(replace(table, suite=suite, id=table_id, paper=paper)) == expected
