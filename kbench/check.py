"""The command `check`: are suites right, before anything runs."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from kbench.cell import Cell
from kbench.cost import Cost
from kbench.expansion import Suite
from kbench.formats import format_count, format_table
from kbench.listing import is_suite
from kbench.plan import find_costs, network_of
from kbench.published_counts import PublishedCount, find_published_counts
from kbench.report.suites import check_tables
from kbench.suite import load_suite

EXIT_COUNT_DIFFERS = 1
HEADERS = ("dataset", "architecture", "operator", "params", "learnable", "MACs")
PUBLISHED_HEADERS = ("published", "difference")

Counts = Mapping[Hashable, Sequence[PublishedCount]]
Costs = Mapping[Hashable, Cost | str | None]


def check_suites(paths: Sequence[Path], *, verbose: bool) -> int:
    """Load suites, expand every scale, build every distinct network without memory, print all.

    Args:
        paths: Suite files; recipes and published numbers among them, as in `suites/**/*.yaml`, are
            told and left out.
        verbose: Whether every layer of every network has a line.

    Returns:
        The exit status: 1 if a published number of parameters is off.

    Raises:
        SuiteError: If anything is wrong.
    """
    for path in paths:
        if not is_suite(path):
            click.echo(f"{path}: no suite by its folder, left out", err=True)
    suites = filter(is_suite, paths)
    findings = [line for path in suites for line in _check(load_suite(path), verbose=verbose)]
    for line in findings:
        click.echo(line)
    return EXIT_COUNT_DIFFERS if findings else 0


def _check(suite: Suite, *, verbose: bool) -> list[str]:
    """Print what is known of a suite and return its counts that are off."""
    networks: dict[Hashable, Cell] = {}
    for scale in suite.scales:
        cells = suite.cells(scale)
        for cell in cells:
            networks.setdefault(network_of(cell), cell)
        click.echo(f"{suite.path}: scale {scale}: {len(cells)} cells")
    check_tables(suite, suite.scales)
    costs = find_costs(suite, networks.values())
    published = find_published_counts(suite)
    invalid = sum(isinstance(cost, str) for cost in costs.values())
    click.echo(f"{suite.path}: {len(costs)} networks, {invalid} of them invalid")
    headers = (*HEADERS, *(PUBLISHED_HEADERS if published else ()))
    rows = [_row(cell, costs[key], published.get(key, ())) for key, cell in networks.items()]
    click.echo(format_table(headers, [row[: len(headers)] for row in rows]))
    if verbose:
        for text in _summaries(networks, costs):
            click.echo(text)
    return [line for key in networks for line in _findings(networks[key], costs[key], published)]


def _row(
    cell: Cell, cost: Cost | str | None, published: Sequence[PublishedCount]
) -> tuple[str, ...]:
    names = (cell.dataset.label, cell.architecture.label, cell.operator.label)
    if not isinstance(cost, Cost):
        return (*names, "needs torch" if cost is None else f"invalid: {cost}", "", "", "", "")
    numbers = (f"{cost.num_params:,}", f"{cost.num_learnable_params:,}", format_count(cost.macs))
    counts = [(count, cost.metrics[count.metric]) for count in published]
    return (
        *names,
        *numbers,
        "; ".join(count.printed for count in published),
        "; ".join(f"{ours - count.value:+,.0f} {count.verdict(ours)}" for count, ours in counts),
    )


def _summaries(networks: Mapping[Hashable, Cell], costs: Costs) -> Iterator[str]:
    from kbench.network_summary import format_summary, summarise_network

    for key, cell in networks.items():
        if isinstance(costs[key], Cost):
            yield f"\n{_name(cell)}\n{format_summary(summarise_network(cell))}"


def _findings(cell: Cell, cost: Cost | str | None, published: Counts) -> Iterator[str]:
    """Yield a line for every published count that a network's is off."""
    if not isinstance(cost, Cost):
        return
    for count in published.get(network_of(cell), ()):
        ours = cost.metrics[count.metric]
        if count.verdict(ours) == "off":
            yield (
                f"{count.where}: {_name(cell)}: {count.metric} {ours:,.0f}, published"
                f" {count.printed} ({count.source}), difference {ours - count.value:+,.0f}"
            )


def _name(cell: Cell) -> str:
    return f"{cell.architecture.label} with {cell.operator.label} on {cell.dataset.label}"
