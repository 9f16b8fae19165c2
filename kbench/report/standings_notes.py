"""Footnotes of a table about comparisons: the best of a block, and tests against a baseline."""

from collections.abc import Sequence

from kbench.report.best import Standings
from kbench.report.numbers import BETTER, WORSE
from kbench.report.statistics import LEVEL
from kbench.report.table import Entry
from kbench.table_file import TableSpec


def best_notes(spec: TableSpec, standings: Standings, entries: Sequence[Entry]) -> list[str]:
    """Return what bold and underlined numbers mean; nothing without any."""
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


def baseline_notes(spec: TableSpec, standings: Standings, entries: Sequence[Entry]) -> list[str]:
    """Return what the marks of a test against the baseline mean; nothing without one."""
    is_measured = any(entry.value is not None for entry in entries)
    if spec.compare is None or standings.side is None or not is_measured:
        return []
    name = spec.labels.get(spec.compare.baseline, spec.compare.baseline)
    if not standings.contrasts:
        return [f"not tested against {name}, which takes two seeds of both"]
    contrasts = standings.contrasts.values()
    tests = " or ".join(sorted({contrast.test for contrast in contrasts}, reverse=True))
    how = f"two-sided {tests}, Holm's correction within the {standings.side.name}, level {LEVEL:g}"
    notes = [f"{BETTER} significantly better, {WORSE} significantly worse than {name} ({how})"]
    if spec.compare.intervals:
        notes.append(
            f"\N{MINUS SIGN} {name}: mean difference and half of its 95 % confidence interval,"
            " which is not corrected for the number of comparisons"
        )
    return notes
