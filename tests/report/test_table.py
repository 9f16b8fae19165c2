import pytest

from kbench.metrics import find_metric
from kbench.report.reference import Heading
from kbench.report.table import (
    Column,
    Entry,
    Table,
    footnote_mark,
    make_columns,
    most_common_n,
    number_remarks,
)


@pytest.mark.parametrize(
    ("index", "expected"), [(0, "a"), (25, "z"), (26, "aa"), (51, "az"), (52, "ba"), (702, "aaa")]
)
def test_footnotes_are_lettered(index, expected):
    assert footnote_mark(index) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"), [((3, 3, 2), 3), ((1, 1, 2), 2), ((2, 4), 4), ((1, 0), None), ((), None)]
)
def test_the_usual_number_of_seeds_is_that_of_most_means(sizes, expected):
    assert most_common_n([[Entry(n=size) for size in sizes]]) == expected


def test_the_same_remark_has_the_same_letter():
    entries = [[Entry(remarks=("x", "y")), Entry()], [Entry(remarks=("y",)), Entry()]]
    marked, footnotes = number_remarks(entries)
    assert [entry.marks for row in marked for entry in row] == [("a", "b"), (), ("b",), ()]
    assert footnotes == (("a", "x"), ("b", "y"))


def test_metrics_are_the_innermost_columns():
    columns = make_columns([Heading(("conv",)), Heading(("lc",))], ["top1", "loss"])
    assert [(column.heading.key, column.metric.name) for column in columns] == [
        ("conv", "top1"),
        ("conv", "loss"),
        ("lc", "top1"),
        ("lc", "loss"),
    ]


def test_values_of_options_are_shown_with_their_name():
    top1 = find_metric("top1")
    columns = (
        Column(Heading(("lc", "8")), top1),
        Column(Heading(("lc/8 - lc/1", ""), (("lc", "8"), ("lc", "1"))), top1),
    )
    axes = ("operator", "operator.expansion")
    table = Table("s", "t", "", ("full",), ("dataset",), axes, (), columns, ())
    assert table.column_labels(0) == ("lc", "expansion=8")
    assert table.column_labels(1) == ("lc/8 - lc/1", "")
