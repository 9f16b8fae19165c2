from dataclasses import replace

import pytest

from kbench.metrics import find_metric
from kbench.report.latex_columns import (
    CONTRAST,
    DIFFERENCE,
    MEASURED,
    PUBLISHED,
    Layout,
    signed,
)
from kbench.report.statistics import Contrast
from kbench.report.table import Entry

TOP1 = find_metric("top1")
COUNT = find_metric("num_params")
BETTER = Contrast("Welch's t-test", 0.5, 0.25, 0.01)


@pytest.mark.parametrize(
    ("field", "entry", "expected"),
    [
        (MEASURED, Entry(TOP1, value=91.0, n=1), "91.00 & "),
        (MEASURED, Entry(TOP1, value=91.0, std=0.5, n=3), r"91.00 & \,$\pm$\,0.50"),
        (MEASURED, Entry(TOP1, value=91.0, std=0.5, n=2), r"91.00 & \,$\pm$\,0.50 (n=2)"),
        (MEASURED, Entry(TOP1, value=91.0, n=1, is_best=True), r"\textbf{91.00} & "),
        (MEASURED, Entry(TOP1, value=91.0, n=1, is_second=True), r"\underline{91.00} & "),
        (
            MEASURED,
            Entry(TOP1, value=-1.0, n=1, marks=("a", "b")),
            r"$-$1.00 & \textsuperscript{a,b}",
        ),
        (MEASURED, Entry(TOP1, text="not run"), r"\multicolumn{2}{c}{not run}"),
        (MEASURED, Entry(TOP1, text="-"), r"\multicolumn{2}{c}{--}"),
        (PUBLISHED, Entry(TOP1, published=91.0, published_std=0.1), r"91.00 & \,$\pm$\,0.10"),
        (PUBLISHED, Entry(TOP1), " & "),
        (PUBLISHED, Entry(TOP1, published_text="n/a"), r"\multicolumn{2}{c}{n/a}"),
        (PUBLISHED, Entry(TOP1, published=91.0, sign="~"), r"$\sim$91.00 & "),
        (MEASURED, Entry(TOP1, value=91.0, n=1, contrast=BETTER), r"91.00 & $^\dagger$"),
        (CONTRAST, Entry(TOP1, value=91.0, n=1, contrast=BETTER), r"$+$0.50 & \,$\pm$\,0.25"),
        (CONTRAST, Entry(TOP1, value=91.0, n=1), " & "),
        (DIFFERENCE, Entry(TOP1, difference=0.5, verdict="close"), "$+$0.50 & close"),
        (DIFFERENCE, Entry(TOP1, difference=-0.5, verdict="off"), "$-$0.50 & off"),
        (DIFFERENCE, Entry(TOP1, difference=0.001, verdict="match"), r"$\pm$0.00 & match"),
        (DIFFERENCE, Entry(TOP1, verdict="not run"), r"\multicolumn{2}{c}{not run}"),
    ],
)
def test_an_entry_is_typeset_in_two_columns(field, entry, expected):
    assert field.cell(entry, 3) == expected


def test_published_fields_stand_where_there_are_published_numbers(table, plain_table):
    assert len(Layout(table).fields[0]) == 3
    assert len(Layout(plain_table).fields[0]) == 1


def test_a_column_whose_published_numbers_are_all_unknown_has_no_differences(plain_table):
    entries = tuple(
        tuple(replace(entry, published_text="n/a", verdict="n/a") for entry in row)
        for row in plain_table.entries
    )
    (measured, published), *_ = Layout(replace(plain_table, entries=entries)).fields
    assert (measured.title, published.title) == ("measured", "published")


def test_differences_to_a_baseline_have_columns_where_a_table_names_one(plain_table):
    first, *rest = plain_table.entries
    entries = ((replace(first[0], contrast=BETTER), *first[1:]), *rest)
    table = replace(plain_table, entries=entries)
    assert len(Layout(table).fields[0]) == 1
    _, contrast = Layout(replace(table, baseline="conv_1")).fields[0]
    assert contrast.title == r"$-$\,conv\_1"


def test_numbers_with_nothing_behind_them_are_one_column_filled_up(plain_table):
    row = list(plain_table.entries[0])
    row[0] = replace(row[0], value=9.0)
    layout = Layout(replace(plain_table, entries=(tuple(row), *plain_table.entries[1:])))
    assert layout.specification([0]) == "c"
    assert next(layout.cells([0], row)) == r"\phantom{0}\underline{9.00}"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry(TOP1, published=69.758), "69.758"),
        (Entry(TOP1, published=6.5), r"\phantom{0}6.50\phantom{0}"),
        (Entry(COUNT, published=7.0), r"\phantom{0}7\phantom{.000}"),
        (Entry(TOP1, published_text="n/a"), "n/a"),
    ],
    ids=["longest", "shorter", "whole", "words"],
)
def test_points_of_numbers_of_a_column_stand_below_each_other(entry, expected):
    assert replace(PUBLISHED, span=1, whole=2, decimals=3).cell(entry, 3) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("-1", "$-$1"), ("+1", "$+$1"), ("±0", r"$\pm$0"), ("1", "1"), ("", "")]
)
def test_signs_are_mathematics(text, expected):
    assert signed(text) == expected


def test_width_counts_what_can_be_seen(table, plain_table):
    measured, published, difference = "61.01,,0.01 (n=2)d,b", "published", "-0.19close"
    assert Layout(table).widths[1] == len(measured + published + difference) + 3 * 2
    assert Layout(plain_table).widths[0] == len("top1 ↑ (percent)") + 2
    assert Layout(table).label_width == len("dataset") + 2
