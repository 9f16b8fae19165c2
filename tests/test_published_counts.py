"""Published parameter counts: which network they belong to, and how far rounding explains."""

import pytest

from kbench.errors import SuiteError
from kbench.plan import network_of
from kbench.published_counts import PublishedCount, find_published_counts
from kbench.suite import load_suite

TABLE = """
  - id: {id}
    source: Table 3
    title: Sizes
    metric: {metric}
    unit: {unit}
    higher_is_better: false
    protocol: {{runs: 1, spread: none, selection: last}}
    rows: [{{id: digits, label: Digits}}]
    columns: [{{id: plain, label: Plain}}, {{id: size, label: Size}}]
    cells:
"""
HEAD = """
paper: demo
citation:
  {title: T, authors: [A], venue: V, year: 2024, arxiv: null, doi: null, code: null,
   code_licence: null}
tables:"""
SIZE = {"id": "size", "rows": "dataset", "columns": "operator", "metric": "num_params"}
MAPPING = {"table": "sizes", "columns": {"conv": "plain"}}


@pytest.fixture
def counts(write_suite):
    """Return a function that gives the published counts of a suite, by architecture's name."""

    def find(
        cells,
        *,
        metric="params_m",
        unit="million",
        spec=MAPPING,
        table=None,
        evidence="table",
        **keys,
    ):
        lines = "".join(
            f"      - {{row: digits, evidence: {evidence}, {cell}}}\n" for cell in cells
        )
        given = [SIZE | {"published": spec} | (table or {})]
        suite = load_suite(write_suite(paper="demo", **({"tables": given} | keys)))
        folder = suite.path.parent / "published"
        folder.mkdir()
        text = HEAD + TABLE.format(id="sizes", metric=metric, unit=unit) + lines
        (folder / "demo.yaml").write_text(text)
        networks = {network_of(cell): cell for scale in suite.scales for cell in suite.cells(scale)}
        found = find_published_counts(suite)
        return {networks[key].architecture.name: value for key, value in found.items()}

    return find


def test_value_and_rounding_are_in_parameters(counts) -> None:
    (count,) = counts(["column: plain, value: 0.66"])["resnet8_cifar"]
    assert (count.metric, count.printed) == ("num_params", "0.66 million")
    assert count.value == pytest.approx(660_000)
    assert count.rounding == pytest.approx(5_000)
    assert count.source == "Table 3, row 'digits', column 'plain'"


@pytest.mark.parametrize(
    ("value", "rounding"),
    [("0.7", 50_000), ("0.70", 5_000), ("0.700", 500), ("20.0", 50_000), ("8", 500_000)],
)
def test_a_trailing_zero_is_a_printed_decimal(counts, value, rounding) -> None:
    (count,) = counts([f"column: plain, value: {value}"])["resnet8_cifar"]
    assert count.rounding == pytest.approx(rounding)


def test_a_declared_precision_widens_the_rounding(counts) -> None:
    cell = "column: plain, value: 1.0, precision: 0.5"
    (count,) = counts([cell])["resnet8_cifar"]
    assert count.rounding == pytest.approx(500_000)


def test_plain_counts_are_known_to_one_half(counts) -> None:
    cells = ["column: plain, value: 129045"]
    (count,) = counts(cells, metric="num_params", unit="count")["resnet8_cifar"]
    assert (count.value, count.rounding) == (129_045, 0.5)


def test_learnable_parameters_are_a_metric_of_their_own(counts) -> None:
    cells = ["column: plain, value: 12314"]
    (count,) = counts(cells, metric="num_learnable_params", unit="count")["resnet8_cifar"]
    assert count.metric == "num_learnable_params"


def test_cells_that_carry_the_metric_count_in_any_table(counts) -> None:
    cells = [
        "column: plain, value: 91.5",
        "column: size, value: 0.47, metric: params_m, unit: million",
    ]
    spec = {"table": "sizes", "columns": {"conv": "plain", "conv/num_params": "size"}}
    found = counts(cells, metric="top1", unit="percent", spec=spec, table={"metric": "top1"})
    assert [count.printed for count in found["resnet8_cifar"]] == ["0.47 million"]


@pytest.mark.parametrize(
    "cell",
    [
        "column: size, value: 0.47",
        "column: plain, value: 0.47, unit: parsec",
        "column: plain, value: 0.47, kind: ratio",
        "column: plain, value: 0.47, metric: top1, unit: percent",
    ],
    ids=["elsewhere", "unit", "kind", "metric"],
)
def test_what_cannot_be_compared_is_no_count(counts, cell) -> None:
    assert counts([cell]) == {}


def test_a_number_that_is_not_known_is_no_count(counts) -> None:
    assert counts(["column: plain, value: null"], evidence="unknown") == {}


def test_a_suite_that_names_no_published_table_has_none(write_suite) -> None:
    assert find_published_counts(load_suite(write_suite(tables=[SIZE]))) == {}


def test_networks_of_other_scales_have_no_published_count(counts) -> None:
    grid = [{"dataset": "digits", "architecture": "resnet14_cifar", "operator": "conv"}]
    found = counts(["column: plain, value: 0.47"], scales={"smoke": {"grid": grid}})
    assert list(found) == ["resnet8_cifar"]


def test_one_count_in_two_places_is_found_once(counts) -> None:
    recipe = [{"lr": 0.1}, {"lr": 0.2}]
    grid = [
        {"dataset": "digits", "architecture": "resnet8_cifar", "operator": "conv", "recipe": recipe}
    ]
    table = {"columns": ["operator", "recipe.lr"]}
    spec = {"table": "sizes", "columns": {"conv/0.1": "plain", "conv/0.2": "plain"}}
    found = counts(["column: plain, value: 0.47"], spec=spec, table=table, grid=grid)
    assert len(found["resnet8_cifar"]) == 1


def test_a_place_of_two_networks_is_refused_as_in_the_report(counts) -> None:
    architecture = ["resnet8_cifar", "resnet14_cifar"]
    grid = [{"dataset": "digits", "architecture": architecture, "operator": "conv"}]
    with pytest.raises(
        SuiteError, match=r"cells that differ in more than the seed; .*: architecture$"
    ):
        counts(["column: plain, value: 0.47"], grid=grid)


@pytest.mark.parametrize(
    ("ours", "tolerance", "verdict"),
    [
        (665_000, None, "match"),  # the limit belongs to it
        (655_000, None, "match"),
        (665_001, None, "off"),
        (654_999, 6_000.0, "close"),
        (670_000, 10_000.0, "close"),
        (670_001, 10_000.0, "off"),
        (662_000, 0.0, "match"),
    ],
)
def test_verdict_is_that_of_rounding_then_of_the_tolerance(ours, tolerance, verdict) -> None:
    count = PublishedCount("num_params", "0.66 million", 660_000.0, 5_000.0, tolerance, "", "")
    assert count.verdict(ours) == verdict
