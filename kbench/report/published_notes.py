"""Footnotes of a table about its published numbers: sources, and what verdicts mean."""

from collections.abc import Iterable, Sequence

from kbench.report.published import PublishedTable
from kbench.report.reference import is_count
from kbench.report.table import NOT_KNOWN, Entry
from kbench.table_file import ToleranceSpec

SPREADS = {
    "none": "no spread",
    "sample_std": "± is the sample standard deviation",
    "unknown": "meaning of ± not stated, read as a sample standard deviation",
}
MATCH = (
    "match: the published value lies in the seed noise, that is in the 95 % interval of Welch's"
    " test where the paper gives a standard deviation and its runs, else in the prediction interval"
    " of the paper's number of runs (of one run where it is not stated)"
)
COUNTED = "; a count matches within the decimals that are printed"
NOT_COMPARED = "n/a: no published number, another protocol, or neither seed noise nor a tolerance"
READ = "~: read off a figure"


def source_notes(tables: Iterable[PublishedTable]) -> list[str]:
    """Return where published numbers stand and how they came about, a line for each table."""
    return list(map(_source_note, tables))


def _source_note(table: PublishedTable) -> str:
    protocol = table.protocol
    runs = "number of runs not stated" if protocol.runs is None else f"runs: {protocol.runs}"
    source = (
        f"published: {table.source}; {runs}; {SPREADS[protocol.spread]};"
        f" epoch reported: {protocol.selection.replace('_', ' ')}"
    )
    return ". ".join(part.rstrip(".") for part in (source, protocol.note, table.note) if part)


def legend(tolerance: ToleranceSpec, entries: Sequence[Entry]) -> list[str]:
    """Return what the verdicts mean that a table has; nothing without any."""
    legends = {
        "match": MATCH + (COUNTED if any(is_count(entry.metric) for entry in entries) else ""),
        "close": f"close: no match, but within the tolerance{_tolerance_text(tolerance)}",
        "off": "off: outside",
        NOT_KNOWN: NOT_COMPARED,
    }
    given = {
        entry.verdict
        for entry in entries
        if entry.published is not None or entry.published_text == NOT_KNOWN
    }
    texts = [text for verdict, text in legends.items() if verdict in given]
    texts += [READ] if any(entry.sign == "~" for entry in entries) else []
    return ["; ".join(texts)] if texts else []


def _tolerance_text(tolerance: ToleranceSpec) -> str:
    parts = [f"{value:g} ({name})" for name, value in tolerance.metrics.items()]
    parts += [f"{tolerance.all:g}"] if tolerance.all is not None else []
    reason = f", as {tolerance.reason}" if tolerance.reason else ""
    return f" of {', '.join(parts)}{reason}" if parts else ""
