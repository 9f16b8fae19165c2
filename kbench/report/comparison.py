"""A published number beside a measured one: difference and verdict."""

from dataclasses import replace

from kbench.report.measured import Measured
from kbench.report.reference import Reference
from kbench.report.statistics import summarise
from kbench.report.table import NOT_KNOWN, Entry
from kbench.report.verdict import find_verdict
from kbench.table_file import ToleranceSpec


def put_beside(
    entry: Entry, measured: Measured, reference: Reference, tolerance: ToleranceSpec
) -> Entry:
    """Return an entry with a published number beside the measured one.

    Args:
        entry: The measured number.
        measured: How it came about.
        reference: The published number.
        tolerance: What is still close.
    """
    entry = replace(
        entry,
        published=reference.value,
        published_std=reference.std,
        published_n=reference.n,
        published_text="" if reference.value is not None else reference.text or NOT_KNOWN,
        sign=reference.sign,
        sources=reference.sources,
        verdict=NOT_KNOWN,
    )
    if reference.value is None:
        return entry
    summary = summarise(measured.sample.values())
    if summary is None:
        is_to_run = measured.is_missing and measured.has_cells
        return replace(entry, verdict="not run" if is_to_run else NOT_KNOWN)
    entry = replace(entry, difference=summary.mean - reference.value)
    if not measured.is_papers_protocol:
        return entry
    verdict = find_verdict(summary, reference, tolerance.of(entry.metric.name))
    return replace(entry, verdict=verdict)
