import pytest

from kbench.errors import SuiteError
from kbench.report.headings import Heading
from kbench.report.lookup import Paper, find_papers
from kbench.report.quantity import plain
from kbench.table_file import PublishedSpec

DIGITS, CONV = Heading(("digits",)), Heading(("conv",))


def find(published, row=DIGITS, column=CONV, metric="top1", **spec):
    mapping = PublishedSpec.model_validate({"table": "table1"} | spec)
    paper = Paper(mapping, published.tables[0])
    return [cell.value for cell in paper.find_cells(row, column, plain(metric))]


def test_a_label_is_its_own_id(published):
    assert find(published, column=Heading(("baseline",))) == [91.5]


def test_labels_are_mapped(published):
    assert find(published, rows={"digits": "svhn"}, columns={"conv": "baseline"}) == [60.0]


def test_a_metric_is_mapped_by_its_base(published):
    column = Heading(("baseline",))
    assert find(published, column=column, metric="loss.layer1", metrics={"loss": "top1"}) == [91.5]


def test_a_part_may_be_a_row_of_the_paper(published):
    row = Heading(("resnet",), part="layer1")
    given = {"rows": {"resnet/layer1": "svhn"}, "columns": {"conv": "baseline"}}
    assert find(published, row=row, **given) == [60.0]


def test_a_single_place_comes_before_rows_and_columns(published):
    cells = [{"ours": ["digits", "conv"], "paper": ["svhn", "lc"]}]
    assert find(published, columns={"conv": "baseline"}, cells=cells) == [61.2]
    other = [{"ours": ["digits", "conv", "loss"], "paper": ["svhn", "lc"]}]
    assert find(published, columns={"conv": "baseline"}, cells=other) == [91.5]


def test_a_place_that_the_paper_lacks_has_no_cell(published):
    assert find(published, column=Heading(("niff",))) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"columns": {"conv": "bassline"}}, r"unknown column 'bassline' \(did you mean 'baseline'"),
        ({"metrics": {"top1": "top5"}}, r"unknown metric 'top5'"),
        ({"cells": [{"ours": ["a", "b"], "paper": ["svnh", "lc"]}]}, r"unknown row 'svnh'"),
    ],
    ids=["column", "metric", "cell"],
)
def test_ids_that_the_paper_lacks_are_named(make_suite, published, spec, message):
    suite = make_suite(paper="demo", published={"table": "table1"} | spec)
    with pytest.raises(SuiteError, match=message):
        find_papers(suite, suite.tables[0], published)


def test_an_id_that_the_paper_does_not_have_is_refused(make_suite, published):
    suite = make_suite(paper="demo", published={"table": "table1", "rows": {"digits": "digit"}})
    message = "suite 'demo': table 'main': published row: unknown row 'digit'"
    with pytest.raises(SuiteError, match=message):
        find_papers(suite, suite.tables[0], published)


def test_a_paper_without_a_file_is_refused(make_suite):
    suite = make_suite(paper="demo", published="table1")
    with pytest.raises(SuiteError, match="there are no published numbers of paper 'demo'"):
        find_papers(suite, suite.tables[0], None)
