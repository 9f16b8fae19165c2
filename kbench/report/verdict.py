"""Verdicts: how a measured number stands to a published one."""

from kbench.report.reference import Reference, Verdict, is_within
from kbench.report.statistics import Summary, noise


def find_verdict(measured: Summary, reference: Reference, tolerance: float | None) -> Verdict:
    """Return how a measured mean stands to a published one.

    - `match` if the difference lies within the noise of the seeds (`statistics.noise`), or, for a
      count, within the digits that the paper prints; `close` if within the tolerance; `off` if in
      neither. What reading a figure may be wrong by is allowed for.
    - A lower bound is a `match` for what is not below it.
    - `n/a` if there is nothing to compare with.
    """
    if reference.value is None or not reference.is_comparable:
        return "n/a"
    is_bound = reference.sign == ">"
    distance = abs(measured.mean - reference.value)
    margin = _margin(measured, reference)
    if is_bound and measured.mean >= reference.value:
        return "match"
    if margin is not None and is_within(distance, margin + reference.reading):
        return "match"
    if tolerance is not None and is_within(distance, tolerance + reference.reading):
        return "close"
    is_known = margin is not None or tolerance is not None or is_bound
    return "off" if is_known else "n/a"


def _margin(measured: Summary, reference: Reference) -> float | None:
    """Return by how much seeds, or digits that are not printed, may move a number."""
    half_width = noise(measured, reference.std, reference.n)
    if reference.rounding is None:
        return half_width
    return max(half_width or 0.0, reference.rounding)
