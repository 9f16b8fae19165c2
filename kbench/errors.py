"""What a user can fix, as exceptions.

    KBenchError                       shown as one line per finding, without traceback
      SuiteError (ValueError)         suite file: malformed, unknown key or option
      UnknownNameError (LookupError)  a name that is in no registry
      UnsupportedError (ValueError)   an operator or network that cannot exist with these arguments
        UnfoldableError (TypeError)   an operator that is no plain convolution at inference
      ExtensionError                  code of a user's own that cannot be imported
      DatasetError                    data or ffcv missing, wrong checksum
      CheckpointError                 checkpoint unreadable or of another cell
      InterruptedCellError            a cell that was asked to stop, checkpoint saved
      ExecutorError                   a cell or a job that could not be started
      RecordError                     result file unreadable or of another schema version

Wrong use by a programmer (a constructor's argument) is `ValueError` or `TypeError`, as in torch.
"""

import difflib
from collections.abc import Iterable


class KBenchError(Exception):
    """Base of every error that a user can fix."""


class SuiteError(KBenchError, ValueError):
    """A suite file is malformed or means something that cannot be.

    Attributes:
        findings: One line per finding, in the order of the file.
    """

    def __init__(self, findings: Iterable[str]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(self.findings))


class UnknownNameError(KBenchError, LookupError):
    """A name that is in no registry."""


class UnsupportedError(KBenchError, ValueError):
    """A combination that cannot exist; a plan shows it as `invalid: reason`."""


class UnfoldableError(UnsupportedError, TypeError):
    """An operator that is no plain convolution at inference was asked for one."""


class ExtensionError(KBenchError):
    """Code of a user's own, or of an installed package, cannot be imported."""


class DatasetError(KBenchError):
    """Data is missing, damaged or not what its checksum says."""


class CheckpointError(KBenchError):
    """A checkpoint is unreadable or belongs to another cell."""


class InterruptedCellError(KBenchError):
    """A cell was asked to stop; its checkpoint is saved and the next run goes on from there."""


class ExecutorError(KBenchError):
    """A cell or a job could not be started."""


class RecordError(KBenchError):
    """A result file is unreadable or of another schema version."""


def guess(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the nearest known name, or nothing."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not among the known ones."""
    known = sorted(known)
    return f"unknown {kind} {name!r}{guess(name, known)}; known: {', '.join(known)}"


def unknown_option(kind: str, name: str, option: str, known: Iterable[str]) -> str:
    """Return the message for an option that a factory does not take."""
    known = sorted(known)
    return f"{kind} {name!r} has no option {option!r}{guess(option, known)}; it takes {known}"
