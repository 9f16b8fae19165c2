import pytest

from kbench.report.side import find_side


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        ("dataset", "operator", ("row", {0})),
        ("operator", "dataset", ("column", {0})),
        ("dataset", ["architecture", "operator"], ("row", {1})),
        ("operator.expansion", ["dataset", "operator.frozen"], ("row", {1})),
        ("operator", "operator.expansion", ("column", {0})),
        ("architecture", "dataset", ("column", {0})),
        ("dataset", "recipe.lr", ("row", {0})),
    ],
    ids=["columns", "rows", "inner", "options", "name-first", "architecture", "recipe"],
)
def test_operators_are_compared_where_they_stand(make_suite, rows, columns, expected):
    side = find_side(make_suite(rows=rows, columns=columns).tables[0])
    assert (side.name, side.levels) == expected


def test_datasets_are_never_compared(make_suite):
    assert find_side(make_suite(rows="dataset", columns="dataset.size").tables[0]) is None
