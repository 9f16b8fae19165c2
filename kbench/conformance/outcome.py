"""What a check of an operator can find, and how it is run over its cases."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from kbench.conformance.cases import Case, usual_cases
from kbench.conformance.subject import RefusedError, Subject
from kbench.extensions import FAULTS

Status = Literal["ok", "refused", "declared", "not offered", "failed"]


class MismatchError(Exception):
    """What was found is not what was expected."""


class NotOfferedError(Exception):
    """The operator has nothing that the check could try."""


@dataclass(frozen=True)
class Result:
    """What a check found in one case.

    Attributes:
        status: `refused` if the operator cannot exist with these arguments and says why,
            `declared` if it says itself that it does not meet the check.
        detail: The reason; for `failed` what was found and what was expected.
    """

    check: str
    case: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Check:
    """One promise of an operator.

    Attributes:
        function: Returns what is worth showing, or raises `MismatchError` or `NotOfferedError`; any
            of `FAULTS` from the operator is a failure too.
        cases: Returns the arguments to try for a number of axes.
        is_single: Whether the first case that the operator does not refuse is enough.
        is_slow: Whether it takes seconds.
    """

    name: str
    function: Callable[[Subject, Case], str | None]
    cases: Callable[[int], list[Case]] = usual_cases
    is_single: bool = False
    is_slow: bool = False

    def run(self, subject: Subject) -> Iterator[Result]:
        """Yield what is found in every case."""
        for case in self.cases(subject.dims):
            result = Result(self.name, case.label, *self._try(subject, case))
            yield result
            if self.is_single and result.status != "refused":
                return

    def _try(self, subject: Subject, case: Case) -> tuple[Status, str]:
        try:
            return "ok", self.function(subject, case) or ""
        except NotOfferedError as error:
            return "not offered", str(error)
        except RefusedError as error:
            return "refused", str(error)
        except MismatchError as error:
            found = str(error)
        except FAULTS as error:
            found = f"{type(error).__name__}: {_first_line(str(error))}"
        declared = _declared(subject, case, self.name)
        return ("declared", declared) if declared else ("failed", found)


def _declared(subject: Subject, case: Case, check: str) -> str:
    """Return the operator's own reason for not meeting a check, or nothing."""
    try:
        return str(getattr(subject.build(case), "conformance_exceptions", {}).get(check, ""))
    except (RefusedError, *FAULTS):
        return ""


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")
