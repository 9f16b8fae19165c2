"""Caption and footnotes that hold for a whole table."""

from collections.abc import Sequence

from kbench.metrics import Metric, find_metric
from kbench.report.best import Standings
from kbench.report.collect import Point
from kbench.report.published import PublishedTable
from kbench.report.statistics import LEVEL
from kbench.report.table import Entry, most_common_n
from kbench.suite_file import SuiteFile, TableSpec

ARROWS = {"max": " ↑", "min": " ↓", "none": ""}
SPREADS = {
    "none": "no spread",
    "sample_std": "± is the sample standard deviation",
    "unknown": "meaning of ± not stated, read as a sample standard deviation",
}
SPREAD = "mean ± sample standard deviation, n = {} seeds unless given; without ± a single seed"
MATCH = (
    "match: the published value lies in the seed noise, that is in the 95 % interval of Welch's"
    " test where the paper gives a standard deviation and its runs, else in the prediction interval"
    " of the paper's number of runs (of one run where it is not stated)"
)
NOT_COMPARED = "n/a: no published number, another protocol, or neither seed noise nor a tolerance"


def metric_label(metric: Metric) -> str:
    """Return name, direction and unit of a metric."""
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.name}{ARROWS[metric.direction]}{unit}"


def caption(suite: SuiteFile, spec: TableSpec) -> str:
    """Return the title, with the metric if there is one only."""
    title = spec.title or suite.title
    if len(spec.metric) > 1:
        return title
    return f"{title}: {metric_label(find_metric(spec.metric[0]))}"


def table_notes(
    suite: SuiteFile,
    spec: TableSpec,
    points: Sequence[Point],
    standings: Standings,
    paper: PublishedTable | None,
    grid: Sequence[Sequence[Entry]],
) -> tuple[str, ...]:
    """Return the footnotes of a table: spread, marks, protocol, published numbers, own notes."""
    entries = [entry for row in grid for entry in row]
    common_n = most_common_n(grid)
    whose = "full" if suite.paper is None else "paper's"
    notes = [] if points else ["no cell of the suite belongs into this table"]
    notes += [SPREAD.format(common_n)] if common_n else []
    notes += _best_notes(spec, standings, entries)
    notes += _protocol_notes(points, whose)
    if paper is not None:
        notes += _published_notes(spec, paper, entries)
    return (*notes, *suite.notes, *spec.notes)


def _best_notes(spec: TableSpec, standings: Standings, entries: Sequence[Entry]) -> list[str]:
    if standings.side is None or not any(entry.is_best for entry in entries):
        return []
    block = standings.side.name
    apart = standings.side.separating(spec)
    where = f"{block} (within each {' and '.join(apart)})" if apart else block
    second = "; underlined: best of the rest" if any(entry.is_second for entry in entries) else ""
    if not standings.tests:
        why = "n = 1, so that no test of significance is possible"
        return [f"bold: best value of a {where}{second}; {why}"]
    untested = ", not tested where n = 1" if standings.untested else ""
    tests = " or ".join(sorted(standings.tests, reverse=True))
    how = f"two-sided {tests}, Holm's correction within the {block}, level {LEVEL:g}{untested}"
    alike = f"best of a {where} and what is not significantly different from it"
    return [f"bold: {alike} ({how}){second}"]


def _protocol_notes(points: Sequence[Point], whose: str) -> list[str]:
    scales = dict.fromkeys(point.cell.scale for point in points if point.cell.scale != "full")
    notes = [f"scale {scale}: not the {whose} protocol" for scale in scales]
    for limit in dict.fromkeys(point.cell.limit for point in points):
        parts = [
            f"{count} {split} images"
            for split, count in (("training", limit.train), ("test", limit.test))
            if count is not None
        ]
        if parts:
            notes.append(f"limit: only the first {' and '.join(parts)}")
    return notes


def _published_notes(spec: TableSpec, paper: PublishedTable, entries: Sequence[Entry]) -> list[str]:
    protocol = paper.protocol
    runs = "number of runs not stated" if protocol.runs is None else f"runs: {protocol.runs}"
    source = (
        f"published: {paper.source}; {runs}; {SPREADS[protocol.spread]};"
        f" epoch reported: {protocol.selection.replace('_', ' ')}"
    )
    notes = [". ".join(part.rstrip(".") for part in (source, protocol.note, paper.note) if part)]
    if all(entry.published is None for entry in entries):
        return notes
    legends = {
        "match": MATCH,
        "close": f"close: no match, but within the tolerance of {spec.tolerance}",
        "off": "off: outside",
        "n/a": NOT_COMPARED,
    }
    given = {entry.verdict for entry in entries if entry.published is not None}
    legend = [text for verdict, text in legends.items() if verdict in given]
    return [*notes, "; ".join(legend)] if legend else notes
