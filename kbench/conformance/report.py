"""The results of all checks of an operator, as a table."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from kbench.conformance.checks import CHECKS
from kbench.conformance.outcome import Result
from kbench.conformance.subject import Subject
from kbench.formats import format_table

HEADERS = ("check", "cases", "result", "detail")
STATUSES = ("ok", "declared", "refused", "not offered", "failed")


@dataclass(frozen=True)
class Conformance:
    """What was found about an operator.

    Attributes:
        title: Name, options and number of axes.
    """

    title: str
    results: tuple[Result, ...]

    @property
    def failures(self) -> tuple[Result, ...]:
        """Return what makes the exit status 1."""
        return tuple(result for result in self.results if result.status == "failed")


def run_checks(subject: Subject, *, fast: bool, names: Iterable[str] = ()) -> Conformance:
    """Run the checks of these names, or all.

    An operator that refuses every usual convolution fails `construction`: nothing was tried.
    """
    wanted = set(names)
    results: list[Result] = []
    with warnings.catch_warnings():
        # Torch warns of even kernels under `same` and of zero channels, both tried on purpose.
        warnings.simplefilter("ignore", UserWarning)
        for check in CHECKS:
            if (not wanted or check.name in wanted) and not (fast and check.is_slow):
                results += check.run(subject)
    built = [result for result in results if result.check == "construction"]
    if built and all(result.status == "refused" for result in built):
        text = f"every usual convolution is refused, expected one: {built[0].detail}"
        results.append(Result("construction", "any", "failed", text))
    return Conformance(subject.title, tuple(results))


def format_conformance(found: Conformance, *, verbose: bool) -> str:
    """Return a table under a title: a line for each check and result, or for every case."""
    rows = [_line(result) for result in found.results] if verbose else _summaries(found.results)
    count = len(found.failures)
    verdict = f"{count} of {len(found.results)} failed" if count else "conforms"
    return f"operator {found.title}\n{format_table(HEADERS, rows)}\n{found.title}: {verdict}\n"


def _line(result: Result) -> tuple[str, ...]:
    return result.check, result.case, result.status, result.detail


def _summaries(results: Iterable[Result]) -> list[tuple[str, ...]]:
    """Return a row for each check and status; what an earlier check says of a case is said once."""
    rows: list[tuple[str, ...]] = []
    said: set[tuple[str, str, str]] = set()
    for check, group in groupby(results, key=lambda result: result.check):
        cases = [result for result in group if _key(result) not in said]
        for status in STATUSES:
            same = [result for result in cases if result.status == status]
            if same:
                rows.append((check, _count(same), status, _reasons(same)))
        said |= {_key(result) for result in cases if result.status in ("refused", "failed")}
    return rows


def _key(result: Result) -> tuple[str, str, str]:
    return result.case, result.status, result.detail


def _count(results: Sequence[Result]) -> str:
    if results[0].status in ("ok", "not offered"):
        return str(len(results))
    more = f" and {len(results) - 1} more" if len(results) > 1 else ""
    return f"{results[0].case}{more}"


def _reasons(results: Sequence[Result]) -> str:
    """Return the first reason, and how many others there are."""
    reasons = list(dict.fromkeys(result.detail for result in results if result.detail))
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}" if reasons else ""
