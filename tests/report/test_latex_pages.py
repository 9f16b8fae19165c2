from dataclasses import replace

from kbench.report.latex_columns import Layout
from kbench.report.latex_pages import LANDSCAPE_CHARACTERS, SQUEEZE, is_wide, split


def repeat(table, times):
    return replace(
        table, columns=table.columns * times, entries=tuple(row * times for row in table.entries)
    )


def test_a_small_table_is_one_part(plain_table):
    part = split(Layout(plain_table), turned=True)[0]
    assert list(part.columns) == list(range(8))
    assert list(part.rows) == [0, 1]


def test_a_table_of_many_columns_turns_the_page(table):
    assert is_wide(Layout(repeat(table, 3)))


def test_parts_hold_every_column_once_and_fit(table):
    wide = repeat(table, 9)
    parts = split(Layout(wide), turned=True)
    assert [index for part in parts for index in part.columns] == list(range(len(wide.columns)))
    layout = Layout(wide)
    room = LANDSCAPE_CHARACTERS * SQUEEZE - layout.label_width
    assert all(sum(layout.widths[index] for index in part.columns) <= room for part in parts)


def test_columns_of_one_outer_label_stay_together(plain_table):
    wide = replace(
        repeat(plain_table, 4),
        columns=tuple(
            replace(column, texts=(str(i), *column.texts))
            for i in range(4)
            for column in plain_table.columns
        ),
    )
    outer = [
        {wide.columns[index].texts[0] for index in part.columns}
        for part in split(Layout(wide), turned=True)
    ]
    assert len(outer) > 1
    assert sum(len(labels) for labels in outer) == 4


def test_parts_hold_every_row_once(table):
    long = replace(table, rows=table.rows * 50, entries=table.entries * 50)
    parts = split(Layout(long), turned=True)
    assert len(parts) > 1
    assert [index for part in parts for index in part.rows] == list(range(150))
