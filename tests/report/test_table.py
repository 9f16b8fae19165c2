from dataclasses import replace

import pytest

from kbench.metrics import find_metric
from kbench.report.table import Entry, footnote_mark, most_common_n, number_remarks

TOP1 = find_metric("top1")


@pytest.mark.parametrize(
    ("index", "expected"), [(0, "a"), (25, "z"), (26, "aa"), (51, "az"), (52, "ba"), (702, "aaa")]
)
def test_footnotes_are_lettered(index, expected):
    assert footnote_mark(index) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"), [((3, 3, 2), 3), ((1, 1, 2), 2), ((2, 4), 4), ((1, 0), None), ((), None)]
)
def test_the_usual_number_of_seeds_is_that_of_most_means(sizes, expected):
    assert most_common_n([[Entry(TOP1, n=size) for size in sizes]]) == expected


def test_the_same_remark_has_the_same_letter(table):
    entries = (
        (Entry(TOP1, remarks=("x", "y")), Entry(TOP1)),
        (Entry(TOP1, remarks=("y",)), Entry(TOP1)),
    )
    row = replace(table.rows[1], notes=("x", "z"))
    marked = number_remarks(replace(table, entries=entries, rows=(table.rows[0], row)))
    assert [entry.marks for row in marked.entries for entry in row] == [("a", "c"), (), ("c",), ()]
    assert [row.marks for row in marked.rows] == [(), ("a", "b")]
    assert marked.footnotes == (("a", "x"), ("b", "z"), ("c", "y"))
