from dataclasses import replace

import pytest

from kbench.metrics import find_metric
from kbench.report.table import (
    Entry,
    footnote_mark,
    most_common_n,
    number_remarks,
    shared_notes,
)

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
        (Entry(TOP1), Entry(TOP1, remarks=("y",))),
    )
    row = replace(table.rows[1], notes=("x", "z"))
    rows = (table.rows[0], row)
    marked = number_remarks(replace(table, columns=table.columns[:2], entries=entries, rows=rows))
    assert [entry.marks for row in marked.entries for entry in row] == [("a", "c"), (), (), ("c",)]
    assert [row.marks for row in marked.rows] == [(), ("a", "b")]
    assert marked.footnotes == (("a", "x"), ("b", "z"), ("c", "y"))


def test_what_a_whole_column_has_is_marked_at_its_heading_alone(table):
    entries = (
        (Entry(TOP1, remarks=("x", "y")), Entry(TOP1, remarks=("x",))),
        (Entry(TOP1, remarks=("y",)), Entry(TOP1)),
        (Entry(TOP1, has_cells=False), Entry(TOP1)),
    )
    marked = number_remarks(replace(table, columns=table.columns[:2], entries=entries))
    assert [column.marks for column in marked.columns] == [("a",), ()]
    assert [entry.marks for row in marked.entries for entry in row] == [("b",), ("b",)] + [()] * 4
    assert marked.footnotes == (("a", "y"), ("b", "x"))
    assert marked.notes == table.notes


def test_what_all_columns_have_is_a_note_of_the_table(table):
    row = (Entry(TOP1, remarks=("x",)), Entry(TOP1, remarks=("x",)))
    given = replace(table, columns=table.columns[:2], entries=(row, row))
    marked = number_remarks(given)
    assert marked.notes == (*table.notes, "x")
    assert marked.footnotes == ()
    alone = number_remarks(replace(given, rows=table.rows[:1], entries=(row,)))
    assert alone.footnotes == (("a", "x"),)


def test_notes_of_all_tables_are_those_that_each_of_several_has(table):
    first, second = replace(table, notes=("a", "b", "c")), replace(table, notes=("c", "a"))
    assert shared_notes([first, second]) == ("a", "c")
    assert shared_notes([first]) == ()
